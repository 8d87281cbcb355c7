"""Keras layer: a learned baseline for the partition sum of a critic."""

import keras

from discrete_lvm.layers import critics
from discrete_lvm.layers import given_networks
from discrete_lvm.ops import floats


@keras.saving.register_keras_serializable(package='discrete_lvm')
class LogBaseline(keras.layers.Layer):
  """Computes `log a(y)`, a number for each y, whatever its sign.

  What `objectives.tuba_bound` and `interpolated_bound` take; of a critic f its
  optimum there is `log E_{p(x)} exp f(x, y)`.

  Args:
    network: Keras layer from y, `[..., K, *y_event]`, to `[..., K, 1]`.
    **kwargs: Arguments of `keras.layers.Layer`. A dtype policy is that of the
      network.

  Call arguments:
    inputs: `Tensor`, shape `[..., K, *y_event]`: y.

  Output shape:
    `[..., K]`, float32 at the least, in nats.

  Raises:
    ValueError: If `network` is not a Keras layer, or its last output dimension
      is not one.

  Example:
    >>> baseline = dlvm.layers.LogBaseline(keras.layers.Dense(1))
    >>> baseline(tf.zeros([5, 2])).shape
    TensorShape([5])
  """

  def __init__(self, network, **kwargs):
    # The network casts by its own policy.
    super().__init__(autocast=False, **kwargs)
    self.network = critics.check_network(network, 'network')

  def build(self, input_shape):
    given_networks.build(self.network, input_shape)

  def call(self, inputs):
    outputs = floats.at_least_float32(self.network(inputs))
    return critics.as_scalars(outputs)

  def get_config(self):
    return {
        **super().get_config(),
        'network': keras.saving.serialize_keras_object(self.network),
    }

  @classmethod
  def from_config(cls, config):
    network = keras.saving.deserialize_keras_object(config['network'])
    return cls(**{**config, 'network': network})
