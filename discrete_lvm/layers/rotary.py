"""Rotary positions: an angle for each, so that attention sees distances."""

import tensorflow as tf

from discrete_lvm.ops import floats


def rotate(x, positions):
  """Rotates pairs of channels by angles in proportion to the position.

  Channel `i` and `i + D / 2` turn by `position / 10000**(2 i / D)`. The inner
  product of two vectors then depends on their positions through the difference
  alone, and no length is the longest.

  Args:
    x: Floating `Tensor`, shape `[..., length, D]` with even D.
    positions: Integer `Tensor`, shape `[length]`.

  Returns:
    `Tensor` of the shape and dtype of `x`.

  Example:
    >>> from discrete_lvm.layers import rotary
    >>> rotary.rotate(tf.constant([[1., 0.]]), [0]).numpy()
    array([[1., 0.]], dtype=float32)

  References:
    Jianlin Su, Yu Lu, Shengfeng Pan, Ahmed Murtadha, Bo Wen, Yunfeng Liu.
    RoFormer: Enhanced Transformer with Rotary Position Embedding.
    Neurocomputing 2024. https://arxiv.org/abs/2104.09864. With the channels of
    a pair half the width apart.
  """
  half = x.shape[-1] // 2
  # In 16 bits an angle of a few hundred would be off by a radian.
  wide = floats.at_least_float32(x)
  frequencies = 10000.0 ** (-tf.range(half, dtype=wide.dtype) / half)
  angles = tf.cast(positions, wide.dtype)[:, tf.newaxis] * frequencies
  cos, sin = tf.cos(angles), tf.sin(angles)
  a, b = tf.split(wide, 2, axis=-1)
  turned = tf.concat([a * cos - b * sin, a * sin + b * cos], axis=-1)
  return tf.cast(turned, x.dtype)
