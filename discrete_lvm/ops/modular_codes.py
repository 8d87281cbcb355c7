"""Arithmetic modulo `K` on integer codes, for any `K`, prime or not."""

import functools

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import counts


def modular_affine(
    x: tf.Tensor,
    shift: tf.Tensor,
    scale: tf.Tensor | None = None,
    *,
    num_classes: int,
    name: str = 'modular_affine',
) -> tf.Tensor:
  """Computes `(scale * x + shift) mod K` on integer codes.

  No product overflows: they are int64 where `K` needs it.

  Args:
    x: Integer `Tensor` of codes in `[0, K)`, any shape.
    shift: Integer `Tensor` of codes; broadcasts against `x`.
    scale: Integer `Tensor` of codes; broadcasts against `x`. None is 1.
    num_classes: Python `int` of at least 2: `K`.
    name: Python `str`, name scope of the ops.

  Returns:
    int32 `Tensor` of codes in `[0, K)`, of the broadcast shape.

  Raises:
    ValueError: If `num_classes` is below 2, or codes are not integers.

  Example:
    >>> modular_affine([0, 1, 65535], 7, scale=65535, num_classes=65536).numpy()
    array([7, 6, 8], dtype=int32)
  """
  check_num_classes(num_classes)
  with tf.name_scope(name):
    dtype = _wide_dtype(num_classes)
    x, shift = _codes(x, dtype, 'x'), _codes(shift, dtype, 'shift')
    if scale is not None:
      x = _codes(scale, dtype, 'scale') * x
    return tf.cast(tf.math.floormod(x + shift, num_classes), tf.int32)


def modular_affine_inverse(
    y: tf.Tensor,
    shift: tf.Tensor,
    scale: tf.Tensor | None = None,
    *,
    num_classes: int,
    name: str = 'modular_affine_inverse',
) -> tf.Tensor:
  """Solves `y = (scale * x + shift) mod K` for `x` on integer codes.

  Args:
    y: Integer `Tensor` of codes in `[0, K)`, any shape.
    shift: Integer `Tensor` of codes; broadcasts against `y`.
    scale: Integer `Tensor` of codes, coprime with `K`; broadcasts against `y`.
      None is 1. Where a scale has no inverse, the result is 0.
    num_classes: Python `int` of at least 2: `K`.
    name: Python `str`, name scope of the ops.

  Returns:
    int32 `Tensor` of codes in `[0, K)`, of the broadcast shape.

  Raises:
    ValueError: If `num_classes` is below 2, or codes are not integers.

  Example:
    >>> modular_affine_inverse([7, 6, 8], 7, scale=65535,
    ...                        num_classes=65536).numpy()
    array([    0,     1, 65535], dtype=int32)
  """
  check_num_classes(num_classes)
  with tf.name_scope(name):
    dtype = _wide_dtype(num_classes)
    x = _codes(y, dtype, 'y') - _codes(shift, dtype, 'shift')
    if scale is not None:
      # A difference may be negative, but is no larger than a code.
      table = modular_inverse_table(num_classes)
      x *= tf.cast(tf.gather(table, _codes(scale, tf.int32, 'scale')), dtype)
    return tf.cast(tf.math.floormod(x, num_classes), tf.int32)


@functools.cache
def invertible_scales(num_classes: int) -> np.ndarray:
  """Tells which residues have an inverse modulo `K`: those coprime with `K`.

  Args:
    num_classes: Python `int` of at least 2: `K`.

  Returns:
    Read-only NumPy array of `bool`, shape `[K]`.

  Raises:
    ValueError: If `num_classes` is below 2.

  Example:
    >>> np.flatnonzero(invertible_scales(10))
    array([1, 3, 7, 9])
  """
  check_num_classes(num_classes)
  mask = np.gcd(np.arange(num_classes), num_classes) == 1
  mask.flags.writeable = False
  return mask


@functools.cache
def modular_inverse_table(num_classes: int) -> np.ndarray:
  """Tabulates the inverses modulo `K`: `i * table[i] % K == 1`.

  Args:
    num_classes: Python `int` of at least 2: `K`.

  Returns:
    Read-only NumPy array of int32, shape `[K]`. It is 0, which is nobody's
    inverse, where a residue has none: see `invertible_scales`.

  Raises:
    ValueError: If `num_classes` is below 2.

  Example:
    >>> modular_inverse_table(10)  # 3 * 7 = 21.
    array([0, 1, 0, 7, 0, 0, 0, 3, 0, 9], dtype=int32)
  """
  invertible = np.flatnonzero(invertible_scales(num_classes))
  table = np.zeros(num_classes, np.int32)
  for i in invertible.tolist():
    table[i] = pow(i, -1, num_classes)
  table.flags.writeable = False
  return table


def check_num_classes(num_classes: int) -> None:
  """Raises a ValueError if there are fewer than two classes."""
  counts.check_count(num_classes, 'num_classes', minimum=2)


def _codes(x, dtype, name):
  """Returns integer codes in another integer type."""
  x = tf.convert_to_tensor(x)
  if not x.dtype.is_integer:
    raise ValueError(
        f'Expected integer codes `{name}`; received {x.dtype.name}.'
    )
  return tf.cast(x, dtype)


def _wide_dtype(num_classes):
  """Returns an integer type that holds `scale * x + shift` of any codes."""
  return tf.int32 if num_classes * (num_classes - 1) < 2**31 else tf.int64
