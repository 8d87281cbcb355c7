import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops

tfd = tfp.distributions


class StandardNormalTest(tf.test.TestCase):

  def test_equals_tfp(self):
    rng = np.random.default_rng(0)
    loc = rng.normal(size=[50, 1])
    scale = np.exp(rng.normal(size=[7]))
    expected = tfd.kl_divergence(
        tfd.Normal(loc, scale), tfd.Normal(np.float64(0.0), np.float64(1.0))
    )
    self.assertAllClose(
        ops.standard_normal_kl(loc, scale), expected, rtol=1e-12
    )

  def test_keeps_digits_near_the_minimum(self):
    scale = np.float32(1) + np.float32([1e-3, -1e-3, 1e-2])
    exact = (np.float64(scale) ** 2 - 1) / 2 - np.log(np.float64(scale))
    # Terms of 1 rounded to float32 would be off by 6e-2 of it.
    self.assertAllClose(
        ops.standard_normal_kl(0.0, scale), exact, rtol=5e-4, atol=0
    )
    self.assertAllClose(
        ops.standard_normal_kl(0.0, 1e-30), 30 * math.log(10) - 0.5
    )

  def test_half_precision_is_computed_in_float32(self):
    kl = ops.standard_normal_kl(tf.constant(3.0, tf.bfloat16), 1.0)
    self.assertEqual(kl.dtype, tf.float32)
    self.assertAllClose(kl, 4.5)


if __name__ == '__main__':
  tf.test.main()
