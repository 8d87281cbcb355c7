"""The maps of autoregressive sorting: each class renamed given those before."""

import functools

import tensorflow as tf

from discrete_lvm.ops import conditioners
from discrete_lvm.ops import couplings
from discrete_lvm.ops import placement
from discrete_lvm.ops import sorting_couplings


def predict(y: tf.Tensor, conditioner: conditioners.Conditioner) -> tf.Tensor:
  """Returns the logits of each class given those before it.

  Args:
    y: Events, `[..., length, K]` or codes `[..., length]`. They get no
      gradient.
    conditioner: Of a causal network that returns `K` channels.

  Returns:
    `Tensor`, shape `[..., length, K]`, in nats.

  Raises:
    ValueError: If the conditioner does not return `K` channels.
  """
  logits = conditioner(tf.stop_gradient(y))
  return sorting_couplings.check_logits(logits, y, conditioner.events)


def rank(
    y: tf.Tensor,
    logits: tf.Tensor,
    conditioner: conditioners.Conditioner,
    thresholds: tf.Tensor | None = None,
) -> tf.Tensor:
  """Turns classes into their ranks, and puts them where `placement` says.

  Args:
    y: Events, `[..., length, K]` or codes `[..., length]`.
    logits: What `predict` returns.
    conditioner: As there.
    thresholds: Floating `Tensor`, shape `[length - 1]`, of
      `placement.uncertainty`; or None, and each rank stays at its position.

  Returns:
    Events like `y`.
  """
  events = conditioner.events
  x = events.rank_classes(y, logits)
  if thresholds is None:
    return x
  return events.take(x, tf.argsort(slots(logits, conditioner, thresholds)))


def slots(
    logits: tf.Tensor,
    conditioner: conditioners.Conditioner,
    thresholds: tf.Tensor,
) -> tf.Tensor:
  """Returns where `rank` puts each position.

  Args:
    logits: What `predict` returns.
    conditioner: As there.
    thresholds: As for `rank`.

  Returns:
    int32 `Tensor`, shape `[..., length]`: a permutation of `[0, length)` in
    each row. Each one depends on the logits there and before alone.
  """
  target = placement.targets(placement.uncertainty(logits), thresholds)
  return placement.place(target, getattr(conditioner.network, 'order', None))


def autoregressive_sorting_forward(
    x: tf.Tensor,
    conditioner: conditioners.Conditioner,
    thresholds: tf.Tensor | None = None,
) -> tf.Tensor:
  """Solves `rank(y, predict(y)) = x` for `y`, as `couplings.decode` does.

  Args:
    x: Events, `[..., length, K]` or codes `[..., length]`.
    conditioner: Of a causal network that returns `K` channels.
    thresholds: As for `rank`.

  Returns:
    Events like `x`. They have no gradient.

  Raises:
    ValueError: If the conditioner does not return `K` channels.
  """
  events = conditioner.events

  def change(x, logits):
    sorting_couplings.check_logits(logits, x, events)
    if thresholds is not None:
      x = events.take(x, slots(logits, conditioner, thresholds))
    return events.unrank_classes(x, logits)

  generate = functools.partial(
      _generate, conditioner=conditioner, thresholds=thresholds
  )
  return couplings.decode(x, conditioner, change, generate)


def _generate(x, conditioner, thresholds):
  """Decodes by the cache of the network, position by position."""
  events = conditioner.events
  num_classes = events.num_classes(x)
  arguments = {
      'num_classes': num_classes,
      'dtype': x.dtype,
      'batch_rank': x.shape.rank - events.rank,
  }
  if thresholds is None:
    return conditioner.generate(x, events.unrank_classes, **arguments)
  shape = tf.shape(x)
  length = shape[-events.rank]
  token_shape = shape[x.shape.rank - events.rank + 1 :]
  flat = tf.reshape(x, tf.concat([[-1, length], token_shape], axis=0))
  static_batch = x.shape[: -events.rank].num_elements()
  flat = tf.ensure_shape(flat, [static_batch, *x.shape[-events.rank :]])

  def choose(unused_token, logits, is_free):
    target = placement.targets(placement.uncertainty(logits), thresholds)
    slot, is_free = placement.nearest_free(target, is_free)
    token = tf.gather(flat, slot, axis=1, batch_dims=1)
    return events.unrank_classes(token, logits), is_free

  is_free = tf.ones(tf.shape(flat)[:2], tf.bool)
  is_free = tf.ensure_shape(is_free, flat.shape[:2])
  return conditioner.generate(x, choose, **arguments, memory=(is_free,))
