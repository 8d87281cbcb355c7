"""A check that a conditioner is causal."""

import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import counts


def check_causal(conditioner, length, num_classes, order=None, seed=0):
  """Raises if a conditioner lets a position see itself or a later one.

  It changes every position from the `t`-th of the order on, for each `t`, and
  compares the outputs at the `t`-th: two calls, each with `length` events.

  Args:
    conditioner: Callable of a float32 `Tensor`, shape `[batch, length, K]`,
      that returns `[batch, length, channels]`.
    length: Python `int` of at least 1.
    num_classes: Python `int` of at least 2: `K`.
    order: Sequence or array of integers, shape `[length]`, the positions in
      their order; by default the `order` of the conditioner if it has one, else
      from the first to the last.
    seed: Python `int`, seed of the events.

  Raises:
    ValueError: If the outputs differ anywhere by more than 1e-5 of their size,
      or are of another shape; if `length` or `num_classes` is below its least;
      or if the order is no permutation of the positions.

  Example:
    >>> dlvm.bijectors.check_causal(lambda x: tf.cumsum(x, 1) - x, 3, 2)
    >>> dlvm.bijectors.check_causal(lambda x: tf.cumsum(x, 1), 3, 2)
    Traceback (most recent call last):
    ...
    ValueError: Expected a causal conditioner; received one whose outputs at
    positions [0, 1, 2] depend on those positions or later ones.
  """
  counts.check_count(length, 'length')
  counts.check_count(num_classes, 'num_classes', minimum=2)
  rng = np.random.default_rng(seed)
  codes = rng.integers(num_classes, size=[length, length])
  moves = rng.integers(1, num_classes, size=[length, length])
  before = _outputs(conditioner, codes, num_classes)
  if order is None:
    # That of a layer may come with its first call.
    order = getattr(conditioner, 'order', np.arange(length))
  order = ops.as_order(order)
  if order.size != length:
    raise ValueError(
        f'Expected an `order` of {length} positions; received {order.tolist()}.'
    )
  # Row t goes with the t-th position, order[t].
  is_later = np.argsort(order) >= np.arange(length)[:, np.newaxis]
  changed = np.where(is_later, (codes + moves) % num_classes, codes)
  after = _outputs(conditioner, changed, num_classes)
  rows = np.arange(length)
  close = np.isclose(before[rows, order], after[rows, order], 1e-5, 1e-5)
  faults = order[~close.all(axis=-1)]
  if faults.size:
    raise ValueError(
        'Expected a causal conditioner; received one whose outputs at '
        f'positions {sorted(faults.tolist())} depend on those positions or '
        'later ones.'
    )


def _outputs(conditioner, codes, num_classes):
  """Returns outputs for codes `[batch, length]`, as a NumPy array."""
  events = tf.one_hot(codes, num_classes)
  outputs = np.asarray(conditioner(events), np.float32)
  if outputs.ndim != 3 or outputs.shape[:2] != codes.shape:
    raise ValueError(
        f'Expected a conditioner that maps events {tuple(events.shape)} to '
        f'{str([*codes.shape])[:-1]}, channels]; received {outputs.shape}.'
    )
  return outputs
