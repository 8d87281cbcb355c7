"""A causal network of one-hot events or codes, with and without a cache."""

import numpy as np
import tensorflow as tf


class CausalNetwork(tf.Module):
  """Logits linear in the tokens before, each pair with its own weights.

  With `num_features`, a context adds to the logits at its own position.
  """

  def __init__(self, order, num_classes, num_features=0, seed=0):
    super().__init__()
    self.order = np.asarray(order)
    self.num_calls = 0
    length = len(order)
    rng = np.random.default_rng(seed)

    def variable(*shape):
      return tf.Variable(rng.normal(0.0, 1.5, shape).astype(np.float32))

    self.kernel = variable(length, num_classes, length, num_classes)
    self.bias = variable(length, num_classes)
    if num_features:
      self.context_kernel = variable(num_features, num_classes)

  def __call__(self, inputs, context=None):
    self.num_calls += 1
    ranks = np.argsort(self.order)
    mask = ranks[:, np.newaxis] < ranks
    kernel = self.kernel * mask[:, np.newaxis, :, np.newaxis]
    outputs = tf.einsum('bik,ikjc->bjc', self._one_hot(inputs), kernel)
    return outputs + self._initial_outputs(context)

  def _one_hot(self, inputs):
    num_classes = self.kernel.shape[1]
    return (
        tf.one_hot(inputs, num_classes) if inputs.dtype.is_integer else inputs
    )

  def _initial_outputs(self, context):
    if context is None:
      return self.bias.read_value()
    return self.bias + tf.tensordot(context, self.context_kernel, axes=1)


class CachedCausalNetwork(CausalNetwork):
  """The same, with a cache: the sum of what the tokens before contribute."""

  def initial_state(self, batch_shape, length, context=None):
    del length
    outputs = self._initial_outputs(context)
    shape = tf.concat([batch_shape, tf.shape(self.bias)], axis=0)
    return tf.zeros([], tf.int32), tf.broadcast_to(outputs, shape)

  def step(self, token, state):
    index, sums = state
    order = tf.constant(self.order)
    previous = tf.gather(self.kernel, order[tf.maximum(index - 1, 0)])
    update = tf.tensordot(self._one_hot(token), previous, axes=1)
    sums += tf.where(index > 0, update, tf.zeros_like(update))
    return tf.gather(sums, order[index], axis=1), (index + 1, sums)
