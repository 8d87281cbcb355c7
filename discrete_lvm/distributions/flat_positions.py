"""Positions of a sequence or an image on one axis."""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm.ops import counts


class FlatPositions:
  """A network of positions on one axis, as a `Conditioner` takes it.

  It reads events through `preprocess`, and has a `step` and an `order` if the
  network has.

  Args:
    network: Callable of inputs, `[batch, *positions, channels]`, and of a
      `context`, `[batch, *positions, features]`, if there is one, that returns
      `[batch, *positions, num_outputs]`.
    event_shape: Sequence of Python `int`s: `[length, channels]` or `[H, W,
      channels]`.
    preprocess: Callable of events, or None.

  Call arguments:
    flat: Events, shape `[batch, length, channels]`.
    context: `Tensor`, shape `[batch, length, features]`, or None.

  Returns:
    The outputs, `[batch, length, num_outputs]`.

  Raises:
    ValueError: If `event_shape` has other than two or three positive
      dimensions, or the network returns other positions.
  """

  def __init__(self, network, event_shape, preprocess):
    self.event_shape = counts.check_counts(event_shape, 'event_shape')
    if len(self.event_shape) not in (2, 3):
      raise ValueError(
          'Expected an `event_shape` of [length, channels] or [H, W, '
          f'channels]; received {self.event_shape}.'
      )
    self.network = network
    self._preprocess = preprocess

  @property
  def positions(self):
    """List of Python `int`s: `[length]` or `[H, W]`."""
    return self.event_shape[:-1]

  @property
  def length(self):
    """Python `int`: how many positions there are."""
    return math.prod(self.positions)

  @property
  def variables(self):
    """Those of the networks, which a `Conditioner` shows."""
    return [
        variable
        for network in (self.network, self._preprocess)
        for variable in getattr(network, 'variables', ())
    ]

  @property
  def built(self):
    """Whether the network is, as far as it says."""
    return getattr(self.network, 'built', True)

  @property
  def order(self):
    """The order of the network; an `AttributeError` if it has none."""
    return self.network.order

  @property
  def step(self):
    """The step of the network; an `AttributeError` if it has none."""
    step = self.network.step
    return lambda token, state: step(self._inputs(token), state)

  def __call__(self, flat, context=None):
    x = self._inputs(flat)
    x = reshape(x, 1, [*self.positions, x.shape[-1]])
    outputs = self.network(x, **self._given(context))
    if outputs.shape.rank != x.shape.rank or not outputs.shape[
        1:-1
    ].is_compatible_with(self.positions):
      raise ValueError(
          f'Expected a network that maps inputs {x.shape} to [batch, '
          f'{str(self.positions)[1:-1]}, num_outputs]; received '
          f'{outputs.shape}.'
      )
    return self.flatten(outputs)

  def initial_state(self, batch_shape, length, context=None):
    """Returns that of the network, whose context has its positions again."""
    return self.network.initial_state(
        batch_shape, length, **self._given(context)
    )

  def flatten(self, x):
    """Returns `[..., length, channels]`."""
    batch_rank = x.shape.rank - len(self.event_shape)
    # A reshape would take other positions, if they are as many.
    x = tf.ensure_shape(x, [*x.shape[:batch_rank], *self.positions, None])
    return reshape(x, batch_rank, [self.length, x.shape[-1]])

  def flat_context(self, context):
    """Returns the context with positions on one axis, which follows a variable.

    Raises:
      ValueError: If it has other positions.
    """
    if context is None:
      return None
    rank = len(self.event_shape)
    if (context.shape.rank or 0) < rank or not context.shape[
        -rank:-1
    ].is_compatible_with(self.positions):
      raise ValueError(
          f'Expected a `context` of shape [..., {str(self.positions)[1:-1]}, '
          f'features]; received shape {context.shape}.'
      )
    shape = context.shape[:-rank] + [self.length, context.shape[-1]]
    return tfp.util.DeferredTensor(context, self.flatten, shape=shape)

  def _inputs(self, x):
    return x if self._preprocess is None else self._preprocess(x)

  def _given(self, context):
    if context is None:
      return {}
    shape = [*self.positions, context.shape[-1]]
    return {'context': reshape(context, 1, shape)}


def reshape(x, batch_rank, event_shape):
  """Returns `x` with other, static dimensions after those of the batch."""
  shape = tf.concat([tf.shape(x)[:batch_rank], event_shape], axis=0)
  return tf.ensure_shape(
      tf.reshape(x, shape), [*x.shape[:batch_rank], *event_shape]
  )
