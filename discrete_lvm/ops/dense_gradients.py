"""Gradients that optimizers take right."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def dense(gradients: Sequence[Any]) -> list[tf.Tensor | None]:
  """Makes gradients of rows, such as those of an embedding, dense.

  A row that is looked up several times has several gradients. The optimizers of
  Keras 3.15 do not add them up before they square them, so that a step of Adam
  is too long by up to the square root of their number.

  Args:
    gradients: `Tensor`s, `tf.IndexedSlices` or None.

  Returns:
    `Tensor`s, or None where there is none.

  Example:
    >>> from discrete_lvm.ops import dense_gradients
    >>> rows = tf.IndexedSlices([2., 3.], indices=[0, 0], dense_shape=[2])
    >>> dense_gradients.dense([rows])[0].numpy()
    array([5., 0.], dtype=float32)
  """
  return [
      None if gradient is None else tf.convert_to_tensor(gradient)
      for gradient in gradients
  ]
