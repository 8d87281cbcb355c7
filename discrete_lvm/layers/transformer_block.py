"""Keras layer: one block of a transformer, with a step."""

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import attention
from discrete_lvm.layers import key_value_cache
from discrete_lvm.layers import rotary as rotary_lib
from discrete_lvm.layers.dense import build_dense


class TransformerBlock(keras.layers.Layer):
  """Attention, then a dense network at each position, both around a residual.

  Each normalises its inputs, not its outputs ("pre-norm"), so the residual
  stream runs from the first block to the last untouched.

  Args:
    num_heads: Python `int`, a divisor of the width.
    feed_forward_units: Python `int`, hidden width of the dense network.
    causal: Python `bool`, whether a position sees itself and those before it
      only.
    rotary: Python `bool`, whether queries and keys turn with their position.
    seed: Python `int`, seed of the initial weights.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    x: Floating `Tensor`, shape `[..., length, width]`.

  Output shape:
    That of `x`.

  References:
    Ruibin Xiong et al. On Layer Normalization in the Transformer Architecture.
    ICML 2020. https://arxiv.org/abs/2002.04745. Figure 1 (b).
  """

  def __init__(
      self, num_heads, feed_forward_units, causal, rotary, seed=None, **kwargs
  ):
    super().__init__(**kwargs)
    self._num_heads = num_heads
    self._feed_forward_units = feed_forward_units
    self._causal = causal
    self._rotary = rotary
    self._seed = seed

  def build(self, x_shape):
    width = x_shape[-1]
    hidden = self._feed_forward_units
    rng = np.random.default_rng(self._seed)
    policy = self.dtype_policy
    self._attention_norm = self._norm(width)
    # A bias of the keys would add the same to all scores of a query.
    self._queries_keys_values = build_dense(
        width, 3 * width, rng, policy, use_bias=False
    )
    self._attention_outputs = build_dense(width, width, rng, policy)
    self._feed_forward_norm = self._norm(width)
    self._feed_forward = build_dense(width, hidden, rng, policy)
    self._feed_forward_outputs = build_dense(hidden, width, rng, policy)

  def _norm(self, width):
    layer = keras.layers.LayerNormalization(
        epsilon=1e-6, dtype=self.dtype_policy
    )
    layer.build((None, width))
    return layer

  def call(self, x):
    positions = tf.range(tf.shape(x)[-2])
    mask = positions[:, tf.newaxis] >= positions if self._causal else None
    queries, keys, values = self._project(x, positions)
    return self._finish(x, attention.attend(queries, keys, values, mask))

  def initial_cache(self, batch_shape, length):
    """Returns a `KeyValueCache` for `length` positions.

    Args:
      batch_shape: int32 `Tensor`, shape `[rank]`.
      length: Python `int` or int32 `Tensor`, shape `[]`.
    """
    width = self._attention_outputs.units
    heads = [self._num_heads, length, width // self._num_heads]
    shape = tf.concat([batch_shape, heads], axis=0)
    return key_value_cache.empty_cache(shape, self.compute_dtype)

  def step(self, x, cache, index):
    """Returns the outputs at a position that sees those before it.

    Args:
      x: Floating `Tensor`, shape `batch_shape + [1, width]`.
      cache: `KeyValueCache` of the positions before.
      index: int32 `Tensor`, shape `[]`: the position.

    Returns:
      The outputs, of the shape of `x`, and the next `KeyValueCache`.
    """
    queries, key, value = self._project(x, index[tf.newaxis])
    cache = key_value_cache.append(cache, key, value, index)
    mask = tf.range(tf.shape(cache.keys)[-2]) <= index
    values = attention.attend(queries, cache.keys, cache.values, mask)
    return self._finish(x, values), cache

  def _project(self, x, positions):
    """Returns queries, keys and values, shape `[..., heads, length, D]`."""
    count, width = self._num_heads, x.shape[-1] // self._num_heads
    projected = self._queries_keys_values(self._attention_norm(x))
    shape = tf.concat([tf.shape(x)[:-1], [3 * count, width]], axis=0)
    heads = keras.ops.swapaxes(tf.reshape(projected, shape), -3, -2)
    queries_and_keys, values = tf.split(heads, [2 * count, count], axis=-3)
    if self._rotary:
      queries_and_keys = rotary_lib.rotate(queries_and_keys, positions)
    queries, keys = tf.split(queries_and_keys, 2, axis=-3)
    return queries, keys, values

  def _finish(self, x, values):
    values = keras.ops.swapaxes(values, -3, -2)
    values = tf.reshape(values, tf.concat([tf.shape(x)[:-1], [-1]], axis=0))
    x += self._attention_outputs(tf.ensure_shape(values, x.shape))
    hidden = self._feed_forward(self._feed_forward_norm(x))
    return x + self._feed_forward_outputs(keras.activations.gelu(hidden))
