"""What the layers of discrete flows share."""

import abc

import keras
import tensorflow as tf

from discrete_lvm.layers import protocol
from discrete_lvm.layers.token_layer import TokenLayer
from discrete_lvm.ops import conditioners


class DiscreteFlowLayer(TokenLayer, abc.ABC):
  """Abstract permutation of events, by way of a network that it owns.

  The call maps data to the base and `generate` maps back, bit for bit if both
  are compiled alike. A network of 16 bits rounds otherwise under XLA than in
  eager or graph mode, and an argmax of its outputs decides: the flow is then
  another permutation. One-hot results have the type of the events: a dtype
  policy is that of the network alone.

  Args:
    conditioner: Keras layer of events `[batch, length, K]` or, if the flow is
      to take them, of integer codes `[batch, length]`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, one-hot; or, once the
      layer is built, integer codes, shape `[..., length]`.
    context: Floating `Tensor`, shape `[..., length, features]`, whose leading
      dimensions broadcast to those of the events: the conditioner gets it as
      `context=`. By default none. The first call says whether there is one.
      (That of `layers.MADE` has no positions.)

  Output shape:
    That of the inputs; codes come back as int32.

  Raises:
    ValueError: If `conditioner` is not a Keras layer, K is not static or not
      that of the first call, the first call is in codes, or the conditioner
      returns another number of channels than the flow takes.
  """

  # Whether the call takes `return_cross_entropy`.
  returns_cross_entropy = False
  # What the conditioner may return, in multiples of K.
  _channels_per_class: tuple[int, ...] = (1,)

  def __init__(self, conditioner, **kwargs):
    # Keras would cast events down under a mixed policy, and their gradients.
    super().__init__(autocast=False, **kwargs)
    if not isinstance(conditioner, keras.layers.Layer):
      raise ValueError(
          f'Expected a Keras layer as `conditioner`; received {conditioner!r}.'
      )
    self.conditioner = conditioner

  def build(self, inputs_shape, context_shape=None):
    if len(inputs_shape) < 2 or inputs_shape[-1] is None:
      raise ValueError(
          'Expected inputs of shape [..., length, K] with static K; received '
          f'shape {tuple(inputs_shape)}.'
      )
    self._num_classes = inputs_shape[-1]
    # A call builds any layer, also one that makes its weights in its own.
    inputs = keras.KerasTensor((None, *inputs_shape[-2:]), 'float32')
    if context_shape is None:
      outputs = self.conditioner(inputs)
    else:
      context = keras.KerasTensor((None, *context_shape[-2:]), 'float32')
      outputs = self.conditioner(inputs, context=context)
    conditioners.check_channels(
        outputs.shape[-1],
        *(n * self._num_classes for n in self._channels_per_class),
    )

  def call(self, inputs, context=None):
    return self._apply(self._inverse, inputs, context)

  def generate(self, inputs, context=None):
    """Returns the events that the call maps to `inputs`.

    Args:
      inputs: As for the call; of the base.
      context: As for the call.

    Returns:
      Events like `inputs`; int32 codes.

    Raises:
      ValueError: If the layer is not built, or as the call raises.
    """
    protocol.check_built(self)
    return self._apply(self._forward, tf.convert_to_tensor(inputs), context)

  @abc.abstractmethod
  def _inverse(self, y, conditioner):
    """Maps data to the base.

    Args:
      y: Events.
      conditioner: `ops.conditioners.Conditioner` of the network.

    Returns:
      Events like `y`.
    """

  @abc.abstractmethod
  def _forward(self, x, conditioner):
    """Maps the base to data, with the arguments of `_inverse`."""

  def _apply(self, function, x, context):
    if not x.dtype.is_integer and x.shape[-1] != self._num_classes:
      raise ValueError(
          f'Expected events of shape [..., length, {self._num_classes}], as '
          f'when the layer was built; received shape {x.shape}.'
      )
    conditioner = conditioners.Conditioner(
        self.conditioner,
        context,
        num_classes=self._num_classes if x.dtype.is_integer else None,
    )
    x = conditioner.broadcast(conditioner.events.check(x))
    return function(x, conditioner)

  def get_config(self):
    return {
        **super().get_config(),
        'conditioner': keras.saving.serialize_keras_object(self.conditioner),
    }

  @classmethod
  def from_config(cls, config):
    conditioner = keras.saving.deserialize_keras_object(config['conditioner'])
    return cls(**{**config, 'conditioner': conditioner})
