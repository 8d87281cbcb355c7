"""All codes of a small space."""

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes
from discrete_lvm.ops.straight_through import one_hot_argmax

# Enough for 16 binary latents; past it memory goes before patience does.
_MAX_CODES = 2**16


def all_codes(
    num_latents: int, num_classes: int, name: str = 'all_codes'
) -> tf.Tensor:
  """Lists every code of N latents of K classes, the last latent fastest.

  Args:
    num_latents: N, at least 1.
    num_classes: K, at least 1.
    name: Python `str`, name scope of the ops.

  Returns:
    One-hot float32 `Tensor`, shape `[K**N, N, K]`.

  Raises:
    ValueError: If `K**N` is above `2**16`.

  Example:
    >>> tf.argmax(all_codes(num_latents=2, num_classes=2), axis=-1).numpy()
    array([[0, 0],
           [0, 1],
           [1, 0],
           [1, 1]])
  """
  with tf.name_scope(name):
    size = num_codes(num_latents, num_classes)
    return codes_at(tf.range(size), num_latents, num_classes)


def codes_at(
    index: tf.Tensor, num_latents: int, num_classes: int, name: str = 'codes_at'
) -> tf.Tensor:
  """Picks from the list of `all_codes`, without the rest of it.

  Args:
    index: Integer `Tensor`, any shape, modulo `K**N`.
    num_latents: N, at least 1.
    num_classes: K, at least 1.
    name: Python `str`, name scope of the ops.

  Returns:
    One-hot float32 `Tensor`, shape `[..., N, K]`.

  Raises:
    ValueError: If `K**N` is above `2**16`.

  Example:
    >>> tf.argmax(codes_at([1, 2], num_latents=2, num_classes=2), -1).numpy()
    array([[0, 1],
           [1, 0]])
  """
  with tf.name_scope(name):
    num_codes(num_latents, num_classes)
    place_values = num_classes ** np.arange(num_latents)[::-1]
    index = tf.cast(index, tf.int64) % num_classes**num_latents
    index = tf.cast(index, tf.int32)[..., tf.newaxis]
    digits = index // tf.constant(place_values, tf.int32) % num_classes
    return tf.one_hot(digits, num_classes)


def is_enumerable(num_latents: int, num_classes: int) -> bool:
  """Returns whether there are at most `2**16` codes.

  Args:
    num_latents: N, at least 1.
    num_classes: K, at least 1.

  Returns:
    Python `bool`.

  Example:
    >>> is_enumerable(num_latents=16, num_classes=2)
    True
  """
  return num_classes**num_latents <= _MAX_CODES


def num_codes(num_latents: int, num_classes: int) -> int:
  """Returns `K**N`, where that many codes can be enumerated.

  Args:
    num_latents: N, at least 1.
    num_classes: K, at least 1.

  Returns:
    Python `int`.

  Raises:
    ValueError: If `K**N` is above `2**16`.

  Example:
    >>> num_codes(num_latents=2, num_classes=3)
    9
  """
  size = num_classes**num_latents
  if not is_enumerable(num_latents, num_classes):
    raise ValueError(
        f'Expected at most 2**16 = {_MAX_CODES} codes to enumerate; received '
        f'{num_classes}**{num_latents}.'
    )
  return size


def joint_log_probs(
    logits: tf.Tensor, name: str = 'joint_log_probs'
) -> tf.Tensor:
  """Computes the log-probability of every code, in the order of `all_codes`.

  Args:
    logits: Floating `Tensor`, shape `[..., N, K]` with static N and K, of N
      independent latents, in nats; -inf is probability zero.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., K**N]`, in nats; float32 at the least.

  Raises:
    ValueError: If `K**N` is above `2**16`, or N or K not static.

  Example:
    >>> logits = tf.math.log([[.5, .5], [.25, .75]])
    >>> tf.exp(joint_log_probs(logits)).numpy()
    array([0.125, 0.375, 0.125, 0.375], dtype=float32)
  """
  with tf.name_scope(name):
    log_p = tf.nn.log_softmax(floats.at_least_float32(logits))
    num_latents, num_classes = shapes.static_event(log_p)
    num_codes(num_latents, num_classes)
    joint = log_p[..., 0, :]
    for n in range(1, num_latents):
      # An index and a new axis in one slice fail in graphs.
      factor = tf.expand_dims(log_p[..., n, :], axis=-2)
      shape = [*_batch_shape(log_p), num_classes ** (n + 1)]
      joint = tf.reshape(joint[..., tf.newaxis] + factor, shape)
    return joint


def sample_joint(
    log_mass: tf.Tensor, noise: tf.Tensor, name: str = 'sample_joint'
) -> tuple[tf.Tensor, tf.Tensor]:
  """Samples a code of N latents by the mass of every code.

  One latent after another: given those before, the argmax of the log-mass of
  each class plus noise. If the latents are independent, that is the argmax of
  their logits plus noise.

  Args:
    log_mass: Floating `Tensor`, shape `[..., K**N]`, in nats, not necessarily
      normalised, in the order of `all_codes`.
    noise: Standard Gumbel noise, a `Tensor` of the dtype of `log_mass`, shape
      `[..., N, K]` with static N and K.
    name: Python `str`, name scope of the ops.

  Returns:
    One-hot codes, shape `[..., N, K]`, and the log-mass of each, `[...]`: -inf
    where no code has mass.

  Example:
    >>> log_mass = tf.math.log([.5, 0., 0., .5])  # Both latents are equal.
    >>> codes, _ = sample_joint(log_mass, tf.constant([[0., 1.], [2., 0.]]))
    >>> codes.numpy().tolist()
    [[0.0, 1.0], [0.0, 1.0]]
  """
  with tf.name_scope(name):
    num_latents, num_classes = noise.shape[-2:]
    nothing = tf.constant(-np.inf, log_mass.dtype)
    codes = []
    for n in range(num_latents):
      size = num_classes ** (num_latents - 1 - n)
      table = tf.reshape(log_mass, [*_batch_shape(noise), num_classes, size])
      class_mass = tf.reduce_logsumexp(table, axis=-1)
      codes.append(one_hot_argmax(class_mass + noise[..., n, :]))
      is_chosen = codes[-1][..., tf.newaxis] > 0
      log_mass = tf.reduce_max(tf.where(is_chosen, table, nothing), axis=-2)
    return tf.stack(codes, axis=-2), log_mass[..., 0]


def _batch_shape(x):
  """Returns the sizes of all but the last two axes, static where known."""
  dynamic = tf.unstack(tf.shape(x)[:-2])
  static = x.shape[:-2]
  return [d if s is None else s for s, d in zip(static, dynamic, strict=True)]
