"""The maps of denoising flows: classes renamed in their predicted order."""

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import conditioners
from discrete_lvm.ops import couplings
from discrete_lvm.ops import events as events_lib
from discrete_lvm.ops import floats
from discrete_lvm.ops import placement


def sorting_forward(
    x: tf.Tensor,
    conditioner: conditioners.Conditioner,
    mask: np.ndarray,
    sorts_positions: bool = False,
) -> tf.Tensor:
  """Turns ranks into classes where `mask` is False, given the others.

  Args:
    x: Events, `[..., length, K]` or codes `[..., length]`.
    conditioner: Sees the positions where `mask` is True, the others say
      nothing, and returns `K` channels, the logits of the classes.
    mask: Array of `bool`, shape `[length]`.
    sorts_positions: Whether the positions that change stand in the order of
      `placement.uncertainty_order` in `x`.

  Returns:
    Events like `x`.

  Raises:
    ValueError: If the event is not of the length of the mask, or the
      conditioner does not return `K` channels.
  """
  events = conditioner.events
  logits = predict(x, conditioner, mask)
  if sorts_positions:
    order = placement.uncertainty_order(logits, mask)
    x = events.take(x, tf.argsort(order))
  return events.where(mask, x, events.unrank_classes(x, logits))


def sorting_inverse(
    y: tf.Tensor,
    conditioner: conditioners.Conditioner,
    mask: np.ndarray,
    sorts_positions: bool = False,
) -> tf.Tensor:
  """Inverts `sorting_forward`, whose arguments it takes."""
  logits = predict(y, conditioner, mask)
  return _rank(y, logits, conditioner.events, mask, sorts_positions)


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
  logits = predict(y, conditioner, mask)
  return cross_entropy(y, logits, conditioner.events, mask)


def sorting_inverse_and_cross_entropy(
    y: tf.Tensor,
    conditioner: conditioners.Conditioner,
    mask: np.ndarray,
    sorts_positions: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns both, from one call of the network; arguments as for each."""
  events = conditioner.events
  logits = predict(y, conditioner, mask)
  return (
      _rank(y, logits, events, mask, sorts_positions),
      cross_entropy(y, logits, events, mask),
  )


def predict(
    x: tf.Tensor, conditioner: conditioners.Conditioner, mask: np.ndarray
) -> tf.Tensor:
  """Returns the logits of the classes, given the positions that pass.

  Args:
    x: Events, as for `sorting_inverse`. They get no gradient.
    conditioner: As there.
    mask: As there.

  Returns:
    `Tensor`, shape `[..., length, K]`, in nats.

  Raises:
    ValueError: As `sorting_inverse` raises.
  """
  events = conditioner.events
  x = couplings.of_length(x, mask, events)
  logits = conditioner(events.keep(tf.stop_gradient(x), mask))
  return check_logits(logits, x, events)


def cross_entropy(
    y: tf.Tensor,
    logits: tf.Tensor,
    events: events_lib.Events,
    mask: np.ndarray | None = None,
) -> tf.Tensor:
  """Returns how badly the tokens of events are predicted.

  Args:
    y: Events, `[..., length, K]` or codes `[..., length]`. They get no
      gradient.
    logits: Floating `Tensor`, shape `[..., length, K]`.
    events: The form of the events.
    mask: Array of `bool`, shape `[length]`: True where a token does not count.
      By default all do.

  Returns:
    `Tensor`, shape `[...]`, in nats, float32 at the least: the sum over the
    positions.
  """
  nats = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=events.codes(y), logits=floats.at_least_float32(logits)
  )
  if mask is not None:
    nats = tf.where(mask, tf.zeros_like(nats), nats)
  return tf.reduce_sum(nats, axis=-1)


def check_logits(
    logits: tf.Tensor, x: tf.Tensor, events: events_lib.Events
) -> tf.Tensor:
  """Returns what a conditioner said of events, `K` channels or a ValueError."""
  conditioners.check_channels(logits.shape[-1], events.num_classes(x))
  return logits


def _rank(y, logits, events, mask, sorts_positions):
  x = events.where(mask, y, events.rank_classes(y, logits))
  if sorts_positions:
    x = events.take(x, placement.uncertainty_order(logits, mask))
  return x
