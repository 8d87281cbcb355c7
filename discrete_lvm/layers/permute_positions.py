"""Keras layer: the positions of a sequence in another order."""

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.layers import sequences


@keras.saving.register_keras_serializable(package='discrete_lvm')
class PermutePositions(keras.layers.Layer):
  """Puts the positions of events in another order, between flows.

  The call returns `x[..., order[t], :]` at position t, or `x[..., order[t]]`
  for integer codes; `generate` undoes it. Between two autoregressive flows the
  reversal lets the second condition on what the first could not.

  Args:
    order: Sequence or array of integers, a permutation of `0, ..., length - 1`,
      or 'reverse', for any length.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]` (one-hot events, or a
      context); or integer codes, shape `[..., length]`.

  Output shape:
    That of the inputs.

  Raises:
    ValueError: If `order` is not one of these, or of another length than the
      inputs.

  Example:
    >>> layer = dlvm.layers.PermutePositions([2, 0, 1])
    >>> codes = layer(tf.constant([[10, 11, 12]]))
    >>> codes.numpy(), layer.generate(codes).numpy()
    (array([[12, 10, 11]], dtype=int32), array([[10, 11, 12]], dtype=int32))
  """

  def __init__(self, order='reverse', **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.order = order
    if not isinstance(order, str):
      self.order = ops.as_order(order)
    elif order != 'reverse':
      raise ValueError(
          f"Expected `order` to be 'reverse' or integers; received {order!r}."
      )

  def call(self, inputs):
    return self._take(inputs, np.asarray)

  def generate(self, inputs):
    """Returns the events that the call maps to `inputs`.

    Args:
      inputs: As for the call.

    Returns:
      Events like `inputs`.

    Raises:
      ValueError: As the call raises.
    """
    return self._take(tf.convert_to_tensor(inputs), np.argsort)

  def _take(self, inputs, indices_of):
    axis = sequences.length_axis(inputs)
    if isinstance(self.order, str):
      return tf.reverse(inputs, [axis])
    length = inputs.shape[axis]
    if length not in (None, self.order.size):
      raise ValueError(
          f'Expected events of length {self.order.size}, as the order; '
          f'received shape {inputs.shape}.'
      )
    shape = [*inputs.shape]
    shape[axis] = self.order.size
    inputs = tf.ensure_shape(inputs, shape)
    return tf.gather(inputs, indices_of(self.order), axis=axis)

  def get_config(self):
    order = self.order
    if not isinstance(order, str):
      order = order.tolist()
    return {**super().get_config(), 'order': order}
