"""Random bits and normal noise, drawn as fast under XLA as in a graph."""

from collections.abc import Sequence
import math
from typing import Any

import tensorflow as tf

from discrete_lvm.ops import seeds


def random_bits(
    shape: Sequence[int] | tf.Tensor, seed: Any, name: str = 'random_bits'
) -> tf.Tensor:
  """Draws 32 bits a number: those of `tf.random.stateless_uniform`.

  XLA draws other bits than eager and graph mode do, if an entry of the seed is
  negative.

  Args:
    shape: Shape of the draw, a list of ints or an integer `Tensor` of rank 1.
    seed: As for `as_seed`.
    name: Python `str`, name scope of the ops.

  Returns:
    uint32 `Tensor` of shape `shape`.

  Raises:
    ValueError: As `as_seed` raises.

  Example:
    >>> random_bits([3], seed=[0, 1]).shape
    TensorShape([3])
  """
  with tf.name_scope(name):
    if not _is_cpu_alone():
      return tf.random.stateless_uniform(
          shape, seeds.as_seed(seed), minval=None, maxval=None, dtype=tf.uint32
      )
    shape = tf.convert_to_tensor(shape, dtype_hint=tf.int32)
    static_shape = tf.get_static_value(shape)
    if static_shape is None:
      size = tf.reduce_prod(tf.cast(shape, tf.int64))
    else:
      size = math.prod(static_shape.tolist())
    # In twos: XLA runs a generator of four numbers for each that it hands on.
    twos = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[(size + 1) // 2], dtype=tf.uint64, **_generator(seed)
    )
    bits = tf.reshape(tf.bitcast(twos, tf.uint32), [-1])
    return tf.reshape(bits[:size], shape)


def normal_noise(
    shape: Sequence[int] | tf.Tensor,
    seed: Any,
    dtype: tf.DType = tf.float32,
    name: str = 'normal_noise',
) -> tf.Tensor:
  """Draws standard normal noise: that of `tf.random.stateless_normal`.

  XLA draws other noise than eager and graph mode do.

  Args:
    shape: Shape of the noise, a list of ints or an integer `Tensor` of rank 1.
    seed: As for `as_seed`.
    dtype: A floating dtype.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of shape `shape` and of dtype `dtype`.

  Raises:
    ValueError: As `as_seed` raises.

  Example:
    >>> noise = normal_noise([100000], seed=[0, 1])
    >>> print(f'{tf.math.reduce_std(noise):.2f}')
    1.00
  """
  with tf.name_scope(name):
    if not _is_cpu_alone():
      return tf.random.stateless_normal(shape, seeds.as_seed(seed), dtype=dtype)
    return tf.raw_ops.StatelessRandomNormalV2(
        shape=shape, dtype=dtype, **_generator(seed)
    )


def _is_cpu_alone():
  """Says whether there is no accelerator, which has no need of what follows."""
  devices = tf.config.list_logical_devices()
  return all(device.device_type == 'CPU' for device in devices)


def _generator(seed):
  """Returns the generator of a seed, such that XLA computes it only once.

  Its key and counter take as much to compute as many numbers do. XLA fuses that
  with the draws, and computes it anew for each number: fifty times the time. It
  does not fuse a cumulative sum, and the differences of that are the summands
  again, also where integers wrap around.
  """
  key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(
      seed=seeds.as_seed(seed)
  )
  words = tf.bitcast(tf.concat([key, counter], axis=0), tf.int32)
  sums = tf.cumsum(words)
  words = tf.concat([sums[:1], sums[1:] - sums[:-1]], axis=0)
  state = tf.bitcast(words, tf.uint64)
  algorithm = tf.random.Algorithm.AUTO_SELECT.value
  return {'key': state[:1], 'counter': state[1:], 'alg': algorithm}
