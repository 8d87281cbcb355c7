"""The keys and values of the positions that attention has seen."""

from typing import NamedTuple

import tensorflow as tf


class KeyValueCache(NamedTuple):
  """Keys and values of `length` positions, zero for those still to come.

  Attributes:
    keys: `Tensor`, shape `batch_shape + [num_heads, length, D]`.
    values: `Tensor` like `keys`.
  """

  keys: tf.Tensor
  values: tf.Tensor


def empty_cache(shape, dtype):
  """Returns a cache of zeros of the shape of `KeyValueCache.keys`."""
  zeros = tf.zeros(shape, dtype)
  return KeyValueCache(zeros, zeros)


def append(cache, key, value, index):
  """Returns the cache with one more position.

  Args:
    cache: `KeyValueCache`.
    key: `Tensor`, shape `batch_shape + [num_heads, 1, D]`.
    value: `Tensor` like `key`.
    index: int32 `Tensor`, shape `[]`: the position.

  Returns:
    `KeyValueCache` of the same static shapes.
  """
  return KeyValueCache(
      _write(cache.keys, key, index), _write(cache.values, value, index)
  )


def _write(cache, row, index):
  # Rows of a matrix, since a scatter copies memory in blocks where a `tf.where`
  # computes each element. XLA writes them in place.
  shape = tf.shape(cache)
  length, width = shape[-2], cache.shape[-1]
  rows = tf.reshape(row, [-1, width])
  places = tf.range(tf.shape(rows)[0]) * length + index
  flat = tf.tensor_scatter_nd_update(
      tf.reshape(cache, [-1, width]), places[:, tf.newaxis], rows
  )
  return tf.ensure_shape(tf.reshape(flat, shape), cache.shape)
