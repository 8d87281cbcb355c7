"""A categorical distribution with a straight-through gradient."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.distributions import one_hot_distribution
from discrete_lvm.distributions import parameters as parameters_lib
from discrete_lvm.distributions import relaxation
from discrete_lvm.ops import temperatures


class StraightThroughOneHotCategorical(one_hot_distribution.OneHotDistribution):
  """Categorical distribution whose exact samples have a surrogate gradient.

  A sample is one-hot, bit for bit, and distributed as that of
  `OneHotCategorical`; so is every other method, `log_prob` (the categorical
  mass, differentiable in the event) first of all. But a sample has a gradient
  in the parameters, that of a soft surrogate:

  - Without a `temperature` it is the probabilities (straight-through).
  - With one it is the relaxed sample `softmax((logits + gumbel) / temperature)`
    that the sample is the argmax of (straight-through Gumbel-Softmax).

  Both gradients are biased; that of the probabilities is exact in the mean for
  a function linear in the sample. The distribution calls itself fully
  reparameterized, so that TFP differentiates through its samples.

  Args:
    logits: Floating `Tensor` or variable, shape `[..., K]`: unnormalised
      log-probabilities in nats. Exactly one of `logits` and `probs`.
    probs: Floating `Tensor` or variable, shape `[..., K]`; sums to one.
    temperature: Positive number, or `Tensor` or variable of shape `[]`, `[...]`
      or `[..., 1]`; or None.
    dtype: Type of the events, floating.
    validate_args: Python `bool`: whether to check the values of parameters and
      events (not under XLA, which drops assertions).
    allow_nan_stats: Python `bool`, as for `tfd.Distribution`.
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If not exactly one of `logits` and `probs` is given, if the
      given one is not floating or has no static `K` of at least 1, if `dtype`
      is not floating, if `temperature` is statically not positive or does not
      match the logits, or if the last axis of an event is not `K`.
    tf.errors.InvalidArgumentError: Under `validate_args`, as for
      `OneHotCategorical`, and if `temperature` is not positive.

  Example:
    >>> logits = tf.constant([0., 2., 1.])
    >>> with tf.GradientTape() as tape:
    ...   tape.watch(logits)
    ...   d = dlvm.distributions.StraightThroughOneHotCategorical(logits)
    ...   x = d.sample(seed=[0, 1])
    ...   loss = x[0]  # Exactly 0 or 1.
    >>> # The gradient of softmax(logits)[0].
    >>> print(tape.gradient(loss, logits).numpy().round(3))
    [ 0.082 -0.06  -0.022]

  References:
    Yoshua Bengio, Nicholas Leonard, Aaron Courville. Estimating or Propagating
    Gradients Through Stochastic Neurons. 2013.
    https://arxiv.org/abs/1308.3432. Section 4.
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Section 2.2.
  """

  def __init__(
      self,
      logits=None,
      probs=None,
      temperature=None,
      dtype=tf.float32,
      validate_args=False,
      allow_nan_stats=True,
      name='StraightThroughOneHotCategorical',
  ):
    parameters = dict(locals())
    dtype = tf.as_dtype(dtype)
    if not dtype.is_floating:
      raise ValueError(f'Expected a floating `dtype`; received {dtype.name}.')
    with tf.name_scope(name) as name:
      self._temperature = tensor_util.convert_nonref_to_tensor(
          temperature, dtype_hint=tf.float32, name='temperature'
      )
      super().__init__(
          logits,
          probs,
          dtype=dtype,
          reparameterization_type=tfp.distributions.FULLY_REPARAMETERIZED,
          validate_args=validate_args,
          allow_nan_stats=allow_nan_stats,
          parameters=parameters,
          name=name,
      )

  @property
  def temperature(self):
    """The argument `temperature`."""
    return self._temperature

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    properties = parameters_lib.categorical_parameter_properties()
    properties['temperature'] = relaxation.temperature_properties(
        lambda self: self._temperature_event_ndims(),
        dtype,
        shape_fn=lambda sample_shape: sample_shape[:-1],
        is_preferred=False,
    )
    return properties

  def _temperature_event_ndims(self):
    return parameters_lib.temperature_event_ndims(
        self._temperature, self._given_parameter()[0]
    )

  def _float_logits(self):
    # A batch of temperatures may be more than the batch of logits.
    return parameters_lib.broadcast_to_batch(
        self, super()._float_logits(), event_ndims=1
    )

  def _mean(self):
    return parameters_lib.broadcast_to_batch(
        self, super()._mean(), event_ndims=1
    )

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(
        seed, salt='StraightThroughOneHotCategorical'
    )
    logits = self._float_logits()
    if self._temperature is not None:
      sample = ops.gumbel_softmax(
          logits,
          self._temperature,
          seed=seed,
          sample_shape=[n],
          hard=True,
      )
    else:
      hard = ops.sample_one_hot(logits, seed=seed, sample_shape=[n])
      surrogate = tf.broadcast_to(self._mean(), tf.shape(hard))
      sample = ops.straight_through(hard, surrogate)
    return tf.cast(sample, self.dtype)

  def _parameter_control_dependencies(self, is_init):
    assertions = super()._parameter_control_dependencies(is_init)
    if self._temperature is None:
      return assertions
    if is_init:
      temperatures.check_positive(self._temperature)
      self._temperature_event_ndims()
    if self.validate_args and is_init != tensor_util.is_ref(self._temperature):
      temperature = tf.convert_to_tensor(self._temperature)
      assertions.append(
          tf.debugging.Assert(
              tf.reduce_all(temperature > 0),
              data=[
                  'Expected a positive `temperature`; received:',
                  temperature,
              ],
          )
      )
    return assertions
