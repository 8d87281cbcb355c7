"""Keras layer, abstract: what the transformers build."""

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import token_embedding
from discrete_lvm.layers.token_layer import TokenLayer
from discrete_lvm.layers.transformer_stack import TransformerStack
from discrete_lvm.ops import counts


class Transformer(TokenLayer):
  """Builds an embedding, a vector that stands for no token, and the blocks.

  Args:
    causal: Python `bool`, whether a position sees itself and those before it
      only.
    config: Dict of the arguments of `CausalTransformer`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If a number is not positive, `units` no multiple of `num_heads`,
      a head odd with rotary positions, or `positions` unknown.
  """

  def __init__(self, causal, config, **kwargs):
    super().__init__(**kwargs)
    if config['feed_forward_units'] is None:
      config = {**config, 'feed_forward_units': 4 * config['units']}
    _check(**config)
    self._config = config
    self._causal = causal

  def build(self, inputs_shape, context_shape=None):
    config = dict(self._config)
    units = config.pop('units')
    rng = np.random.default_rng(config.pop('seed'))
    self._embedding = token_embedding.TokenEmbedding(
        units, seed=int(rng.integers(2**31)), dtype=self.dtype_policy
    )
    self._embedding.build(inputs_shape)
    self._nothing = self.add_weight(
        name='nothing',
        shape=(units,),
        initializer=keras.initializers.RandomNormal(
            stddev=1.0, seed=int(rng.integers(2**31))
        ),
    )
    self._stack = TransformerStack(
        **config,
        causal=self._causal,
        seed=int(rng.integers(2**31)),
        dtype=self.dtype_policy,
    )
    self._stack.build((*inputs_shape[:-1], units), context_shape)

  def _nothing_vector(self):
    # Keras casts weights inside `call` only, not for a step.
    return tf.cast(tf.convert_to_tensor(self._nothing), self.compute_dtype)

  def get_config(self):
    return {**super().get_config(), **self._config}


def _check(num_heads, units, positions, seed, **numbers):
  del seed
  numbers = {'num_heads': num_heads, 'units': units, **numbers}
  for name, value in numbers.items():
    counts.check_count(value, name)
  if units % num_heads:
    raise ValueError(
        f'Expected `units` to be a multiple of {num_heads}, the number of '
        f'heads; received {units}.'
    )
  if positions not in ('rotary', 'learned'):
    raise ValueError(
        "Expected `positions` to be 'rotary' or 'learned'; received "
        f'{positions!r}.'
    )
  if positions == 'rotary' and units // num_heads % 2:
    raise ValueError(
        'Expected heads of an even width, for rotary positions; received '
        f'{units} units in {num_heads} heads.'
    )
