"""Keras layer: a table with a row for each joint value of some positions."""

import random

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.layers import context_lookup
from discrete_lvm.layers import protocol
from discrete_lvm.layers.token_layer import TokenLayer
from discrete_lvm.ops import counts


@keras.saving.register_keras_serializable(package='discrete_lvm')
class BipartiteContextTable(TokenLayer):
  """Outputs, for each position that a mask hides, a row for each context.

  The context is the joint value of the n positions where the mask is True, of
  K^n; each position where it is False has a table of as many rows. So it
  represents every bipartite discrete flow with that mask exactly, for small
  problems.

  The gradient to one-hot inputs is that of the multilinear extension of the
  table, which stacked flows need. If a position seen is a zero vector, or the
  code -1, the outputs are zeros, as that extension has it.

  Args:
    num_outputs: Python `int`, C, the outputs for each position.
    mask: Sequence or array of `bool`, shape `[length]`: True where outputs see
      the inputs. See `ops.alternating_mask`, `ops.half_mask` and others.
    stddev: Python `float`, the standard deviation of the initial rows. At zero
      all classes tie, and the argmax of a flow has no better guess.
    seed: Python `int`, seed of the initial rows. Without it one is drawn, once,
      and kept in the config.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, of one-hot or zero
      vectors; or, once the layer is built, integer codes, shape `[...,
      length]`, -1 for the zero vector. Those where `mask` is False are ignored.

  Output shape:
    `[..., length, C]` in the compute dtype; zeros where `mask` is True.

  Raises:
    ValueError: If `num_outputs` is not positive, `mask` all True, all False or
      not of the length of the inputs, `length` or K not static, the table
      larger than 2**27 numbers, or the layer called with codes before it is
      built.

  Example:
    >>> table = dlvm.layers.BipartiteContextTable(2, mask=[True, False, True])
    >>> x = tf.one_hot([[0, 2, 1], [0, 1, 1]], 3)
    >>> outputs = table(x)
    >>> bool(tf.reduce_all(outputs[0] == outputs[1]))
    True
    >>> table.table.shape  # 3 * 3 contexts, one position, two outputs.
    TensorShape([9, 1, 2])
  """

  def __init__(self, num_outputs, mask, stddev=1.0, seed=None, **kwargs):
    super().__init__(**kwargs)
    counts.check_count(num_outputs, 'num_outputs')
    self.num_outputs = num_outputs
    self.mask = ops.as_mask(mask)
    self._stddev = stddev
    self._seed = random.randrange(2**31) if seed is None else seed

  def build(self, inputs_shape):
    length, num_classes = protocol.static_length_and_classes(inputs_shape)
    if length != self.mask.size:
      raise ValueError(
          f'Expected inputs of length {self.mask.size}, as the mask; received '
          f'shape {tuple(inputs_shape)}.'
      )
    num_seen = int(self.mask.sum())
    num_hidden = length - num_seen
    rows = num_classes**num_seen
    context_lookup.check_size(rows, num_hidden * self.num_outputs)
    seen_after = np.cumsum(self.mask[::-1])[::-1] - self.mask
    self._strides = np.where(self.mask, num_classes**seen_after, 0)
    self._num_classes = num_classes
    self.table = self.add_weight(
        name='table',
        shape=(rows, num_hidden, self.num_outputs),
        initializer=keras.initializers.RandomNormal(
            stddev=self._stddev, seed=self._seed
        ),
        # A cast of all of it would cost more than the lookup.
        autocast=False,
    )

  def call(self, inputs):
    inputs = protocol.check_events(inputs, self.mask.size, self._num_classes)
    # All hidden positions see one context, so that one row holds them all.
    table = tf.reshape(self.table, [self.table.shape[0], -1])
    values = context_lookup.lookup(table, inputs, [0], [self._strides])
    values = tf.reshape(
        values, tf.concat([tf.shape(values)[:-2], self.table.shape[1:]], 0)
    )
    zero = tf.zeros_like(values[..., :1, :])
    source = np.where(self.mask, 0, np.cumsum(~self.mask))
    outputs = tf.gather(tf.concat([zero, values], -2), source, axis=-2)
    return tf.cast(outputs, self.compute_dtype)

  def get_config(self):
    return {
        **super().get_config(),
        'num_outputs': self.num_outputs,
        'mask': self.mask.tolist(),
        'stddev': self._stddev,
        'seed': self._seed,
    }
