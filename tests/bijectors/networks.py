"""Small networks that condition the flows of the tests."""

import keras
import numpy as np
import tensorflow as tf


def dense_network(length, num_classes, channels, seed=0):
  """Returns a built Keras model that mixes all positions."""
  initializer = keras.initializers.RandomNormal(stddev=2.0, seed=seed)
  return keras.Sequential(
      [
          keras.Input([length, num_classes]),
          keras.layers.Flatten(),
          keras.layers.Dense(
              length * channels,
              kernel_initializer=initializer,
              bias_initializer=initializer,
          ),
          keras.layers.Reshape([length, channels]),
      ]
  )


class CausalNetwork(keras.layers.Layer):
  """Outputs linear in the positions before, each pair with its own weights."""

  def __init__(self, channels, order, seed=0):
    super().__init__()
    self._channels = channels
    self._seed = seed
    self.order = np.asarray(order)
    self.num_calls = 0

  def build(self, shape):
    _, length, num_classes = shape
    initializer = keras.initializers.RandomNormal(stddev=2.0, seed=self._seed)
    self.kernel = self.add_weight(
        shape=[length, num_classes, length, self._channels],
        initializer=initializer,
    )
    self.bias = self.add_weight(
        shape=[length, self._channels], initializer=initializer
    )

  def call(self, inputs):
    self.num_calls += 1
    ranks = np.argsort(self.order)
    mask = ranks[:, np.newaxis] < ranks
    kernel = self.kernel * mask[:, np.newaxis, :, np.newaxis]
    return tf.einsum('bik,ikjc->bjc', inputs, kernel) + self.bias


class CachedCausalNetwork(CausalNetwork):
  """The same, with a cache: the sum of what the positions before contribute.

  Its `error` is added to the outputs of each step.
  """

  error = 0.0

  def initial_state(self, batch_shape, length):
    shape = tf.concat([batch_shape, [length, self._channels]], axis=0)
    return tf.zeros([], tf.int32), tf.broadcast_to(self.bias.value, shape)

  def step(self, token, state):
    index, sums = state
    order = tf.constant(self.order)
    previous = tf.gather(self.kernel.value, order[tf.maximum(index - 1, 0)])
    update = tf.einsum('bk,kjc->bjc', tf.cast(token, previous.dtype), previous)
    sums += tf.where(index > 0, update, tf.zeros_like(update))
    outputs = tf.gather(sums, order[index], axis=1)
    return outputs + self.error, (index + 1, sums)


class OnCodes:
  """A network of one-hot vectors, as one of codes."""

  def __init__(self, network, num_classes):
    self._network = network
    self._num_classes = num_classes
    if hasattr(network, 'order'):
      self.order = network.order
    if hasattr(network, 'step'):
      self.initial_state = network.initial_state
      self.step = self._step

  @property
  def variables(self):
    return self._network.variables

  def __call__(self, codes):
    return self._network(tf.one_hot(codes, self._num_classes))

  def _step(self, token, state):
    return self._network.step(tf.one_hot(token, self._num_classes), state)
