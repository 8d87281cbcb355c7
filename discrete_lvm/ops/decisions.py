"""A categorical variable as a tree of binary decisions.

A tree over K classes is an array of K - 1 decisions, `[K - 1, K]`: 1 for the
classes that a decision leads to if it is yes, -1 for those if it is no, and 0
for those that were left out before.
"""

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes

# As far below the likeliest class no noise ever reaches, and differences of
# such logits are finite.
_FLOOR = -1e3


def stick_breaking_decisions(num_classes: int) -> np.ndarray:
  """Returns the tree that asks of one class after another, "or a later one?".

  Args:
    num_classes: K, at least 2.

  Returns:
    int64 array, shape `[K - 1, K]`.

  Example:
    >>> stick_breaking_decisions(3)
    array([[-1,  1,  1],
           [ 0, -1,  1]])
  """
  later = np.triu(np.ones([num_classes, num_classes], np.int64), 1)
  return (later - np.eye(num_classes, dtype=np.int64))[:-1]


def balanced_decisions(num_classes: int) -> np.ndarray:
  """Returns the tree that halves the classes, `ceil(log2(K))` decisions deep.

  Args:
    num_classes: K, at least 2.

  Returns:
    int64 array, shape `[K - 1, K]`, breadth first.

  Example:
    >>> balanced_decisions(4)
    array([[-1, -1,  1,  1],
           [-1,  1,  0,  0],
           [ 0,  0, -1,  1]])
  """
  decisions = []
  ranges = [(0, num_classes)]
  for start, stop in ranges:
    if stop - start > 1:
      middle = (start + stop + 1) // 2
      decision = np.zeros(num_classes, np.int64)
      decision[start:middle] = -1
      decision[middle:stop] = 1
      decisions.append(decision)
      ranges += [(start, middle), (middle, stop)]
  return np.stack(decisions)


def decision_logits(
    logits: tf.Tensor, decisions: np.ndarray, name: str = 'decision_logits'
) -> tf.Tensor:
  """Computes the log-odds of each decision, once it is reached.

  It takes memory for `K**2` numbers a vector of logits, but where K = 2.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`, in nats; -inf is probability
      zero.
    decisions: The tree, shape `[K - 1, K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., K - 1]`, in nats, finite; float32 at the least.

  Raises:
    ValueError: If K is not static or not that of the tree.

  Example:
    >>> logits = tf.math.log([.5, .25, .25])
    >>> decision_logits(logits, stick_breaking_decisions(3)).numpy().round(3)
    array([0., 0.], dtype=float32)
  """
  with tf.name_scope(name):
    logits = tf.convert_to_tensor(logits)
    num_classes = shapes.static_num_classes(logits, 'logits', minimum=2)
    if decisions.shape[1] != num_classes:
      raise ValueError(
          f'Expected `decisions` of shape {(num_classes - 1, num_classes)}; '
          f'received {decisions.shape}.'
      )
    logits = floats.at_least_float32(logits)
    if num_classes == 2:
      log_odds = tf.reduce_sum(logits * tf.cast(decisions[0], logits.dtype), -1)
      return tf.clip_by_value(log_odds[..., tf.newaxis], _FLOOR, -_FLOOR)
    log_p = tf.nn.log_softmax(logits)
    log_p = tf.maximum(log_p, tf.cast(_FLOOR, log_p.dtype))[..., tf.newaxis, :]
    nothing = tf.constant(-np.inf, log_p.dtype)
    yes, no = (
        tf.reduce_logsumexp(tf.where(decisions == x, log_p, nothing), axis=-1)
        for x in (1, -1)
    )
    return yes - no


def decide(
    is_yes: tf.Tensor, decisions: np.ndarray, name: str = 'decide'
) -> tf.Tensor:
  """Follows decisions to a class.

  Args:
    is_yes: Boolean `Tensor`, shape `[..., K - 1]`: what each decision would be.
    decisions: The tree, shape `[K - 1, K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    One-hot float32 `Tensor`, shape `[..., K]`.

  Example:
    >>> decide([[True, False], [False, True]], stick_breaking_decisions(3))
    <tf.Tensor: shape=(2, 3), dtype=float32, numpy=
    array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)>
  """
  with tf.name_scope(name):
    signs = tf.where(is_yes, 1.0, -1.0)
    agreeing = _multiply(decisions.T, signs)
    # All decisions on the way, and no other, count for a class.
    depth = np.abs(decisions).sum(axis=0)
    return tf.cast(tf.equal(agreeing, depth), tf.float32)


def decisions_of(
    codes: tf.Tensor, decisions: np.ndarray, name: str = 'decisions_of'
) -> tf.Tensor:
  """Returns what the decisions on the way to a class were.

  Args:
    codes: One-hot floating `Tensor`, shape `[..., K]`.
    decisions: The tree, shape `[K - 1, K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `codes`, shape `[..., K - 1]`: 1 for yes, -1 for
    no, 0 for a decision off the way.

  Example:
    >>> decisions_of([0., 1., 0.], stick_breaking_decisions(3)).numpy()
    array([ 1., -1.], dtype=float32)
  """
  with tf.name_scope(name):
    codes = tf.convert_to_tensor(codes)
    return _multiply(decisions, codes)


def _multiply(matrix, vectors):
  # Not `matvec`, which on a CPU takes one product after another.
  return tf.tensordot(vectors, tf.cast(matrix.T, vectors.dtype), axes=1)
