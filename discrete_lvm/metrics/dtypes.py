"""The type of metrics that have one of their own."""

from typing import Any


def check_none(dtype: Any) -> None:
  """Raises for a `dtype`, which sums of a fixed type would not follow.

  Args:
    dtype: What the constructor of a metric received.

  Raises:
    ValueError: If it is not None.
  """
  if dtype is not None:
    raise ValueError(f'Expected a `dtype` of None; received {dtype!r}.')
