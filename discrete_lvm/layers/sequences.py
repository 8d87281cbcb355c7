"""Sequences `[..., length, units]` in causal layers.

A step handles one position, a sequence of length 1, so that it shares its code
with the parallel call.
"""

import tensorflow as tf


def length_axis(x):
  """Returns the axis of the positions of tokens: -1 of codes, -2 of one-hots.

  Args:
    x: Floating `Tensor`, shape `[..., length, K]`, or integer codes, shape
      `[..., length]`.
  """
  return -1 if x.dtype.is_integer else -2


def length(values):
  """Returns the length of `[..., length, units]`, an `int` if it is static."""
  static = values.shape[-2]
  return tf.shape(values)[-2] if static is None else static


def shift(values):
  """Moves a sequence to the next positions; the first gets zeros.

  Args:
    values: `Tensor`, shape `[..., length, units]`.

  Returns:
    `Tensor` of that shape.
  """
  return taps(values, num_taps=2, dilation=1)[0]


def taps(values, num_taps, dilation):
  """Returns the sequence at equally spaced delays, the longest first.

  Args:
    values: `Tensor`, shape `[..., length, units]`.
    num_taps: Python `int`.
    dilation: Python `int`, the distance of two taps.

  Returns:
    List of `num_taps` `Tensor`s of that shape, the last the sequence itself.
  """
  num_positions = length(values)
  span = dilation * (num_taps - 1)
  paddings = [[0, 0]] * (values.shape.rank - 2) + [[span, 0], [0, 0]]
  padded = tf.pad(values, paddings)
  starts = range(0, span + 1, dilation)
  return [padded[..., start : start + num_positions, :] for start in starts]


def embed_token(embedding, token, index):
  """Returns the vector of the token before, zeros if there is none.

  Args:
    embedding: `TokenEmbedding`.
    token: Floating `Tensor`, shape `batch_shape + [K]`, or integer codes, shape
      `batch_shape`; its values are ignored at index 0.
    index: int32 `Tensor`, shape `[]`: the position.

  Returns:
    `Tensor`, shape `batch_shape + [1, units]`.
  """
  token = tf.convert_to_tensor(token)
  axis = length_axis(token)
  vector = embedding(tf.expand_dims(token, axis))
  return tf.where(index > 0, vector, tf.zeros_like(vector))


def kept(context):
  """Returns a context as a state keeps it, a tuple of one `Tensor` or none.

  Outside of a graph `tf.while_loop` takes no None.
  """
  return () if context is None else (tf.convert_to_tensor(context),)


def at(context, index):
  """Returns a context, `[..., length, F]`, at one position, `[..., 1, F]`."""
  return tf.gather(context, [index], axis=-2)
