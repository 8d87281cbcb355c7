"""What estimators with a temperature share."""

import keras

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
    ValueError: If `temperature` is not positive.
  """

  _is_pathwise = True

  def __init__(self, temperature=1.0, **kwargs):
    super().__init__(**kwargs)
    self._initial_temperature = temperature
    self.temperature = self._add_temperature(temperature, 'temperature')

  def _add_temperature(self, temperature, name):
    """Adds a weight for a temperature."""
    temperatures.check_positive(temperature)
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
