"""What broadcasts to a shape, and the gradient of that."""

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


def sum_to_shape(gradient: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
  """Sums a gradient over the axes along which `x` was broadcast.

  Args:
    gradient: Floating `Tensor`, of a shape to which that of `x` broadcasts.
    x: `Tensor`.

  Returns:
    `Tensor` of the shape of `x` and the dtype of `gradient`, summed in float32
    at the least.

  Example:
    >>> from discrete_lvm.ops import broadcasting
    >>> broadcasting.sum_to_shape(tf.ones([4, 3]), tf.zeros([3])).numpy()
    array([4., 4., 4.], dtype=float32)
  """
  if gradient.shape.is_fully_defined() and gradient.shape == x.shape:
    return gradient
  _, axes = tf.raw_ops.BroadcastGradientArgs(
      s0=tf.shape(gradient), s1=tf.shape(x)
  )
  # A long sum in half precision would lose the small terms.
  wide = tf.float64 if gradient.dtype == tf.float64 else tf.float32
  total = tf.reduce_sum(tf.cast(gradient, wide), axes)
  return tf.reshape(tf.cast(total, gradient.dtype), tf.shape(x))
