"""Logits without the offset that all of them share."""

import tensorflow as tf

from discrete_lvm.ops import floats


def center(logits: tf.Tensor, name: str = 'center') -> tf.Tensor:
  """Subtracts the largest of the logits, if it is finite.

  The law is the same, and so is the gradient of whatever an offset does not
  change, a softmax for instance. Noise added to logits of a large offset would
  be rounded away: of `perturb([1e7, 1e7])` the first wins in 62 % of the draws.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the shape of `logits`, float32 at the least.

  Example:
    >>> from discrete_lvm.ops import centering
    >>> centering.center(tf.constant([1e7, 1e7 - 1.])).numpy()
    array([ 0., -1.], dtype=float32)
  """
  with tf.name_scope(name):
    logits = floats.at_least_float32(logits)
    top = tf.reduce_max(logits, axis=-1, keepdims=True)
    top = tf.where(tf.math.is_finite(top), top, tf.zeros_like(top))
    return logits - tf.stop_gradient(top)
