"""What the relaxed distributions have in common."""

import abc

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.distributions import distribution
from tensorflow_probability.python.internal import dtype_util
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm.distributions import logits_or_probs
from discrete_lvm.distributions import parameters as parameters_lib
from discrete_lvm.ops import temperatures


class Relaxation(
    logits_or_probs.LogitsOrProbs, distribution.AutoCompositeTensorDistribution
):
  """Abstract relaxation of a discrete law: a temperature, logits or probs.

  All of its arithmetic is in float32 at the least, whatever the dtype of the
  parameters, and so is its `log_prob`.

  Args:
    temperature: Positive number, `Tensor` or variable.
    logits: Floating `Tensor` or variable, or None.
    probs: Floating `Tensor` or variable, or None.
    unbounded: Python `bool`, whether the samples live in log or logit space,
      which half precision cannot hold; `dtype` is then float32 at the least.
    **kwargs: `validate_args`, `allow_nan_stats`, `parameters` and `name` of
      `tfd.Distribution`.

  Raises:
    ValueError: If not exactly one of `logits` and `probs` is given, or the
      given one is not floating, or `temperature` is statically not positive.
  """

  def __init__(self, temperature, logits, probs, *, unbounded, **kwargs):
    parameters_lib.check_exactly_one(logits, probs)
    with tf.name_scope(kwargs.pop('name')) as name:
      dtype = dtype_util.common_dtype([logits, probs], tf.float32)
      float_dtype = tf.float64 if dtype == tf.float64 else tf.float32
      self._float_dtype = float_dtype
      # Half precision would round a temperature of 1e-3 by up to 0.4 %.
      self._temperature = tensor_util.convert_nonref_to_tensor(
          temperature, dtype_hint=float_dtype, name='temperature'
      )
      self._logits = tensor_util.convert_nonref_to_tensor(
          logits, dtype_hint=dtype, name='logits'
      )
      self._probs = tensor_util.convert_nonref_to_tensor(
          probs, dtype_hint=dtype, name='probs'
      )
      super().__init__(
          dtype=float_dtype if unbounded else dtype,
          reparameterization_type=tfp.distributions.FULLY_REPARAMETERIZED,
          name=name,
          **kwargs,
      )

  @property
  def temperature(self):
    """The argument `temperature`."""
    return self._temperature

  @abc.abstractmethod
  def _check_shapes(self):
    """Raises `ValueError` if the static shapes of the parameters don't fit."""

  @abc.abstractmethod
  def _value_assertions(self):
    """Returns assertions on the value of the given one of logits and probs."""

  def _float_temperature(self):
    return tf.cast(self._temperature, self._float_dtype)

  def _parameter_control_dependencies(self, is_init):
    parameter, name = self._given_parameter()
    if is_init:
      parameters_lib.check_floating(parameter, name)
      if not tensor_util.is_ref(self._temperature):
        temperatures.check_positive(self._temperature)
      self._check_shapes()
    if not self.validate_args:
      return []
    assertions = []
    # What a variable holds is checked at each use, a constant once.
    if is_init != tensor_util.is_ref(self._temperature):
      assertions.append(
          tf.debugging.assert_positive(
              self._float_temperature(),
              message='Expected a positive `temperature`.',
          )
      )
    if is_init != tensor_util.is_ref(parameter):
      assertions.extend(self._value_assertions())
    return assertions

  def _no_closed_form(self, statistic, alternative):
    raise NotImplementedError(
        f'`{statistic}` of {type(self).__name__} has no closed form; '
        f'use {alternative}.'
    )


def temperature_properties(event_ndims, dtype, shape_fn, is_preferred=True):
  """Returns the TFP annotation of `temperature`.

  Args:
    event_ndims: As for `tfp.util.ParameterProperties`.
    dtype: Dtype of the distribution.
    shape_fn: As for `tfp.util.ParameterProperties`.
    is_preferred: As for `tfp.util.ParameterProperties`.
  """
  return tfp.util.ParameterProperties(
      event_ndims=event_ndims,
      shape_fn=shape_fn,
      default_constraining_bijector_fn=lambda: tfp.bijectors.Softplus(
          low=dtype_util.eps(dtype)
      ),
      is_preferred=is_preferred,
  )
