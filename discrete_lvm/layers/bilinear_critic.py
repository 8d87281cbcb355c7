"""Keras layer: a critic that is linear in x and in y."""

import keras
import tensorflow as tf

from discrete_lvm.layers import critics
from discrete_lvm.ops import floats


@keras.saving.register_keras_serializable(package='discrete_lvm')
class BilinearCritic(keras.layers.Layer):
  """Scores pairs by `x^T W y`, with a learned matrix W.

  For x and y that are embeddings already, as in contrastive predictive coding.

  Args:
    kernel_initializer: Keras initializer of W, shape `[x_dim, y_dim]`; by
      default Glorot's, by `seed`.
    seed: Python `int`, seed of the initial weights.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    x: Floating `Tensor`, shape `[..., K, x_dim]`.
    y: Floating `Tensor`, shape `[..., K, y_dim]`.

  Output shape:
    `[..., K, K]`, float32 at the least: `scores[..., i, j] = f(x_j, y_i)`.

  Raises:
    ValueError: If x or y has no static features.

  Example:
    >>> critic = dlvm.layers.BilinearCritic(kernel_initializer='identity')
    >>> critic(tf.constant([[1., 0.], [0., 2.]]), tf.eye(2)).numpy()
    array([[1., 0.],
           [0., 2.]], dtype=float32)

  References:
    Aaron van den Oord, Yazhe Li, Oriol Vinyals. Representation Learning with
    Contrastive Predictive Coding. 2018. https://arxiv.org/abs/1807.03748.
    Equation 3.
  """

  def __init__(self, kernel_initializer=None, seed=None, **kwargs):
    super().__init__(**kwargs)
    self._seed = seed
    self.kernel_initializer = keras.initializers.get(
        kernel_initializer or keras.initializers.GlorotUniform(seed)
    )

  def build(self, x_shape, y_shape):
    self.kernel = self.add_weight(
        name='kernel',
        shape=critics.check_features(x_shape, y_shape),
        initializer=self.kernel_initializer,
    )

  def call(self, x, y):
    projected = tf.tensordot(x, tf.convert_to_tensor(self.kernel), axes=1)
    return critics.inner_products(
        floats.at_least_float32(projected), floats.at_least_float32(y)
    )

  def get_config(self):
    return {
        **super().get_config(),
        'kernel_initializer': keras.initializers.serialize(
            self.kernel_initializer
        ),
        'seed': self._seed,
    }
