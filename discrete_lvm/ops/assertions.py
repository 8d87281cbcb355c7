"""Run-time checks of events and of sizes of batches (XLA drops them)."""

import tensorflow as tf

from discrete_lvm.ops.straight_through import is_one_hot


def one_hot_assertions(x: tf.Tensor, name: str) -> list[tf.Operation]:
  """Returns the run-time checks that the last axis of `x` is one-hot."""
  return [
      tf.debugging.Assert(
          tf.reduce_all(is_one_hot(x)),
          data=[f'Expected `{name}` to be one-hot; received:', x],
      )
  ]


def code_assertions(x: tf.Tensor, num_classes: int) -> list[tf.Operation]:
  """Returns the run-time checks that codes are in `[0, K)`."""
  # In the type of `x` a `K` that it does not hold would wrap.
  codes = tf.cast(x, tf.int64)
  return [
      tf.debugging.Assert(
          tf.reduce_all((codes >= 0) & (codes < num_classes)),
          data=[f'Expected codes in [0, {num_classes}); received:', x],
      )
  ]


def check_one_per_example(
    values: tf.Tensor, x: tf.Tensor, name: str, axis: int = 0
) -> None:
  """Checks that there is a value for each example: one would broadcast.

  Args:
    values: `Tensor`.
    x: `Tensor`, shape `[batch, ...]`: the examples.
    name: Python `str`, what the errors call the values.
    axis: The axis of `values` that goes over the examples.

  Raises:
    ValueError: If there is no such axis, or its static size is another.
    tf.errors.InvalidArgumentError: If the size is another in the run.

  Example:
    >>> from discrete_lvm.ops import assertions
    >>> assertions.check_one_per_example(tf.ones([1]), tf.ones([3, 2]), 'y')
    Traceback (most recent call last):
    ...
    ValueError: Expected `y` with 3 examples on axis 0; received shape (1,).
  """
  size, rank = x.shape[0], values.shape.rank
  received = None
  if rank is not None:
    received = values.shape[axis] if -rank <= axis < rank else 0
  if size is None or received is None:
    tf.debugging.assert_equal(
        tf.shape(values)[axis],
        tf.shape(x)[0],
        f'Expected `{name}` of each example.',
    )
  elif received != size:
    raise ValueError(
        f'Expected `{name}` with {size} examples on axis {axis}; received '
        f'shape {values.shape}.'
    )
