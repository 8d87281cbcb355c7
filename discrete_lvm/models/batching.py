"""Networks on any leading dimensions, and many samples in bounded memory."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import objectives
from discrete_lvm.ops import counts

# Rows that a network gets at once while a bound is evaluated: enough to fill
# the cores, few enough to stay in the cache.
_ROWS_PER_CHUNK = 2048


def dims(x: tf.Tensor) -> list[Any]:
  """Returns the shape of `x`, each dimension static where it is known."""
  dynamic = tf.shape(x)
  return [dynamic[i] if d is None else d for i, d in enumerate(x.shape)]


def check_data(batch: Any) -> None:
  """Checks that a batch is data alone, without targets.

  Args:
    batch: What a model of its input alone has received.

  Raises:
    ValueError: If it is a tuple or a list, such as of data and labels.
  """
  if isinstance(batch, tuple | list):
    raise ValueError(
        'Expected data without targets, one `Tensor`; received a '
        f'{type(batch).__name__} of {len(batch)}.'
    )


def as_events(x: Any, event_shape: list[int], name: str) -> tf.Tensor:
  """Converts to a `Tensor`, once its static shape is that of events.

  Args:
    x: `Tensor` or array, shape `[..., *event_shape]`.
    event_shape: The shape of an event.
    name: What it is, in the plural.

  Returns:
    `Tensor`.

  Raises:
    ValueError: If it is of another shape.
  """
  x = tf.convert_to_tensor(x)
  rank = len(event_shape)
  if x.shape.rank is None or x.shape[-rank:] != event_shape:
    raise ValueError(
        f'Expected {name} of shape [..., {str(event_shape)[1:-1]}]; received '
        f'{x.shape}.'
    )
  return x


def call_on_batch(
    network: keras.layers.Layer,
    x: tf.Tensor,
    event_ndims: int,
    training: bool = False,
) -> tf.Tensor:
  """Calls a network that has one batch dimension on several.

  Args:
    network: From `[batch, *event]` to `[batch, *output]`.
    x: `Tensor`, shape `[..., *event]`.
    event_ndims: Python `int`, the rank of an event.
    training: Python `bool`, passed to the network.

  Returns:
    float32 `Tensor`, shape `[..., *output]`.
  """
  shape = dims(x)
  batch, event = shape[:-event_ndims], shape[-event_ndims:]
  outputs = network(tf.reshape(x, [-1, *event]), training=training)
  outputs = tf.cast(outputs, tf.float32)
  return tf.reshape(outputs, [*batch, *dims(outputs)[1:]])


def as_logits(
    outputs: tf.Tensor, batch_ndims: int, num_latents: int, num_classes: int
) -> tf.Tensor:
  """Gives a network's output the shape of logits.

  Args:
    outputs: `Tensor`, shape `[..., N, K]` or `[..., N*K]`.
    batch_ndims: Python `int`, the rank of the batch shape `[...]`.
    num_latents: Number of latents N.
    num_classes: Number of classes K.

  Returns:
    `Tensor`, shape `[..., N, K]`.

  Raises:
    ValueError: If the outputs are of another shape.
  """
  shape = [num_latents, num_classes]
  if outputs.shape[batch_ndims:] == shape:
    return outputs
  if outputs.shape[batch_ndims:] != [num_latents * num_classes]:
    batch = [None] * batch_ndims
    raise ValueError(
        f'Expected a network output of shape {[*batch, *shape]} or '
        f'{[*batch, num_latents * num_classes]}; received {outputs.shape}.'
    )
  return tf.reshape(outputs, [*dims(outputs)[:-1], *shape])


def map_samples(
    draw: Callable[[Any, tf.Tensor], Any],
    num_samples: int | tf.Tensor,
    batch_size: int | tf.Tensor,
    num_outputs: int | None = None,
) -> Any:
  """Computes a number for each of many samples, a chunk at a time.

  Args:
    draw: `draw(size, index)` returns a float32 `Tensor`, shape `[size, batch]`,
      for the samples of the chunk of that index; or a list of them. What it
      draws depends on the size, which is the same for given S and batch,
      whether they are static or not.
    num_samples: Number of samples S, static or a scalar int32 `Tensor`.
    batch_size: Examples of the batch, static or not: the first of `dims`.
    num_outputs: Python `int`, how many `Tensor`s the list of `draw` has; by
      default it is no list.

  Returns:
    `Tensor`, shape `[S, batch]`, or a list of them.

  Raises:
    ValueError: If `num_samples` is no integer of at least 1.
  """
  if not tf.is_tensor(num_samples):
    counts.check_count(num_samples, 'num_samples')
  size = _samples_per_chunk(num_samples, batch_size)
  num_chunks = -(-num_samples // size)
  static = [None if tf.is_tensor(n) else n for n in (size, batch_size)]
  spec: Any = tf.TensorSpec(static, tf.float32)
  chunks = tf.map_fn(
      lambda index: draw(size, index),
      tf.range(num_chunks),
      fn_output_signature=[spec] * num_outputs if num_outputs else spec,
      # One at a time, so that memory stays that of one chunk.
      parallel_iterations=1,
  )
  return tf.nest.map_structure(
      lambda x: tf.reshape(x, [num_chunks * size, -1])[:num_samples], chunks
  )


def stream_samples(
    draw: Callable[[Any, tf.Tensor], tf.Tensor],
    num_samples: int | tf.Tensor,
    batch_size: int | tf.Tensor,
) -> objectives.ImportanceWeightedEstimate:
  """Estimates the bound of many log-weights, of which only a chunk exists.

  Args:
    draw: As for `map_samples`: log-weights in nats.
    num_samples: Number of samples S, static or a scalar int32 `Tensor`.
    batch_size: Examples of the batch, static or not: the first of `dims`.

  Returns:
    An `ImportanceWeightedEstimate` of shape `[batch]`.

  Raises:
    ValueError: If `num_samples` is no integer of at least 1.
  """
  return objectives.importance_weighted_estimate(
      draw,
      num_samples,
      _samples_per_chunk(num_samples, batch_size),
      [batch_size],
  )


def _samples_per_chunk(num_samples, batch_size):
  """Returns a Python `int` where both are static, and else a `Tensor`."""
  if not tf.is_tensor(num_samples) and not tf.is_tensor(batch_size):
    return max(1, min(num_samples, _ROWS_PER_CHUNK // max(1, batch_size)))
  with tf.control_dependencies([tf.debugging.assert_positive(num_samples)]):
    size = _ROWS_PER_CHUNK // tf.maximum(batch_size, 1)
    return tf.clip_by_value(size, 1, num_samples)
