import math

import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import numerics
from tests import second_derivatives


class NumericsTest(tf.test.TestCase):

  def test_units(self):
    self.assertAllClose(
        ops.nats_to_bits(math.log(2.0) * np.arange(3)), [0, 1, 2]
    )
    # Two uniform bytes cost 8 bits each.
    self.assertAllClose(ops.bits_per_dim(2 * math.log(256), 2), 8.0)

  def test_bits_per_dim_rejects_no_dimensions(self):
    with self.assertRaisesRegex(ValueError, '`num_dims` of at least 1'):
      ops.bits_per_dim(1.0, 0)

  def test_softmax_of_any_rank(self):
    for rank in (1, 2, 5, 6, 8):
      x = tf.random.stateless_normal([2] * (rank - 1) + [3], [0, rank])
      expected = np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)
      actual = numerics.softmax(x)
      self.assertEqual(actual.shape, x.shape)
      self.assertAllClose(actual, expected)
      for spec in ([None] * rank, None):
        softmax = tf.function(
            numerics.softmax, input_signature=[tf.TensorSpec(spec)]
        )
        self.assertAllClose(softmax(x), expected)

  def test_safe_log_has_a_finite_gradient_at_zero(self):
    x = tf.constant([0.0, 0.5])
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = ops.safe_log(x)
    self.assertAllClose(y, [-math.inf, math.log(0.5)])
    self.assertAllEqual(tape.gradient(y, x), [0.0, 2.0])

  def test_log_mean_exp_is_of_32_bits_at_the_least(self):
    for x in (tf.constant([0.0, 1.0], tf.bfloat16), [0, 1], np.arange(2)):
      value = ops.log_mean_exp(x)
      self.assertEqual(value.dtype, tf.float32)
      self.assertAllClose(value, math.log((1 + math.e) / 2))
    self.assertEqual(ops.log_mean_exp(np.zeros(2)).dtype, tf.float64)

  def test_log_mean_exp_rejects_an_axis_that_is_not(self):
    for x, axis in ((0.0, 0), ([0.0], 1), ([0.0], -2)):
      with self.assertRaisesRegex(ValueError, f'an axis {axis}; received'):
        ops.log_mean_exp(x, axis)

  def test_log_mean_exp_rejects_what_is_no_real_number(self):
    for x, name in (([True], 'bool'), ([1j], 'complex128'), (['1'], 'string')):
      with self.assertRaisesRegex(ValueError, f'values; received {name}'):
        ops.log_mean_exp(x)

  def test_units_of_python_numbers(self):
    self.assertAllClose(ops.nats_to_bits(8), 8 / math.log(2))
    self.assertAllClose(ops.bits_per_dim(100, 10), 10 / math.log(2))

  def test_root_keeps_its_value_and_has_two_derivatives(self):
    def root(target):
      return [
          numerics.with_root_gradient(
              target ** (1 / 3), target, lambda x: (x**3, 3 * x**2)
          )
      ]

    target = np.array([0.1, 2.0, 30.0])
    self.assertAllEqual(root(tf.constant(target))[0], target ** (1 / 3))
    second_derivatives.assert_right(self, root, target)


if __name__ == '__main__':
  tf.test.main()
