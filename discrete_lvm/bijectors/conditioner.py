"""A network as the conditioner of a discrete flow: the one adapter."""

import math

import tensorflow as tf

from discrete_lvm import ops


class Conditioner(tf.Module):
  """Makes one-hot shifts and scales of what a network returns.

  It also shows TFP the variables of a Keras network, which the reflection of
  `tf.Module` does not find, so that every bijector and distribution that holds
  this object reports them. A network that is not built yet shows them after its
  first call.

  Args:
    network: Callable of a `Tensor`, float32 (float64 if the event is), shape
      `[batch, length, K]`, that returns `[batch, length, K]`, the logits of the
      shift, or `[batch, length, 2 K]`, with those of the scale behind them.
    argmax: Callable of logits, shape `[..., K]`, that returns one-hot vectors.
    name: Python `str`.

  Raises:
    ValueError: If the network returns another number of channels or positions.

  Example:
    >>> from discrete_lvm.bijectors import conditioner
    >>> network = keras.layers.Dense(6)
    >>> conditioner = conditioner.Conditioner(network, dlvm.ops.softmax_argmax)
    >>> shift, scale = conditioner(tf.zeros([4, 5, 3]))
    >>> shift.shape, scale.shape, len(conditioner.trainable_variables)
    (TensorShape([4, 5, 3]), TensorShape([4, 5, 3]), 2)
  """

  def __init__(self, network, argmax, name='Conditioner'):
    super().__init__(name=name)
    self.network = network
    self._argmax = argmax
    self._network_variables = ()
    self._track()

  def __call__(self, x):
    """Returns the one-hot shift and scale (or None), of the shape of `x`."""
    flat = self.flatten(x)
    outputs = self.network(flat)
    self._track()
    if outputs.shape.rank != 3 or not outputs.shape[1:2].is_compatible_with(
        flat.shape[1:2]
    ):
      raise ValueError(
          'Expected a conditioner that maps [batch, length, K] to [batch, '
          f'length, channels]; received {outputs.shape} for {flat.shape}.'
      )
    shape = tf.concat([tf.shape(x)[:-1], [tf.shape(outputs)[-1]]], axis=0)
    outputs = tf.ensure_shape(
        tf.reshape(outputs, shape), x.shape[:-1] + outputs.shape[-1:]
    )
    return self.shift_and_scale(outputs, x.shape[-1], x.dtype)

  def shift_and_scale(self, outputs, num_classes, dtype):
    """Returns the one-hot vectors of outputs `[..., K]` or `[..., 2 K]`."""
    channels = outputs.shape[-1]
    if channels not in (num_classes, 2 * num_classes):
      raise ValueError(
          f'Expected a conditioner that returns {num_classes} or '
          f'{2 * num_classes} channels; received {channels}.'
      )
    shift = tf.cast(self._argmax(outputs[..., :num_classes]), dtype)
    if channels == num_classes:
      return shift, None
    logits = outputs[..., num_classes:]
    invertible = ops.invertible_scales(num_classes)
    logits = tf.where(invertible, logits, tf.cast(-math.inf, logits.dtype))
    return shift, tf.cast(self._argmax(logits), dtype)

  def flatten(self, x):
    """Returns events as the network takes them: `[batch, length, K]`."""
    x = x if x.dtype == tf.float64 else tf.cast(x, tf.float32)
    flat = tf.reshape(x, tf.concat([[-1], tf.shape(x)[-2:]], axis=0))
    return tf.ensure_shape(flat, [None, *x.shape[-2:]])

  def _track(self):
    values = [
        v if isinstance(v, tf.Variable) else v.value
        for v in getattr(self.network, 'variables', ())
    ]
    # Inside a scratch graph or an autocast scope of Keras these are tensors.
    values = tuple(v for v in values if isinstance(v, tf.Variable))
    if len(values) > len(self._network_variables):
      self._network_variables = values
