"""The grammar in which flags write schedules."""

from collections.abc import Callable
import inspect
import math

import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm

SYNTAX = (
    "a number, or 'KIND:name=number,...' with KIND one of constant, exponential"
    ' (initial, rate, minimum, every), linear or cosine (initial, final,'
    ' num_steps, begin), cyclic (initial, final, period, ramp), rectified'
    ' (initial, beta_2)'
)

_KINDS = {
    'cosine': dlvm.ops.CosineSchedule,
    'cyclic': dlvm.ops.CyclicSchedule,
    'exponential': dlvm.ops.ExponentialSchedule,
    'linear': dlvm.ops.LinearSchedule,
    'rectified': dlvm.ops.RectifiedSchedule,
}


def parse(text: str) -> Callable:
  """Reads a schedule as a flag writes it.

  Args:
    text: A number or `'constant:NUMBER'`; or `'KIND:name=number,...'` with the
      arguments of `ops.ExponentialSchedule`, `LinearSchedule`,
      `CosineSchedule`, `CyclicSchedule` or `RectifiedSchedule`.

  Returns:
    A schedule: a function of the step.

  Raises:
    ValueError: If `text` is not of this form, or as the schedule raises; or if
      a number is negative or not finite.

  Example:
    >>> parse('exponential:initial=1,rate=3e-5,minimum=0.5,every=1000')
    ExponentialSchedule(initial=1.0, rate=3e-05, minimum=0.5, every=1000)
  """
  schedule = _read(text)
  bad = {
      name: value
      for name, value in schedule.get_config().items()
      if not 0 <= value < math.inf
  }
  if bad:
    raise ValueError(
        f'Expected a schedule of finite numbers of at least 0; received {bad} '
        f'in {text!r}.'
    )
  return schedule


def parse_learning_rate(
    text: str, num_steps: int, num_steps_flag: str = 'num_steps'
) -> Callable:
  """Reads a learning rate, which must not fall to 0 before the training ends.

  Args:
    text: As for `parse`.
    num_steps: Steps of training.
    num_steps_flag: Name of the flag that says so.

  Returns:
    A schedule: a function of the step.

  Raises:
    ValueError: As `parse` raises; or if the schedule ends at 0 before the last
      step, so that the steps behind would train nothing.

  Example:
    >>> parse_learning_rate('linear:initial=1,final=0,num_steps=9', num_steps=9)
    LinearSchedule(initial=1.0, final=0.0, num_steps=9, begin=0)
  """
  schedule = parse(text)
  numbers = schedule.get_config()
  # Only linear and cosine ones end; and a constant 0 is meant.
  end = numbers.get('begin', 0) + numbers.get('num_steps', num_steps)
  falls = numbers['initial'] > 0 and numbers.get('final') == 0
  if falls and end < num_steps:
    raise ValueError(
        f'Expected --{num_steps_flag} of at most {end}, where --learning_rate='
        f'{text} falls to 0 and trains no further; received '
        f'--{num_steps_flag}={num_steps}. Give a --learning_rate that lasts as '
        'long; what has begun with another one needs another --output_dir.'
    )
  return schedule


def parse_positive(text: str, num_steps: int) -> Callable:
  """Reads a schedule whose values must be positive, as temperatures must.

  Args:
    text: As for `parse`.
    num_steps: Steps for which the values are needed.

  Returns:
    A schedule: a function of the step.

  Raises:
    ValueError: If `text` is not of the form of `parse`, or as the schedule
      raises; or if a value from step 0 to `num_steps` is not positive and
      finite.

  Example:
    >>> float(parse_positive('constant:0.5', num_steps=100)(3))
    0.5
  """
  schedule = _read(text)
  values = np.broadcast_to(schedule(tf.range(num_steps + 1)), [num_steps + 1])
  bad = np.flatnonzero(~((values > 0) & np.isfinite(values)))
  if bad.size:
    raise ValueError(
        'Expected a schedule of positive values; received '
        f'{values[bad[0]]:g} at step {bad[0]} of {text!r}.'
    )
  return schedule


def _read(text):
  """Reads a schedule, whatever its numbers."""
  kind, _, arguments = text.rpartition(':')
  try:
    if kind in ('', 'constant'):
      return dlvm.ops.LinearSchedule(float(arguments), float(arguments), 1)
    if kind not in _KINDS:
      raise ValueError(f'{kind!r} is no kind of schedule')
    return _KINDS[kind](**_numbers(_KINDS[kind], arguments))
  except (TypeError, ValueError) as error:
    raise ValueError(
        f'Expected a schedule, {SYNTAX}; received {text!r}: {error}'
    ) from error


def _numbers(schedule, arguments):
  types = {
      name: parameter.annotation
      for name, parameter in inspect.signature(schedule).parameters.items()
  }
  numbers = {}
  for item in arguments.split(','):
    name, _, value = item.partition('=')
    if name not in types:
      raise ValueError(f'{name!r} is none of {", ".join(types)}')
    if name in numbers:
      raise ValueError(f'{name!r} stands there twice')
    numbers[name] = types[name](value)
  return numbers
