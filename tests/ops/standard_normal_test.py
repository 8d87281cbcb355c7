import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops

tfd = tfp.distributions


class StandardNormalTest(tf.test.TestCase, parameterized.TestCase):

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

  # XLA takes the logarithm of `exp(x)` for `x`, and a graph `exp(x) - 1` for
  # `expm1(x)`, neither of which is of the rounded scale.
  @parameterized.parameters(False, True)
  def test_keeps_digits_near_the_minimum(self, jit_compile):
    size = np.geomspace(1e-6, 0.5, 200, dtype='float32')

    @tf.function(jit_compile=jit_compile)
    def evaluate(log_scale):
      scale = tf.exp(log_scale)
      with tf.GradientTape() as tape:
        tape.watch(scale)
        kl = ops.standard_normal_kl(0.0, scale)
      return scale, kl, tape.gradient(kl, scale)

    scale, kl, gradient = evaluate(np.concatenate([size, -size]))
    scale = np.longdouble(scale.numpy())
    exact = (scale - 1) * (scale + 1) / 2 - np.log1p(scale - 1)
    # Terms of 1 rounded to float32 would be off by 1 and more.
    self.assertAllClose(kl, np.float64(exact), rtol=1e-6, atol=0)
    exact = np.float64(scale - 1 / scale)
    self.assertAllClose(gradient, exact, rtol=1e-6, atol=0)
    self.assertAllClose(
        ops.standard_normal_kl(0.0, 1e-30), 30 * math.log(10) - 0.5
    )

  def test_series_meets_the_formula_in_float64(self):
    scale = np.array([0.7999, 0.8001, 1.1999, 1.2001])
    exact = (scale**2 - 1) / 2 - np.log(scale)
    self.assertAllClose(
        ops.standard_normal_kl(np.float64(0.0), scale), exact, rtol=1e-13
    )

  def test_gradients_match_finite_differences_twice(self):
    def gradient(scale):
      with tf.GradientTape() as tape:
        tape.watch(scale)
        kl = ops.standard_normal_kl(np.float64(0.5), scale)
      return tape.gradient(kl, scale)

    scale = np.array([0.3, 0.95, 1.0, 1.1, 4.0])
    for function in (
        lambda x: ops.standard_normal_kl(np.float64(0.5), x),
        gradient,
    ):
      theoretical, numerical = tf.test.compute_gradient(
          function, [scale], delta=1e-5
      )
      self.assertAllClose(theoretical, numerical, atol=1e-7)

  def test_half_precision_is_computed_in_float32(self):
    kl = ops.standard_normal_kl(tf.constant(3.0, tf.bfloat16), 1.0)
    self.assertEqual(kl.dtype, tf.float32)
    self.assertAllClose(kl, 4.5)


if __name__ == '__main__':
  tf.test.main()
