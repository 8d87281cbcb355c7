"""What estimators with a temperature share."""

import math

import keras
import tensorflow as tf

from discrete_lvm.estimators import estimator
from discrete_lvm.ops import temperatures


class Relaxation(estimator.Estimator):
  """An estimator with a temperature; see the subclasses.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`:
      a weight, so that a schedule can set it inside a compiled step and a
      checkpoint restores it.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not one positive number.
  """

  _is_pathwise = True

  def __init__(self, temperature=1.0, **kwargs):
    super().__init__(**kwargs)
    temperatures.check_number(temperature)
    self._initial_temperature = float(temperature)
    self._make_temperature(temperature)

  def _make_temperature(self, temperature):
    self.temperature = self._add_temperature(temperature, 'temperature')

  def _add_temperature(self, temperature, name):
    """Adds a weight for a temperature."""
    return self.add_weight(
        name=name,
        shape=(),
        dtype='float32',
        autocast=False,
        initializer=keras.initializers.Constant(temperature),
        trainable=False,
        # Every replica sets the same value.
        aggregation='only_first_replica',
    )

  def get_config(self):
    return {**super().get_config(), 'temperature': self._initial_temperature}


class GumbelRelaxation(Relaxation):
  """A relaxation that can learn its temperature; see the subclasses.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`,
      or of the temperature that is learned.
    learn_temperature: Whether training moves the temperature down the gradient
      of the values, as it moves all else. In place of `temperature` there is
      then the trainable weight `log_temperature`, which no schedule sets.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not one positive number.
  """

  def __init__(self, temperature=1.0, learn_temperature=False, **kwargs):
    self._learn_temperature = learn_temperature
    super().__init__(temperature, **kwargs)

  def _make_temperature(self, temperature):
    if not self._learn_temperature:
      super()._make_temperature(temperature)
      return
    self.log_temperature = self.add_weight(
        name='log_temperature',
        shape=(),
        dtype='float32',
        autocast=False,
        initializer=keras.initializers.Constant(math.log(temperature)),
    )

  def _temperature(self):
    """Returns the temperature, differentiable where it is learned."""
    if self._learn_temperature:
      return tf.exp(self.log_temperature.value)
    return self.temperature.value

  def get_config(self):
    learn_temperature = self._learn_temperature
    return {**super().get_config(), 'learn_temperature': learn_temperature}
