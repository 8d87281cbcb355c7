"""Run-time checks of the values of events (XLA drops them)."""

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
  return [
      tf.debugging.Assert(
          tf.reduce_all((x >= 0) & (x < num_classes)),
          data=[f'Expected codes in [0, {num_classes}); received:', x],
      )
  ]
