"""Keras layer: a critic that sees x and y together."""

import keras
import tensorflow as tf

from discrete_lvm.layers import critics
from discrete_lvm.layers import given_networks
from discrete_lvm.ops import floats


@keras.saving.register_keras_serializable(package='discrete_lvm')
class ConcatenatedCritic(keras.layers.Layer):
  """Scores pairs by a network of the concatenation of x and y.

  More flexible than a `SeparableCritic`, in time and memory of K**2 calls of
  the network.

  Args:
    network: Keras layer from `[size, x_dim + y_dim]`, x first, to `[size, 1]`,
      such as a `keras.Sequential` of dense layers.
    **kwargs: Arguments of `keras.layers.Layer`. A dtype policy is that of the
      network.

  Call arguments:
    x: Floating `Tensor`, shape `[..., K, x_dim]`.
    y: Floating `Tensor`, shape `[..., K, y_dim]`.

  Output shape:
    `[..., K, K]`, float32 at the least: `scores[..., i, j] = f(x_j, y_i)`.

  Raises:
    ValueError: If `network` is not a Keras layer or its last output dimension
      not one, x or y has no static features, or their leading dimensions do not
      broadcast.

  Example:
    >>> network = keras.Sequential(
    ...     [keras.layers.Dense(8, 'relu'), keras.layers.Dense(1)])
    >>> critic = dlvm.layers.ConcatenatedCritic(network)
    >>> critic(tf.zeros([5, 3]), tf.zeros([5, 2])).shape
    TensorShape([5, 5])

  References:
    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922.
  """

  def __init__(self, network, **kwargs):
    # The network casts by its own policy.
    super().__init__(autocast=False, **kwargs)
    self.network = critics.check_network(network, 'network')

  def build(self, x_shape, y_shape):
    size = sum(critics.check_features(x_shape, y_shape))
    given_networks.build(self.network, (None, size))

  def call(self, x, y):
    leading = critics.broadcast_leading(x, y)
    static = leading + [y.shape[-2], x.shape[-2]]
    x, y = floats.common_floats(x, y)
    x, y = x[..., tf.newaxis, :, :], y[..., :, tf.newaxis, :]
    shape = tf.broadcast_dynamic_shape(tf.shape(x)[:-1], tf.shape(y)[:-1])
    pairs = [
        tf.broadcast_to(z, tf.concat([shape, [z.shape[-1]]], axis=0))
        for z in (x, y)
    ]
    size = x.shape[-1] + y.shape[-1]
    outputs = self.network(tf.reshape(tf.concat(pairs, axis=-1), [-1, size]))
    scores = critics.as_scalars(floats.at_least_float32(outputs))
    return tf.ensure_shape(tf.reshape(scores, shape), static)

  def get_config(self):
    return {
        **super().get_config(),
        'network': keras.saving.serialize_keras_object(self.network),
    }

  @classmethod
  def from_config(cls, config):
    network = keras.saving.deserialize_keras_object(config['network'])
    return cls(**{**config, 'network': network})
