"""Keras layer: a dense layer of which a fixed mask cuts connections."""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable(package='discrete_lvm')
class MaskedDense(keras.layers.Layer):
  """Computes `activation(inputs @ where(mask, kernel, 0) + bias)`.

  The mask acts in the forward pass, so no value that the kernel is ever given,
  by an optimizer, `set_weights` or a file, not even inf or NaN, passes it, and
  its gradient there is zero. A kernel constraint, which acts after an
  optimizer's step only, leaks.

  A column of the kernel starts with variance `gain**2 / n`, where `n` counts
  the inputs that its mask lets through, and the bias starts at zero.

  Args:
    units: Python `int`, number of outputs.
    mask: Array of zeros and ones or `bool`, shape `[input_dim, units]`: whether
      each input reaches each output.
    activation: Callable or name of a Keras activation; by default none.
    use_bias: Python `bool`, whether to add a bias.
    gain: Python `float`, the scale of the initial kernel; sqrt(2) keeps the
      variance through a ReLU.
    seed: Python `int`, seed of the initial kernel.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Finite floating `Tensor`, shape `[..., input_dim]`.

  Output shape:
    `[..., units]` in the compute dtype.

  Raises:
    ValueError: If `mask` is not a matrix of zeros and ones with `units`
      columns, or its rows are not as many as there are inputs.

  Example:
    >>> layer = dlvm.layers.MaskedDense(2, mask=[[0, 1], [0, 1], [0, 1]])
    >>> layer.build([None, 3])
    >>> layer.set_weights([np.ones([3, 2]), np.array([5., 0.])])
    >>> layer(tf.ones([1, 3])).numpy()
    array([[5., 3.]], dtype=float32)

  References:
    Mathieu Germain, Karol Gregor, Iain Murray, Hugo Larochelle. MADE: Masked
    Autoencoder for Distribution Estimation. ICML 2015.
    https://arxiv.org/abs/1502.03509.
  """

  def __init__(
      self,
      units,
      mask,
      activation=None,
      use_bias=True,
      gain=1.0,
      seed=None,
      **kwargs,
  ):
    super().__init__(**kwargs)
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.shape[1] != units:
      raise ValueError(
          f'Expected a `mask` of shape [input_dim, {units}]; received '
          f'{mask.shape}.'
      )
    if not np.isin(mask, (0, 1)).all():
      raise ValueError(
          'Expected a `mask` of zeros and ones; received '
          f'{np.setdiff1d(mask, (0, 1))[:5].tolist()} in it.'
      )
    self.units = units
    self.activation = keras.activations.get(activation)
    self.use_bias = use_bias
    self._mask = mask.astype(bool)
    self._gain = gain
    self._seed = seed

  def build(self, input_shape):
    if input_shape[-1] != len(self._mask):
      raise ValueError(
          f'Expected inputs of shape [..., {len(self._mask)}], the rows of '
          f'`mask`; received {tuple(input_shape)}.'
      )
    self.kernel = self.add_weight(
        name='kernel',
        shape=self._mask.shape,
        initializer=self._initial_kernel,
    )
    if self.use_bias:
      self.bias = self.add_weight(
          name='bias', shape=(self.units,), initializer='zeros'
      )

  def _initial_kernel(self, shape, dtype):
    fan_in = np.maximum(self._mask.sum(axis=0), 1)
    noise = keras.initializers.RandomNormal(stddev=1.0, seed=self._seed)
    return noise(shape, dtype) * tf.cast(self._gain / np.sqrt(fan_in), dtype)

  def call(self, inputs):
    outputs = tf.tensordot(inputs, self.masked_kernel(), axes=1)
    if self.use_bias:
      outputs += tf.convert_to_tensor(self.bias)
    return self.activation(outputs)

  def masked_kernel(self, select=tf.identity):
    """Returns the kernel as it acts, shape `[input_dim, units]`.

    Args:
      select: Picks the part that is needed, from the kernel and from the mask.
    """
    kernel = select(tf.convert_to_tensor(self.kernel))
    # Not a product with the mask, which would let inf and NaN through.
    return tf.where(select(self._mask), kernel, tf.zeros_like(kernel))

  def get_config(self):
    return {
        **super().get_config(),
        'units': self.units,
        'mask': self._mask.astype(int).tolist(),
        'activation': keras.activations.serialize(self.activation),
        'use_bias': self.use_bias,
        'gain': self._gain,
        'seed': self._seed,
    }
