"""Keras layer: a flow of some positions, which leaves the others alone."""

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import protocol
from discrete_lvm.layers import sequences
from discrete_lvm.layers.token_layer import TokenLayer


@keras.saving.register_keras_serializable(package='discrete_lvm')
class SubsequenceFlow(TokenLayer):
  """Applies a flow to some positions of a sequence.

  The flow sees and changes the positions that are listed, as a sequence of
  their own, and nothing else. Two uses generate fast:

  - Every second position, then every fourth and so on, each with a bipartite
    flow whose mask is alternating: behind such a layer the positions that it
    conditions on are still those of the data, which the next one takes up. So
    `log2(length)` layers condition every position on its neighbours among those
    that `generate` made before, and their cost is that of two.
  - Several sequences at once, as rows: a flow of one row changes each by
    itself. Autoregressive, it takes as many steps as a row is long.

  Args:
    flow: Keras layer of events `[..., n, K]` with a method `generate`, such as
      `DiscreteSortingFlow`.
    positions: Sequence or array of integers from 0, all different: shape `[n]`,
      or `[rows, n]`, where the flow gets every row.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, one-hot; or, once the
      layer is built, integer codes, shape `[..., length]`, if the flow takes
      them.
    context: Floating `Tensor`, shape `[..., length, features]`: the flow gets
      that of its positions. By default none.
    return_cross_entropy: Python `bool`, for a flow that takes it: whether to
      return its cross-entropy, too.
    training: Python `bool`, passed on.

  Output shape:
    That of the inputs; then `[...]`, the cross-entropy in nats, of all rows.

  Raises:
    ValueError: If `flow` is no Keras layer with a method `generate`,
      `positions` are not of this form or not all in the sequence, or as the
      flow raises.

  Example:
    >>> made = dlvm.layers.MADE(num_outputs=3, hidden_units=[8], seed=0)
    >>> flow = dlvm.layers.SubsequenceFlow(
    ...     dlvm.layers.DiscreteAutoregressiveFlow(made), [[0, 1], [2, 3]])
    >>> y = tf.one_hot([[0, 2, 0, 2]], 3)
    >>> x = flow(y)
    >>> bool(tf.reduce_all(x[0, :2] == x[0, 2:]))  # The rows are alike.
    True
    >>> bool(tf.reduce_all(flow.generate(x) == y))
    True
  """

  def __init__(self, flow, positions, **kwargs):
    # Keras would cast events down under a mixed policy, and their gradients.
    super().__init__(autocast=False, **kwargs)
    if not isinstance(flow, keras.layers.Layer) or not hasattr(
        flow, 'generate'
    ):
      raise ValueError(
          'Expected a `flow` that is a Keras layer with a method `generate`; '
          f'received {flow!r}.'
      )
    self.flow = flow
    self.positions = _as_positions(positions)

  @property
  def returns_cross_entropy(self):
    """Whether the call takes `return_cross_entropy`."""
    return getattr(self.flow, 'returns_cross_entropy', False)

  def build(self, inputs_shape, context_shape=None):
    shape = (None, *self.positions.shape)
    x = keras.KerasTensor((*shape, inputs_shape[-1]), 'float32')
    if context_shape is None:
      self.flow(x)
    else:
      context = keras.KerasTensor((*shape, context_shape[-1]), 'float32')
      self.flow(x, context=context)

  def call(
      self, inputs, context=None, return_cross_entropy=False, training=False
  ):
    kwargs = {'training': training, **self._given(context, inputs)}
    if not return_cross_entropy:
      return self._change(inputs, lambda x: self.flow(x, **kwargs))
    cross_entropies = []

    def change(x):
      x, cross_entropy = self.flow(x, return_cross_entropy=True, **kwargs)
      cross_entropies.append(cross_entropy)
      return x

    outputs = self._change(inputs, change)
    (cross_entropy,) = cross_entropies
    if self.positions.ndim == 2:
      cross_entropy = tf.reduce_sum(cross_entropy, axis=-1)
    return outputs, cross_entropy

  def generate(self, inputs, context=None):
    """Returns the events that the call maps to `inputs`.

    Args:
      inputs: As for the call; of the base.
      context: As for the call.

    Returns:
      Events like `inputs`.

    Raises:
      ValueError: If the layer is not built, or as the call raises.
    """
    protocol.check_built(self)
    inputs = tf.convert_to_tensor(inputs)
    kwargs = self._given(context, inputs)
    return self._change(inputs, lambda x: self.flow.generate(x, **kwargs))

  def _given(self, context, x):
    if context is None:
      return {}
    protocol.check_positions(context, x.shape[sequences.length_axis(x)])
    return {'context': tf.gather(context, self.positions, axis=-2)}

  def _change(self, x, change):
    axis = sequences.length_axis(x)
    length = x.shape[axis]
    if length is None or length <= self.positions.max():
      raise ValueError(
          f'Expected events with all positions up to {self.positions.max()}, '
          f'statically; received shape {x.shape}.'
      )
    chosen = self.positions.ravel()
    rest = np.setdiff1d(np.arange(length), chosen)
    changed = change(tf.gather(x, self.positions, axis=axis))
    if self.positions.ndim == 2:
      token = [] if axis == -1 else [x.shape[-1]]
      shape = tf.concat(
          [tf.shape(changed)[: axis - 1], [chosen.size], token], axis=0
      )
      changed = tf.reshape(changed, shape)
    # A context may have brought batch dimensions to what the flow changed.
    batch = tf.shape(changed)[:axis]
    others = tf.cast(tf.gather(x, rest, axis=axis), changed.dtype)
    others = tf.broadcast_to(
        others, tf.concat([batch, tf.shape(others)[axis:]], axis=0)
    )
    places = np.argsort(np.concatenate([chosen, rest]))
    return tf.gather(tf.concat([changed, others], axis=axis), places, axis=axis)

  def get_config(self):
    return {
        **super().get_config(),
        'flow': keras.saving.serialize_keras_object(self.flow),
        'positions': self.positions.tolist(),
    }

  @classmethod
  def from_config(cls, config):
    flow = keras.saving.deserialize_keras_object(config['flow'])
    return cls(**{**config, 'flow': flow})


def _as_positions(positions):
  array = np.asarray(positions)
  if (
      array.ndim not in (1, 2)
      or not array.size
      or not np.issubdtype(array.dtype, np.integer)
      or array.min() < 0
      or np.unique(array).size != array.size
  ):
    raise ValueError(
        'Expected `positions` of shape [n] or [rows, n], integers from 0, all '
        f'different; received {array.tolist()}.'
    )
  return array.astype(np.int32)
