import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import objectives


class ElboTest(tf.test.TestCase):

  def test_weighs_the_rate(self):
    log_likelihood, rate = tf.constant([-3.0, -4.0]), tf.constant([1.0, 2.0])
    self.assertAllEqual(objectives.elbo(log_likelihood, rate), [-4.0, -6.0])
    self.assertAllEqual(
        objectives.elbo(log_likelihood, rate, rate_weight=0.5), [-3.5, -5.0]
    )

  def test_rejects_a_rate_that_would_broadcast(self):
    with self.assertRaisesRegex(ValueError, 'Expected `rate` of the shape'):
      objectives.elbo(tf.zeros([3]), tf.zeros([3, 1]))
    for shape in ([3, 1], [3], [1]):
      with self.assertRaisesRegex(ValueError, 'a scalar `rate_weight`; rec'):
        objectives.elbo(tf.zeros([3]), tf.zeros([3]), tf.ones(shape))

  def test_takes_a_scalar_of_any_kind(self):
    for rate_weight in (
        2,
        2.0,
        np.float64(2),
        np.array(2.0),
        tf.constant(2.0),
        tf.Variable(2.0),
        keras.Variable(2.0),
    ):
      self.assertAllEqual(
          objectives.elbo(tf.ones([2]), tf.ones([2]), rate_weight), [-1.0, -1.0]
      )

  def test_is_at_least_float32_of_values_of_any_type(self):
    # In 16 bits -90 - 12.1 and -700 - 12.1 would be rounded.
    log_likelihood = np.float32([-90.0, -700.0])
    rate = np.float32([12.125, 12.125])
    for dtype in (tf.bfloat16, tf.float16, tf.float32):
      value = objectives.elbo(
          tf.cast(log_likelihood, dtype), tf.cast(rate, dtype), 0.5
      )
      self.assertEqual(value.dtype, tf.float32)
      self.assertAllEqual(value, log_likelihood - 0.5 * rate)
    value = objectives.elbo(tf.constant([-90.0], tf.float64), [12.0], 0.1)
    self.assertEqual(value.dtype, tf.float64)
    self.assertAllEqual(value, [-90.0 - 0.1 * 12.0])
    value = objectives.elbo([-90], [12], np.float64(0.5))
    self.assertEqual(value.dtype, tf.float32)
    self.assertAllEqual(value, [-96.0])
    with self.assertRaisesRegex(ValueError, 'received complex64'):
      objectives.elbo(tf.zeros([2], tf.complex64), tf.zeros([2]))


if __name__ == '__main__':
  tf.test.main()
