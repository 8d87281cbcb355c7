"""The temperature of an estimator: fixed, annealed or learned."""

from collections.abc import Callable
from collections.abc import Sequence
import inspect
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


def constructor_arguments(text: str, name: str) -> dict[str, Any]:
  """Returns the arguments of an estimator of such a temperature.

  Args:
    text: As for `parse`.
    name: Name of the estimator, a key of `dlvm.estimators.ESTIMATORS`.

  Returns:
    Keyword arguments; none for a schedule, which sets the weight itself.

  Raises:
    ValueError: If what is learned does not begin with a positive number, or the
      estimator does not learn it.

  Example:
    >>> constructor_arguments('learned:0.5', 'gumbel_softmax')
    {'temperature': 0.5, 'learn_temperature': True}
    >>> constructor_arguments('1', 'reinmax')
    {}
  """
  if not text.startswith(_LEARNED):
    return {}
  arguments = {'temperature': _initial(text), 'learn_temperature': True}
  learners = [
      key
      for key, cls in dlvm.estimators.ESTIMATORS.items()
      if 'learn_temperature' in inspect.signature(cls).parameters
  ]
  if name not in learners:
    raise ValueError(
        f'Expected one of {", ".join(sorted(learners))}, which alone learn a '
        f'temperature, for --temperature_schedule={text}; received {name}.'
    )
  return arguments


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
