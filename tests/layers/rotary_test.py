from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import rotary


def _normal(*shape, seed=0):
  return tf.random.stateless_normal(shape, [1, seed])


class RotaryTest(tf.test.TestCase, parameterized.TestCase):

  def test_equals_a_product_with_complex_numbers(self):
    positions = np.array([0, 1, 7, 100, 3])
    angles = positions[:, np.newaxis] / 10000.0 ** (np.arange(3) / 3)
    x = _normal(2, 5, 6).numpy()
    pairs = (x[..., :3] + 1j * x[..., 3:]) * np.exp(1j * angles)
    expected = np.concatenate([pairs.real, pairs.imag], axis=-1)
    y = rotary.rotate(x, positions)
    self.assertAllClose(y, expected, rtol=1e-5, atol=1e-5)

  def test_inner_products_depend_on_the_distance_alone(self):
    query, key = _normal(1, 8), _normal(1, 8, seed=1)

    def score(i, j):
      return tf.reduce_sum(rotary.rotate(query, [i]) * rotary.rotate(key, [j]))

    self.assertAllClose(score(7, 3), score(104, 100), atol=1e-4)
    self.assertAllClose(score(3, 7), score(100, 104), atol=1e-4)
    self.assertNotAllClose(score(7, 3), score(3, 7), atol=1e-2)
    self.assertNotAllClose(score(7, 3), score(8, 3), atol=1e-2)

  def test_angles_of_far_positions_are_exact_in_low_precision(self):
    x = tf.constant([[1.0, 0.0]], tf.bfloat16)
    y = rotary.rotate(x, [1001])
    self.assertEqual(y.dtype, tf.bfloat16)
    self.assertAllClose(
        tf.cast(y, tf.float32), [[np.cos(1001.0), np.sin(1001.0)]], atol=5e-3
    )

  def test_float64_stays_float64(self):
    x = tf.constant([[1.0, 0.0]], tf.float64)
    y = rotary.rotate(x, [1001])
    expected = [[np.cos(1001), np.sin(1001)]]
    self.assertAllClose(y, expected, rtol=1e-12, atol=1e-12)


if __name__ == '__main__':
  tf.test.main()
