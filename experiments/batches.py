"""Batches that are drawn afresh at every step."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

import discrete_lvm as dlvm


def sampled(
    sample: Callable[[tf.Tensor], Any], seed: Any
) -> Callable[[int], tf.data.Dataset]:
  """Makes batches of fresh draws, each a function of the seed and its step.

  So a run that resumes at a step sees the batches that it would have seen.

  Args:
    sample: `sample(seed)`, in TensorFlow: the batch of a seed, int32 of shape
      `[2]`.
    seed: As for `dlvm.ops.as_seed`, but not a `SeedGenerator`, whose state
      moves.

  Returns:
    A function from a step to the infinite data set of batches from there on:
    what `dlvm.training.Trainer.fit` takes.

  Example:
    >>> batches = sampled(lambda seed: seed, seed=0)
    >>> first = list(batches(0).take(3))
    >>> bool(tf.reduce_all(next(iter(batches(2))) == first[2]))
    True
  """

  def batches(start_step):
    steps = tf.data.Dataset.counter(start_step)
    return steps.map(
        lambda step: sample(dlvm.ops.fold_in(seed, step))
    ).prefetch(2)

  return batches
