"""Training data of which few have a label."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import data

UNKNOWN = -1


def choose(labels: np.ndarray, num_labels: int, seed: int) -> np.ndarray:
  """Chooses examples whose labels are to be known, as many of each class.

  Args:
    labels: Integers, shape `[size]`: classes from 0 on.
    num_labels: How many examples.
    seed: Python `int`, seed of the choice.

  Returns:
    Their indices, shape `[num_labels]`, in order.

  Raises:
    ValueError: If `num_labels` is no positive multiple of the number of
      classes, or a class has too few examples.

  Example:
    >>> choose(np.array([0, 1, 1, 0, 1]), num_labels=4, seed=0).size
    4
  """
  num_classes = int(labels.max()) + 1
  each, rest = divmod(num_labels, num_classes)
  if rest or not each:
    raise ValueError(
        f'Expected a number of labels that is a multiple of {num_classes}, the '
        f'number of classes; received {num_labels}.'
    )
  rng = np.random.default_rng(seed)
  chosen = []
  for k in range(num_classes):
    of_class = np.flatnonzero(labels == k)
    if len(of_class) < each:
      raise ValueError(
          f'Expected at most {len(of_class)} labels of class {k}, as there are '
          f'examples; received {each}.'
      )
    chosen.append(rng.permutation(of_class)[:each])
  return np.sort(np.concatenate(chosen))


def batches(
    train: data.Split,
    known: np.ndarray,
    batch_size: int,
    labeled_batch_size: int,
    seed: Any,
) -> Callable[[int], tf.data.Dataset]:
  """Makes batches of examples with a label, and after them those without.

  All pixels are drawn anew at each step. The examples with a label are drawn
  with replacement; those without go through the whole split.

  Args:
    train: Images in [0, 1], and all labels.
    known: Indices of the examples whose labels are known.
    batch_size: Examples a batch without a label.
    labeled_batch_size: Examples a batch with a label.
    seed: As for `dlvm.training.ShuffledBatches`.

  Returns:
    What `dlvm.training.Trainer.fit` takes: a function from a step to the
    infinite data set of `(images, labels)` from there on, with labels of -1.
  """
  images = tf.constant(train.images[known])
  labels = tf.constant(train.labels[known])

  def add_labeled(unlabeled, seed):
    picks = tf.random.stateless_uniform(
        [labeled_batch_size],
        dlvm.ops.fold_in(seed, 'labeled'),
        maxval=len(known),
        dtype=tf.int32,
    )
    x = tf.concat([tf.gather(images, picks), unlabeled], axis=0)
    y = tf.concat(
        [tf.gather(labels, picks), tf.fill([batch_size], UNKNOWN)], axis=0
    )
    return data.binarize(x, seed), y

  return dlvm.training.ShuffledBatches(
      train.images, batch_size, seed, add_labeled
  )
