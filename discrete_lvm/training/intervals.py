"""Counts the points at which a run pauses."""

from collections.abc import Sequence
import math


def next_multiple(step: int, every: int) -> int:
  """Returns the first multiple of `every` that is greater than `step`.

  Example:
    >>> from discrete_lvm.training import intervals
    >>> intervals.next_multiple(10, every=5)
    15
  """
  return (step // every + 1) * every


def num_multiples(step: int, every: Sequence[int]) -> int:
  """Counts the numbers from 1 to `step` that divide by one of at most two.

  Example:
    >>> from discrete_lvm.training import intervals
    >>> intervals.num_multiples(12, [4, 6])  # 4, 6, 8, 12.
    4
  """
  counts = sum(step // n for n in every)
  return counts - step // math.lcm(*every) if len(every) == 2 else counts
