"""Where positions go so that those of like uncertainty stand together.

A permutation of the classes of each position leaves a base of independent
positions to know only how likely each rank is on the whole. If, beside that,
sure predictions go to the first positions of the base and unsure ones to the
last, each position of the base has a law of its own: that of its uncertainty.

How unsure logits are is a count here, in integers, of exact comparisons: both
directions of a flow get the same one however a compiler fuses what is around.
"""

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import floats

# Classes this many nats below the likeliest add nothing. Of entropies of 0 to
# 3 nats the count tells as much about the rank as the entropy itself.
_RANGE = 4.0
_RESOLUTION = 32.0


def uncertainty(logits: tf.Tensor, name: str = 'uncertainty') -> tf.Tensor:
  """Scores how many classes are nearly as likely as the likeliest.

      sum_k 128 - ceil(32 * min(4, max(logits) - logits[k]))

  Args:
    logits: Floating `Tensor`, shape `[..., K]`, in nats. NaN counts as -inf.
    name: Python `str`, name scope of the ops.

  Returns:
    int32 `Tensor`, shape `[...]`: 128 if one class has all, 128 K if all have
    the same.

  Example:
    >>> from discrete_lvm.ops import placement
    >>> logits = [[9., 0., 0.], [1., 1., 1.], [9., 8., 0.]]
    >>> placement.uncertainty(logits).numpy()
    array([128, 384, 224], dtype=int32)
  """
  with tf.name_scope(name):
    logits = floats.at_least_float32(tf.convert_to_tensor(logits))
    lowest = tf.constant(logits.dtype.min, logits.dtype)
    logits = tf.where(tf.math.is_nan(logits), lowest, logits)
    logits = tf.clip_by_value(logits, lowest / 4, -lowest / 4)
    gaps = tf.reduce_max(logits, axis=-1, keepdims=True) - logits
    # The constant is subtracted from integers, since a graph may reorder a sum
    # of floats, and an order of it that eager has not rounds otherwise.
    steps = tf.math.ceil(_RESOLUTION * tf.minimum(gaps, _RANGE))
    most = int(_RANGE * _RESOLUTION)
    return tf.reduce_sum(most - tf.cast(steps, tf.int32), axis=-1)


def even_thresholds(length: int, num_classes: int) -> np.ndarray:
  """Returns thresholds to begin with, at even distances.

  Args:
    length: Python `int` of at least 2.
    num_classes: Python `int`: `K`.

  Returns:
    float32 array, shape `[length - 1]`, from the `uncertainty` of a sure
    prediction to that of an even one.

  Example:
    >>> from discrete_lvm.ops import placement
    >>> placement.even_thresholds(4, num_classes=3)
    array([192., 256., 320.], dtype=float32)
  """
  steps = 1 + (num_classes - 1) * np.arange(1, length) / length
  return (_RANGE * _RESOLUTION * steps).astype(np.float32)


def quantiles(
    scores: tf.Tensor, length: int, name: str = 'quantiles'
) -> tf.Tensor:
  """Returns the thresholds between the `length` equal shares of some scores.

  Args:
    scores: int32 `Tensor`, shape `[...]`, at least one.
    length: Python `int` of at least 2.
    name: Python `str`, name scope of the ops.

  Returns:
    float32 `Tensor`, shape `[length - 1]`, rising.

  Example:
    >>> from discrete_lvm.ops import placement
    >>> placement.quantiles([[7, 1], [5, 3]], length=2).numpy()
    array([5.], dtype=float32)
  """
  with tf.name_scope(name):
    ordered = tf.sort(tf.reshape(scores, [-1]))
    # Wide, since the product is as large as all scores times the length.
    size = tf.size(ordered, tf.int64)
    indices = tf.range(1, length, dtype=tf.int64) * size // length
    return tf.cast(tf.gather(ordered, indices), tf.float32)


def targets(
    scores: tf.Tensor, thresholds: tf.Tensor, name: str = 'targets'
) -> tf.Tensor:
  """Finds where scores stand among the quantiles of a sequence.

  Args:
    scores: int32 `Tensor`, shape `[...]`.
    thresholds: Floating `Tensor`, shape `[length - 1]`, rising: between
      neighbours in a sorted sequence.
    name: Python `str`, name scope of the ops.

  Returns:
    int32 `Tensor` like `scores`, in `[0, length)`: of equal thresholds, the
    middle.

  Example:
    >>> from discrete_lvm.ops import placement
    >>> placement.targets([0, 5, 9], [1., 5., 5., 5.]).numpy()
    array([0, 2, 4], dtype=int32)
  """
  with tf.name_scope(name):
    thresholds = tf.convert_to_tensor(thresholds)
    scores = tf.cast(scores, thresholds.dtype)[..., tf.newaxis]
    below = tf.cast(thresholds < scores, tf.int32)
    up_to = tf.cast(thresholds <= scores, tf.int32)
    return tf.reduce_sum(below + up_to, axis=-1) // 2


def nearest_free(
    target: tf.Tensor, is_free: tf.Tensor, name: str = 'nearest_free'
) -> tuple[tf.Tensor, tf.Tensor]:
  """Takes the free slot that is nearest to a target, of two the lower.

  Args:
    target: int32 `Tensor`, shape `[batch]`.
    is_free: `bool` `Tensor`, shape `[batch, length]`, with one True at least.
    name: Python `str`, name scope of the ops.

  Returns:
    int32 `Tensor` of slots, shape `[batch]`, and `is_free` without them.

  Example:
    >>> from discrete_lvm.ops import placement
    >>> slot, is_free = placement.nearest_free([1], [[True, False, True]])
    >>> slot.numpy(), is_free.numpy()
    (array([0], dtype=int32), array([[False, False,  True]]))
  """
  with tf.name_scope(name):
    is_free = tf.convert_to_tensor(is_free)
    length = tf.shape(is_free)[-1]
    slots = tf.range(length)
    distance = tf.abs(slots - tf.convert_to_tensor(target)[:, tf.newaxis])
    distance = tf.where(is_free, distance, length)
    slot = tf.argmin(distance, axis=-1, output_type=tf.int32)
    return slot, is_free & tf.not_equal(slots, slot[:, tf.newaxis])


def place(
    target: tf.Tensor, order: np.ndarray | None = None, name: str = 'place'
) -> tf.Tensor:
  """Gives each position a slot of its own, one after the other.

  Each takes the `nearest_free` to its target, so its slot depends on its own
  target and those before alone: who decodes a sequence position by position
  finds the same slots.

  Args:
    target: int32 `Tensor`, shape `[..., length]`.
    order: Array of integers, shape `[length]`: the positions as they come; by
      default from the first to the last.
    name: Python `str`, name scope of the ops.

  Returns:
    int32 `Tensor` like `target`: a permutation of `[0, length)` in each row.

  Example:
    >>> from discrete_lvm.ops import placement
    >>> placement.place([[0, 2, 2, 2]]).numpy()
    array([[0, 2, 1, 3]], dtype=int32)
  """
  with tf.name_scope(name):
    target = tf.convert_to_tensor(target)
    shape = tf.shape(target)
    length = shape[-1]
    flat = tf.reshape(target, [-1, length])
    if order is None:
      order = tf.range(length)
    in_turn = tf.gather(tf.transpose(flat), order)

    def step(t, is_free, slots):
      slot, is_free = nearest_free(in_turn[t], is_free)
      return t + 1, is_free, slots.write(t, slot)

    start = (
        0,
        tf.ones(tf.shape(flat), tf.bool),
        tf.TensorArray(tf.int32, length, element_shape=flat.shape[:1]),
    )
    slots = tf.while_loop(
        lambda t, *_: t < length,
        step,
        start,
        maximum_iterations=target.shape[-1],
    )[-1].stack()
    slots = tf.transpose(tf.gather(slots, tf.argsort(order)))
    return tf.ensure_shape(tf.reshape(slots, shape), target.shape)


def uncertainty_order(
    logits: tf.Tensor, mask: np.ndarray, name: str = 'uncertainty_order'
) -> tf.Tensor:
  """Sorts the positions that change, those of the surest logits first.

  Args:
    logits: Floating `Tensor`, shape `[..., length, K]`, in nats.
    mask: Array of `bool`, shape `[length]`: positions that are True stay.
    name: Python `str`, name scope of the ops.

  Returns:
    int32 `Tensor`, shape `[..., length]`: the position that comes to stand at
    each one.

  Example:
    >>> from discrete_lvm.ops import placement
    >>> mask = np.array([False, True, False])
    >>> logits = [[0., 0.], [0., 0.], [9., 0.]]
    >>> placement.uncertainty_order(logits, mask).numpy()
    array([2, 1, 0], dtype=int32)
  """
  with tf.name_scope(name):
    changed = np.flatnonzero(~mask)
    scores = tf.gather(uncertainty(logits), changed, axis=-1)
    order = tf.gather(changed.astype(np.int32), tf.argsort(scores, stable=True))
    stays = tf.broadcast_to(
        np.flatnonzero(mask).astype(np.int32),
        tf.concat([tf.shape(order)[:-1], [int(mask.sum())]], axis=0),
    )
    places = np.argsort(np.concatenate([changed, np.flatnonzero(mask)]))
    return tf.gather(tf.concat([order, stays], axis=-1), places, axis=-1)
