"""Keras layer: some positions of a sequence predict the others."""

import keras

from discrete_lvm import ops
from discrete_lvm.layers import sorting_flow_layer
from discrete_lvm.ops import sorting_couplings


@keras.saving.register_keras_serializable(package='discrete_lvm')
class DiscreteSortingFlow(sorting_flow_layer.SortingFlowLayer):
  """Renames classes by how well some positions predict them.

  Where `mask` is True a position passes unchanged. At the others the
  conditioner predicts the class from the positions that pass, and the call maps
  a class to its rank, the likeliest to 0; `generate` maps the rank back. It is
  `bijectors.DiscreteSorting` with the network as state. Both directions take
  one call of the conditioner.

  The gradient to the event is that of a permutation, and there is none to the
  conditioner: that is trained by its cross-entropy on the events that come in,
  which `models.DiscreteFlow` adds to its loss.

  Args:
    conditioner: Keras layer from one-hot events, `[batch, length, K]`, zero
      where `mask` is False, to the logits of the classes, of the same shape.
    mask: Sequence or array of `bool`, shape `[length]`: True where a position
      passes. See `ops.alternating_mask`, `ops.half_mask` and others.
    sorts_positions: Python `bool`: whether the positions that change move, too,
      those of the surest prediction first (`bijectors.DiscreteSorting`).
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, one-hot; or, once the
      layer is built, integer codes, shape `[..., length]`, if the conditioner
      takes them (-1 where `mask` is False).
    context: Floating `Tensor`, shape `[..., length, features]`, whose leading
      dimensions broadcast to those of the events: the conditioner gets it as
      `context=`. By default none. The first call says whether there is one.
    return_cross_entropy: Python `bool`: whether to return the loss that trains
      the conditioner, too.

  Output shape:
    That of the inputs; then `[...]`, the cross-entropy of the prediction in
    nats, summed over the positions where `mask` is False.

  Raises:
    ValueError: If `conditioner` is not a Keras layer, `mask` is all True, all
      False or not of the length of the events, K is not static or not that of
      the first call, the first call is in codes, or the conditioner does not
      return `K` channels.

  Example:
    >>> mask = [True, False]
    >>> network = dlvm.layers.BipartiteContextTable(3, mask, seed=0)
    >>> flow = dlvm.layers.DiscreteSortingFlow(network, mask)
    >>> y = tf.one_hot([[0, 2], [1, 2]], 3)
    >>> x, cross_entropy = flow(y, return_cross_entropy=True)
    >>> cross_entropy.shape
    TensorShape([2])
    >>> bool(tf.reduce_all(flow.generate(x) == y))
    True

  References:
    Alexandra Lindt, Emiel Hoogeboom. Discrete Denoising Flows. INNF+ workshop
    at ICML 2021. https://arxiv.org/abs/2107.11625.
  """

  def __init__(self, conditioner, mask, sorts_positions=False, **kwargs):
    super().__init__(conditioner, **kwargs)
    self.mask = ops.as_mask(mask)
    self.sorts_positions = sorts_positions

  def _inverse(self, y, conditioner):
    return sorting_couplings.sorting_inverse(
        y, conditioner, self.mask, self.sorts_positions
    )

  def _forward(self, x, conditioner):
    return sorting_couplings.sorting_forward(
        x, conditioner, self.mask, self.sorts_positions
    )

  def _inverse_and_cross_entropy(self, y, conditioner, training):
    return sorting_couplings.sorting_inverse_and_cross_entropy(
        y, conditioner, self.mask, self.sorts_positions
    )

  def get_config(self):
    return {
        **super().get_config(),
        'mask': self.mask.tolist(),
        'sorts_positions': self.sorts_positions,
    }
