"""Labels of data of which some have none, -1 in their place."""

from typing import Any

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import assertions


def get_pair(batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
  """Splits a batch into data and labels.

  Args:
    batch: Data, shape `[batch, *event]`, or a pair of them and integer labels,
      `[batch]`.

  Returns:
    The data, and int32 labels of shape `[batch]`, all -1 if there are none. A
    label that int32 does not hold is its nearest.

  Raises:
    ValueError: If the batch has other members, or the labels are of another
      shape or no integers.
    tf.errors.InvalidArgumentError: If there are more or fewer labels than data
      in a batch that is not static.
  """
  if not isinstance(batch, tuple | list):
    x = tf.convert_to_tensor(batch)
    return x, tf.fill(tf.shape(x)[:1], -1)
  if len(batch) != 2:
    raise ValueError(
        f'Expected a batch x or (x, y); received {len(batch)} members.'
    )
  x, labels = (tf.convert_to_tensor(value) for value in batch)
  check(labels, x.shape[0])
  assertions.check_one_per_example(labels, x, 'y')
  # A cast would wrap those of 64 bits, into the range perhaps.
  return x, tf.saturate_cast(labels, tf.int32)


def check(labels: tf.Tensor, size: int | None) -> None:
  """Checks the shape and the type of labels.

  Args:
    labels: The labels.
    size: How many there have to be, or None if that is not known.

  Raises:
    ValueError: If they are no integers of shape `[size]`.
  """
  if not labels.dtype.is_integer or not labels.shape.is_compatible_with([size]):
    raise ValueError(
        f'Expected integer labels of shape [{size}]; received '
        f'{labels.dtype.name} of shape {labels.shape}.'
    )


def zero_in_range(labels: tf.Tensor, least: int, num_classes: int) -> tf.Tensor:
  """Makes 0 of each label that is in range, NaN of one that is not.

  Args:
    labels: Integer `Tensor`.
    least: The least label.
    num_classes: What all labels are below.

  Returns:
    float32 `Tensor` of the same shape.

  Raises:
    ValueError: If a label is known to be out of range.
  """
  labels = tf.cast(labels, tf.int64)
  in_range = (labels >= least) & (labels < num_classes)
  known = tf.get_static_value(in_range)
  if known is not None and not known.all():
    raise ValueError(
        f'Expected labels from {least} to {num_classes - 1}; received '
        f'{np.unique(tf.get_static_value(labels)[~known]).tolist()}.'
    )
  return tf.where(in_range, 0.0, float('nan'))
