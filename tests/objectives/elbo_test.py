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


if __name__ == '__main__':
  tf.test.main()
