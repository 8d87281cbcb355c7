"""Keras layer: one layer of `GatedPixelCNN`, by rows and by pixels."""

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers.dense import build_dense


class GatedPixelCNNBlock(keras.layers.Layer):
  """Convolves what is above, and what is on the left given what is above.

  The vertical stack sees its own row and those above, `kernel_size // 2` of
  them and as many columns on either side; the horizontal stack sees its own
  pixel, those on its left and the vertical stack. With the inputs of both
  shifted by one before the first block, outputs see all pixels before and none
  other: no mask is needed, and there is no blind spot.

  Args:
    units: Python `int`, the width of both stacks.
    kernel_size: Odd Python `int` of at least 3.
    residual: Python `bool`, whether to add the horizontal stack's input, of
      width `units`, to its output.
    seed: Python `int`, seed of the initial weights.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    vertical: Floating `Tensor`, shape `[batch, H, W, channels]`.
    horizontal: Floating `Tensor` of that shape.
    context: Floating `Tensor`, shape `[batch, H, W, F]`, where each of the
      three may be 1; or None.

  Output shape:
    Two `Tensor`s, `[batch, H, W, units]`: the vertical and the horizontal
    stack.

  References:
    Aaron van den Oord, Nal Kalchbrenner, Oriol Vinyals, Lasse Espeholt, Alex
    Graves, Koray Kavukcuoglu. Conditional Image Generation with PixelCNN
    Decoders. NeurIPS 2016. https://arxiv.org/abs/1606.05328. Figure 2 and
    equation 4.
  """

  def __init__(self, units, kernel_size, residual, seed=None, **kwargs):
    super().__init__(**kwargs)
    self._units = units
    self._kernel_size = kernel_size
    self._is_residual = residual
    self._seed = seed

  @property
  def reach(self):
    """Python `int`: how many pixels away a convolution looks."""
    return self._kernel_size // 2

  def build(self, vertical_shape, horizontal_shape, context_shape=None):
    rng = np.random.default_rng(self._seed)
    policy, units = self.dtype_policy, self._units
    channels = vertical_shape[-1]
    rows = (self.reach + 1, self._kernel_size)
    self._above = self._convolution(rows, channels, rng)
    self._left = self._convolution((1, self.reach + 1), channels, rng)
    self._link = build_dense(2 * units, 2 * units, rng, policy, use_bias=False)
    self._output = build_dense(units, units, rng, policy)
    self._context_layer = None
    if context_shape is not None:
      self._context_layer = build_dense(
          context_shape[-1], 4 * units, rng, policy, use_bias=False
      )

  def _convolution(self, kernel_size, channels, rng):
    layer = keras.layers.Conv2D(
        2 * self._units,
        kernel_size,
        kernel_initializer=keras.initializers.GlorotUniform(
            int(rng.integers(2**31))
        ),
        dtype=self.dtype_policy,
    )
    layer.build((None, None, None, channels))
    return layer

  def call(self, vertical, horizontal, context=None):
    reach = [self.reach, 0]
    vertical = tf.pad(vertical, [[0, 0], reach, [0, 0], [0, 0]])
    horizontal = tf.pad(horizontal, [[0, 0], [0, 0], reach, [0, 0]])
    vertical, link = self.rows(vertical, context)
    return vertical, self.pixels(horizontal, link)

  def rows(self, vertical, context=None):
    """Returns rows of the vertical stack, and what they add to the other one.

    Args:
      vertical: `Tensor`, shape `[batch, reach + rows, W, channels]`.
      context: As for the call, with `rows` for H.

    Returns:
      Two `Tensor`s, `[batch, rows, W, units]` and `[batch, rows, W, 2 *
      units]`.
    """
    # On a CPU faster than to let the convolution pad one side only.
    columns = [self.reach, self.reach]
    gates = _convolve(
        self._above, tf.pad(vertical, [[0, 0], [0, 0], columns, [0, 0]])
    )
    if context is None:
      return _gate(gates), self._link(gates)
    above, left = tf.split(self._context_layer(context), 2, axis=-1)
    gates += above
    return _gate(gates), self._link(gates) + left

  def pixels(self, horizontal, link):
    """Returns pixels of the horizontal stack.

    Args:
      horizontal: `Tensor`, shape `[batch, rows, reach + columns, channels]`.
      link: `Tensor`, shape `[batch, rows, columns, 2 * units]`.

    Returns:
      `Tensor`, shape `[batch, rows, columns, units]`.
    """
    outputs = self._output(_gate(_convolve(self._left, horizontal) + link))
    if self._is_residual:
      outputs += horizontal[:, :, self.reach :]
    return outputs


def _convolve(layer, x):
  if x.shape[0]:
    return layer(x)
  # TensorFlow's convolution of an empty batch returns the shape of its input.
  size = tf.shape(x)[0]
  one_if_empty = tf.cast(tf.equal(size, 0), tf.int32)
  x = tf.pad(x, [[0, one_if_empty], [0, 0], [0, 0], [0, 0]])
  y = layer(x)
  # Unlike that of an index its gradient copies nothing where it keeps all.
  kept = tf.slice(y, [0, 0, 0, 0], [size, -1, -1, -1])
  return tf.ensure_shape(kept, [None, *y.shape[1:]])


def _gate(gates):
  filter_, gate = tf.split(gates, 2, axis=-1)
  return tf.tanh(filter_) * tf.sigmoid(gate)
