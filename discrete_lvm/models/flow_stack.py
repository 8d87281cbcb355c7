"""Flow layers one after the other, and the context that each of them sees.

A flow is a Keras layer that maps data to the base when called and back in
`generate`. Positions that a `layers.PermutePositions` moves take their context
with them: behind it, position t is another one of the data, and sees the
context of that one.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import layers


def inverse(
    flows: Sequence[keras.layers.Layer],
    x: Any,
    context: Any = None,
    training: bool = False,
) -> tuple[Any, Any, list[tf.Tensor]]:
  """Maps data to the base.

  Args:
    flows: From data to base.
    x: Events, `[..., length, K]` or codes `[..., length]`; a `Tensor` or a
      `keras.KerasTensor`.
    context: Floating, like `x`, shape `[..., length, features]`, or None.
    training: Python `bool`, passed to the flows.

  Returns:
    Events like `x`; the context in the positions of the base; and in training
    the cross-entropies of the flows that have one (`layers.DiscreteSortingFlow`
    and others), shape `[...]`, in nats.
  """
  cross_entropies = []
  for flow in flows:
    if isinstance(flow, layers.PermutePositions):
      x, context = flow(x), _permute(flow, context)
    elif training and getattr(flow, 'returns_cross_entropy', False):
      x, cross_entropy = flow(
          x, training=True, return_cross_entropy=True, **given(context)
      )
      cross_entropies.append(cross_entropy)
    else:
      x = flow(x, training=training, **given(context))
  return x, context, cross_entropies


def forward(
    flows: Sequence[keras.layers.Layer],
    z: tf.Tensor,
    context: tf.Tensor | None = None,
) -> tf.Tensor:
  """Maps the base to data.

  Args:
    flows: From data to base.
    z: Events, `[..., length, K]` or codes `[..., length]`.
    context: `Tensor`, shape `[..., length, features]`, in the positions of the
      data, or None.

  Returns:
    Events like `z`.
  """
  context = permute_context(flows, context)
  for flow in reversed(flows):
    if isinstance(flow, layers.PermutePositions):
      z = flow.generate(z)
      context = None if context is None else flow.generate(context)
    else:
      z = flow.generate(z, **given(context))
  return z


def permute_context(
    flows: Sequence[keras.layers.Layer], context: tf.Tensor | None
) -> tf.Tensor | None:
  """Returns a context in the positions of the base."""
  for flow in flows:
    if isinstance(flow, layers.PermutePositions):
      context = _permute(flow, context)
  return context


def given(context: Any) -> dict[str, Any]:
  """Returns the arguments of a network for a context, if there is one."""
  return {} if context is None else {'context': context}


def _permute(flow, context):
  return None if context is None else flow(context)
