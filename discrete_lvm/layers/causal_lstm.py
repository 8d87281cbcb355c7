"""Keras layer: a stack of LSTMs with steps."""

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


class CausalLSTMState(NamedTuple):
  """What `CausalLSTM.step` keeps of the tokens that it was given.

  Attributes:
    index: int32 `Tensor`, shape `[]`: how many steps were taken.
    memories: For each layer its output and its cell, two `Tensor`s of shape
      `batch_shape + [units]`.
    context: The context, as it was given, as a tuple of one `Tensor` or none.
  """

  index: tf.Tensor
  memories: tuple[tuple[tf.Tensor, tf.Tensor], ...]
  context: tuple[tf.Tensor, ...]


@keras.saving.register_keras_serializable(package='discrete_lvm')
class CausalLSTM(TokenLayer):
  """Outputs, for each position, a recurrent function of all before it.

  The first layer reads the token before (nothing, at the first position), each
  other layer the one below, and a dense layer makes the outputs of the last
  one. All start from zeros. The parallel call multiplies all inputs of a layer
  at once, and then runs along the positions in one graph loop.

  Args:
    num_outputs: Python `int`, C, the outputs for each position.
    units: Sequence of Python `int`s, the widths of the layers, at least one.
    seed: Python `int`, seed of the initial weights. Without it one is drawn,
      once, and kept in the config.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`; or, once the layer is
      built, integer codes, shape `[..., length]` (-1 is the zero vector).
    context: Floating `Tensor`, shape `[..., length, F]`, which outputs see up
      to and at their own position; leading dimensions broadcast to those of
      `inputs`. By default none. The first call says whether there is one.

  Output shape:
    `[..., length, C]` in the compute dtype.

  Raises:
    ValueError: If an argument is not one of these, K not static, the layer
      called with codes before it is built, or a context given to a layer that
      was built without, or the reverse.

  Example:
    >>> network = dlvm.layers.CausalLSTM(num_outputs=3, units=[8, 8])
    >>> network(tf.one_hot([[0, 2, 1, 1]], 3)).shape
    TensorShape([1, 4, 3])

  References:
    Sepp Hochreiter, Jurgen Schmidhuber. Long Short-Term Memory. Neural
    Computation 9(8), 1997.

    Felix A. Gers, Jurgen Schmidhuber, Fred Cummins. Learning to Forget:
    Continual Prediction with LSTM. Neural Computation 12(10), 2000.
  """

  def __init__(self, num_outputs, units, seed=None, **kwargs):
    super().__init__(**kwargs)
    counts.check_count(num_outputs, 'num_outputs')
    self.num_outputs = num_outputs
    self._config = {
        'num_outputs': num_outputs,
        'units': counts.check_counts(units, 'units'),
        'seed': random.randrange(2**31) if seed is None else seed,
    }

  def build(self, inputs_shape, context_shape=None):
    units = self._config['units']
    rng = np.random.default_rng(self._config['seed'])
    policy = self.dtype_policy
    self._embedding = token_embedding.TokenEmbedding(
        4 * units[0], seed=int(rng.integers(2**31)), dtype=policy
    )
    self._embedding.build(inputs_shape)
    self._context_layer = None
    if context_shape is not None:
      self._context_layer = build_dense(
          context_shape[-1], 4 * units[0], rng, policy, use_bias=False
      )
    # Of each layer but the first, whose inputs are embedded.
    self._input_gates = [
        build_dense(below, 4 * width, rng, policy, use_bias=False)
        for below, width in zip(units[:-1], units[1:], strict=True)
    ]
    self._kernels = []
    self._biases = []
    for i, width in enumerate(units):
      self._kernels.append(
          self.add_weight(
              name=f'recurrent_kernel_{i}',
              shape=(width, 4 * width),
              initializer=keras.initializers.Orthogonal(
                  seed=int(rng.integers(2**31))
              ),
          )
      )
      self._biases.append(
          self.add_weight(
              name=f'bias_{i}',
              shape=(4 * width,),
              initializer=_remember_at_first,
          )
      )
    self._output = build_dense(units[-1], self.num_outputs, rng, policy)

  def call(self, inputs, context=None):
    protocol.check_context(self._context_layer is not None, context)
    values = sequences.shift(self._embedding(inputs))
    protocol.check_positions(context, sequences.length(values))
    if context is not None:
      values += self._context_layer(context)
    for i in range(len(self._kernels)):
      gates = self._gates(i, values)
      values = _run(gates, self._convert(self._kernels[i]))
    return self._output(values)

  def _gates(self, i, values):
    """Returns what the gates of the i-th layer receive from its inputs."""
    if i:
      values = self._input_gates[i - 1](values)
    return values + self._convert(self._biases[i])

  def _zeros(self, i, batch_shape):
    """Returns the output and the cell before the first position."""
    batch_shape = tf.convert_to_tensor(batch_shape, tf.int32)
    shape = tf.concat([batch_shape, [self._config['units'][i]]], axis=0)
    zeros = tf.zeros(shape, self.compute_dtype)
    return zeros, zeros

  def _convert(self, x):
    return tf.cast(tf.convert_to_tensor(x), self.compute_dtype)

  def initial_state(self, batch_shape, length=None, context=None):
    """Returns the state before the first step.

    Args:
      batch_shape: Sequence of Python `int`s or int32 `Tensor`, shape `[rank]`.
      length: Python `int` or int32 `Tensor`, the number of positions, if that
        of the context is to be checked.
      context: As for the call; leading dimensions broadcast to `batch_shape`.

    Returns:
      `CausalLSTMState`, a structure of `Tensor`s that fits `tf.while_loop`.

    Raises:
      ValueError: If the layer is not built, or as the call raises.
    """
    protocol.check_built(self)
    protocol.check_context(self._context_layer is not None, context)
    protocol.check_positions(context, length, may_be_longer=True)
    memories = [self._zeros(i, batch_shape) for i in range(len(self._kernels))]
    context = sequences.kept(context)
    return CausalLSTMState(tf.zeros([], tf.int32), tuple(memories), context)

  def step(self, token, state):
    """Returns the outputs at the next position.

    Args:
      token: Floating `Tensor`, shape `batch_shape + [K]`, or integer codes,
        shape `batch_shape`: the input at the position before. The first step
        ignores its values.
      state: `CausalLSTMState` of the step before, or `initial_state`.

    Returns:
      The outputs, a `Tensor` of shape `batch_shape + [C]` in the compute dtype,
      and the next `CausalLSTMState`.
    """
    index, memories, context = state
    values = sequences.embed_token(self._embedding, token, index)
    if context:
      values += self._context_layer(sequences.at(context[0], index))
    new_memories = []
    for i, memory in enumerate(memories):
      gates = tf.squeeze(self._gates(i, values), axis=-2)
      memory = _cell(gates, self._convert(self._kernels[i]), memory)
      new_memories.append(memory)
      values = memory[0][..., tf.newaxis, :]
    outputs = tf.squeeze(self._output(values), axis=-2)
    return outputs, CausalLSTMState(index + 1, tuple(new_memories), context)

  def get_config(self):
    return {**super().get_config(), **self._config}


def _cell(gates, kernel, memory):
  """Returns the next output and cell of a layer.

  Args:
    gates: `Tensor`, shape `[..., 4 * units]`: what the input gives to the input
      gate, the forget gate, the candidate and the output gate.
    kernel: `Tensor`, shape `[units, 4 * units]`.
    memory: The output and the cell before, `Tensor`s, shape `[..., units]`.
  """
  output, cell = memory
  if output.shape.rank == 2:
    # Unlike tensordot, it has a gradient in XLA's loops at any batch size.
    gates += tf.matmul(output, kernel)
  else:
    gates += tf.tensordot(output, kernel, axes=1)
  input_, forget, candidate, expose = tf.split(gates, 4, axis=-1)
  cell *= tf.sigmoid(forget)
  cell += tf.sigmoid(input_) * tf.tanh(candidate)
  return tf.sigmoid(expose) * tf.tanh(cell), cell


def _run(gates, kernel):
  """Runs a layer from zeros, and returns its outputs.

  Args:
    gates: `Tensor`, shape `[..., length, 4 * units]`.
    kernel: `Tensor`, shape `[units, 4 * units]`.

  Returns:
    `Tensor`, shape `[..., length, units]`.
  """
  units = kernel.shape[0]
  flat = tf.reshape(gates, [-1, tf.shape(gates)[-2], 4 * units])
  zeros = tf.zeros_like(flat[:, 0, :units])
  outputs, _ = tf.scan(
      lambda memory, gates: _cell(gates, kernel, memory),
      tf.transpose(flat, [1, 0, 2]),
      (zeros, zeros),
  )
  shape = tf.concat([tf.shape(gates)[:-1], [units]], axis=0)
  return tf.ensure_shape(
      tf.reshape(tf.transpose(outputs, [1, 0, 2]), shape),
      [*gates.shape[:-1], units],
  )


def _remember_at_first(shape, dtype):
  """Returns a bias of 1 for the forget gate and 0 for the others."""
  return tf.repeat(tf.constant([0.0, 1.0, 0.0, 0.0], dtype), shape[0] // 4)
