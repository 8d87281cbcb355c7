"""What the critics share: networks of x and y, and the form of the scores.

A critic scores every x of a batch with every y: `scores[..., i, j] = f(x_j,
y_i)`. A row has its y, a column its x, and the diagonal what belongs together,
as the bounds in `objectives` take it.
"""

import keras
import tensorflow as tf


def check_network(network, name):
  """Returns a Keras layer.

  Raises:
    ValueError: If it is none.
  """
  if not isinstance(network, keras.layers.Layer):
    raise ValueError(
        f'Expected a Keras layer as `{name}`; received {network!r}.'
    )
  return network


def check_features(x_shape, y_shape):
  """Returns the static sizes of the features of x and y.

  Raises:
    ValueError: If they are not two shapes of `[..., K, features]`.
  """
  sizes = []
  for shape in (x_shape, y_shape):
    if len(shape) < 2 or shape[-1] is None:
      raise ValueError(
          'Expected x and y of shape [..., K, features] with static features; '
          f'received shapes {tuple(x_shape)} and {tuple(y_shape)}.'
      )
    sizes.append(shape[-1])
  return tuple(sizes)


def broadcast_leading(x, y):
  """Returns the static leading dimensions of the scores.

  Args:
    x: `Tensor`, shape `[..., K, x_dim]`.
    y: `Tensor`, shape `[..., L, y_dim]`.

  Returns:
    `TensorShape`.

  Raises:
    ValueError: If those of x and y do not broadcast.
  """
  try:
    return tf.broadcast_static_shape(x.shape[:-2], y.shape[:-2])
  except ValueError:
    raise ValueError(
        'Expected x and y whose leading dimensions broadcast; received shapes '
        f'{x.shape} and {y.shape}.'
    ) from None


def inner_products(x, y):
  """Returns the score of each y with each x.

  Args:
    x: Floating `Tensor`, shape `[..., K, dim]`.
    y: Floating `Tensor`, shape `[..., L, dim]`.

  Returns:
    `Tensor`, shape `[..., L, K]`.

  Raises:
    ValueError: If the last dimensions differ, or the leading ones do not
      broadcast.
  """
  if not x.shape[-1:].is_compatible_with(y.shape[-1:]):
    raise ValueError(
        'Expected embeddings of x and y of one size; received shapes '
        f'{x.shape} and {y.shape}.'
    )
  broadcast_leading(x, y)
  return tf.matmul(y, x, transpose_b=True)


def as_scalars(outputs):
  """Drops the last dimension, which has one element.

  Raises:
    ValueError: If it has not.
  """
  if outputs.shape[-1:] != [1]:
    raise ValueError(
        'Expected a network output of shape [..., 1]; received shape '
        f'{outputs.shape}.'
    )
  return tf.squeeze(outputs, axis=-1)
