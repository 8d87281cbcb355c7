"""Keras layer: some positions of a sequence given the others."""

import keras

from discrete_lvm import ops
from discrete_lvm.layers import modular_flow_layer
from discrete_lvm.ops import couplings
from discrete_lvm.ops import predicted_shifts


@keras.saving.register_keras_serializable(package='discrete_lvm')
class DiscreteBipartiteFlow(modular_flow_layer.ModularFlowLayer):
  """Shifts and scales some positions modulo K, given the others.

  Where `mask` is True a position passes unchanged; `generate` computes
  `y = (scale * x + shift) mod K` at the others, where the conditioner makes
  shift and scale of those that pass, and the call maps y back to x. It is
  `bijectors.DiscreteBipartite` with the network, the temperature and the noise
  as state. Both directions take one call of the conditioner.

  With `gradient='cross_entropy'` the shift is the class that the conditioner
  predicts, and its cross-entropy trains it: see `DiscreteAutoregressiveFlow`.

  Args:
    conditioner: Keras layer from one-hot events, `[batch, length, K]`, zero
      where `mask` is False, to the logits of the shift, `[batch, length, K]`,
      or, with those of the scale behind them, `[batch, length, 2 K]`.
    mask: Sequence or array of `bool`, shape `[length]`: True where a position
      passes. See `ops.alternating_mask`, `ops.half_mask` and others.
    gradient: The gradient of the argmax of these logits: 'softmax'
      (straight-through, as in the paper), 'gumbel' (straight-through, of a
      softmax with noise), 'reinmax', or a callable of logits, `[..., K]`, and
      the temperature that returns one-hot vectors; or 'cross_entropy', none:
      the logits, of the shift alone, predict the class.
    temperature: Positive number, the initial value of the weight `temperature`
      of that gradient, which `training.WeightSchedule` can anneal.
    seed: Python `int`, seed of the noise of 'gumbel'.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, one-hot; or, once the
      layer is built, integer codes, shape `[..., length]`, if the conditioner
      takes them (-1 where `mask` is False).
    context: Floating `Tensor`, shape `[..., length, features]`, whose leading
      dimensions broadcast to those of the events: the conditioner gets it as
      `context=`. By default none. The first call says whether there is one.
    return_cross_entropy: Python `bool`, for that gradient: whether to return
      the loss that trains the conditioner, too.

  Output shape:
    That of the inputs; then `[...]`, the cross-entropy of the prediction in
    nats, summed over the positions that change.

  Raises:
    ValueError: If an argument is not one of these, `mask` is all True, all
      False or not of the length of the events, K is not static or not that of
      the first call, the first call is in codes, or the conditioner returns
      neither `K` nor `2 K` channels.

  Example:
    >>> network = keras.Sequential([
    ...     keras.Input([4, 3]), keras.layers.Flatten(),
    ...     keras.layers.Dense(4 * 6), keras.layers.Reshape([4, 6])])
    >>> mask = dlvm.ops.alternating_mask(4)
    >>> flow = dlvm.layers.DiscreteBipartiteFlow(network, mask)
    >>> y = tf.one_hot([[0, 2, 1, 1], [1, 2, 1, 0]], 3)
    >>> x = flow(y)
    >>> bool(tf.reduce_all(flow.generate(x) == y))
    True

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 4.2.
  """

  def __init__(
      self,
      conditioner,
      mask,
      gradient='softmax',
      temperature=1.0,
      seed=None,
      **kwargs,
  ):
    super().__init__(conditioner, gradient, temperature, seed, **kwargs)
    self.mask = ops.as_mask(mask)

  def _inverse(self, y, conditioner):
    return couplings.bipartite_inverse(y, conditioner, self.mask, self._argmax)

  def _predicted_inverse(self, y, conditioner):
    return predicted_shifts.predicted_shift_inverse(y, conditioner, self.mask)

  def _forward(self, x, conditioner):
    return couplings.bipartite_forward(x, conditioner, self.mask, self._argmax)

  def get_config(self):
    return {**super().get_config(), 'mask': self.mask.tolist()}
