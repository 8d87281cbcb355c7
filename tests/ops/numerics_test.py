import math

import numpy as np
import tensorflow as tf

from discrete_lvm import ops


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

  def test_safe_log_has_a_finite_gradient_at_zero(self):
    x = tf.constant([0.0, 0.5])
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = ops.safe_log(x)
    self.assertAllClose(y, [-math.inf, math.log(0.5)])
    self.assertAllEqual(tape.gradient(y, x), [0.0, 2.0])

  def test_units_of_python_numbers(self):
    self.assertAllClose(ops.nats_to_bits(8), 8 / math.log(2))
    self.assertAllClose(ops.bits_per_dim(100, 10), 10 / math.log(2))


if __name__ == '__main__':
  tf.test.main()
