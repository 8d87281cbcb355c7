"""The maps of discrete flows, location and scale modulo `K`.

Each is `y = (scale * x + shift) mod K` at every position it changes, where a
conditioner computes shift and scale from other positions of the event. They
are bijections, exact and without a volume term.
"""

from collections.abc import Callable
import functools
import math

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import conditioners
from discrete_lvm.ops import events as events_lib
from discrete_lvm.ops import modular_codes


def bipartite_forward(
    x: tf.Tensor,
    conditioner: conditioners.Conditioner,
    mask: np.ndarray,
    argmax: events_lib.Argmax,
) -> tf.Tensor:
  """Changes the positions where `mask` is False, given the others.

  Args:
    x: Events, `[..., length, K]` or codes `[..., length]`.
    conditioner: Sees the positions where `mask` is True; the others say
      nothing.
    mask: Array of `bool`, shape `[length]`.
    argmax: Callable of logits, `[..., K]`, that returns one-hot vectors.

  Returns:
    Events like `x`.

  Raises:
    ValueError: If the event is not of the length of the mask, or the
      conditioner returns neither `K` nor `2 K` channels.
  """
  change = functools.partial(_affine, events=conditioner.events, argmax=argmax)
  return couple(x, conditioner, mask, change)


def bipartite_inverse(
    y: tf.Tensor,
    conditioner: conditioners.Conditioner,
    mask: np.ndarray,
    argmax: events_lib.Argmax,
) -> tf.Tensor:
  """Inverts `bipartite_forward`, whose arguments it takes."""
  change = functools.partial(
      _affine_inverse, events=conditioner.events, argmax=argmax
  )
  return couple(y, conditioner, mask, change)


def autoregressive_inverse(
    y: tf.Tensor,
    conditioner: conditioners.Conditioner,
    argmax: events_lib.Argmax,
) -> tf.Tensor:
  """Inverts `autoregressive_forward`, in one call of the network.

  Args:
    y: Events, `[..., length, K]` or codes `[..., length]`.
    conditioner: Of a causal network.
    argmax: Callable of logits, `[..., K]`, that returns one-hot vectors.

  Returns:
    Events like `y`.

  Raises:
    ValueError: If the conditioner returns neither `K` nor `2 K` channels.
  """
  return _affine_inverse(y, conditioner(y), conditioner.events, argmax)


def autoregressive_forward(
    x: tf.Tensor,
    conditioner: conditioners.Conditioner,
    argmax: events_lib.Argmax,
) -> tf.Tensor:
  """Changes each position given those before it, of the result.

  It finds the one `y` that `autoregressive_inverse` maps to `x`, bit for bit,
  as long as the network gives equal outputs for equal inputs of one shape. It
  is a graph loop, and passes no gradient:

  - If the network has a cache, it takes one step a position, and then one call
    of the whole network to check the result: a step may round otherwise than
    that call, and so choose another class at a tie.
  - Without a cache, or where the check fails, it calls the whole network until
    nothing changes: each call settles at least one more position, so that
    `length` of them are enough.

  Args:
    x: Events, `[..., length, K]` or codes `[..., length]`.
    conditioner: Of a causal network.
    argmax: Callable of logits, `[..., K]`, that returns one-hot vectors.

  Returns:
    Events like `x`.

  Raises:
    ValueError: If the conditioner returns neither `K` nor `2 K` channels.
  """
  events = conditioner.events
  change = functools.partial(_affine, events=events, argmax=argmax)

  def generate(x):
    return conditioner.generate(
        x,
        change,
        events.num_classes(x),
        x.dtype,
        batch_rank=x.shape.rank - events.rank,
    )

  return decode(x, conditioner, change, generate)


def decode(
    x: tf.Tensor,
    conditioner: conditioners.Conditioner,
    change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    generate: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
  """Solves `y = change(x, conditioner(y))` for `y`, by a graph loop.

  `autoregressive_forward` says how.

  Args:
    x: Events, `[..., length, K]` or codes `[..., length]`.
    conditioner: Of a causal network.
    change: Callable of events and of the network's outputs, which returns
      events. Those at a position depend on outputs there and before.
    generate: Callable of `x` that returns `y` but for the rounding of a step,
      by the cache of the network. It is not called if there is none.

  Returns:
    Events like `x`. They have no gradient.
  """
  x = tf.stop_gradient(x)

  def evaluate(y):
    return change(x, conditioner(y))

  # A first call, which also builds the network outside of the loops.
  y = evaluate(x)
  if conditioner.has_cache:
    y = generate(x)
  length = tf.shape(x)[-conditioner.events.rank]

  def settle(i, y, unused_settled):
    image = evaluate(y)
    return i + 1, image, tf.reduce_all(tf.equal(image, y))

  def is_unsettled(i, unused_y, settled):
    return (i < length) & tf.logical_not(settled)

  return tf.stop_gradient(tf.while_loop(is_unsettled, settle, (0, y, False))[1])


def shift_and_scale(
    outputs: tf.Tensor,
    x: tf.Tensor,
    events: events_lib.Events,
    argmax: events_lib.Argmax,
) -> tuple[tf.Tensor, tf.Tensor | None]:
  """Makes shifts and scales of what a conditioner returns.

  Scales are drawn from the residues coprime with `K`, for any `K`; the logits
  of all others have no effect and no gradient.

  Args:
    outputs: `Tensor`, shape `[..., K]`, the logits of the shift, or `[..., 2
      K]`, with those of the scale behind them.
    x: Events or tokens, whose dtype and `K` the result has.
    events: The form of the events.
    argmax: Callable of logits, `[..., K]`, that returns one-hot vectors.

  Returns:
    Tokens `[..., K]` or codes `[...]`: the shift, and the scale or None.

  Raises:
    ValueError: If there are neither `K` nor `2 K` outputs.
  """
  num_classes = events.num_classes(x)
  channels = outputs.shape[-1]
  conditioners.check_channels(channels, num_classes, 2 * num_classes)
  shift = events.choose(outputs[..., :num_classes], argmax, x.dtype)
  if channels == num_classes:
    return shift, None
  logits = outputs[..., num_classes:]
  invertible = modular_codes.invertible_scales(num_classes)
  logits = tf.where(invertible, logits, tf.cast(-math.inf, logits.dtype))
  return shift, events.choose(logits, argmax, x.dtype)


def couple(
    x: tf.Tensor,
    conditioner: conditioners.Conditioner,
    mask: np.ndarray,
    change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
  """Changes the positions where `mask` is False, given the others.

  Args:
    x: Events, `[..., length, K]` or codes `[..., length]`.
    conditioner: Sees the positions where `mask` is True; the others say
      nothing.
    mask: Array of `bool`, shape `[length]`.
    change: Callable of events and of the conditioner's outputs, which returns
      the events with every position changed.

  Returns:
    Events like `x`.

  Raises:
    ValueError: If the event is not of the length of the mask.
  """
  events = conditioner.events
  x = of_length(x, mask, events)
  outputs = conditioner(events.keep(x, mask))
  return events.where(mask, x, change(x, outputs))


def of_length(
    x: tf.Tensor, mask: np.ndarray, events: events_lib.Events
) -> tf.Tensor:
  """Returns events, once they are of the length of the mask.

  Args:
    x: Events, `[..., length]` and what a token has.
    mask: Boolean array, shape `[length]`.
    events: What they are.

  Returns:
    The events, whose length is checked in the run where it is not static: one
    position would broadcast.

  Raises:
    ValueError: If their static length is another.
  """
  if x.shape[-events.rank] not in (None, mask.size):
    raise ValueError(
        f'Expected an event of length {mask.size}, as the mask; received shape '
        f'{x.shape}.'
    )
  shape = [*x.shape]
  shape[-events.rank] = mask.size
  return tf.ensure_shape(x, shape)


def _affine(x, outputs, events, argmax):
  """Changes events or tokens by the shift and scale of outputs."""
  return events.affine(x, *shift_and_scale(outputs, x, events, argmax))


def _affine_inverse(y, outputs, events, argmax):
  return events.affine_inverse(y, *shift_and_scale(outputs, y, events, argmax))
