"""The maps of denoising flows: classes renamed in their predicted order."""

import functools

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import conditioners
from discrete_lvm.ops import couplings
from discrete_lvm.ops import events as events_lib


def sorting_forward(
    x: tf.Tensor, conditioner: conditioners.Conditioner, mask: np.ndarray
) -> tf.Tensor:
  """Turns ranks into classes where `mask` is False, given the others.

  Args:
    x: Events, `[..., length, K]` or codes `[..., length]`.
    conditioner: Sees the positions where `mask` is True, the others say
      nothing, and returns `K` channels, the logits of the classes.
    mask: Array of `bool`, shape `[length]`.

  Returns:
    Events like `x`.

  Raises:
    ValueError: If the event is not of the length of the mask, or the
      conditioner does not return `K` channels.
  """
  change = functools.partial(_unrank, events=conditioner.events)
  return couplings.couple(x, conditioner, mask, change)


def sorting_inverse(
    y: tf.Tensor, conditioner: conditioners.Conditioner, mask: np.ndarray
) -> tf.Tensor:
  """Inverts `sorting_forward`, whose arguments it takes."""
  change = functools.partial(_rank, events=conditioner.events)
  return couplings.couple(y, conditioner, mask, change)


def sorting_cross_entropy(
    y: tf.Tensor, conditioner: conditioners.Conditioner, mask: np.ndarray
) -> tf.Tensor:
  """Returns how badly a conditioner predicts the positions that change.

  Args:
    y: Events, as for `sorting_inverse`. They get no gradient.
    conditioner: As there.
    mask: As there.

  Returns:
    `Tensor`, shape `[...]`, in nats: the sum over the positions where `mask` is
    False, float32 at the least.

  Raises:
    ValueError: As `sorting_inverse` raises.
  """
  y = tf.stop_gradient(y)
  events = conditioner.events
  couplings.check_length(y, mask, events)
  logits = _checked_logits(conditioner(events.keep(y, mask)), y, events)
  dtype = tf.float64 if logits.dtype == tf.float64 else tf.float32
  nats = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=events.codes(y), logits=tf.cast(logits, dtype)
  )
  return tf.reduce_sum(tf.where(mask, tf.zeros_like(nats), nats), axis=-1)


def _rank(y, logits, events):
  return events.rank_classes(y, _checked_logits(logits, y, events))


def _unrank(x, logits, events):
  return events.unrank_classes(x, _checked_logits(logits, x, events))


def _checked_logits(
    logits: tf.Tensor, x: tf.Tensor, events: events_lib.Events
) -> tf.Tensor:
  num_classes = events.num_classes(x)
  if logits.shape[-1] != num_classes:
    raise ValueError(
        f'Expected a conditioner that returns {num_classes} channels; received '
        f'{logits.shape[-1]}.'
    )
  return logits
