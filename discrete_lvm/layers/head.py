"""What the layers share that turn features into a posterior's parameters."""

import abc

import keras
import tensorflow as tf

from discrete_lvm.ops import floats


class Head(keras.layers.Layer, abc.ABC):
  """Projects features to numbers, which subclasses turn into parameters.

  The projection runs in the compute dtype, what follows in float32 under any
  policy.

  Args:
    num_outputs: Python `int`, how many numbers.
    seed: Python `int`, seed of the initial weights.
    validate_args: Python `bool`: whether to check that the numbers are finite
      (not under XLA, which drops assertions).
    **kwargs: Arguments of `keras.layers.Layer`.
  """

  def __init__(self, num_outputs, seed=None, validate_args=False, **kwargs):
    super().__init__(**kwargs)
    self._config = {'seed': seed, 'validate_args': validate_args}
    self._projection = keras.layers.Dense(
        num_outputs,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        dtype=self.dtype_policy,
        name='projection',
    )

  def build(self, input_shape):
    self._projection.build(input_shape)

  def call(self, inputs):
    outputs = self._projection(inputs)
    if self._config['validate_args']:
      outputs = tf.debugging.assert_all_finite(
          outputs, 'Expected finite outputs of the projection.'
      )
    return self._parameters(floats.at_least_float32(outputs))

  @abc.abstractmethod
  def _parameters(self, outputs):
    """Returns parameters from `[..., num_outputs]`."""

  def get_config(self):
    return {**super().get_config(), **self._config}
