"""Keras layer: the positions before a position predict it."""

import functools

import keras
import tensorflow as tf

from discrete_lvm.layers import protocol
from discrete_lvm.layers import sorting_flow_layer
from discrete_lvm.ops import autoregressive_sorting
from discrete_lvm.ops import placement
from discrete_lvm.ops import sorting_couplings

_MOMENTUM = 0.95


@keras.saving.register_keras_serializable(package='discrete_lvm')
class DiscreteAutoregressiveSortingFlow(sorting_flow_layer.SortingFlowLayer):
  """Renames each class by how well those before predict it.

  The conditioner predicts each class from the positions before, and the call
  maps a class to its rank, the likeliest to 0; `generate` maps the rank back.
  It is `bijectors.DiscreteAutoregressiveSorting` with the network as state. The
  conditioner is trained by its cross-entropy, as the autoregressive model that
  it is, and no gradient passes through an argmax.

  With `places_positions` the ranks of sure predictions come first and those of
  unsure ones last. What counts as sure is a moving quantile of the scores that
  the layer sees in training, one for each pair of neighbouring positions, in
  the weight `thresholds`. With `trainable = False` they stay as they are, and
  the map with them.

  The call takes one call of the conditioner. `generate` is one graph loop, a
  step a position if the conditioner has a cache, and has no gradient.

  Args:
    conditioner: Keras layer from one-hot events, `[batch, length, K]`, to the
      logits of the classes, of the same shape. It is causal, as `layers.MADE`
      is; `bijectors.check_causal` checks it.
    places_positions: Python `bool`: whether positions move, too.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, one-hot; or, once the
      layer is built, integer codes, shape `[..., length]`, if the conditioner
      takes them.
    context: Floating `Tensor`, shape `[..., length, features]`, whose leading
      dimensions broadcast to those of the events: the conditioner gets it as
      `context=`. By default none. The first call says whether there is one.
    return_cross_entropy: Python `bool`: whether to return the loss that trains
      the conditioner, too.
    training: Python `bool`: whether to move `thresholds`, if the cross-entropy
      is asked for.

  Output shape:
    That of the inputs; then `[...]`, the cross-entropy of the prediction in
    nats, summed over the positions.

  Raises:
    ValueError: If `conditioner` is not a Keras layer, K is not static or not
      that of the first call, the first call is in codes, the conditioner does
      not return `K` channels, or positions are to move and there are fewer than
      two or not a static number of them.

  Example:
    >>> made = dlvm.layers.MADE(num_outputs=3, hidden_units=[16], seed=0)
    >>> flow = dlvm.layers.DiscreteAutoregressiveSortingFlow(
    ...     made, places_positions=True)
    >>> y = tf.one_hot([[0, 2, 1], [1, 2, 1]], 3)
    >>> x, cross_entropy = flow(y, return_cross_entropy=True)
    >>> cross_entropy.shape
    TensorShape([2])
    >>> bool(tf.reduce_all(flow.generate(x) == y))
    True
  """

  def __init__(self, conditioner, places_positions=False, **kwargs):
    super().__init__(conditioner, **kwargs)
    self.places_positions = places_positions
    self.thresholds = None

  def build(self, inputs_shape, context_shape=None):
    super().build(inputs_shape, context_shape)
    if not self.places_positions:
      return
    length = inputs_shape[-2]
    if length is None or length < 2:
      raise ValueError(
          'Expected a static length of at least 2, of positions to place; '
          f'received inputs of shape {tuple(inputs_shape)}.'
      )
    self.thresholds = self.add_weight(
        name='thresholds',
        shape=(length - 1,),
        dtype='float32',
        autocast=False,
        initializer=functools.partial(_even_thresholds, self._num_classes),
        trainable=False,
        # Each replica moves it by the events that it sees.
        aggregation='mean',
    )

  def slots(self, inputs, context=None):
    """Returns where the call puts each position.

    The slot of a position depends on those before it alone: with that of their
    ranks, a beginning of the data says which positions of the base it fixes.

    Args:
      inputs: As for the call.
      context: As for the call.

    Returns:
      int32 `Tensor`, shape `[..., length]`: a permutation of `[0, length)` in
      each row, that of no move without `places_positions`.

    Raises:
      ValueError: If the layer is not built, or as the call raises.
    """
    protocol.check_built(self)
    return self._apply(self._slots, tf.convert_to_tensor(inputs), context)

  def _slots(self, y, conditioner):
    logits = autoregressive_sorting.predict(y, conditioner)
    if self.places_positions:
      return autoregressive_sorting.slots(
          logits, conditioner, self._thresholds()
      )
    shape = tf.shape(logits)[:-1]
    return tf.broadcast_to(tf.range(shape[-1]), shape)

  def _inverse(self, y, conditioner):
    logits = autoregressive_sorting.predict(y, conditioner)
    return self._rank(y, logits, conditioner)

  def _forward(self, x, conditioner):
    return autoregressive_sorting.autoregressive_sorting_forward(
        x, conditioner, self._thresholds()
    )

  def _inverse_and_cross_entropy(self, y, conditioner, training):
    logits = autoregressive_sorting.predict(y, conditioner)
    if training and self.trainable and self.places_positions:
      length = self.thresholds.shape[0] + 1
      found = placement.quantiles(placement.uncertainty(logits), length)
      self.thresholds.assign(
          _MOMENTUM * self.thresholds + (1 - _MOMENTUM) * found
      )
    return (
        self._rank(y, logits, conditioner),
        sorting_couplings.cross_entropy(y, logits, conditioner.events),
    )

  def _rank(self, y, logits, conditioner):
    return autoregressive_sorting.rank(
        y, logits, conditioner, self._thresholds()
    )

  def _thresholds(self):
    if self.thresholds is None:
      return None
    return tf.convert_to_tensor(self.thresholds)

  def get_config(self):
    return {**super().get_config(), 'places_positions': self.places_positions}


def _even_thresholds(num_classes, shape, dtype):
  return tf.cast(placement.even_thresholds(shape[0] + 1, num_classes), dtype)
