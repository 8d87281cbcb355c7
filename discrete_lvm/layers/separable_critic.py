"""Keras layer: a critic that embeds x and y apart."""

import keras

from discrete_lvm.layers import critics
from discrete_lvm.layers import given_networks
from discrete_lvm.ops import floats


@keras.saving.register_keras_serializable(package='discrete_lvm')
class SeparableCritic(keras.layers.Layer):
  """Scores pairs by the inner product of two embeddings, `g(x)` and `h(y)`.

  Each network sees an example once, so that K**2 scores cost 2 K calls, where
  those of a `ConcatenatedCritic` cost K**2.

  Args:
    x_network: Keras layer from x, `[..., K, *x_event]`, to `[..., K, dim]`.
    y_network: Keras layer from y, `[..., K, *y_event]`, to `[..., K, dim]`. It
      may be the same layer.
    **kwargs: Arguments of `keras.layers.Layer`. A dtype policy is that of the
      networks.

  Call arguments:
    x: `Tensor`, shape `[..., K, *x_event]`.
    y: `Tensor`, shape `[..., K, *y_event]`.

  Output shape:
    `[..., K, K]`, float32 at the least: `scores[..., i, j] = f(x_j, y_i)`.

  Raises:
    ValueError: If a network is not a Keras layer, or their outputs are not of
      one size or of leading dimensions that do not broadcast.

  Example:
    >>> critic = dlvm.layers.SeparableCritic(
    ...     keras.layers.Dense(8), keras.layers.Dense(8))
    >>> scores = critic(tf.zeros([5, 3]), tf.zeros([5, 2]))
    >>> scores.shape, dlvm.objectives.info_nce_bound(scores).shape
    (TensorShape([5, 5]), TensorShape([]))

  References:
    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922.
  """

  def __init__(self, x_network, y_network, **kwargs):
    # The networks cast by their own policies.
    super().__init__(autocast=False, **kwargs)
    self.x_network = critics.check_network(x_network, 'x_network')
    self.y_network = critics.check_network(y_network, 'y_network')

  def build(self, x_shape, y_shape):
    given_networks.build(self.x_network, x_shape)
    given_networks.build(self.y_network, y_shape)

  def call(self, x, y):
    # The sum of many products, a log-ratio, is not for 16 bits.
    return critics.inner_products(
        *floats.common_floats(self.x_network(x), self.y_network(y))
    )

  def get_config(self):
    serialize = keras.saving.serialize_keras_object
    is_shared = self.y_network is self.x_network
    return {
        **super().get_config(),
        'x_network': serialize(self.x_network),
        # One layer, written twice, would come back as two.
        'y_network': None if is_shared else serialize(self.y_network),
    }

  @classmethod
  def from_config(cls, config):
    deserialize = keras.saving.deserialize_keras_object
    x_network = y_network = deserialize(config['x_network'])
    if config['y_network'] is not None:
      y_network = deserialize(config['y_network'])
    return cls(**{**config, 'x_network': x_network, 'y_network': y_network})
