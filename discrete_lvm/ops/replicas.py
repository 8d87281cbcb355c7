"""Sums over the replicas of a `tf.distribute` strategy."""

import tensorflow as tf

_SUM = tf.distribute.ReduceOp.SUM


def batch_mean(x: tf.Tensor, name: str = 'batch_mean') -> tf.Tensor:
  """Averages over the whole batch, of which each replica has a part.

  What a loss or a state takes from the mean of a batch must come from here, or
  it changes with the number of replicas. Every example weighs the same, also
  where parts differ in size or are empty; of nothing the mean is zero. Replicas
  meet for it: where they are several, XLA cannot compile it by itself. Its
  gradient is not that of the mean over the whole batch, and stopped.

  Args:
    x: Floating `Tensor`, shape `[batch, ...]`, the part of this replica.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `x`, shape `[...]`, the same on all replicas.

  Example:
    >>> batch_mean(tf.constant([[1., 2.], [3., 4.]])).numpy()
    array([2., 3.], dtype=float32)
  """
  with tf.name_scope(name):
    x = tf.stop_gradient(tf.convert_to_tensor(x))
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
      mean = tf.reduce_mean(x, axis=0)
      if x.shape[0]:
        return mean
      return tf.where(tf.shape(x)[0] > 0, mean, tf.zeros_like(mean))
    size = tf.cast(tf.shape(x)[0], x.dtype)
    total, size = context.all_reduce(_SUM, [tf.reduce_sum(x, axis=0), size])
    return tf.math.divide_no_nan(total, size)
