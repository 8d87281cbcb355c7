"""A network as the conditioner of a flow or a distribution: the one adapter."""

from collections.abc import Callable
import functools
from typing import Any

import tensorflow as tf

from discrete_lvm.ops import events as events_lib


class Conditioner(tf.Module):
  """Calls a network on events of any batch shape.

  It also shows TFP the variables of a Keras network, which the reflection of
  `tf.Module` does not find, so that every bijector and distribution that holds
  this object reports them. A network that is not built yet shows them after its
  first call.

  Args:
    network: Callable of events, `[batch, length, K]` (float32, or float64 if
      the events are) or codes `[batch, length]`, that returns `[batch, length,
      channels]`. It has a cache if it has the methods `initial_state` and
      `step`, as `layers.MADE` does.
    context: `Tensor`, shape `[..., length, features]`, whose leading dimensions
      broadcast against those of the events: the network, and its
      `initial_state`, get it as `context=`. By default they get none.
    num_classes: Python `int`, `K` of codes; None: events are one-hot.
    name: Python `str`.

  Raises:
    ValueError: If the network returns another number of events or positions, or
      the shape of the context does not fit that of the events.

  Example:
    >>> from discrete_lvm.ops import conditioners
    >>> conditioner = conditioners.Conditioner(keras.layers.Dense(6))
    >>> conditioner(tf.zeros([7, 4, 5, 3])).shape
    TensorShape([7, 4, 5, 6])
    >>> len(conditioner.trainable_variables)
    2
  """

  def __init__(
      self,
      network: Any,
      context: tf.Tensor | None = None,
      num_classes: int | None = None,
      name: str = 'Conditioner',
  ):
    super().__init__(name=name)
    self.network = network
    self.events = events_lib.events_of(num_classes)
    self._context = context
    self._network_variables: tuple[tf.Variable, ...] = ()
    self._track()

  @property
  def has_cache(self) -> bool:
    """Whether the network can take one step at a time."""
    return hasattr(self.network, 'step')

  def broadcast(self, x: tf.Tensor) -> tf.Tensor:
    """Returns events of their batch shape and the context's, broadcast."""
    return self._broadcast(x, x.shape.rank - self.events.rank)

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    """Returns the outputs for events, shape `[..., length, channels]`."""
    x = self.broadcast(self.events.network_inputs(x))
    batch_rank = x.shape.rank - self.events.rank
    context = self._merged_context(x, batch_rank)
    outputs = self._evaluate(_merge_batch(x, batch_rank), context)
    return _split_batch(outputs, x, batch_rank)

  def generate(
      self,
      inputs: tf.Tensor,
      choose: Callable[..., Any],
      num_classes: int,
      dtype: tf.DType,
      batch_rank: int,
      memory: tuple[tf.Tensor, ...] = (),
  ) -> tf.Tensor:
    """Computes events position by position, in one graph loop.

    Without a cache the network is evaluated on all positions at each. Its
    outputs at a position must depend on those before it alone, in its `order`
    if it has one, else from the first to the last.

    Args:
      inputs: `Tensor`, shape `batch_shape + [length, ...]`: what `choose` needs
        at each position.
      choose: Callable of the inputs at a position, `[batch, ...]`, and the
        network's outputs there, `[batch, channels]`, that returns the token.
      num_classes: Python `int`: `K`.
      dtype: Type of the events.
      batch_rank: Python `int`, the rank of the batch shape.
      memory: `Tensor`s that `choose` gets behind its other arguments, and then
        returns behind the token, as it is to get them at the next position.

    Returns:
      Events of that type, `[..., length, K]` or codes `[..., length]`, of the
      batch shape of `inputs` and the context, broadcast.
    """
    event_rank = inputs.shape.rank - batch_rank
    inputs = self._broadcast(inputs, batch_rank)
    batch_rank = inputs.shape.rank - event_rank
    context = self._merged_context(inputs, batch_rank)
    flat = _merge_batch(inputs, batch_rank)
    static_batch, length = flat.shape[:2]
    batch_shape = tf.shape(flat)[:1]
    if length is None:
      length = tf.shape(flat)[1]
    nothing = self.events.network_inputs(
        self.events.nothing(
            tf.concat([batch_shape, [length]], axis=0), num_classes, dtype
        )
    )
    if not getattr(self.network, 'built', True):
      # A loop cannot create the variables of a network.
      self._evaluate(nothing, context)
    order = tf.convert_to_tensor(
        getattr(self.network, 'order', tf.range(length)), tf.int32
    )
    token = self.events.nothing(batch_shape, num_classes, dtype)
    token = tf.ensure_shape(token, [static_batch, *token.shape[1:]])
    network = self.network
    if not self.has_cache:
      network = _Reevaluation(
          functools.partial(self._evaluate, context=context),
          self.events,
          nothing,
          order,
      )

    def step(t, token, state, memory, tokens):
      outputs, state = network.step(self.events.network_inputs(token), state)
      token = choose(tf.gather(flat, order[t], axis=1), outputs, *memory)
      if memory:
        token, *memory = token
      return t + 1, token, state, tuple(memory), tokens.write(order[t], token)

    start = (
        0,
        token,
        network.initial_state(batch_shape, length, **_given(context)),
        tuple(memory),
        tf.TensorArray(dtype, size=length, element_shape=token.shape),
    )
    tokens = tf.while_loop(lambda t, *_: t < length, step, start)[-1].stack()
    events = tf.transpose(tokens, [1, 0, *range(2, tokens.shape.rank)])
    return _split_batch(events, inputs, batch_rank)

  def _evaluate(self, flat, context):
    outputs = self.network(flat, **_given(context))
    self._track()
    if outputs.shape.rank != 3 or not outputs.shape[:2].is_compatible_with(
        flat.shape[:2]
    ):
      raise ValueError(
          f'Expected a conditioner that maps events {flat.shape} to [batch, '
          f'length, channels]; received {outputs.shape}.'
      )
    return outputs

  def _broadcast(self, x, batch_rank):
    if self._context is None:
      return x
    context = tf.convert_to_tensor(self._context)
    static_shape = _broadcast_shape(context.shape, x.shape, batch_rank)
    batch_shape = tf.broadcast_dynamic_shape(
        tf.shape(context)[:-2], tf.shape(x)[:batch_rank]
    )
    shape = tf.concat([batch_shape, tf.shape(x)[batch_rank:]], axis=0)
    return tf.ensure_shape(
        tf.broadcast_to(x, shape), static_shape + x.shape[batch_rank:]
    )

  def _merged_context(self, x, batch_rank):
    """Returns the context of events, with one batch dimension, or None."""
    if self._context is None:
      return None
    context = tf.convert_to_tensor(self._context)
    batch_shape, rest = tf.shape(x)[:batch_rank], tf.shape(context)[-2:]
    context = tf.ensure_shape(
        tf.broadcast_to(context, tf.concat([batch_shape, rest], axis=0)),
        x.shape[:batch_rank] + context.shape[-2:],
    )
    return _merge_batch(context, batch_rank)

  def _track(self):
    found = network_variables(self.network)
    if len(found) > len(self._network_variables):
      self._network_variables = found


def network_variables(network: Any) -> tuple[tf.Variable, ...]:
  """Returns the variables of a network that TFP, which reads them, may train.

  A weight of a layer that is frozen is left out: its `tf.Variable` does not
  know, and TFP would report it as trainable.

  Args:
    network: Callable; a Keras layer, or another that has `variables`.

  Returns:
    The variables, none in a scratch graph or an autocast scope of Keras, where
    they are tensors.
  """
  found = []
  for variable in getattr(network, 'variables', ()):
    is_tf = isinstance(variable, tf.Variable)
    value = variable if is_tf else variable.value
    if isinstance(value, tf.Variable):
      is_frozen = value.trainable and not variable.trainable
      found += [] if is_frozen else [value]
  return tuple(found)


def check_channels(channels: int | None, *expected: int) -> None:
  """Checks the channels of what a network of a flow returns.

  Args:
    channels: Their number.
    *expected: Numbers that the flow takes.

  Raises:
    ValueError: If it takes another number.
  """
  if channels not in expected:
    raise ValueError(
        f'Expected a conditioner that returns {" or ".join(map(str, expected))}'
        f' channels; received {channels}.'
    )


class _Reevaluation:
  """The steps of a network without a cache: each evaluates all positions."""

  def __init__(self, evaluate, events, nothing, order):
    self._evaluate = evaluate
    self._events = events
    self._nothing = nothing
    self._order = order

  def initial_state(self, batch_shape, length, context=None):
    del batch_shape, length, context  # `evaluate` and `nothing` have them.
    return 0, self._nothing

  def step(self, token, state):
    index, seen = state
    previous = self._order[tf.maximum(index - 1, 0)]
    is_new = (index > 0) & tf.equal(tf.range(tf.shape(seen)[1]), previous)
    seen = self._events.where(is_new, token[:, tf.newaxis], seen)
    outputs = tf.gather(self._evaluate(seen), self._order[index], axis=1)
    return outputs, (index + 1, seen)


def _merge_batch(x, batch_rank):
  """Returns `x` with one batch dimension."""
  shape = tf.concat([[-1], tf.shape(x)[batch_rank:]], axis=0)
  static_batch = x.shape[:batch_rank].num_elements()
  return tf.ensure_shape(
      tf.reshape(x, shape), [static_batch, *x.shape[batch_rank:]]
  )


def _split_batch(flat, x, batch_rank):
  """Returns `[batch, ...]` with the batch shape of `x`."""
  shape = tf.concat([tf.shape(x)[:batch_rank], tf.shape(flat)[1:]], axis=0)
  length = flat.shape[1] if x.shape[batch_rank] is None else x.shape[batch_rank]
  return tf.ensure_shape(
      tf.reshape(flat, shape),
      [*x.shape[:batch_rank], length, *flat.shape[2:]],
  )


def _broadcast_shape(context_shape, shape, batch_rank):
  """Returns the static batch shape of events and a context, once they fit."""
  batch_shape, length = shape[:batch_rank], shape[batch_rank : batch_rank + 1]
  if (
      context_shape.rank is not None
      and context_shape.rank >= 2
      and context_shape[-2:-1].is_compatible_with(length)
  ):
    try:
      return tf.broadcast_static_shape(context_shape[:-2], batch_shape)
    except ValueError:
      pass
  raise ValueError(
      'Expected a `context` of shape [..., length, features] whose leading '
      f'dimensions broadcast against those of {shape}, of length {length[0]}; '
      f'received {context_shape}.'
  )


def _given(context: tf.Tensor | None) -> dict[str, Any]:
  return {} if context is None else {'context': context}
