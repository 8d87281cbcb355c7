"""Checks of how many there are to be of something."""

from collections.abc import Iterable
import numbers
from typing import Any


def check_count(value: Any, name: str, minimum: int = 1) -> None:
  """Checks that a value is an integer that is not too small.

  Args:
    value: What was given, no `Tensor`.
    name: Python `str`, what the error calls it.
    minimum: The least that is accepted.

  Raises:
    ValueError: If it is not.

  Example:
    >>> from discrete_lvm.ops import counts
    >>> counts.check_count(2.5, 'num_steps')
    Traceback (most recent call last):
    ...
    ValueError: Expected an integer `num_steps` of at least 1; received 2.5.
  """
  # A `bool` is an `int`, and most likely a misplaced argument.
  is_integer = isinstance(value, numbers.Integral) and not isinstance(
      value, bool
  )
  if not is_integer or value < minimum:
    raise ValueError(
        f'Expected an integer `{name}` of at least {minimum}; received '
        f'{value!r}.'
    )


def check_counts(values: Any, name: str) -> list[int]:
  """Checks that values are a sequence of integers of at least 1.

  Args:
    values: What was given, no `Tensor`.
    name: Python `str`, what the error calls them.

  Returns:
    The values as Python `int`s.

  Raises:
    ValueError: If they are not, or there are none.

  Example:
    >>> from discrete_lvm.ops import counts
    >>> counts.check_counts(16, 'units')
    Traceback (most recent call last):
    ...
    ValueError: Expected a sequence of one or more `units`; received 16.
  """
  counts = list(values) if isinstance(values, Iterable) else []
  if not counts:
    raise ValueError(
        f'Expected a sequence of one or more `{name}`; received {values!r}.'
    )
  for count in counts:
    check_count(count, name)
  return [int(count) for count in counts]
