"""Stateless seeds: every random draw is a function of the pair that it gets."""

import hashlib
import numbers
from typing import Any

import tensorflow as tf


def as_seed(seed: Any) -> tf.Tensor:
  """Converts to the int32 pair that stateless ops and TFP both accept.

  Args:
    seed: Integer `Tensor` or sequence of shape `[2]`; a Python or NumPy
      integer, no `bool`, which becomes `[0, seed]`; or a
      `keras.random.SeedGenerator`, whose state advances by one.

  Returns:
    int32 `Tensor`, shape `[2]`.

  Raises:
    ValueError: If the shape is not `[2]`, or the type not an integer one.

  Example:
    >>> as_seed(7).numpy()
    array([0, 7], dtype=int32)
  """
  if hasattr(seed, 'next'):  # A SeedGenerator, whose state is int64.
    seed = seed.next()
  if isinstance(seed, numbers.Integral) and not isinstance(seed, bool):
    seed = int(seed)
    seed = [seed >> 32, seed & 0xFFFFFFFF]
  if not tf.is_tensor(seed):
    # By way of int64, so that a high bit wraps where int32 would overflow.
    seed = tf.convert_to_tensor(seed, dtype_hint=tf.int64)
  if not seed.dtype.is_integer or not seed.shape.is_compatible_with([2]):
    raise ValueError(
        'Expected an integer `seed` of shape [2]; received '
        f'{seed.dtype.name} of shape {seed.shape}.'
    )
  return tf.cast(seed, tf.int32)


def fold_in(seed: Any, *data: int | str | tf.Tensor) -> tf.Tensor:
  """Derives a seed that is independent for each value of `data`.

  Args:
    seed: As for `as_seed`.
    *data: What to fold in, from left to right: a step or a replica (an integer,
      static or not), or a name (a Python `str`, hashed).

  Returns:
    int32 `Tensor`, shape `[2]`.

  Raises:
    ValueError: If a number is not of an integer type, or as `as_seed` raises.

  Example:
    >>> a, b = fold_in([0, 1], 'prior', 0), fold_in([0, 1], 'prior', 1)
    >>> bool(tf.reduce_all(a == b))
    False
  """
  seed = as_seed(seed)
  for item in data:
    if isinstance(item, str):
      digest = hashlib.sha256(item.encode()).digest()
      item = int.from_bytes(digest[:4], 'little', signed=True)
    item = tf.convert_to_tensor(item)
    if not item.dtype.is_integer:
      raise ValueError(
          f'Expected an integer or a name to fold in; received {item}.'
      )
    seed = _fold_in_number(seed, item)
  return seed


def _fold_in_number(seed, number):
  low = tf.cast(number, tf.int32)
  folded = tf.random.experimental.stateless_fold_in(seed, low)
  if number.dtype.size <= 4:
    return folded
  number = tf.cast(number, tf.int64)
  high = tf.cast(
      tf.bitwise.right_shift(number, tf.constant(32, tf.int64)), tf.int32
  )
  return tf.where(
      tf.equal(number, tf.cast(low, tf.int64)),
      folded,
      tf.random.experimental.stateless_fold_in(folded, high),
  )


def split(seed: Any, num: int) -> list[tf.Tensor]:
  """Derives `num` independent seeds.

  Args:
    seed: As for `as_seed`.
    num: How many.

  Returns:
    A list of `num` int32 `Tensor`s of shape `[2]`.

  Raises:
    ValueError: As `as_seed` raises.

  Example:
    >>> len(split([0, 1], 3))
    3
  """
  return [fold_in(seed, i) for i in range(num)]


def fold_in_replica(seed: Any) -> tf.Tensor:
  """Folds in the id of the replica, so that replicas draw different noise.

  A seed that was made outside `strategy.run` is the same on every replica, and
  so would be all the noise.

  Args:
    seed: As for `as_seed`.

  Returns:
    int32 `Tensor`, shape `[2]`. Outside of a replica, that of replica 0.

  Raises:
    ValueError: As `as_seed` raises.

  Example:
    >>> fold_in_replica([0, 1]).shape
    TensorShape([2])
  """
  context = tf.distribute.get_replica_context()
  replica = 0 if context is None else context.replica_id_in_sync_group
  return fold_in(seed, replica)
