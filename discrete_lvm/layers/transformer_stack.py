"""Keras layer: what is common to the transformers, from vectors to outputs."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import protocol
from discrete_lvm.layers import sequences
from discrete_lvm.layers.dense import build_dense
from discrete_lvm.layers.key_value_cache import KeyValueCache
from discrete_lvm.layers.transformer_block import TransformerBlock


class TransformerState(NamedTuple):
  """What the step of a transformer keeps of the positions before.

  Attributes:
    index: int32 `Tensor`, shape `[]`: how many steps were taken.
    caches: A `KeyValueCache` for each block.
    context: Nothing, or one `Tensor`, shape `[..., length, width]`: what the
      context adds to each position.
  """

  index: tf.Tensor
  caches: tuple[KeyValueCache, ...]
  context: tuple[tf.Tensor, ...]


class TransformerStack(keras.layers.Layer):
  """Adds context and positions, applies blocks, and projects to the outputs.

  The weights of the last projection start at random and small: the outputs
  have a standard deviation of about 0.1, nearly uniform as logits. They are not
  zero, since a flow takes their argmax, and a tie would send all positions to
  class 0.

  Args:
    num_outputs: Python `int`, C.
    num_layers: Python `int`, the number of blocks.
    num_heads: Python `int`, a divisor of the width.
    feed_forward_units: Python `int`, hidden width of the dense networks.
    positions: 'rotary' or 'learned'.
    causal: Python `bool`, whether a position sees itself and those before it
      only; `step` is for this case.
    seed: Python `int`, seed of the initial weights.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    x: Floating `Tensor`, shape `[..., length, width]`.
    context: `Tensor`, shape `[..., length, num_features]`, or None.

  Output shape:
    `[..., length, C]` in the compute dtype.

  Raises:
    ValueError: If positions are learned and the length is not static when the
      layer is built or is greater later, or a context is given to a layer that
      was built without, or the reverse.
  """

  def __init__(
      self,
      num_outputs,
      num_layers,
      num_heads,
      feed_forward_units,
      positions,
      causal,
      seed=None,
      **kwargs,
  ):
    super().__init__(**kwargs)
    self._num_outputs = num_outputs
    self._num_layers = num_layers
    self._block_arguments = {
        'num_heads': num_heads,
        'feed_forward_units': feed_forward_units,
        'causal': causal,
        'rotary': positions == 'rotary',
    }
    self._learns_positions = positions == 'learned'
    self._seed = seed

  def build(self, x_shape, context_shape=None):
    self._length, width = x_shape[-2:]
    rng = np.random.default_rng(self._seed)
    self._blocks = []
    for _ in range(self._num_layers):
      block = TransformerBlock(
          **self._block_arguments,
          seed=int(rng.integers(2**31)),
          dtype=self.dtype_policy,
      )
      block.build((None, None, width))
      self._blocks.append(block)
    self._norm = keras.layers.LayerNormalization(
        epsilon=1e-6, dtype=self.dtype_policy
    )
    self._norm.build((None, width))
    self._outputs = keras.layers.Dense(
        self._num_outputs,
        kernel_initializer=keras.initializers.VarianceScaling(
            0.01,
            distribution='untruncated_normal',
            seed=int(rng.integers(2**31)),
        ),
        dtype=self.dtype_policy,
    )
    self._outputs.build((None, width))
    self._context_layer = None
    if context_shape is not None:
      self._context_layer = build_dense(
          context_shape[-1], width, rng, self.dtype_policy, use_bias=False
      )
    if self._learns_positions:
      if self._length is None:
        raise ValueError(
            'Expected a static length, for which to learn positions; received '
            f'inputs of shape {tuple(x_shape)}.'
        )
      self._positions = self.add_weight(
          name='positions',
          shape=(self._length, width),
          initializer=keras.initializers.RandomNormal(
              stddev=1.0, seed=int(rng.integers(2**31))
          ),
      )

  def call(self, x, context=None):
    protocol.check_context(self._context_layer is not None, context)
    protocol.check_positions(context, sequences.length(x))
    if context is not None:
      x += self._context_layer(context)
    if self._learns_positions:
      self._check_length(x.shape[-2])
      x += self._position_vectors(tf.range(tf.shape(x)[-2]))
    for block in self._blocks:
      x = block(x)
    return self._outputs(self._norm(x))

  def initial_state(self, batch_shape, length=None, context=None):
    """Returns the `TransformerState` before the first step.

    Args:
      batch_shape: Sequence of Python `int`s or int32 `Tensor`, shape `[rank]`.
      length: Python `int` or int32 `Tensor`, shape `[]`: how many steps there
        will be at most. By default as many as the context has positions, or
        else as many as the layer was built for.
      context: As for the call.

    Raises:
      ValueError: If no length is known, or as the call raises.
    """
    protocol.check_context(self._context_layer is not None, context)
    protocol.check_positions(context, length, may_be_longer=True)
    projected = None if context is None else self._context_layer(context)
    if length is None:
      length = self._default_length(context)
    if self._learns_positions:
      self._check_length(tf.get_static_value(length))
    batch_shape = tf.convert_to_tensor(batch_shape, tf.int32)
    return TransformerState(
        tf.zeros([], tf.int32),
        tuple(b.initial_cache(batch_shape, length) for b in self._blocks),
        sequences.kept(projected),
    )

  def _default_length(self, context):
    if context is not None:
      static = context.shape[-2]
      return tf.shape(context)[-2] if static is None else static
    if self._length is None:
      raise ValueError(
          'Expected a `length` for the cache, since the layer was built for '
          'any; received none.'
      )
    return self._length

  def step(self, x, state):
    """Returns the outputs at the next position.

    Args:
      x: Floating `Tensor`, shape `batch_shape + [1, width]`.
      state: `TransformerState` of the step before, or `initial_state`.

    Returns:
      The outputs, shape `batch_shape + [1, C]` in the compute dtype, and the
      next `TransformerState`.
    """
    index, caches, context = state
    for projected in context:
      x += sequences.at(projected, index)
    if self._learns_positions:
      x += self._position_vectors(index[tf.newaxis])
    next_caches = []
    for block, cache in zip(self._blocks, caches, strict=True):
      x, cache = block.step(x, cache, index)
      next_caches.append(cache)
    outputs = self._outputs(self._norm(x))
    return outputs, TransformerState(index + 1, tuple(next_caches), context)

  def _position_vectors(self, positions):
    table = tf.cast(tf.convert_to_tensor(self._positions), self.compute_dtype)
    return tf.gather(table, positions)

  def _check_length(self, length):
    if length is not None and length > self._length:
      raise ValueError(
          f'Expected at most {self._length} positions, for which the layer '
          f'was built; received {length}.'
      )
