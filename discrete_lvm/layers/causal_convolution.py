"""Keras layer: a stack of gated, dilated, causal convolutions."""

import random
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import protocol
from discrete_lvm.layers import sequences
from discrete_lvm.layers import token_embedding
from discrete_lvm.layers.dense import build_dense
from discrete_lvm.layers.token_layer import TokenLayer
from discrete_lvm.ops import counts


class CausalConvolutionState(NamedTuple):
  """What `CausalConvolution.step` keeps of the tokens that it was given.

  Attributes:
    index: int32 `Tensor`, shape `[]`: how many steps were taken.
    pasts: For each convolution its last inputs, a `Tensor`, shape `[dilation *
      (kernel_size - 1)] + batch_shape + [1, units]`: a ring, in which the input
      at position t is at t modulo its size.
    context: The context, as it was given, as a tuple of one `Tensor` or none.
  """

  index: tf.Tensor
  pasts: tuple[tf.Tensor, ...]
  context: tuple[tf.Tensor, ...]


@keras.saving.register_keras_serializable(package='discrete_lvm')
class CausalConvolution(TokenLayer):
  """Outputs, for each position, a function of a window of those before it.

  Each layer adds to what it receives, x,

      dense(tanh(filter) * sigmoid(gate))

  where filter and gate are causal convolutions of x whose taps are `dilation`
  positions apart. Dilations that double make the window grow exponentially with
  the depth. As in WaveNet, but for its skip connections: what the outputs read
  is the sum of what all layers added.

  A step costs the same at each position, whatever the length and the dilations:
  each convolution keeps a ring of its last inputs. The window is all that an
  output sees: if it should depend on all positions, let `receptive_field` be
  at least `length - 1`.

  Args:
    num_outputs: Python `int`, C, the outputs for each position.
    units: Python `int`, the width of all layers.
    dilations: Sequence of positive Python `int`s, one for each layer.
    kernel_size: Python `int` of at least 2, the taps of each convolution.
    seed: Python `int`, seed of the initial weights. Without it one is drawn,
      once, and kept in the config.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`; or, once the layer is
      built, integer codes, shape `[..., length]` (-1 is the zero vector).
    context: Floating `Tensor`, shape `[..., length, F]`, which outputs see up
      to and at their own position, in the same window; leading dimensions
      broadcast to those of `inputs`. By default none. The first call says
      whether there is one.

  Output shape:
    `[..., length, C]` in the compute dtype.

  Raises:
    ValueError: If an argument is not one of these, K not static, the layer
      called with codes before it is built, or a context given to a layer that
      was built without, or the reverse.

  Example:
    >>> network = dlvm.layers.CausalConvolution(3, units=8, dilations=[1, 2, 4])
    >>> x = tf.one_hot([[0, 2, 1, 1]], 3)
    >>> network(x).shape, network.receptive_field
    (TensorShape([1, 4, 3]), 8)

  References:
    Aaron van den Oord et al. WaveNet: A Generative Model for Raw Audio. 2016.
    https://arxiv.org/abs/1609.03499. Sections 2.1 and 2.3.

    Tom Le Paine et al. Fast Wavenet Generation Algorithm. 2016.
    https://arxiv.org/abs/1611.09482.
  """

  def __init__(
      self,
      num_outputs,
      units=64,
      dilations=(1, 2, 4, 8),
      kernel_size=2,
      seed=None,
      **kwargs,
  ):
    super().__init__(**kwargs)
    counts.check_count(num_outputs, 'num_outputs')
    self.num_outputs = num_outputs
    counts.check_count(units, 'units')
    counts.check_count(kernel_size, 'kernel_size', minimum=2)
    self._config = {
        'num_outputs': num_outputs,
        'units': units,
        'dilations': counts.check_counts(dilations, 'dilations'),
        'kernel_size': kernel_size,
        'seed': random.randrange(2**31) if seed is None else seed,
    }

  @property
  def receptive_field(self):
    """Python `int`: how many of the positions before it an output sees."""
    spans = self._config['kernel_size'] - 1
    return 1 + spans * sum(self._config['dilations'])

  def build(self, inputs_shape, context_shape=None):
    units = self._config['units']
    rng = np.random.default_rng(self._config['seed'])
    policy = self.dtype_policy
    self._embedding = token_embedding.TokenEmbedding(
        units, seed=int(rng.integers(2**31)), dtype=policy
    )
    self._embedding.build(inputs_shape)
    self._context_layer = None
    if context_shape is not None:
      self._context_layer = build_dense(
          context_shape[-1], units, rng, policy, use_bias=False
      )
    self._gates = []
    self._residuals = []
    for _ in self._config['dilations']:
      inputs = self._config['kernel_size'] * units
      self._gates.append(build_dense(inputs, 2 * units, rng, policy))
      self._residuals.append(build_dense(units, units, rng, policy))
    self._hidden = build_dense(units, units, rng, policy)
    self._output = build_dense(units, self.num_outputs, rng, policy)

  def call(self, inputs, context=None):
    protocol.check_context(self._context_layer is not None, context)
    values = sequences.shift(self._embedding(inputs))
    protocol.check_positions(context, sequences.length(values))
    if context is not None:
      values += self._context_layer(context)
    num_taps = self._config['kernel_size']
    for i, dilation in enumerate(self._config['dilations']):
      taps = sequences.taps(values, num_taps, dilation)
      values = self._convolve(i, taps)
    return self._outputs(values)

  def _convolve(self, i, taps):
    """Applies the i-th layer, given its input at all of its taps."""
    gates = self._gates[i](tf.concat(taps, axis=-1))
    filter_, gate = tf.split(gates, 2, axis=-1)
    return taps[-1] + self._residuals[i](tf.tanh(filter_) * tf.sigmoid(gate))

  def _outputs(self, values):
    return self._output(tf.nn.relu(self._hidden(tf.nn.relu(values))))

  def initial_state(self, batch_shape, length=None, context=None):
    """Returns the state before the first step.

    Args:
      batch_shape: Sequence of Python `int`s or int32 `Tensor`, shape `[rank]`.
      length: Python `int` or int32 `Tensor`, the number of positions, if that
        of the context is to be checked.
      context: As for the call; leading dimensions broadcast to `batch_shape`.

    Returns:
      `CausalConvolutionState`, a structure of `Tensor`s that fits
      `tf.while_loop`.

    Raises:
      ValueError: If the layer is not built, or as the call raises.
    """
    protocol.check_built(self)
    protocol.check_context(self._context_layer is not None, context)
    protocol.check_positions(context, length, may_be_longer=True)
    units = self._config['units']
    batch_shape = tf.convert_to_tensor(batch_shape, tf.int32)
    pasts = []
    for dilation in self._config['dilations']:
      size = dilation * (self._config['kernel_size'] - 1)
      shape = tf.concat([[size], batch_shape, [1, units]], axis=0)
      pasts.append(tf.zeros(shape, self.compute_dtype))
    context = sequences.kept(context)
    return CausalConvolutionState(tf.zeros([], tf.int32), tuple(pasts), context)

  def step(self, token, state):
    """Returns the outputs at the next position.

    Args:
      token: Floating `Tensor`, shape `batch_shape + [K]`, or integer codes,
        shape `batch_shape`: the input at the position before. The first step
        ignores its values.
      state: `CausalConvolutionState` of the step before, or `initial_state`.

    Returns:
      The outputs, a `Tensor` of shape `batch_shape + [C]` in the compute dtype,
      and the next `CausalConvolutionState`.
    """
    index, pasts, context = state
    values = sequences.embed_token(self._embedding, token, index)
    if context:
      values += self._context_layer(sequences.at(context[0], index))
    new_pasts = []
    for i, (dilation, past) in enumerate(
        zip(self._config['dilations'], pasts, strict=True)
    ):
      size = dilation * (self._config['kernel_size'] - 1)
      delayed = tf.gather(past, (index + range(0, size, dilation)) % size)
      is_next = tf.equal(tf.range(size), index % size)
      is_next = tf.reshape(is_next, [size, *[1] * (past.shape.rank - 1)])
      new_pasts.append(tf.where(is_next, values, past))
      taps = [*tf.unstack(delayed), values]
      values = self._convolve(i, taps)
    outputs = tf.squeeze(self._outputs(values), axis=-2)
    return outputs, CausalConvolutionState(index + 1, tuple(new_pasts), context)

  def get_config(self):
    return {**super().get_config(), **self._config}
