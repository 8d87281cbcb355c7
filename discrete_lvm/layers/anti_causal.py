"""Keras layer: a causal network that looks at the future instead."""

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import protocol
from discrete_lvm.layers import sequences
from discrete_lvm.layers.token_layer import TokenLayer


@keras.saving.register_keras_serializable(package='discrete_lvm')
class AntiCausal(TokenLayer):
  """Outputs, for each position, a function of the inputs there and after it.

  A causal network runs over the reversed sequence, with one position more
  behind, which nothing sees: its outputs see what is strictly before, so those
  of the next position see an input and all that precede it. As the encoder of a
  sequence model, it leaves to the latent what a decoder that knows the past
  cannot know.

  Args:
    network: Keras layer of sequences `[batch, length, K]` whose output at a
      position sees the inputs before it and nothing else, such as
      `CausalTransformer`, `CausalConvolution`, `CausalLSTM`, or `MADE` in the
      order 'left_to_right'. It is built for a length of one more. It is this
      layer's own.
    **kwargs: Arguments of `keras.layers.Layer`. A dtype policy is that of the
      network.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`; or, once the layer is
      built and if the network takes them, integer codes, shape
      `[..., length]` (-1 is the zero vector).
    context: Floating `Tensor`, shape `[..., length, F]`, for a network that
      takes one at each position: the outputs see it at their own and after it.
      By default none. The first call says whether there is one.

  Output shape:
    `[..., length, C]`, where C is the network's.

  Raises:
    ValueError: If `network` is not a Keras layer or has another order than left
      to right, if `inputs` have no positions, if `context` has others, or if
      the first call is in codes.

  Example:
    >>> network = dlvm.layers.CausalLSTM(num_outputs=3, units=[8], seed=0)
    >>> encoder = dlvm.layers.AntiCausal(network)
    >>> x = tf.one_hot([[0, 2, 1, 1], [1, 0, 1, 1]], 3)
    >>> outputs = encoder(x)
    >>> tf.reduce_all(outputs[0] == outputs[1], axis=-1).numpy()  # Same end.
    array([False, False,  True,  True])

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """

  def __init__(self, network, **kwargs):
    # The network casts by its own policy.
    super().__init__(autocast=False, **kwargs)
    if not isinstance(network, keras.layers.Layer):
      raise ValueError(
          f'Expected a Keras layer as `network`; received {network!r}.'
      )
    self.network = network

  def build(self, inputs_shape, context_shape=None):
    if len(inputs_shape) < 2:
      raise ValueError(
          'Expected inputs of shape [..., length, K]; received shape '
          f'{tuple(inputs_shape)}.'
      )
    # A call builds any layer, also one that makes its weights in its own.
    inputs = _one_longer(inputs_shape)
    if context_shape is None:
      self.network(inputs)
    else:
      self.network(inputs, context=_one_longer(context_shape))
    order = getattr(self.network, 'order', None)
    if isinstance(order, np.ndarray) and np.any(np.diff(order) != 1):
      raise ValueError(
          "Expected a network in the order 'left_to_right'; received the order "
          f'{list(order)}.'
      )

  def call(self, inputs, context=None):
    axis = sequences.length_axis(inputs)
    kwargs = {}
    if context is not None:
      protocol.check_positions(context, inputs.shape[axis])
      # The outputs that are kept are those one position later.
      kwargs['context'] = _reverse_and_pad(context, -2, before=1)
    outputs = self.network(_reverse_and_pad(inputs, axis, after=1), **kwargs)
    return tf.reverse(outputs[..., 1:, :], [-2])

  def get_config(self):
    return {
        **super().get_config(),
        'network': keras.saving.serialize_keras_object(self.network),
    }

  @classmethod
  def from_config(cls, config):
    network = keras.saving.deserialize_keras_object(config['network'])
    return cls(**{**config, 'network': network})


def _one_longer(shape):
  length, size = shape[-2:]
  length = None if length is None else length + 1
  return keras.KerasTensor((None, length, size), 'float32')


def _reverse_and_pad(x, axis, before=0, after=0):
  """Reverses an axis, then adds zeros to it."""
  paddings = [[0, 0]] * x.shape.rank
  paddings[axis] = [before, after]
  return tf.pad(tf.reverse(x, [axis]), paddings)
