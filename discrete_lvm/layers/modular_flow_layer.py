"""What the layers of modular flows share: the gradient of their argmax."""

import abc

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.layers import discrete_flow_layer
from discrete_lvm.ops import temperatures

_GRADIENTS = {
    # The gradient is that of another loss.
    'cross_entropy': lambda logits, temperature: ops.one_hot_argmax(logits),
    'reinmax': ops.reinmax_argmax,
    'softmax': ops.softmax_argmax,
}


class ModularFlowLayer(discrete_flow_layer.DiscreteFlowLayer):
  """Abstract flow whose shifts and scales are the argmax of logits.

  Args:
    conditioner: As for `DiscreteFlowLayer`; it returns `[batch, length, K]`,
      the logits of the shift, or `[batch, length, 2 K]`, with those of the
      scale behind them.
    gradient: The gradient of the argmax: 'softmax' (straight-through),
      'gumbel' (straight-through, of a softmax with noise), 'reinmax', or a
      callable of logits, `[..., K]`, and the temperature that returns one-hot
      vectors; or 'cross_entropy', none, for a conditioner whose `K` logits of
      the shift predict the class.
    temperature: Positive number, the initial value of the weight `temperature`
      of that gradient.
    seed: Python `int`, seed of the noise of 'gumbel'.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: As for `DiscreteFlowLayer`.
    context: As there.
    return_cross_entropy: Python `bool`: whether to return the loss of
      'cross_entropy', too.

  Output shape:
    That of the inputs; then `[...]`, the cross-entropy of the prediction in
    nats.

  Raises:
    ValueError: If `gradient` is not one of these or `temperature` not positive,
      if a cross-entropy is asked for without that gradient, or as
      `DiscreteFlowLayer` raises.
  """

  def __init__(
      self,
      conditioner,
      gradient='softmax',
      temperature=1.0,
      seed=None,
      **kwargs,
  ):
    super().__init__(conditioner, **kwargs)
    if not callable(gradient) and gradient not in (*_GRADIENTS, 'gumbel'):
      raise ValueError(
          f'Expected `gradient` to be one of {sorted([*_GRADIENTS, "gumbel"])} '
          f'or a callable; received {gradient!r}.'
      )
    temperatures.check_positive(temperature)
    self.gradient = gradient
    self.returns_cross_entropy = gradient == 'cross_entropy'
    # A prediction has no scale.
    self._channels_per_class = (1,) if self.returns_cross_entropy else (1, 2)
    self._initial_temperature = temperature
    self._seed = seed
    self._seed_generator = keras.random.SeedGenerator(seed)
    # A weight, so that a schedule can set it inside a compiled step and a
    # checkpoint restores it.
    self.temperature = self.add_weight(
        name='temperature',
        shape=(),
        dtype='float32',
        autocast=False,
        initializer=keras.initializers.Constant(temperature),
        trainable=False,
        # Every replica sets the same value.
        aggregation='only_first_replica',
    )

  def call(self, inputs, context=None, return_cross_entropy=False):
    if not self.returns_cross_entropy:
      if return_cross_entropy:
        raise ValueError(
            "Expected `gradient='cross_entropy'` for a cross-entropy; received "
            f'{self.gradient!r}.'
        )
      return super().call(inputs, context)
    x, cross_entropy = self._apply(self._predicted_inverse, inputs, context)
    return (x, cross_entropy) if return_cross_entropy else x

  @abc.abstractmethod
  def _predicted_inverse(self, y, conditioner) -> tuple[tf.Tensor, tf.Tensor]:
    """Maps data to the base as a prediction does, and returns its loss."""

  def _argmax(self, logits):
    """Returns the one-hot argmax, with the gradient that was chosen."""
    temperature = tf.convert_to_tensor(self.temperature)
    if callable(self.gradient):
      return self.gradient(logits, temperature)
    if self.gradient == 'gumbel':
      seed = ops.fold_in_replica(self._seed_generator)
      return ops.gumbel_argmax(logits, temperature, seed)
    return _GRADIENTS[self.gradient](logits, temperature)

  def get_config(self):
    # What the constructor received; the temperature that moves is a weight.
    return {
        **super().get_config(),
        'gradient': keras.saving.serialize_keras_object(self.gradient),
        'temperature': self._initial_temperature,
        'seed': self._seed,
    }

  @classmethod
  def from_config(cls, config):
    gradient = keras.saving.deserialize_keras_object(config['gradient'])
    return super().from_config({**config, 'gradient': gradient})
