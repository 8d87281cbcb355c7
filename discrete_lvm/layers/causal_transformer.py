"""Keras layer: a transformer whose outputs see the positions before."""

import keras
import tensorflow as tf

from discrete_lvm.layers import protocol
from discrete_lvm.layers.transformer import Transformer


@keras.saving.register_keras_serializable(package='discrete_lvm')
class CausalTransformer(Transformer):
  """Outputs, for each position, a function of the positions before it.

  A pre-norm transformer with causal attention. The shift is inside: the outputs
  at a position see the inputs before it, not its own, and those at the first a
  learned vector alone; so they are the parameters of an autoregressive
  distribution or flow, as those of `MADE`.

  The parallel call gives the outputs of all positions at once. To sample, where
  a position is only known once its outputs are, take `step`s: each evaluates
  one position and reads the keys and values of those before from a cache.

  The last projection starts at random and small, so that outputs start with a
  standard deviation of about 0.1.

  Args:
    num_outputs: Python `int`, C, the outputs for each position.
    num_layers: Python `int`, the number of blocks.
    num_heads: Python `int`, the heads of attention.
    units: Python `int`, the width of the model, a multiple of `num_heads`.
    feed_forward_units: Python `int`, hidden width of the dense network of a
      block; by default four times `units`.
    positions: 'rotary', where attention sees distances, and any length goes; or
      'learned', where each position up to the length that the layer is built
      with has a vector of its own.
    seed: Python `int`, seed of the initial weights.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, as a rule one-hot; or,
      once the layer is built, an integer `Tensor` of codes, shape
      `[..., length]`.
    context: Floating `Tensor`, shape `[..., length, num_features]`: outputs at
      a position see it there and before; leading dimensions broadcast to those
      of `inputs`. By default none. The first call says whether there is one.

  Output shape:
    `[..., length, C]` in the compute dtype.

  Raises:
    ValueError: If a number is not positive, `units` no multiple of `num_heads`
      (twice that with rotary positions), `positions` unknown, K not static,
      codes come before the layer is built, a context is given to a layer that
      was built without, or the reverse, or learned positions are built for an
      unknown length or too few.

  Example:
    >>> network = dlvm.layers.CausalTransformer(
    ...     num_outputs=3, num_layers=2, num_heads=2, units=8, seed=0)
    >>> x = tf.one_hot([[0, 2], [1, 2]], 3)
    >>> logits = network(x)
    >>> logits.shape
    TensorShape([2, 2, 3])
    >>> bool(tf.reduce_all(logits[0, 0] == logits[1, 0]))  # Sees nothing.
    True

    Sampling takes one step a position; the first ignores its token.

    >>> state = network.initial_state(batch_shape=[2], length=2)
    >>> token = tf.zeros([2, 3])
    >>> for position in range(2):
    ...   logits_at_position, state = network.step(token, state)
    ...   token = x[:, position]  # A model samples it from the logits.
    >>> np.testing.assert_allclose(logits_at_position, logits[:, 1], atol=1e-5)

  References:
    Ashish Vaswani et al. Attention Is All You Need. NeurIPS 2017.
    https://arxiv.org/abs/1706.03762.
    Jianlin Su, Yu Lu, Shengfeng Pan, Ahmed Murtadha, Bo Wen, Yunfeng Liu.
    RoFormer: Enhanced Transformer with Rotary Position Embedding.
    Neurocomputing 2024. https://arxiv.org/abs/2104.09864.
  """

  def __init__(
      self,
      num_outputs,
      num_layers,
      num_heads,
      units,
      feed_forward_units=None,
      positions='rotary',
      seed=None,
      **kwargs,
  ):
    super().__init__(
        causal=True,
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
    x = self._embedding(inputs)
    start = tf.zeros_like(x[..., :1, :]) + self._nothing_vector()
    x = tf.concat([start, x[..., :-1, :]], axis=-2)
    return self._stack(x, context=context)

  def initial_state(self, batch_shape, length=None, context=None):
    """Returns the state before the first step.

    Args:
      batch_shape: Sequence of Python `int`s or int32 `Tensor`, shape `[rank]`.
      length: Python `int` or int32 `Tensor`, shape `[]`: how many steps there
        will be at most. By default as many as the context has positions, or
        else as many as the layer was built for.
      context: As for the call.

    Returns:
      `TransformerState`, a structure of `Tensor`s that fits `tf.while_loop`.

    Raises:
      ValueError: If the layer is not built, no length is known, or as the call
        raises.
    """
    protocol.check_built(self)
    return self._stack.initial_state(batch_shape, length, context)

  def step(self, token, state):
    """Returns the outputs at the next position.

    They equal those of the parallel call there, up to rounding. A step takes
    as many operations whatever the length; those of attention read the cache.

    Args:
      token: The input at the position before: a floating `Tensor`, shape
        `batch_shape + [K]`, or codes, shape `batch_shape`. The first step
        ignores its values.
      state: `TransformerState` of the step before, or `initial_state`.

    Returns:
      The outputs, a `Tensor` of shape `batch_shape + [C]` in the compute dtype,
      and the next `TransformerState`.
    """
    is_first = tf.equal(state.index, 0)
    # No code, since any other might be none of the classes.
    token = tf.where(is_first, tf.zeros_like(token), token)
    x = tf.where(is_first, self._nothing_vector(), self._embedding(token))
    outputs, state = self._stack.step(x[..., tf.newaxis, :], state)
    return tf.squeeze(outputs, axis=-2), state
