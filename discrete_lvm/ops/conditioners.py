"""A network as the conditioner of a flow or a distribution: the one adapter."""

from collections.abc import Callable
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
      broadcast to the batch shape of the events: the network, and its
      `initial_state`, get it as `context=`. By default they get none.
    num_classes: Python `int`, `K` of codes; None: events are one-hot.
    name: Python `str`.

  Raises:
    ValueError: If the network returns another number of positions, or the
      context has a larger batch shape than the events.

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

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    """Returns the outputs for events, shape `[..., length, channels]`."""
    x = self.events.network_inputs(x)
    batch_rank = x.shape.rank - self.events.rank
    flat, context = self._merge_batch(x, batch_rank)
    outputs = self._evaluate(flat, context)
    return _split_batch(outputs, x, batch_rank)

  def generate(
      self,
      inputs: tf.Tensor,
      choose: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
      num_classes: int,
      dtype: tf.DType,
      batch_rank: int,
  ) -> tf.Tensor:
    """Computes events position by position, in one graph loop.

    Without a cache the network is evaluated on all positions at each. Its
    outputs at a position must depend on those before it alone, in its `order`
    if it has a cache and one, else from the first to the last.

    Args:
      inputs: `Tensor`, shape `batch_shape + [length, ...]`: what `choose` needs
        at each position.
      choose: Callable of the inputs at a position, `[batch, ...]`, and the
        network's outputs there, `[batch, channels]`, that returns the token.
      num_classes: Python `int`: `K`.
      dtype: Type of the events.
      batch_rank: Python `int`, the rank of the batch shape.

    Returns:
      Events of that type, `[..., length, K]` or codes `[..., length]`.
    """
    flat, context = self._merge_batch(inputs, batch_rank)
    static_batch, length = flat.shape[0], flat.shape[1]
    batch_shape = tf.shape(flat)[:1]
    if length is None:
      length = tf.shape(flat)[1]
    network = self.network
    if not self.has_cache:
      network = _Reevaluation(self._evaluate, self.events, num_classes, dtype)
    order = tf.convert_to_tensor(getattr(network, 'order', tf.range(length)))
    token = self.events.nothing(batch_shape, num_classes, dtype)
    token = tf.ensure_shape(token, [static_batch, *token.shape[1:]])

    def step(t, token, state, tokens):
      outputs, state = network.step(self.events.network_inputs(token), state)
      position = tf.cast(order[t], tf.int32)
      token = choose(tf.gather(flat, position, axis=1), outputs)
      return t + 1, token, state, tokens.write(position, token)

    start = (
        0,
        token,
        network.initial_state(batch_shape, length, **_given(context)),
        tf.TensorArray(dtype, size=length, element_shape=token.shape),
    )
    tokens = tf.while_loop(lambda t, *_: t < length, step, start)[-1].stack()
    events = tf.transpose(tokens, [1, 0, *range(2, tokens.shape.rank)])
    return _split_batch(events, inputs, batch_rank)

  def _evaluate(self, flat, context):
    outputs = self.network(flat, **_given(context))
    self._track()
    if outputs.shape.rank != 3 or not outputs.shape[1:2].is_compatible_with(
        flat.shape[1:2]
    ):
      raise ValueError(
          f'Expected a conditioner that maps events {flat.shape} to [batch, '
          f'length, channels]; received {outputs.shape}.'
      )
    return outputs

  def _merge_batch(self, x, batch_rank):
    """Returns `x` and the context with one batch dimension."""
    batch_shape = tf.shape(x)[:batch_rank]
    context = None
    if self._context is not None:
      context = tf.convert_to_tensor(self._context)
      features = context.shape[-2:]
      _check_context(context.shape, x.shape, batch_rank)
      rest = tf.shape(context)[-2:]
      shape = tf.concat([batch_shape, rest], axis=0)
      context = tf.reshape(
          tf.broadcast_to(context, shape), tf.concat([[-1], rest], axis=0)
      )
      context = tf.ensure_shape(context, [None, *features])
    shape = tf.concat([[-1], tf.shape(x)[batch_rank:]], axis=0)
    static_batch = x.shape[:batch_rank].num_elements()
    flat = tf.ensure_shape(
        tf.reshape(x, shape), [static_batch, *x.shape[batch_rank:]]
    )
    return flat, context

  def _track(self):
    values = [
        v if isinstance(v, tf.Variable) else v.value
        for v in getattr(self.network, 'variables', ())
    ]
    # Inside a scratch graph or an autocast scope of Keras these are tensors.
    found = tuple(v for v in values if isinstance(v, tf.Variable))
    if len(found) > len(self._network_variables):
      self._network_variables = found


class _Reevaluation:
  """The steps of a network without a cache: each evaluates all positions."""

  def __init__(self, evaluate, events, num_classes, dtype):
    self._evaluate = evaluate
    self._events = events
    self._num_classes = num_classes
    self._dtype = dtype
    self._context = None

  def initial_state(self, batch_shape, length, context=None):
    self._context = context
    shape = tf.concat([batch_shape, [length]], axis=0)
    return 0, self._events.nothing(shape, self._num_classes, self._dtype)

  def step(self, token, state):
    index, seen = state
    is_previous = tf.equal(tf.range(tf.shape(seen)[1]), index - 1)
    seen = self._events.where(is_previous, token[:, tf.newaxis], seen)
    outputs = self._evaluate(seen, self._context)
    return tf.gather(outputs, index, axis=1), (index + 1, seen)


def _split_batch(flat, x, batch_rank):
  """Returns `[batch, ...]` with the batch shape of `x`."""
  shape = tf.concat([tf.shape(x)[:batch_rank], tf.shape(flat)[1:]], axis=0)
  length = flat.shape[1] if x.shape[batch_rank] is None else x.shape[batch_rank]
  return tf.ensure_shape(
      tf.reshape(flat, shape),
      [*x.shape[:batch_rank], length, *flat.shape[2:]],
  )


def _check_context(shape, events_shape, batch_rank):
  batch_shape, length = events_shape[:batch_rank], events_shape[batch_rank]
  fits = (
      shape.rank is not None
      and 2 <= shape.rank <= batch_rank + 2
      and (None in (length, shape[-2]) or length == shape[-2])
      and all(
          given in (None, 1, size) or size is None
          for given, size in zip(
              shape[:-2].as_list()[::-1],
              batch_shape.as_list()[::-1],
              strict=False,
          )
      )
  )
  if not fits:
    raise ValueError(
        'Expected a context of shape [..., length, features] whose leading '
        f'dimensions broadcast to {batch_shape}, at a length of {length}; '
        f'received {shape}.'
    )


def _given(context: tf.Tensor | None) -> dict[str, Any]:
  return {} if context is None else {'context': context}
