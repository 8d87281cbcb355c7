"""Keras layer: a masked autoregressive network over one-hot positions."""

import itertools
import random
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import degrees as degrees_lib
from discrete_lvm.layers import protocol
from discrete_lvm.layers import token_embedding
from discrete_lvm.layers.masked_dense import MaskedDense
from discrete_lvm.layers.token_layer import TokenLayer
from discrete_lvm.ops import counts


class MADEState(NamedTuple):
  """What `MADE.step` keeps of the tokens that it was given.

  Attributes:
    index: int32 `Tensor`, shape `[]`: how many steps were taken.
    sums: For each dense layer a `Tensor`, shape `batch_shape + [units]`: what
      its units have received so far, before the activation.
  """

  index: tf.Tensor
  sums: tuple[tf.Tensor, ...]


@keras.saving.register_keras_serializable(package='discrete_lvm')
class MADE(TokenLayer):
  """Outputs, for each position, a function of the positions before it.

  A dense network over all `length * K` inputs, masked in blocks: the outputs at
  a position depend on all K channels of each position before it in the order,
  and on nothing else. They are the parameters of an autoregressive
  distribution or flow: K logits a position, or 2K for a location and a scale.

  The parallel call gives the outputs of all positions at once. To sample,
  where a position is only known once its outputs are, take `step`s: each costs
  the share of one position, so that all of them together multiply about as
  often as one parallel call (with random degrees somewhat more).

  Args:
    num_outputs: Python `int`, C, the outputs for each position.
    hidden_units: Sequence of Python `int`s, the widths of the hidden layers, at
      least one.
    order: The order of the positions: 'left_to_right', 'right_to_left',
      'random' (by `seed`), or the positions from the first to the last.
    degrees: How many positions each hidden unit sees: 'equal' spreads them
      equally, 'random' (by `seed`) at random.
    activation: Callable or name of a Keras activation that acts on each unit
      by itself, of the hidden layers.
    seed: Python `int`, seed of the order, the degrees and the initial weights.
      Without it one is drawn, once, and kept in the config.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`; or, once the layer is
      built, integer codes, shape `[..., length]`, which give the same as the
      one-hot vectors in time and memory that do not depend on K (-1 is the
      zero vector).
    context: Floating `Tensor`, shape `[..., num_features]`, which every hidden
      unit and output sees; leading dimensions broadcast against those of
      `inputs`. By default none. The first call says whether there is one.

  Output shape:
    `[..., length, C]` in the compute dtype.

  Attributes:
    order: int32 array, shape `[length]`, once the layer is built: the
      positions in their order.

  Raises:
    ValueError: If an argument is not one of these, `order` no permutation of
      the positions, a hidden layer narrower than the number of degrees
      (`length - 1`, or `length` with a context), `length` or K not static, or a
      context given to a layer that was built without, or the reverse, or the
      layer called with codes before it is built.

  Example:
    >>> made = dlvm.layers.MADE(num_outputs=3, hidden_units=[16], seed=0)
    >>> x = tf.one_hot([[0, 2], [1, 2]], 3)
    >>> logits = made(x)
    >>> logits.shape
    TensorShape([2, 2, 3])
    >>> bool(tf.reduce_all(logits[0, 0] == logits[1, 0]))  # Sees nothing.
    True

    Sampling takes one step a position; the first ignores its token.

    >>> state = made.initial_state(batch_shape=[2])
    >>> token = tf.zeros([2, 3])
    >>> for position in made.order:
    ...   logits_at_position, state = made.step(token, state)
    ...   token = x[:, position]  # A model samples it from the logits.
    >>> np.testing.assert_allclose(logits_at_position, logits[:, 1], atol=1e-5)

  References:
    Mathieu Germain, Karol Gregor, Iain Murray, Hugo Larochelle. MADE: Masked
    Autoencoder for Distribution Estimation. ICML 2015.
    https://arxiv.org/abs/1502.03509.
  """

  def __init__(
      self,
      num_outputs,
      hidden_units,
      order='left_to_right',
      degrees='equal',
      activation='relu',
      seed=None,
      **kwargs,
  ):
    super().__init__(**kwargs)
    counts.check_count(num_outputs, 'num_outputs')
    self.num_outputs = num_outputs
    hidden_units = counts.check_counts(hidden_units, 'hidden_units')
    if degrees not in ('equal', 'random'):
      raise ValueError(
          "Expected `degrees` to be 'equal' or 'random'; received "
          f'{degrees!r}.'
      )
    # Kept, or a copy made from the config would have another order.
    seed = random.randrange(2**31) if seed is None else seed
    self.activation = keras.activations.get(activation)
    self._config = {
        'num_outputs': num_outputs,
        'hidden_units': hidden_units,
        'order': degrees_lib.check_order(order),
        'degrees': degrees,
        'activation': keras.activations.serialize(self.activation),
        'seed': seed,
    }

  def build(self, inputs_shape, context_shape=None):
    self._length, self._num_channels = protocol.static_length_and_classes(
        inputs_shape
    )
    rng = np.random.default_rng(self._config['seed'])
    self.order = degrees_lib.resolve_order(
        self._config['order'], self._length, rng
    )
    conditional = context_shape is not None
    self._degrees = self._draw_degrees(conditional, rng)
    # The units that `step` passes on at once, for each hidden layer.
    self._units = tuple(
        degrees_lib.units_by_degree(degrees, self._length)
        for degrees in self._degrees[1:-1]
    )
    self._masked_layers = []
    self._context_layers = []
    for before, after in itertools.pairwise(self._degrees):
      mask = before[:, np.newaxis] <= after
      self._masked_layers.append(self._dense(mask, rng))
      if conditional:
        mask = np.ones([context_shape[-1], len(after)], bool)
        self._context_layers.append(self._dense(mask, rng, use_bias=False))

  def _dense(self, mask, rng, use_bias=True):
    layer = MaskedDense(
        mask.shape[1],
        mask,
        use_bias=use_bias,
        seed=int(rng.integers(2**31)),
        dtype=self.dtype_policy,
    )
    layer.build((None, len(mask)))
    return layer

  def _draw_degrees(self, conditional, rng):
    """Returns the degrees of the units of each layer, the inputs first."""
    # A unit of degree 0 sees nothing but the context. Without one it would be a
    # constant; only at length 1 there is no other unit.
    lowest = 0 if conditional or self._length == 1 else 1
    hidden = [
        degrees_lib.hidden_degrees(
            self._config['degrees'], units, lowest, self._length, rng
        )
        for units in self._config['hidden_units']
    ]
    ranks = np.argsort(self.order)
    inputs = np.repeat(ranks + 1, self._num_channels)
    return inputs, *hidden, np.repeat(ranks, self.num_outputs)

  def call(self, inputs, context=None):
    protocol.check_context(bool(self._context_layers), context)
    inputs = protocol.check_events(inputs, self._length, self._num_channels)
    values = self._first_sums(inputs)
    for i, layer in enumerate(self._masked_layers):
      if i:
        values = layer(self.activation(values))
      if context is not None:
        values += self._context_layers[i](context)
    return self._split_positions(values)

  def _first_sums(self, inputs):
    """Returns what the units of the first layer receive from the inputs."""
    layer = self._masked_layers[0]
    if not inputs.dtype.is_integer:
      channels = self._length * self._num_channels
      return layer(
          tf.reshape(inputs, tf.concat([tf.shape(inputs)[:-2], [channels]], 0))
      )
    first_rows = tf.range(self._length) * self._num_channels
    rows = tf.where(inputs < 0, -1, inputs + first_rows)
    sums = token_embedding.embed(rows, layer.masked_kernel())
    return tf.reduce_sum(sums, axis=-2) + tf.convert_to_tensor(layer.bias)

  def initial_state(self, batch_shape, length=None, context=None):
    """Returns the state before the first step.

    Args:
      batch_shape: Sequence of Python `int`s or int32 `Tensor`, shape `[rank]`.
      length: Python `int` or int32 `Tensor`, the number of positions, if it is
        to be checked.
      context: As for the call; leading dimensions broadcast to `batch_shape`.

    Returns:
      `MADEState`, a structure of `Tensor`s that fits `tf.while_loop`.

    Raises:
      ValueError: If the layer is not built, `length` is not the one that it
        was built for, or as the call raises.
    """
    protocol.check_built(self)
    protocol.check_length(self._length, length)
    protocol.check_context(bool(self._context_layers), context)
    batch_shape = tf.convert_to_tensor(batch_shape, tf.int32)
    sums = []
    for i, layer in enumerate(self._masked_layers):
      total = self._convert(layer.bias)
      if context is not None:
        total += self._convert(self._context_layers[i](context))
      sums.append(
          tf.broadcast_to(total, tf.concat([batch_shape, [layer.units]], 0))
      )
    return MADEState(tf.zeros([], tf.int32), tuple(sums))

  def step(self, token, state):
    """Returns the outputs at the next position of the order.

    They equal those of the parallel call at `order[state.index]`, up to the
    rounding of sums in another order. Sums are kept in the dtype of the
    variables, so under a mixed policy they are the more exact ones.

    Args:
      token: Floating `Tensor`, shape `batch_shape + [K]`, or integer codes,
        shape `batch_shape`: the input at the position before in the order. The
        first step ignores its values.
      state: `MADEState` of the step before, or `initial_state`. There are
        `length` steps.

    Returns:
      The outputs, a `Tensor` of shape `batch_shape + [C]` in the compute dtype,
      and the next `MADEState`.
    """
    index, sums = state
    last = len(sums) - 1
    order = tf.constant(self.order)
    position = tf.gather(order, index)
    previous = tf.gather(order, tf.maximum(index - 1, 0))
    token = tf.convert_to_tensor(token)
    if not token.dtype.is_integer:
      token = self._convert(token)
    sums = list(sums)
    split_inputs = [self._length, self._num_channels, -1]
    split_outputs = [-1, self._length, self.num_outputs]
    for i in range(last):
      if i:
        # The units of degree `index` have just received their last input.
        units, exists = (tf.gather(x, index) for x in self._units[i - 1])
        values = self.activation(tf.gather(sums[i - 1], units, axis=-1))
        values = _keep(exists, values)
        kernel = self._kernel(i, lambda x, rows=units: tf.gather(x, rows))
        update = tf.tensordot(values, kernel, axes=1)
      else:
        kernel = self._kernel(
            i, lambda x: tf.gather(tf.reshape(x, split_inputs), previous)
        )
        update = token_embedding.embed(token, kernel)
        update = _keep(index > 0, update)
      sums[i] += _keep(self._degrees[i + 1] >= index, update)
    values = self.activation(sums[last - 1])
    values = _keep(self._degrees[last] <= index, values)
    kernel = self._kernel(
        last,
        lambda x: tf.gather(tf.reshape(x, split_outputs), position, axis=1),
    )
    outputs = tf.tensordot(values, kernel, axes=1)
    outputs += tf.gather(self._split_positions(sums[last]), position, axis=-2)
    return (
        tf.cast(outputs, self.compute_dtype),
        MADEState(index + 1, tuple(sums)),
    )

  def _kernel(self, i, select):
    """Returns the part of a kernel that a step needs, masked."""
    return self._convert(self._masked_layers[i].masked_kernel(select))

  def _convert(self, x):
    return tf.cast(tf.convert_to_tensor(x), self.variable_dtype)

  def _split_positions(self, values):
    split = [self._length, self.num_outputs]
    return tf.reshape(values, tf.concat([tf.shape(values)[:-1], split], 0))

  def get_config(self):
    return {**super().get_config(), **self._config}


def _keep(condition, values):
  """Returns `values` where `condition` holds, and zero elsewhere."""
  return tf.where(condition, values, tf.zeros_like(values))
