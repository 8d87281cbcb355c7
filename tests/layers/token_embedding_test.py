from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import token_embedding

CODES = np.array([[2, 0, -1, 1], [1, 1, 4, -1]])


def _embedding(dtype=None):
  layer = token_embedding.TokenEmbedding(6, seed=0, dtype=dtype)
  layer.build([None, None, 5])
  return layer


class TokenEmbeddingTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      dtype=('float32', 'mixed_bfloat16'), jit_compile=(None, False, True)
  )
  def test_codes_equal_one_hot_vectors(self, dtype, jit_compile):
    layer = _embedding(dtype)
    call = layer
    if jit_compile is not None:
      call = tf.function(layer, jit_compile=jit_compile)
    y = call(tf.constant(CODES, tf.int32))
    self.assertEqual(y.dtype, layer.compute_dtype)
    self.assertEqual(y.shape, [2, 4, 6])
    expected = np.concatenate([layer.kernel.numpy(), np.zeros([1, 6])])[CODES]
    self.assertAllClose(tf.cast(y, tf.float32), expected, rtol=1e-2)
    self.assertAllEqual(call(tf.one_hot(CODES, 5)), y)

  @parameterized.parameters('int8', 'int16', 'int64')
  def test_codes_of_any_integer_type(self, dtype):
    layer = _embedding()
    codes = tf.constant(CODES)
    self.assertAllEqual(layer(tf.cast(codes, dtype)), layer(codes))

  def test_gradient_of_codes_equals_that_of_one_hot_vectors(self):
    layer = _embedding()
    kernel = layer.kernel.value
    weights = tf.random.stateless_normal([2, 4, 6], [0, 1])
    gradients = []
    for inputs in (tf.constant(CODES), tf.one_hot(CODES, 5)):
      with tf.GradientTape() as tape:
        y = tf.reduce_sum(weights * layer(inputs))
      gradients.append(tf.convert_to_tensor(tape.gradient(y, kernel)))
    self.assertAllClose(gradients[0], gradients[1])
    self.assertAllEqual(gradients[0][3], np.zeros([6]))

  @parameterized.parameters(([],), ([3],), ([2, 1, 3],))
  def test_any_leading_dimensions(self, shape):
    layer = _embedding()
    codes = np.arange(np.prod(shape, dtype=int)).reshape(shape) % 5
    self.assertAllEqual(layer(codes), layer.kernel.numpy()[codes])
    self.assertAllClose(layer(tf.one_hot(codes, 5)), layer(codes))

  def test_initial_vectors_have_the_gain(self):
    layer = token_embedding.TokenEmbedding(100, gain=0.5, seed=0)
    layer.build([None, 100])
    # Of 10,000 draws, the standard deviation is known to 0.7 %: five sigma.
    self.assertAllClose(np.std(layer.kernel.numpy()), 0.5, rtol=0.035)

  @parameterized.parameters(
      (CODES,), (CODES.tolist(),), (keras.KerasTensor([None, 4], 'int32'),)
  )
  def test_rejects_codes_before_it_is_built(self, codes):
    layer = token_embedding.TokenEmbedding(6)
    with self.assertRaisesRegex(ValueError, 'layer that is built'):
      layer(codes)
    self.assertFalse(layer.built)

  def test_rejects_unknown_number_of_classes(self):
    with self.assertRaisesRegex(ValueError, r'static K; received .*None\)'):
      token_embedding.TokenEmbedding(6).build([2, None])


if __name__ == '__main__':
  tf.test.main()
