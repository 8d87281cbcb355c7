"""A check that a conditioner is causal."""

import numpy as np
import tensorflow as tf


def check_causal(conditioner, length, num_classes, order=None, seed=0):
  """Raises if a conditioner lets a position see itself or a later one.

  It changes every position from the `t`-th of the order on, for each `t`, and
  compares the outputs at the `t`-th: one call with `2 * length` events.

  Args:
    conditioner: Callable of a float32 `Tensor`, shape `[batch, length, K]`,
      that returns `[batch, length, channels]`.
    length: Python `int`.
    num_classes: Python `int` of at least 2: `K`.
    order: Sequence or array of integers, shape `[length]`, the positions in
      their order; by default from the first to the last.
    seed: Python `int`, seed of the events.

  Raises:
    ValueError: If the outputs differ anywhere by more than 1e-5 of their size.

  Example:
    >>> dlvm.bijectors.check_causal(lambda x: tf.cumsum(x, 1) - x, 3, 2)
    >>> dlvm.bijectors.check_causal(lambda x: tf.cumsum(x, 1), 3, 2)
    Traceback (most recent call last):
    ...
    ValueError: Expected a causal conditioner; received one whose outputs at
    positions [0, 1, 2] depend on those positions or later ones.
  """
  rng = np.random.default_rng(seed)
  order = np.arange(length) if order is None else np.asarray(order)
  codes = rng.integers(num_classes, size=[length, length])
  moves = rng.integers(1, num_classes, size=[length, length])
  # Row t goes with the t-th position, order[t].
  is_later = np.argsort(order) >= np.arange(length)[:, np.newaxis]
  changed = np.where(is_later, (codes + moves) % num_classes, codes)
  events = tf.one_hot(np.concatenate([codes, changed]), num_classes)
  outputs = np.asarray(conditioner(events), np.float32)
  before, after = np.split(outputs, 2)
  rows = np.arange(length)
  close = np.isclose(before[rows, order], after[rows, order], 1e-5, 1e-5)
  faults = order[~close.all(axis=-1)]
  if faults.size:
    raise ValueError(
        'Expected a causal conditioner; received one whose outputs at '
        f'positions {sorted(faults.tolist())} depend on those positions or '
        'later ones.'
    )
