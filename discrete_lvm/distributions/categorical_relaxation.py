"""What the relaxations of a categorical law have in common."""

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.distributions import one_hot_categorical
from discrete_lvm.distributions import parameters
from discrete_lvm.distributions import relaxation
from discrete_lvm.ops import floats
from discrete_lvm.ops import numerics


class CategoricalRelaxation(relaxation.Relaxation):
  """Abstract relaxation of a categorical law over `K` classes, event `[K]`.

  Args:
    temperature: Positive number, `Tensor` or variable, of shape `[]`, `[...]`
      or `[..., 1]` for logits `[..., K]`.
    logits: Floating `Tensor` or variable, shape `[..., K]`, or None.
    probs: Floating `Tensor` or variable, shape `[..., K]`, or None.
    **kwargs: As for `Relaxation`.

  Raises:
    ValueError: As for `Relaxation`; also if `K` is not static or below 2, or
      if `temperature` matches neither of its shapes.
  """

  def to_categorical(self):
    """Returns the discrete law, which is that of the argmax of a sample.

    Its parameters are those of this distribution, by reference, and its batch
    shape is theirs: temperatures of a larger one have no part in it.
    """
    return one_hot_categorical.OneHotCategorical(
        logits=self._logits,
        probs=self._probs,
        validate_args=self.validate_args,
        allow_nan_stats=self.allow_nan_stats,
    )

  def _float_logits(self):
    if self._logits is None:
      return ops.safe_log(floats.at_least_float32(self._probs))
    return floats.at_least_float32(self._logits)

  def _float_probs(self):
    if self._probs is None:
      return numerics.softmax(floats.at_least_float32(self._logits))
    return floats.at_least_float32(self._probs)

  def _column_temperature(self):
    # Of shape [] or [..., 1], to meet [..., K].
    temperature = self._float_temperature()
    if temperature.shape.rank == 0 or self._temperature_event_ndims():
      return temperature
    return temperature[..., tf.newaxis]

  def _temperature_event_ndims(self):
    return parameters.temperature_event_ndims(
        self._temperature, self._given_parameter()[0]
    )

  def _event_shape(self):
    return self._given_parameter()[0].shape[-1:]

  def _event_shape_tensor(self):
    return tf.shape(self._given_parameter()[0])[-1:]

  def _num_classes(self):
    parameter, name = self._given_parameter()
    return ops.static_num_classes(parameter, name, minimum=2)

  def _check_shapes(self):
    self._num_classes()
    if self._temperature.shape.rank is None:
      raise ValueError(
          'Expected a `temperature` of static rank; received shape '
          f'{self._temperature.shape}.'
      )
    self._temperature_event_ndims()

  def _value_assertions(self):
    if self._logits is None:
      return parameters.probs_assertions(self._probs)
    return parameters.logits_assertions(self._logits)

  def _check_event(self, x):
    if not x.shape[-1:].is_compatible_with(self.event_shape):
      raise ValueError(
          f'Expected an event of shape {self.event_shape}; received a value '
          f'of shape {x.shape}.'
      )


def parameter_properties(dtype):
  """Returns the TFP annotations of a categorical relaxation's parameters."""
  return {
      'temperature': relaxation.temperature_properties(
          lambda self: self._temperature_event_ndims(),
          dtype,
          shape_fn=lambda sample_shape: sample_shape[:-1],
      ),
      **parameters.categorical_parameter_properties(),
  }
