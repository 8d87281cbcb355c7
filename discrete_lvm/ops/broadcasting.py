"""Checks of what broadcasts to a shape, so that the result has no other."""

import tensorflow as tf


def check_broadcasts_to(x: tf.Tensor, shape: tf.TensorShape, name: str) -> None:
  """Checks that `x` broadcasts to a shape, not both of them to a larger one.

  Args:
    x: `Tensor`.
    shape: `TensorShape`, of which only static sizes are compared.
    name: Python `str`, what the error calls `x`.

  Raises:
    ValueError: If it does not.

  Example:
    >>> from discrete_lvm.ops import broadcasting
    >>> shape = tf.TensorShape([2, 3])
    >>> broadcasting.check_broadcasts_to(tf.zeros([2, 1]), shape, 'x')
    >>> broadcasting.check_broadcasts_to(tf.zeros([5, 1]), shape, 'x')
    Traceback (most recent call last):
    ...
    ValueError: Expected `x` that broadcasts to (2, 3); received shape (5, 1).
  """
  try:
    joint = tf.broadcast_static_shape(x.shape, shape)
  except ValueError:
    joint = None
  if joint is None or not joint.is_compatible_with(shape):
    raise ValueError(
        f'Expected `{name}` that broadcasts to {shape}; received shape '
        f'{x.shape}.'
    )
