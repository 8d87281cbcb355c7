"""Independent categorical tokens: the plainest base of a discrete flow."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.distributions import distribution
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.distributions import parameters as parameters_lib
from discrete_lvm.distributions import sequence_distribution
from discrete_lvm.ops import centering
from discrete_lvm.ops import floats
from discrete_lvm.ops import numerics


class FactorizedCategorical(
    sequence_distribution.SequenceDistribution,
    distribution.AutoCompositeTensorDistribution,
):
  """Independent categorical tokens, each position with a law of its own.

  On one-hot events it is `tfd.Independent(OneHotCategorical(logits), 1)`, whose
  `log_prob` is differentiable in the event, so that a discrete flow on it
  trains; on codes it has the same laws without a one-hot vector.

  Args:
    logits: Floating `Tensor` or variable, shape `[..., length, K]`:
      unnormalised log-probabilities in nats; -inf is probability zero.
    dtype: Type of the events: floating, `[length, K]` of one-hot vectors; or
      integer, `[length]` of codes, which have no `mean` or `variance`.
    validate_args: Python `bool`: whether to check the values of logits and
      events (not under XLA, which drops assertions).
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If `logits` is not floating or its `length` or `K` not static,
      if `dtype` is neither floating nor an integer type that holds the codes,
      or if an event is of another shape.
    tf.errors.InvalidArgumentError: If an event is of another shape that is not
      static; under `validate_args`, if logits are NaN, +inf or all -inf, or if
      a token is not one-hot, or no code in `[0, K)`.

  Example:
    >>> d = dlvm.distributions.FactorizedCategorical(
    ...     tf.math.log([[.5, .25, .25], [.5, .5, 0.]]), dtype=tf.int32)
    >>> print(d.prob([[0, 1], [1, 1], [0, 2]]).numpy())
    [0.25  0.125 0.   ]
  """

  def __init__(
      self,
      logits,
      dtype=tf.float32,
      validate_args=False,
      name='FactorizedCategorical',
  ):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._logits = tensor_util.convert_nonref_to_tensor(
          logits, dtype_hint=tf.float32, name='logits'
      )
      parameters_lib.check_floating(self._logits, 'logits')
      shape = self._logits.shape
      if shape.rank is None or shape.rank < 2 or None in shape[-2:].as_list():
        raise ValueError(
            'Expected `logits` of shape [..., length, K] with static length '
            f'and K; received shape {shape}.'
        )
      super().__init__(
          *shape[-2:].as_list(),
          dtype,
          reparameterization_type=tfp.distributions.NOT_REPARAMETERIZED,
          validate_args=validate_args,
          # No statistic is undefined.
          allow_nan_stats=True,
          parameters=parameters,
          name=name,
      )

  @property
  def logits(self):
    """The argument `logits`."""
    return self._logits

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {'logits': tfp.util.ParameterProperties(event_ndims=2)}

  def _float_logits(self):
    return floats.at_least_float32(self._logits)

  def _token_logits(self, x):
    del x
    return self._float_logits()

  def _choose(self, logits):
    if self.dtype.is_integer:
      index = tf.argmax(logits, axis=-1, output_type=tf.int32)
      return tf.cast(index, self.dtype)
    return ops.one_hot_argmax(logits, dtype=self.dtype)

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='FactorizedCategorical')
    logits = centering.center(self._float_logits())
    return self._choose(ops.perturb(logits, seed=seed, sample_shape=[n]))

  def _mode(self):
    return self._choose(self._float_logits())

  def _mean(self):
    if self.dtype.is_integer:
      raise NotImplementedError(
          'Expected one-hot events for a mean; received codes, whose values '
          'are names.'
      )
    return numerics.softmax(self._float_logits())

  def _variance(self):
    probs = self._mean()
    return probs * (1 - probs)

  def _entropy(self):
    return tf.reduce_sum(ops.categorical_entropy(self._float_logits()), -1)

  def _parameter_control_dependencies(self, is_init):
    # What a variable holds is checked at each use, a constant once.
    if not self.validate_args or is_init == tensor_util.is_ref(self._logits):
      return []
    return parameters_lib.logits_assertions(self._logits)
