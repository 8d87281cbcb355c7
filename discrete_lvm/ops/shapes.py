"""Checks of static shapes."""

from collections.abc import Callable

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
  if x.shape.rank is not None or not shape.is_fully_defined():
    return tf.ensure_shape(x, x.shape[: -shape.rank] + shape)
  # Of an unknown rank no static shape can name the last axes.
  last = tf.concat([[0] * shape.rank, tf.shape(x)], axis=0)[-shape.rank :]
  fits = tf.equal(last, shape)
  check = tf.debugging.Assert(
      tf.reduce_all(fits),
      data=[f'Expected a shape that ends with {shape}; received:', tf.shape(x)],
  )
  with tf.control_dependencies([check]):
    # XLA drops the check, but takes no shape with a negative size either.
    sizes = tf.concat(
        [tf.shape(x)[: -shape.rank], tf.where(fits, shape, -2)], 0
    )
    return tf.reshape(x, sizes)


def static_event(logits: tf.Tensor) -> tuple[int, int]:
  """Returns N and K of logits, which must be static.

  Args:
    logits: `Tensor`, shape `[..., N, K]`.

  Returns:
    Python `int`s N and K.

  Raises:
    ValueError: If there are no two such axes, if N or K is not static, or if
      there are no latents.

  Example:
    >>> from discrete_lvm.ops import shapes
    >>> shapes.static_event(tf.zeros([5, 2, 3]))
    (2, 3)
  """
  shape = logits.shape
  if shape.rank is None or shape.rank < 2 or not all(shape[-2:]):
    raise ValueError(
        'Expected `logits` of shape [..., N, K] with a static N and K of '
        f'at least 1; received {shape}.'
    )
  num_latents, num_classes = shape[-2:]
  return num_latents, num_classes


def static_num_samples(x: tf.Tensor, name: str) -> int:
  """Returns the size of the first axis, which must be static and at least 2.

  Args:
    x: `Tensor`, shape `[S, ...]`.
    name: Python `str`, what the error calls `x`.

  Returns:
    S, a Python `int`.

  Raises:
    ValueError: If it is not.

  Example:
    >>> from discrete_lvm.ops import shapes
    >>> shapes.static_num_samples(tf.zeros([2, 3]), 'x')
    2
  """
  num_samples = x.shape[0] if x.shape.rank else None
  if num_samples is None or num_samples < 2:
    raise ValueError(
        f'Expected `{name}` of shape [S, ...] with a static S of at least 2; '
        f'received {x.shape}.'
    )
  return num_samples


def with_shape(
    x: tf.Tensor,
    static_shape: tf.TensorShape,
    compute_shape: Callable[[], tf.Tensor],
    name: str,
) -> tf.Tensor:
  """Returns a tensor once it is of a shape, be it that a run finds it out.

  Else an axis of size 1 would broadcast where a static shape is not known.

  Args:
    x: `Tensor`, whose static shape has passed a check.
    static_shape: `TensorShape` that it has to have.
    compute_shape: Function to the same as an int32 `Tensor`.
    name: Python `str`, what the error calls `x`.

  Returns:
    `x`, of that static shape.

  Raises:
    InvalidArgumentError: In the run, if it is of another shape.

  Example:
    >>> from discrete_lvm.ops import shapes
    >>> x = tf.zeros([5, 3])
    >>> shapes.with_shape(x, x.shape, lambda: [5, 3], '`x`').shape
    TensorShape([5, 3])
  """
  if x.shape.is_fully_defined() and static_shape.is_fully_defined():
    return x
  # XLA drops the assertion and fails at the reshape, which other graphs are
  # optimised to do without.
  shape = compute_shape()
  assertion = tf.debugging.assert_equal(
      tf.shape(x), shape, f'Expected {name} of another shape.'
  )
  with tf.control_dependencies([assertion]):
    x = tf.reshape(x, shape)
  return tf.ensure_shape(x, static_shape)
