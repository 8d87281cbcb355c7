"""Scaled dot-product attention."""

import math

import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import numerics


def attend(queries, keys, values, mask=None):
  """Returns `softmax(queries @ keys^T / sqrt(D)) @ values`.

  The softmax is in float32 at the least, under any policy.

  Args:
    queries: Floating `Tensor`, shape `[..., num_queries, D]`.
    keys: `Tensor`, shape `[..., length, D]`.
    values: `Tensor`, shape `[..., length, D]`.
    mask: `bool` `Tensor` that broadcasts to `[..., num_queries, length]`:
      which positions a query sees, at least one. By default all.

  Returns:
    `Tensor`, shape `[..., num_queries, D]`, in the dtype of `queries`.

  Example:
    >>> from discrete_lvm.layers import attention
    >>> values = tf.constant([[2.], [4.], [9.]])
    >>> attention.attend(tf.zeros([1, 1]), values, values).numpy()
    array([[5.]], dtype=float32)
    >>> mask = tf.constant([True, True, False])
    >>> attention.attend(tf.zeros([1, 1]), values, values, mask).numpy()
    array([[3.]], dtype=float32)

  References:
    Ashish Vaswani et al. Attention Is All You Need. NeurIPS 2017.
    https://arxiv.org/abs/1706.03762. Equation 1.
  """
  queries *= 1 / math.sqrt(queries.shape[-1])
  scores = floats.at_least_float32(tf.matmul(queries, keys, transpose_b=True))
  if mask is not None:
    scores = tf.where(mask, scores, -math.inf)
  weights = tf.cast(numerics.softmax(scores), values.dtype)
  return tf.matmul(weights, values)
