"""Temperatures that are positive and match what they divide."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import broadcasting


def check_positive(temperature: Any) -> None:
  """Raises `ValueError` if a temperature is statically known to be improper.

  Args:
    temperature: Number, `Tensor` or variable. A variable is not read.

  Raises:
    ValueError: If any value is zero, negative, infinite or NaN, or no number.

  Example:
    >>> check_positive(-1.)
    Traceback (most recent call last):
    ...
    ValueError: Expected a positive `temperature` below inf; received -1.0.
  """
  if isinstance(temperature, (int, float, list, tuple)):
    temperature = np.asarray(temperature)
  value = tf.get_static_value(temperature)
  if isinstance(value, (np.ndarray, np.generic, str, bytes)):
    value = np.asarray(value)
    dtype = tf.as_dtype(value.dtype)
    is_number = dtype.is_floating or dtype.is_integer
    if not is_number or not np.all((value > 0) & (value < math.inf)):
      raise ValueError(
          'Expected a positive `temperature` below inf; received '
          f'{value.tolist()}.'
      )


def check_number(temperature: float) -> None:
  """Raises unless a temperature is one positive number.

  Args:
    temperature: Number, or `Tensor` of no dimensions.

  Raises:
    ValueError: If it is not.
  """
  check_positive(temperature)
  if np.ndim(temperature):
    raise ValueError(
        f'Expected a `temperature` that is one number; received {temperature}.'
    )


def has_keepdims(temperature_shape: Any, logits_shape: Any) -> bool:
  """Tells whether a temperature has the form `[..., 1]` of logits `[..., K]`.

  A temperature of the batch shape of the logits has the form `[...]`. Any other
  shape is refused, since broadcasting `[B]` against `[B, 1]` would silently
  make `[B, B]`.

  Args:
    temperature_shape: `TensorShape` of the temperature.
    logits_shape: `TensorShape` of the logits, `[..., K]`.

  Returns:
    True for `[..., 1]`, False for `[]` and `[...]`.

  Raises:
    ValueError: If the shapes do not match.

  Example:
    >>> has_keepdims([5, 1], [5, 3]), has_keepdims([5], [5, 3])
    (True, False)
  """
  temperature_shape = tf.TensorShape(temperature_shape)
  logits_shape = tf.TensorShape(logits_shape)
  if temperature_shape.rank in (None, 0) or logits_shape.rank is None:
    return False
  keepdims = (
      temperature_shape.rank == logits_shape.rank and temperature_shape[-1] == 1
  )
  batch = temperature_shape[:-1] if keepdims else temperature_shape
  expected = logits_shape[:-1]
  matches = batch.rank == expected.rank and all(
      a in (None, 1) or b is None or a == b
      for a, b in zip(batch, expected, strict=True)
  )
  if not matches:
    raise ValueError(
        f'Expected a `temperature` of shape [], {expected} or '
        f'{expected + [1]} for logits of shape {logits_shape}; received '
        f'{temperature_shape}.'
    )
  return keepdims


def align(temperature: Any, logits_shape: Any) -> tf.Tensor:
  """Checks a temperature and shapes it to divide logits `[..., K]`.

  Args:
    temperature: Positive number, or `Tensor` of shape `[]`, `[...]` or
      `[..., 1]`.
    logits_shape: `TensorShape` of the logits.

  Returns:
    `Tensor` of shape `[]` or `[..., 1]`; float32 if a Python number.

  Raises:
    ValueError: If `temperature` is statically not positive, or infinite, or
      does not match.

  Example:
    >>> align([.5, 1.], [2, 3]).shape
    TensorShape([2, 1])
  """
  temperature = tf.convert_to_tensor(temperature)
  check_positive(temperature)
  if temperature.shape.rank == 0 or has_keepdims(
      temperature.shape, logits_shape
  ):
    return temperature
  return temperature[..., tf.newaxis]


def divide(x: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
  """Computes `x / temperature`, where no infinity spoils the gradient.

  An infinite `x` remains what it is at any temperature. Its quotient's slope in
  the temperature is infinite, and NaN times the zero slope of what it is put
  in, a softmax for instance; here it is 0.

  Args:
    x: float32 or float64 `Tensor`; may be infinite.
    temperature: Positive `Tensor` of that type; broadcasts against `x`.

  Returns:
    `Tensor` of the broadcast shape.

  Example:
    >>> temperature = tf.Variable(2.)
    >>> with tf.GradientTape() as tape:
    ...   y = tf.nn.softmax(divide(tf.constant([1., -math.inf]), temperature))
    >>> y.numpy(), bool(tape.gradient(y, temperature) == 0.)
    (array([1., 0.], dtype=float32), True)
  """
  return _divide(x, temperature)


@tf.custom_gradient
def _divide(x, temperature):
  quotient = x / temperature

  def gradient(upstream):
    # No mask in the forward pass, nor where a temperature is not learned.
    finite = tf.where(
        tf.math.is_inf(quotient), tf.zeros_like(quotient), quotient
    )
    d_x = upstream / temperature
    return (
        broadcasting.sum_to_shape(d_x, x),
        broadcasting.sum_to_shape(-d_x * finite, temperature),
    )

  return quotient, gradient
