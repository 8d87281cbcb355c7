"""Keras layer: a vector for each class, of one-hot vectors or of codes."""

import keras
import tensorflow as tf

from discrete_lvm.layers import context_lookup
from discrete_lvm.layers.token_layer import TokenLayer


@keras.saving.register_keras_serializable(package='discrete_lvm')
class TokenEmbedding(TokenLayer):
  """Returns `one_hot @ kernel`, or the same for an integer code by a gather.

  Only the one-hot form has a gradient to the input; the form in codes takes
  time and memory that do not depend on K.

  Args:
    units: Python `int`, the length of a vector.
    gain: Python `float`, the standard deviation of the initial kernel.
    seed: Python `int`, seed of the initial kernel.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., K]`, as a rule one-hot; or, once
      the layer is built, an integer `Tensor`, shape `[...]`, of codes in
      `[0, K)`. The code -1, as any other, gives the zero vector, as zeros
      instead of a one-hot vector do.

  Output shape:
    `[..., units]` in the compute dtype.

  Raises:
    ValueError: If K is not static, or codes come before the layer is built.

  Example:
    >>> from discrete_lvm.layers import token_embedding
    >>> layer = token_embedding.TokenEmbedding(4)
    >>> layer.build([None, 3])
    >>> codes = tf.constant([2, 0, -1])
    >>> bool(tf.reduce_all(layer(codes) == layer(tf.one_hot(codes, 3))))
    True
  """

  def __init__(self, units, gain=1.0, seed=None, **kwargs):
    super().__init__(**kwargs)
    self.units = units
    self._gain = gain
    self._seed = seed

  def build(self, inputs_shape):
    if inputs_shape[-1] is None:
      raise ValueError(
          'Expected inputs of shape [..., K] with static K; received shape '
          f'{tuple(inputs_shape)}.'
      )
    self.kernel = self.add_weight(
        name='kernel',
        shape=(inputs_shape[-1], self.units),
        initializer=keras.initializers.RandomNormal(
            stddev=self._gain, seed=self._seed
        ),
    )

  def call(self, inputs):
    return embed(inputs, tf.convert_to_tensor(self.kernel))

  def get_config(self):
    return {
        **super().get_config(),
        'units': self.units,
        'gain': self._gain,
        'seed': self._seed,
    }


def embed(inputs, kernel):
  """Returns `inputs @ kernel`, by a gather if the inputs are codes.

  Args:
    inputs: Floating `Tensor`, shape `[..., K]`; or integer codes, shape
      `[...]`, of which any outside of `[0, K)` gives the zero vector.
    kernel: `Tensor`, shape `[K, units]`.

  Returns:
    `Tensor`, shape `[..., units]`.
  """
  if not inputs.dtype.is_integer:
    return tf.tensordot(inputs, kernel, axes=1)
  codes = context_lookup.known_codes(inputs, kernel.shape[0])
  return context_lookup.gather_or_zero(kernel, codes, codes >= 0)
