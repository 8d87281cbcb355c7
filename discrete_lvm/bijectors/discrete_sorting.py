"""The denoising flow: some positions predict the others, which are sorted."""

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.bijectors import conditioned_bijector
from discrete_lvm.ops import sorting_couplings


class DiscreteSorting(conditioned_bijector.ConditionedBijector):
  """Renames classes by how well some positions predict them.

  Where `mask` is True a position passes unchanged. At the others the
  conditioner predicts the class from the positions that pass, and `inverse`
  maps a class to its rank: the likeliest to 0, of equals the lower class first;
  `forward` maps the rank back. The better the prediction, the more of the mass
  `inverse` moves to the low ranks, where a factorised base can hold it.

  With `sorts_positions` the base also sees the ranks of the surest predictions
  at the first of the positions that change, and those of the least sure ones at
  the last, so that each of its positions has a law of its own.

  Both directions take one call of the network. They are exact in any dtype,
  have no volume term, and a gradient to the event, that of a permutation, but
  none to the network: minimise `cross_entropy` of the data that comes in, layer
  by layer, each for itself.

  TFP caches: outside of a `tf.function`, while an earlier result is alive, the
  same input tensor gives that result again, even after an update of the
  weights. Train in a `tf.function`.

  Args:
    conditioner: Callable, for instance a Keras layer, of events of one batch
      dimension: one-hot `[batch, length, K]`, float32 (float64 if the event
      is), zero where `mask` is False, or codes `[batch, length]`, there -1. It
      returns `[batch, length, K]`, the logits of the classes.
    mask: Sequence or array of `bool`, shape `[length]`: True where a position
      passes. See `ops.alternating_mask`, `ops.half_mask` and others.
    context: `Tensor`, shape `[..., length, features]`: what the conditioner
      gets as `context=`, of the same batch dimension. Its leading dimensions
      are the batch shape of the bijector and broadcast against the events. By
      default the conditioner gets none.
    num_classes: Python `int` of at least 2: events are integer codes
      in `[0, K)`, shape `[..., length]`, of a type that holds them, which the
      results have too. By default they are one-hot, `[..., length, K]`.
    sorts_positions: Python `bool`: whether the positions that change move, too,
      in the order of `ops.placement.uncertainty` of their logits.
    validate_args: Python `bool`: whether to check the values of events (not
      under XLA, which drops assertions). Of a stack it is for the flow nearest
      the data: what that returns can be valid where the data are not.
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If `mask` is all True, all False, or not of the length of the
      event; if the conditioner does not return `K` channels; if an event is not
      one-hot with a static `K`, or not of codes where `num_classes` is given;
      or if `context` does not fit the event.
    tf.errors.InvalidArgumentError: Under `validate_args`, if an event is not
      one-hot or a code not in `[0, K)`.

  Example:
    >>> bijector = dlvm.bijectors.DiscreteSorting(
    ...     lambda y: tf.roll(y, 1, axis=1), mask=[True, False])
    >>> x = bijector.inverse(tf.one_hot([2, 2], 3))
    >>> tf.argmax(x, -1).numpy()  # The second was predicted.
    array([2, 0])
    >>> print(f'{bijector.cross_entropy(tf.one_hot([2, 2], 3)):.2f}')
    0.55

  References:
    Alexandra Lindt, Emiel Hoogeboom. Discrete Denoising Flows. INNF+ workshop
    at ICML 2021. https://arxiv.org/abs/2107.11625.
  """

  def __init__(
      self,
      conditioner,
      mask,
      context=None,
      num_classes=None,
      sorts_positions=False,
      validate_args=False,
      name='DiscreteSorting',
  ):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._mask = ops.as_mask(mask)
      self._sorts_positions = sorts_positions
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

  def cross_entropy(self, y, name='cross_entropy'):
    """Returns the loss that trains the conditioner.

    Args:
      y: Events, as `inverse` takes: data, or what other layers made of them.
        They get no gradient.
      name: Python `str`, name scope of the ops.

    Returns:
      `Tensor`, shape `[...]`, in nats: the cross-entropy of the conditioner's
      prediction, summed over the positions where `mask` is False.
    """
    with tf.name_scope(name):
      y = tf.convert_to_tensor(y)
      return sorting_couplings.sorting_cross_entropy(
          self._checked(y), self._conditioner, self._mask
      )

  def _forward_events(self, x):
    return sorting_couplings.sorting_forward(
        x, self._conditioner, self._mask, self._sorts_positions
    )

  def _inverse_events(self, y):
    return sorting_couplings.sorting_inverse(
        y, self._conditioner, self._mask, self._sorts_positions
    )
