import math
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers

MASK = np.array([[0, 1, 1, 0], [0, 0, 1, 0], [0, 1, 1, 0]], bool)
X = tf.random.stateless_normal([5, 3], [0, 1])


def _layer(**kwargs):
  return layers.MaskedDense(4, MASK, seed=0, **kwargs)


def _jacobian(layer, x):
  """Returns d output / d input of one example, shape `[input_dim, units]`."""
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = layer(x)
  return tf.transpose(tape.jacobian(y, x))


class MaskedDenseTest(tf.test.TestCase, parameterized.TestCase):

  def test_is_a_dense_layer_with_a_masked_kernel(self):
    layer = _layer(activation='tanh')
    actual = layer(X)
    bias = np.arange(4.0)
    layer.bias.assign(bias)
    kernel = layer.kernel.numpy() * MASK
    self.assertAllClose(actual, np.tanh(X @ kernel))
    self.assertAllClose(layer(X), np.tanh(X @ kernel + bias))

  def test_each_allowed_connection_and_no_other_is_there(self):
    self.assertAllEqual(_jacobian(_layer(), X[0]) != 0.0, MASK)

  @parameterized.parameters(1.0, math.inf, math.nan)
  def test_nothing_leaks_after_set_weights(self, value):
    layer = _layer()
    layer.build(X.shape)
    kernel = np.where(MASK, 2.0, value)
    layer.set_weights([kernel, np.zeros(4)])
    self.assertAllEqual(_jacobian(layer, X[0]), 2.0 * MASK)
    self.assertAllClose(layer(X), 2.0 * X @ MASK.astype('float32'))
    with tf.GradientTape() as tape:
      y = tf.reduce_sum(layer(X))
    gradient = tape.gradient(y, layer.kernel.value)
    expected = tf.reduce_sum(X, 0)[:, tf.newaxis] * MASK
    self.assertAllClose(gradient, expected)

  @parameterized.parameters(1.0, 2.0)
  def test_initial_variance_is_the_same_for_any_fan_in(self, gain):
    # Column j sees j + 1 inputs of 300.
    mask = np.triu(np.ones([300, 300], int))
    layer = layers.MaskedDense(300, mask, gain=gain, use_bias=False, seed=0)
    layer.build([None, 300])
    (kernel,) = layer.get_weights()
    # The variance of an output for inputs of variance one. It is gain^2 chi2_n
    # / n for n inputs, so the mean of m columns has a relative sigma of at most
    # sqrt(2 / n / m): 0.07 and 0.01; the bounds are four of them.
    variance = np.sum((kernel * mask) ** 2, axis=0) / gain**2
    self.assertAllClose(np.mean(variance[20:40]), 1.0, atol=0.28)
    self.assertAllClose(np.mean(variance[200:]), 1.0, atol=0.04)

  def test_a_unit_without_inputs_starts_finite(self):
    layer = _layer()
    layer.build(X.shape)
    self.assertAllInRange(layer.get_weights()[0], -10.0, 10.0)

  @parameterized.parameters([[3]], [[0, 3]], [[2, 1, 3]], [[2, 1, 4, 3]])
  def test_any_leading_dimensions(self, shape):
    x = tf.random.stateless_normal(shape, [0, 3])
    layer = _layer(use_bias=False)
    expected = tf.reshape(layer(tf.reshape(x, [-1, 3])), [*shape[:-1], 4])
    self.assertAllClose(layer(x), expected)

  def test_unknown_leading_dimensions_keep_the_static_ones(self):
    layer = _layer()
    layer.build([None, None, 3])

    @tf.function(input_signature=[tf.TensorSpec([None, 2, 3])])
    def call(x):
      y = layer(x)
      self.assertEqual(y.shape.as_list(), [None, 2, 4])
      return y

    self.assertEqual(call(tf.zeros([7, 2, 3])).shape, [7, 2, 4])

  def test_compiled_equals_eager(self):
    layer = _layer(activation='relu')
    compiled = tf.function(layer, jit_compile=True)
    self.assertAllClose(compiled(X), layer(X), atol=1e-6)

  def test_mixed_precision(self):
    layer = _layer(dtype='mixed_bfloat16')
    y = layer(X)
    self.assertEqual(y.dtype, tf.bfloat16)
    self.assertEqual(layer.kernel.dtype, 'float32')
    expected = X @ (layer.kernel.numpy() * MASK)
    self.assertAllClose(tf.cast(y, tf.float32), expected, atol=0.05)

  def test_functional_model_trains_and_survives_a_file(self):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, _layer(activation='relu', gain=2.0)(inputs))
    model.compile('sgd', 'mse')
    before = model.get_weights()
    model.fit(X.numpy(), np.ones([5, 4]), epochs=1, verbose=0)
    self.assertNotAllEqual(before[0][MASK], model.get_weights()[0][MASK])
    self.assertAllEqual(before[0][~MASK], model.get_weights()[0][~MASK])
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(X), model(X))
    layer = restored.layers[1]
    self.assertEqual(layer.get_config(), model.layers[1].get_config())
    self.assertAllEqual(_jacobian(layer, X[0])[~MASK], np.zeros((~MASK).sum()))

  def test_works_in_a_sequential_model(self):
    model = keras.Sequential([keras.layers.Dense(3), _layer()])
    self.assertEqual(model(tf.zeros([5, 2])).shape, [5, 4])

  def test_seed_repeats(self):
    a, b, c = _layer(), _layer(), layers.MaskedDense(4, MASK, seed=1)
    self.assertAllEqual(a(X), b(X))
    self.assertNotAllEqual(a(X), c(X))

  @parameterized.parameters(
      ([0, 1, 1, 0], r'shape \[input_dim, 4\]; received \(4,\)'),
      (MASK.T, r'shape \[input_dim, 4\]; received \(4, 3\)'),
      (0.5 * MASK, r'zeros and ones; received \[0.5\]'),
      (-1 * MASK, r'zeros and ones; received \[-1\]'),
  )
  def test_rejects_a_bad_mask(self, mask, message):
    with self.assertRaisesRegex(ValueError, message):
      layers.MaskedDense(4, mask)

  @parameterized.parameters([[5, 2]], [[5, 4]])
  def test_rejects_inputs_that_do_not_match_the_mask(self, shape):
    with self.assertRaisesRegex(ValueError, r'\[..., 3\], the rows of `mask`'):
      _layer()(tf.zeros(shape))


if __name__ == '__main__':
  tf.test.main()
