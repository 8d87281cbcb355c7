"""The categorical distribution over one-hot vectors."""

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops
from discrete_lvm.distributions import one_hot_distribution
from discrete_lvm.distributions import parameters as parameters_lib


class OneHotCategorical(one_hot_distribution.OneHotDistribution):
  """Categorical distribution over one-hot vectors of length `K`.

  It differs from `tfd.OneHotCategorical` in four ways:

  - `log_prob(x)` is differentiable in `x`, with gradient `log p`; TFP's stops
    that gradient, and then a discrete flow trains nothing but its base. On a
    vector that is not one-hot it is the linear extension `sum_k x[k] log p[k]`
    (0 nats on the zero vector), or an error under `validate_args`.
  - Logits of -inf (probability zero) are right in every method, with
    `0 log 0 = 0` and finite gradients. The gradient of `log_prob` in a
    coordinate of such a class is -87.3 (`log` of the smallest normal float32)
    instead of -inf.
  - Probabilities and log-probabilities are float32 at the least, under half
    precision parameters too.
  - Events are float32 by default, and `K` must be static.

  Args:
    logits: Floating `Tensor` or variable, shape `[..., K]`: unnormalised
      log-probabilities in nats. Exactly one of `logits` and `probs`.
    probs: Floating `Tensor` or variable, shape `[..., K]`; sums to one.
    dtype: Type of the events.
    validate_args: Python `bool`: whether to check the values of parameters and
      events (not under XLA, which drops assertions).
    allow_nan_stats: Python `bool`, as for `tfd.Distribution`.
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If not exactly one of `logits` and `probs` is given, if the
      given one is not floating or has no static `K` of at least 1, or if the
      last axis of an event is not `K`.
    tf.errors.InvalidArgumentError: If the last axis of an event is not `K`, and
      not static; under `validate_args`, if logits are NaN, +inf or all -inf, if
      `probs` are negative or do not sum to one, or if an event is not one-hot.

  Example:
    >>> d = dlvm.distributions.OneHotCategorical(probs=[.5, .25, .25])
    >>> x = tf.constant([0., 1., 0.])
    >>> with tf.GradientTape() as tape:
    ...   tape.watch(x)
    ...   log_prob = d.log_prob(x)
    >>> print(f'{log_prob:.4f}')
    -1.3863
    >>> print(tape.gradient(log_prob, x).numpy().round(4))
    [-0.6931 -1.3863 -1.3863]
  """

  def __init__(
      self,
      logits=None,
      probs=None,
      dtype=tf.float32,
      validate_args=False,
      allow_nan_stats=True,
      name='OneHotCategorical',
  ):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      super().__init__(
          logits,
          probs,
          dtype=tf.as_dtype(dtype),
          reparameterization_type=tfp.distributions.NOT_REPARAMETERIZED,
          validate_args=validate_args,
          allow_nan_stats=allow_nan_stats,
          parameters=parameters,
          name=name,
      )

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return parameters_lib.categorical_parameter_properties()

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='OneHotCategorical')
    sample = ops.sample_one_hot(
        self._float_logits(), seed=seed, sample_shape=[n]
    )
    return tf.cast(sample, self.dtype)
