import math

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops

SPECIAL = tf.constant([0.1, -0.0, math.inf, -math.inf, math.nan])


class SurrogateGradientsTest(tf.test.TestCase, parameterized.TestCase):

  def _assert_same_bits(self, x, y):
    self.assertEqual(np.asarray(x).tobytes(), np.asarray(y).tobytes())

  def test_values_stay_bit_for_bit(self):
    logits = tf.fill([5, 2, 3], -math.inf)
    variable = tf.Variable(math.inf)
    for values in (
        ops.add_gradient(SPECIAL, SPECIAL[::-1]),
        ops.with_logits_gradient(SPECIAL, logits, logits),
        ops.with_own_gradient(SPECIAL, [variable], [tf.constant(1.0)]),
        ops.with_own_gradient(SPECIAL, [], []),
    ):
      self._assert_same_bits(values, SPECIAL)

  def test_logits_gradient_is_as_given_even_at_infinite_logits(self):
    logits = tf.Variable(tf.fill([2, 1, 3], -math.inf))
    x = tf.Variable([4.0, 5.0])
    gradient = tf.random.stateless_normal([2, 1, 3], [0, 1])
    upstream = tf.constant([2.0, -3.0])
    for compiled in (False, True):

      def gradients():
        with tf.GradientTape() as tape:
          tape.watch(gradient)
          values = ops.with_logits_gradient(x**2, logits, gradient)
        return tape.gradient(values, [logits, x, gradient], upstream)

      if compiled:
        gradients = tf.function(gradients, jit_compile=True)
      d_logits, d_x, d_gradient = gradients()
      self.assertAllEqual(
          d_logits, upstream[:, tf.newaxis, tf.newaxis] * gradient
      )
      self.assertAllClose(d_x, upstream * 2 * x)
      self.assertIsNone(d_gradient)

  def test_own_gradient_is_that_of_the_mean_for_those_variables_alone(self):
    own = keras.Variable([1.0, 2.0])
    unused = tf.Variable(1.0)
    x = tf.Variable([4.0, 5.0, 6.0, 7.0])

    @tf.function(jit_compile=True)
    def gradients():
      with tf.GradientTape() as tape:
        values = ops.with_own_gradient(
            x**2, [own, unused], [tf.constant([3.0, -1.0]), None]
        )
        loss = 8.0 * tf.reduce_mean(values)  # As a loss scale does.
      return tape.gradient(loss, [own.value, unused, x])

    d_own, d_unused, d_x = gradients()
    self.assertAllClose(d_own, [3.0 * 8.0 / 4.0, -8.0 / 4.0])
    self.assertIsNone(d_unused)
    self.assertAllClose(d_x, 4.0 * x)

  def test_own_gradient_of_no_values_is_zero(self):
    own = tf.Variable(1.0)
    with tf.GradientTape() as tape:
      values = ops.with_own_gradient(tf.zeros([0]), [own], [tf.zeros([])])
      loss = tf.reduce_sum(values)
    self.assertAllEqual(tape.gradient(loss, own), 0.0)

  @parameterized.parameters(-8.0, 8.0)
  def test_own_loss_is_minimised_either_way(self, scale):
    own, x = tf.Variable(1.0), tf.Variable([4.0, 5.0])
    with tf.GradientTape() as tape:
      values = ops.with_own_gradient(x**2, [own], [tf.constant(3.0)])
      loss = scale * tf.reduce_mean(values)
    d_own, d_x = tape.gradient(loss, [own, x])
    self.assertAllClose(d_own, 3.0 * 8.0 / 2.0)
    self.assertAllClose(d_x, scale * x)

  def test_second_order_gradients_pass(self):
    # A control variate differentiates the estimate again.
    x = tf.Variable(3.0)
    with tf.GradientTape() as outer:
      with tf.GradientTape() as inner:
        y = ops.add_gradient(x**2, x**3)
      dy = inner.gradient(y, x)
    self.assertAllClose(outer.gradient(dy, x), 2.0 + 6.0 * x)

  def test_rejects(self):
    with self.assertRaisesRegex(ValueError, r'\(5,\) and float32; received'):
      ops.add_gradient(SPECIAL, tf.zeros([4]))
    with self.assertRaisesRegex(ValueError, r'received \(5,\), \(4, 2, 3\)'):
      ops.with_logits_gradient(
          SPECIAL, tf.zeros([4, 2, 3]), tf.zeros([4, 2, 3])
      )
    with self.assertRaisesRegex(ValueError, 'each of 0 variables; received 1'):
      ops.with_own_gradient(SPECIAL, [], [tf.zeros([])])


if __name__ == '__main__':
  tf.test.main()
