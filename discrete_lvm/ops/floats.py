"""Floating types of float32 at the least."""

from typing import Any

import tensorflow as tf


def at_least_float32(x: Any) -> tf.Tensor:
  """Converts to a `Tensor`: float64 stays, anything else becomes float32.

  Args:
    x: Number, or floating or integer `Tensor`, any shape.

  Returns:
    `Tensor`.

  Example:
    >>> at_least_float32(tf.zeros([], tf.bfloat16)).dtype.name
    'float32'
  """
  x = tf.convert_to_tensor(x, dtype_hint=tf.float32)
  return x if x.dtype == tf.float64 else tf.cast(x, tf.float32)


def common_floats(*values: Any) -> list[tf.Tensor]:
  """Converts to `Tensor`s of float64 if one is of float64, else of float32.

  Args:
    *values: Numbers, or floating or integer `Tensor`s, of any shapes.

  Returns:
    List of `Tensor`s.

  Raises:
    ValueError: If one is neither floating nor integer.

  Example:
    >>> [x.dtype.name for x in common_floats(1., tf.zeros([], tf.bfloat16))]
    ['float32', 'float32']
  """
  tensors = [tf.convert_to_tensor(x) for x in values]
  dtypes = [x.dtype for x in tensors]
  for dtype in dtypes:
    # A cast would take them, the complex ones without their imaginary part.
    if not dtype.is_floating and not dtype.is_integer:
      raise ValueError(
          f'Expected floating or integer values; received {dtype.name}.'
      )
  dtype = tf.float64 if tf.float64 in dtypes else tf.float32
  return [tf.cast(x, dtype) for x in tensors]
