"""The order of an autoregressive network and the degrees that keep it.

A unit of degree `d` may see the first `d` positions of the order, so a
connection from degree `c` to degree `d` is allowed if `c <= d`. The input at
the `i`-th position of the order has degree `i + 1`, the output there degree
`i`, and a hidden unit one from 0 to `length - 1`.
"""

import numpy as np

from discrete_lvm import ops

_NAMED = ('left_to_right', 'right_to_left', 'random')


def resolve_order(order, length, rng):
  """Returns the positions in their order, an int32 array `[length]`."""
  if isinstance(order, str):
    positions = np.arange(length, dtype=np.int32)
    if order == 'right_to_left':
      positions = positions[::-1].copy()
    elif order == 'random':
      rng.shuffle(positions)
    return positions
  if len(order) != length:
    raise ValueError(
        f'Expected an `order` of the {length} positions of the inputs; '
        f'received {order}.'
    )
  return ops.as_order(order)


def check_order(order):
  """Returns a valid order as plain data, a name or a list of integers."""
  if not isinstance(order, str):
    return ops.as_order(order).tolist()
  if order not in _NAMED:
    raise ValueError(
        f'Expected `order` to be one of {_NAMED} or a sequence of positions; '
        f'received {order!r}.'
    )
  return order


def hidden_degrees(kind, units, lowest, length, rng):
  """Returns the degrees of a hidden layer, an integer array `[units]`.

  Every degree from `lowest` to `length - 1` occurs, since an output depends on
  the position right before it only through units of its own degree.

  Args:
    kind: 'equal', equally spaced, or 'random'.
    units: Python `int`, how many.
    lowest: Python `int`, the lowest degree.
    length: Python `int`, number of positions.
    rng: `np.random.Generator`, for 'random'.

  Raises:
    ValueError: If there are fewer units than degrees.
  """
  num_degrees = length - lowest
  if units < num_degrees:
    raise ValueError(
        f'Expected at least {num_degrees} units in each of `hidden_units`, so '
        f'that every output sees all positions before its own, of {length}; '
        f'received {units}.'
    )
  if kind == 'equal':
    return lowest + np.arange(units) * num_degrees // units
  rest = rng.integers(lowest, length, size=units - num_degrees)
  return rng.permutation(np.concatenate([np.arange(lowest, length), rest]))


def units_by_degree(degrees, length):
  """Lists the units of each degree from 0 to `length - 1`.

  Returns:
    Two arrays `[length, n]`, where `n` is the most units that a degree has: the
    indices of its units, filled up with 0, and whether each is one of them.
  """
  lists = [np.flatnonzero(degrees == degree) for degree in range(length)]
  units = np.zeros([length, max(map(len, lists))], np.int32)
  exists = np.zeros(units.shape, bool)
  for row, list_ in enumerate(lists):
    units[row, : len(list_)] = list_
    exists[row, : len(list_)] = True
  return units, exists
