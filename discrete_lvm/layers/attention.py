"""Scaled dot-product attention."""

import math

import tensorflow as tf


def attend(queries, keys, values, mask=None):
  """Returns `softmax(queries @ keys^T / sqrt(D)) @ values`.

  The softmax is in float32 under any policy.

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
  queries *= tf.cast(1 / math.sqrt(queries.shape[-1]), queries.dtype)
  scores = tf.cast(tf.matmul(queries, keys, transpose_b=True), tf.float32)
  if mask is not None:
    scores = tf.where(mask, scores, -math.inf)
  # As a matrix: TensorFlow's softmax takes at most five dimensions on a CPU.
  rows = tf.reshape(scores, [-1, tf.shape(scores)[-1]])
  weights = tf.reshape(tf.nn.softmax(rows), tf.shape(scores))
  return tf.matmul(tf.cast(weights, values.dtype), values)
