"""Keras layer: a table with a row for each joint value of the past."""

import random
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import context_lookup
from discrete_lvm.layers import degrees
from discrete_lvm.layers import protocol
from discrete_lvm.layers.token_layer import TokenLayer
from discrete_lvm.ops import counts


class ContextTableState(NamedTuple):
  """What `ContextTable.step` keeps of the tokens that it was given.

  Attributes:
    index: int32 `Tensor`, shape `[]`: how many steps were taken.
    row: int32 `Tensor`, of the batch shape: the row of the context before the
      last token, -1 after a token that was a zero vector or -1.
  """

  index: tf.Tensor
  row: tf.Tensor


@keras.saving.register_keras_serializable(package='discrete_lvm')
class ContextTable(TokenLayer):
  """Outputs, for each position, a row of its own for each past.

  It represents every autoregressive distribution or flow exactly: the position
  with t before it has a table of K^t rows, one for each of their joint values.
  That is for small problems; all tables together have (K^length - 1) / (K - 1)
  rows. They are the nodes of a tree in which the children of row r are K r + 1,
  ..., K r + K, so that a step goes from a row to its child.

  The gradient to one-hot inputs is that of the multilinear extension of the
  table, which stacked flows need. If a position before is a zero vector, or the
  code -1, the outputs are zeros, as that extension has it.

  Args:
    num_outputs: Python `int`, C, the outputs for each position.
    order: The order of the positions: 'left_to_right', 'right_to_left',
      'random' (by `seed`), or the positions from the first to the last.
    stddev: Python `float`, the standard deviation of the initial rows. At zero
      all classes tie, and the argmax of a flow has no better guess.
    seed: Python `int`, seed of the order and the initial rows. Without it one
      is drawn, once, and kept in the config.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, of one-hot or zero
      vectors; or, once the layer is built, integer codes, shape `[...,
      length]`, -1 for the zero vector.

  Output shape:
    `[..., length, C]` in the compute dtype.

  Attributes:
    order: int32 array, shape `[length]`, once the layer is built: the
      positions in their order.

  Raises:
    ValueError: If an argument is not one of these, `order` no permutation of
      the positions, `length` or K not static, the table larger than 2**27
      numbers, or the layer called with codes before it is built.

  Example:
    >>> table = dlvm.layers.ContextTable(num_outputs=2, seed=0)
    >>> x = tf.one_hot([[0, 2, 1], [1, 2, 1]], 3)
    >>> logits = table(x)
    >>> table.count_params() // 2  # Rows.
    13
    >>> codes = tf.constant([[0, 2, 1], [1, 2, 1]])
    >>> bool(tf.reduce_all(logits == table(codes)))
    True
  """

  def __init__(
      self,
      num_outputs,
      order='left_to_right',
      stddev=1.0,
      seed=None,
      **kwargs,
  ):
    super().__init__(**kwargs)
    counts.check_count(num_outputs, 'num_outputs')
    self.num_outputs = num_outputs
    # Kept, or a copy made from the config would have another order.
    seed = random.randrange(2**31) if seed is None else seed
    self._config = {
        'num_outputs': num_outputs,
        'order': degrees.check_order(order),
        'stddev': stddev,
        'seed': seed,
    }

  def build(self, inputs_shape):
    length, num_classes = protocol.static_length_and_classes(inputs_shape)
    seed = self._config['seed']
    self.order = degrees.resolve_order(
        self._config['order'], length, np.random.default_rng(seed)
    )
    rows = sum(num_classes**t for t in range(length))
    context_lookup.check_size(rows, self.num_outputs)
    ranks = np.argsort(self.order)
    past = ranks < ranks[:, np.newaxis]
    exponents = np.where(past, ranks[:, np.newaxis] - 1 - ranks, 0)
    self._num_classes = num_classes
    self._strides = np.where(past, num_classes**exponents, 0)
    self._first_rows = np.array(
        [sum(num_classes**t for t in range(rank)) for rank in ranks]
    )
    self.table = self.add_weight(
        name='table',
        shape=(rows, self.num_outputs),
        initializer=keras.initializers.RandomNormal(
            stddev=self._config['stddev'], seed=seed
        ),
        # A cast of all of it would cost more than the lookup.
        autocast=False,
    )

  def call(self, inputs):
    inputs = protocol.check_events(inputs, len(self.order), self._num_classes)
    table = tf.convert_to_tensor(self.table)
    outputs = context_lookup.lookup(
        table, inputs, self._first_rows, self._strides
    )
    return tf.cast(outputs, self.compute_dtype)

  def initial_state(self, batch_shape, length=None):
    """Returns the state before the first step.

    Args:
      batch_shape: Sequence of Python `int`s or int32 `Tensor`, shape `[rank]`.
      length: Python `int` or int32 `Tensor`, the number of positions, if it is
        to be checked.

    Returns:
      `ContextTableState`, a structure of `Tensor`s that fits `tf.while_loop`.

    Raises:
      ValueError: If the layer is not built, or `length` is not the one that it
        was built for.
    """
    protocol.check_built(self)
    protocol.check_length(len(self.order), length)
    return ContextTableState(
        tf.zeros([], tf.int32), tf.zeros(batch_shape, tf.int32)
    )

  def step(self, token, state):
    """Returns the outputs at the next position of the order.

    Args:
      token: Floating `Tensor`, shape `batch_shape + [K]`, one-hot or zeros, or
        integer codes, shape `batch_shape`: the input at the position before in
        the order. The first step ignores its values.
      state: `ContextTableState` of the step before, or `initial_state`. There
        are `length` steps.

    Returns:
      The outputs, a `Tensor` of shape `batch_shape + [C]` in the compute dtype,
      and the next `ContextTableState`. They have no gradient to the token.
    """
    index, row = state
    token = tf.convert_to_tensor(token)
    if token.dtype.is_integer:
      token = context_lookup.known_codes(token, self._num_classes)
    codes = context_lookup.codes_of(token)
    child = tf.where(
        (row < 0) | (codes < 0), -1, row * self._num_classes + 1 + codes
    )
    row = tf.where(index > 0, child, row)
    outputs = context_lookup.gather_or_zero(
        tf.convert_to_tensor(self.table), row, row >= 0
    )
    return (
        tf.cast(outputs, self.compute_dtype),
        ContextTableState(index + 1, row),
    )

  def get_config(self):
    return {**super().get_config(), **self._config}
