"""Checks of static shapes."""

import tensorflow as tf


def static_num_classes(x: tf.Tensor, name: str, minimum: int = 1) -> int:
  """Returns the size of the last axis, which must be static.

  Args:
    x: `Tensor` or `TensorShape`, of shape `[..., K]`.
    name: Python `str`, what the error calls `x`.
    minimum: The least `K` that is accepted.

  Returns:
    `K`, a Python `int`.

  Raises:
    ValueError: If `x` has no last axis, or `K` is unknown or below `minimum`.

  Example:
    >>> static_num_classes(tf.zeros([2, 3]), 'logits')
    3
  """
  shape = x if isinstance(x, tf.TensorShape) else x.shape
  num_classes = shape[-1] if shape.rank else None
  if num_classes is None or num_classes < minimum:
    raise ValueError(
        f'Expected `{name}` of shape [..., K] with a static K of at least '
        f'{minimum}; received shape {shape}.'
    )
  return num_classes


def check_same_last(
    x: tf.Tensor, logits: tf.Tensor, name: str, num_axes: int = 1
) -> None:
  """Checks that last axes are those of logits, so that none is broadcast.

  Args:
    x: `Tensor`.
    logits: `Tensor`.
    name: Python `str`, what the error calls `x`.
    num_axes: How many axes to compare.

  Raises:
    ValueError: If the static sizes of the axes differ.

  Example:
    >>> from discrete_lvm.ops import shapes
    >>> shapes.check_same_last(tf.zeros([1]), tf.zeros([2, 3]), 'codes')
    Traceback (most recent call last):
    ...
    ValueError: Expected `codes` whose shape ends with (3,); received (1,).
  """
  expected = logits.shape[-num_axes:]
  if not x.shape[-num_axes:].is_compatible_with(expected):
    raise ValueError(
        f'Expected `{name}` whose shape ends with {expected}; received '
        f'{x.shape}.'
    )


def ensure_last(x: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
  """Returns a tensor once its last axes are of a shape.

  Args:
    x: `Tensor`, whose static shape has passed a check.
    shape: `TensorShape`, static.

  Returns:
    `x`, whose axes are checked in the run where they are not static: one of
    size 1 would broadcast.

  Example:
    >>> from discrete_lvm.ops import shapes
    >>> shape = tf.TensorShape([2, 3])
    >>> shapes.ensure_last(tf.zeros([5, 2, 3]), shape).shape
    TensorShape([5, 2, 3])
  """
  return tf.ensure_shape(x, x.shape[: -shape.rank] + shape)
