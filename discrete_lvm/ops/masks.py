"""Bipartite masks and orders of the positions of a sequence.

A bipartite mask is True where a position passes unchanged and conditions the
rest. The other half of a pair of layers takes its complement, `~mask`.
"""

import numpy as np
from numpy import typing as npt

from discrete_lvm.ops import counts


def alternating_mask(length: int) -> np.ndarray:
  """Returns the mask that is True at the even positions.

  Args:
    length: Python `int` of at least 2.

  Returns:
    NumPy array of `bool`, shape `[length]`.

  Raises:
    ValueError: If `length` is below 2.

  Example:
    >>> alternating_mask(3)
    array([ True, False,  True])
  """
  return _positions(length) % 2 == 0


def half_mask(length: int) -> np.ndarray:
  """Returns the mask that is True at the first `length // 2` positions.

  Args:
    length: Python `int` of at least 2.

  Returns:
    NumPy array of `bool`, shape `[length]`.

  Raises:
    ValueError: If `length` is below 2.

  Example:
    >>> half_mask(3)
    array([ True, False, False])
  """
  return _positions(length) < length // 2


def all_but_one_mask(length: int, position: int) -> np.ndarray:
  """Returns the mask that is True at every position but one.

  A layer with it changes one position given all the others.

  Args:
    length: Python `int` of at least 2.
    position: Python `int` in `[0, length)`, the one that is False.

  Returns:
    NumPy array of `bool`, shape `[length]`.

  Raises:
    ValueError: If `length` is below 2, or `position` is out of range.

  Example:
    >>> all_but_one_mask(3, 1)
    array([ True, False,  True])
  """
  positions = _positions(length)
  if position not in positions:
    raise ValueError(
        f'Expected `position` in [0, {length}); received {position}.'
    )
  return positions != position


def random_mask(length: int, seed: int) -> np.ndarray:
  """Draws a mask that is True at `length // 2` positions.

  Args:
    length: Python `int` of at least 2.
    seed: Python `int`; the mask is a function of it.

  Returns:
    NumPy array of `bool`, shape `[length]`.

  Raises:
    ValueError: If `length` is below 2.

  Example:
    >>> int(random_mask(6, seed=0).sum())
    3
  """
  return np.random.default_rng(seed).permutation(half_mask(length))


def as_mask(mask: npt.ArrayLike) -> np.ndarray:
  """Checks a bipartite mask and returns it as an array.

  Args:
    mask: Sequence or array of `bool`, shape `[length]`.

  Returns:
    NumPy array of `bool`, shape `[length]`.

  Raises:
    ValueError: If `mask` is not of rank 1 and boolean, or if it is all True, so
      that a layer would change nothing, or all False, so that nothing would
      condition the change.

  Example:
    >>> as_mask([True, False])
    array([ True, False])
  """
  mask = np.array(mask)
  if mask.ndim != 1 or mask.dtype != bool:
    raise ValueError(
        'Expected a boolean `mask` of shape [length]; received '
        f'{mask.dtype.name} of shape {list(mask.shape)}.'
    )
  if mask.all() or not mask.any():
    raise ValueError(
        'Expected a `mask` with both True and False; received '
        f'{mask.tolist()}.'
    )
  return mask


def as_order(order: npt.ArrayLike) -> np.ndarray:
  """Checks an order of positions and returns it as an array.

  Args:
    order: Sequence or array of integers, shape `[length]`: `order[t]` is the
      position that comes at step `t`.

  Returns:
    NumPy array of int32, shape `[length]`.

  Raises:
    ValueError: If `order` is no permutation of `0, ..., length - 1`.

  Example:
    >>> as_order([2, 0, 1])
    array([2, 0, 1], dtype=int32)
  """
  array = np.asarray(order)
  if (
      array.ndim != 1
      or not np.issubdtype(array.dtype, np.integer)
      or not np.array_equal(np.sort(array), np.arange(array.size))
  ):
    raise ValueError(
        'Expected an `order` that is a permutation of 0, ..., length - 1; '
        f'received {array.tolist()}.'
    )
  return array.astype(np.int32)


def _positions(length):
  counts.check_count(length, 'length', minimum=2)
  return np.arange(length)
