"""The maps of shifts by the likeliest class, and the loss that trains them."""

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import autoregressive_sorting
from discrete_lvm.ops import conditioners
from discrete_lvm.ops import sorting_couplings
from discrete_lvm.ops.straight_through import one_hot_argmax


def predicted_shift_inverse(
    y: tf.Tensor,
    conditioner: conditioners.Conditioner,
    mask: np.ndarray | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Shifts by the likeliest class, and says how badly classes are predicted.

  It maps as `couplings.autoregressive_inverse` or, with a mask, as
  `couplings.bipartite_inverse` does: logits of the shift are those of a
  prediction, and a class that was predicted right becomes 0.

  Args:
    y: Events, `[..., length, K]` or codes `[..., length]`.
    conditioner: Of a network that returns `K` channels.
    mask: Array of `bool`, shape `[length]`: True where a position passes. By
      default none does, and the network is causal.

  Returns:
    Events like `y`, whose gradient passes to `y` alone; and the cross-entropy,
    shape `[...]`, in nats, float32 at the least: the sum over the positions
    that change, whose gradient passes to the conditioner alone.

  Raises:
    ValueError: If the event is not of the length of the mask, or the
      conditioner does not return `K` channels.
  """
  events = conditioner.events
  if mask is None:
    logits = autoregressive_sorting.predict(y, conditioner)
  else:
    logits = sorting_couplings.predict(y, conditioner, mask)
  shift = events.choose(logits, one_hot_argmax, y.dtype)
  x = events.affine_inverse(y, shift, None)
  if mask is not None:
    x = events.where(mask, y, x)
  return x, sorting_couplings.cross_entropy(y, logits, events, mask)
