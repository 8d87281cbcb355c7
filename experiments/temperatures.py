"""The temperature of an estimator: fixed, annealed or learned."""

from collections.abc import Callable
from collections.abc import Sequence
import math
from typing import Any

import keras

import discrete_lvm as dlvm
from experiments import schedules

_LEARNED = 'learned:'


class LearnedTemperature(dlvm.training.WeightSchedule):
  """Logs the temperature that an estimator learns, and sets nothing.

  A schedule, since these add to the logs before others write them.

  Args:
    estimator: An estimator with a weight `log_temperature`.
  """

  def __init__(self, estimator: dlvm.estimators.Estimator):
    weight = estimator.log_temperature
    super().__init__(weight, lambda step: weight)

  def apply(self, step):
    del step

  def on_epoch_end(self, epoch, logs=None):
    if logs is not None:
      logs['temperature'] = math.exp(float(self.weight.numpy()))


def parse(text: str, num_steps: int) -> Callable | None:
  """Reads a temperature as a flag writes it.

  Args:
    text: `'learned:NUMBER'`, from that number on, or as for `schedules.parse`.
    num_steps: Steps for which the values are needed.

  Returns:
    A schedule, or None for a temperature that is learned.

  Raises:
    ValueError: If `text` is not of this form or the values are not positive.

  Example:
    >>> parse('learned:0.5', num_steps=10) is None
    True
  """
  if text.startswith(_LEARNED):
    _initial(text)
    return None
  return schedules.parse_positive(text, num_steps)


def constructor_arguments(text: str) -> dict[str, Any]:
  """Returns the arguments of an estimator of such a temperature.

  Args:
    text: As for `parse`.

  Returns:
    Keyword arguments; none for a schedule, which sets the weight itself.

  Raises:
    ValueError: If what is learned does not begin with a positive number.

  Example:
    >>> constructor_arguments('learned:0.5'), constructor_arguments('1')
    ({'temperature': 0.5, 'learn_temperature': True}, {})
  """
  if not text.startswith(_LEARNED):
    return {}
  return {'temperature': _initial(text), 'learn_temperature': True}


def _initial(text):
  try:
    value = float(text.removeprefix(_LEARNED))
  except ValueError:
    value = 0.0
  if not 0 < value < math.inf:
    raise ValueError(
        f'Expected a schedule, or a positive number after {_LEARNED!r}; '
        f'received {text!r}.'
    )
  return value


def callbacks(
    estimators: Sequence[dlvm.estimators.Estimator], schedule: Callable | None
) -> list[keras.callbacks.Callback]:
  """Makes the callbacks that set or log temperatures.

  Args:
    estimators: Estimators, with a temperature or without.
    schedule: What `parse` returned.

  Returns:
    One for each estimator with a temperature.
  """
  found: list[keras.callbacks.Callback] = []
  for estimator in estimators:
    if hasattr(estimator, 'log_temperature'):
      found.append(LearnedTemperature(estimator))
    elif hasattr(estimator, 'temperature') and schedule is not None:
      found.append(
          dlvm.training.WeightSchedule(estimator.temperature, schedule)
      )
  return found
