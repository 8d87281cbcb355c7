"""Checks of how many there are to be of something."""

import numbers
from typing import Any


def check_count(value: Any, name: str) -> None:
  """Checks that a value is an integer of at least one.

  Args:
    value: What was given, no `Tensor`.
    name: Python `str`, what the error calls it.

  Raises:
    ValueError: If it is not.

  Example:
    >>> from discrete_lvm.ops import counts
    >>> counts.check_count(2.5, 'num_steps')
    Traceback (most recent call last):
    ...
    ValueError: Expected an integer `num_steps` of at least 1; received 2.5.
  """
  if not isinstance(value, numbers.Integral) or value < 1:
    raise ValueError(
        f'Expected an integer `{name}` of at least 1; received {value}.'
    )
