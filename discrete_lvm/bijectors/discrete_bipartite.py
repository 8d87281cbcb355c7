"""The bipartite discrete flow: some positions condition the others."""

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.bijectors import conditioned_bijector
from discrete_lvm.ops import couplings


class DiscreteBipartite(conditioned_bijector.ConditionedBijector):
  """Changes some positions given the others.

  Where `mask` is True a position passes unchanged; the others become

      y = (scale * x + shift) mod K

  with `shift` and `scale` that the conditioner computes from the positions that
  pass. Both directions take one call of the network. They are exact and have no
  volume term, and a gradient to the network and, if one-hot, to the event.
  Scales are drawn from the residues coprime with `K`, for any `K`; the logits
  of all others have no effect and no gradient.

  TFP caches: outside of a `tf.function`, while an earlier result is alive, the
  same input tensor gives that result again, even after an update of the
  weights. Train in a `tf.function`.

  Args:
    conditioner: Callable, for instance a Keras layer, of events of one batch
      dimension: one-hot `[batch, length, K]`, float32 (float64 if the event
      is), zero where `mask` is False, or codes `[batch, length]`, there -1. It
      returns `[batch, length, K]`, the logits of the shift, or `[batch, length,
      2 K]`, with those of the scale behind them.
    mask: Sequence or array of `bool`, shape `[length]`: True where a position
      passes. See `ops.alternating_mask`, `ops.half_mask` and others.
    context: `Tensor`, shape `[..., length, features]`: what the conditioner
      gets as `context=`, of the same batch dimension. Its leading dimensions
      are the batch shape of the bijector and broadcast against the events. By
      default the conditioner gets none.
    argmax: Callable of logits, shape `[..., K]`, that returns one-hot vectors
      and says what their gradient is; see `ops.gumbel_argmax` and
      `ops.reinmax_argmax` too. Codes have no gradient, and do not call it.
    num_classes: Python `int` of at least 2: events are integer codes
      in `[0, K)`, shape `[..., length]`, of a type that holds them, which the
      results have too, and no step makes a one-hot vector of them. By default
      they are one-hot, `[..., length, K]`.
    validate_args: Python `bool`: whether to check the values of events (not
      under XLA, which drops assertions). Of a stack it is for the flow nearest
      the data: what that returns can be valid where the data are not.
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If `mask` is all True, all False, or not of the length of the
      event; if the conditioner returns neither `K` nor `2 K` channels; if an
      event is not one-hot with a static `K`, or not of codes where
      `num_classes` is given; or if `context` does not fit the event.
    tf.errors.InvalidArgumentError: Under `validate_args`, if an event is not
      one-hot or a code not in `[0, K)`.

  Example:
    >>> bijector = dlvm.bijectors.DiscreteBipartite(
    ...     lambda x: tf.roll(x, 1, axis=1), mask=[True, False])
    >>> y = bijector.forward(tf.one_hot([2, 2], 3))
    >>> tf.argmax(y, -1).numpy()  # The second is (2 + 2) % 3.
    array([2, 1])

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 4.2.
  """

  def __init__(
      self,
      conditioner,
      mask,
      context=None,
      argmax=ops.softmax_argmax,
      num_classes=None,
      validate_args=False,
      name='DiscreteBipartite',
  ):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._mask = ops.as_mask(mask)
      self._argmax = argmax
      super().__init__(
          conditioner,
          context,
          num_classes,
          validate_args=validate_args,
          parameters=parameters,
          name=name,
      )

  @property
  def mask(self):
    """The argument `mask`, as a NumPy array."""
    return self._mask

  def _forward_events(self, x):
    return couplings.bipartite_forward(
        x, self._conditioner, self._mask, self._argmax
    )

  def _inverse_events(self, y):
    return couplings.bipartite_inverse(
        y, self._conditioner, self._mask, self._argmax
    )
