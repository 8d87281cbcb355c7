"""Batches whose order and noise are a function of the step alone."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import counts


class ShuffledBatches:
  """Shuffled batches from memory, from any step on.

  Every epoch goes through a fresh permutation of the examples, without those
  that do not fill its last batch. The batch of a step depends on the seed and
  the step alone, so a run that resumes at a step needs no state of the data,
  and to begin there reads none of it.

  Args:
    arrays: Array, or dict or tuple of arrays, shape `[num_examples, ...]` each.
    batch_size: Examples a batch.
    seed: As for `ops.as_seed`, but not a `SeedGenerator`, whose state moves.
    transform: `transform(batch, seed) -> batch`, applied to each batch by
      TensorFlow ops; `seed`, int32 of shape `[2]`, is that of the step. The
      place for dynamic binarisation.

  Raises:
    ValueError: If the arrays are scalars, differ in length, are empty, or are
      fewer than `batch_size`, or `batch_size` is no integer of at least 1.

  Example:
    >>> batches = ShuffledBatches(np.arange(6), batch_size=2, seed=0)
    >>> run = [batch.numpy().tolist() for batch in batches(0).take(5)]
    >>> sorted(sum(run[:3], []))  # An epoch is 3 steps.
    [0, 1, 2, 3, 4, 5]
    >>> next(iter(batches(4))).numpy().tolist() == run[4]
    True
  """

  def __init__(
      self,
      arrays: Any,
      batch_size: int,
      seed: Any,
      transform: Callable[[Any, tf.Tensor], Any] | None = None,
  ):
    self._arrays = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    for array in tf.nest.flatten(self._arrays):
      if array.shape.rank == 0:
        raise ValueError(
            'Expected arrays of shape [num_examples, ...]; received the scalar '
            f'{array.numpy()}.'
        )
    lengths = {int(a.shape[0]) for a in tf.nest.flatten(self._arrays)}
    if len(lengths) != 1:
      raise ValueError(
          f'Expected arrays of one length; received {sorted(lengths)}.'
      )
    (self._num_examples,) = lengths
    counts.check_count(batch_size, 'batch_size')
    if batch_size > self._num_examples:
      raise ValueError(
          'Expected a `batch_size` from 1 to the number of examples, '
          f'{self._num_examples}; received {batch_size}.'
      )
    self._batch_size = batch_size
    self._shuffle_seed = ops.fold_in(seed, 'shuffle')
    self._transform_seed = ops.fold_in(seed, 'transform')
    self._transform = transform

  @property
  def steps_per_epoch(self) -> int:
    """Number of batches in one pass over the examples."""
    return self._num_examples // self._batch_size

  def __call__(self, start_step: int = 0) -> tf.data.Dataset:
    """Returns an infinite data set that begins with the batch of a step.

    Args:
      start_step: The step, from 0.

    Returns:
      A `tf.data.Dataset` of batches, shape `[batch_size, ...]`.
    """
    first_epoch, skipped = divmod(int(start_step), self.steps_per_epoch)

    def epoch_indices(epoch):
      indices = self._epoch_indices(epoch)
      begin = tf.where(epoch == first_epoch, skipped, 0)
      return tf.data.Dataset.from_tensor_slices(indices[begin:])

    return (
        tf.data.Dataset.counter(first_epoch)
        .flat_map(epoch_indices)
        .enumerate(start_step)
        .map(self._batch, num_parallel_calls=tf.data.AUTOTUNE)
        # Which `flat_map` does not tell.
        .apply(
            tf.data.experimental.assert_cardinality(
                tf.data.INFINITE_CARDINALITY
            )
        )
        .prefetch(tf.data.AUTOTUNE)
    )

  def _epoch_indices(self, epoch):
    shuffled = tf.random.experimental.stateless_shuffle(
        tf.range(self._num_examples), ops.fold_in(self._shuffle_seed, epoch)
    )
    shape = [self.steps_per_epoch, self._batch_size]
    return tf.reshape(shuffled[: shape[0] * shape[1]], shape)

  def _batch(self, step, indices):
    batch = tf.nest.map_structure(
        lambda array: tf.gather(array, indices), self._arrays
    )
    if self._transform is None:
      return batch
    return self._transform(batch, ops.fold_in(self._transform_seed, step))
