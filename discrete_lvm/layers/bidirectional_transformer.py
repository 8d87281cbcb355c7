"""Keras layer: a transformer whose outputs see all positions."""

import keras

from discrete_lvm.layers.transformer import Transformer


@keras.saving.register_keras_serializable(package='discrete_lvm')
class BidirectionalTransformer(Transformer):
  """Outputs, for each position, a function of all positions.

  A pre-norm transformer without a mask, for the conditioner of a bipartite
  flow: what must not be seen, the flow sets to zero vectors or to the code -1.
  A learned vector, added to all inputs, stands for such positions.

  Positions are learned by default, for a rotary model sees distances only, and
  where all positions but a few are hidden it cannot tell which is which.

  The last projection starts at random and small, so that outputs start with a
  standard deviation of about 0.1.

  Args:
    num_outputs: Python `int`, C, the outputs for each position.
    num_layers: Python `int`, the number of blocks.
    num_heads: Python `int`, the heads of attention.
    units: Python `int`, the width of the model, a multiple of `num_heads`.
    feed_forward_units: Python `int`, hidden width of the dense network of a
      block; by default four times `units`.
    positions: 'learned', where each position up to the length that the layer is
      built with has a vector of its own; or 'rotary', where attention sees
      distances, and any length goes.
    seed: Python `int`, seed of the initial weights.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, as a rule one-hot; or,
      once the layer is built, an integer `Tensor` of codes, shape
      `[..., length]`.
    context: Floating `Tensor`, shape `[..., length, num_features]`, which all
      outputs see; leading dimensions broadcast to those of `inputs`. By default
      none. The first call says whether there is one.

  Output shape:
    `[..., length, C]` in the compute dtype.

  Raises:
    ValueError: As `CausalTransformer` raises.

  Example:
    >>> network = dlvm.layers.BidirectionalTransformer(
    ...     num_outputs=3, num_layers=1, num_heads=2, units=8, seed=0)
    >>> logits = network(tf.one_hot([[0, -1, 2, -1]], 3))
    >>> logits.shape
    TensorShape([1, 4, 3])
    >>> codes = tf.constant([[0, -1, 2, -1]])
    >>> np.testing.assert_allclose(network(codes), logits, atol=1e-6)

  References:
    Ashish Vaswani et al. Attention Is All You Need. NeurIPS 2017.
    https://arxiv.org/abs/1706.03762.
  """

  def __init__(
      self,
      num_outputs,
      num_layers,
      num_heads,
      units,
      feed_forward_units=None,
      positions='learned',
      seed=None,
      **kwargs,
  ):
    super().__init__(
        causal=False,
        config={
            'num_outputs': num_outputs,
            'num_layers': num_layers,
            'num_heads': num_heads,
            'units': units,
            'feed_forward_units': feed_forward_units,
            'positions': positions,
            'seed': seed,
        },
        **kwargs,
    )

  def call(self, inputs, context=None):
    x = self._embedding(inputs) + self._nothing_vector()
    return self._stack(x, context=context)
