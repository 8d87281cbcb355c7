"""What the layers of modular flows share: the gradient of their argmax."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.layers import discrete_flow_layer
from discrete_lvm.ops import temperatures

_GRADIENTS = {
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
      vectors.
    temperature: Positive number, the initial value of the weight `temperature`
      of that gradient.
    seed: Python `int`, seed of the noise of 'gumbel'.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If `gradient` is not one of these or `temperature` not positive,
      or as `DiscreteFlowLayer` raises.
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
