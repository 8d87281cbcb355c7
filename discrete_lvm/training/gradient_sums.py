"""Gradients of several batches, added up on each replica."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class GradientSums:
  """Adds up gradients on each replica, which do not meet until they are read.

  So a step of several batches moves as many bytes between replicas as a step of
  one. All of its methods belong into a replica. What is added is gone when it
  has been taken: between steps all sums are zero, and no checkpoint needs them.
  A step that fails may leave some, to be taken before the next one.

  Args:
    weights: Trainable weights of Keras, built.
  """

  def __init__(self, weights: Sequence[keras.Variable]):
    self._sums = [self._zeros(weight.shape) for weight in weights]
    self._count = self._zeros([])

  def add(self, gradients: Sequence[Any], count: tf.Tensor) -> None:
    """Adds the gradients of a mean loss over `count` examples.

    Args:
      gradients: Tensors or None, one for each weight.
      count: float32 scalar, number of examples of all replicas.
    """
    for total, gradient in zip(self._sums, gradients, strict=True):
      if gradient is not None:
        gradient = tf.cast(tf.convert_to_tensor(gradient), tf.float32)
        total.assign_add(count * gradient)
    self._count.assign_add(count)

  def take(self) -> list[tf.Tensor]:
    """Returns the gradients of the mean over all examples; sets sums to zero.

    Returns:
      A list of float32 `Tensor`s, one for each weight; of one that no batch had
      a gradient for, zeros.
    """
    count = self._count.read_value()
    gradients = [
        tf.math.divide_no_nan(total.read_value(), count) for total in self._sums
    ]
    with tf.control_dependencies(gradients):
      for total in (*self._sums, self._count):
        total.assign(tf.zeros_like(total))
    return gradients

  def _zeros(self, shape):
    return tf.Variable(
        tf.zeros(shape),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )
