import math

from absl.testing import parameterized
import numpy as np
import pytest
from scipy import optimize
import tensorflow as tf

from discrete_lvm import ops
from tests import second_derivatives


def _kl(loc, scale, alpha):
  """KL of a factorised normal from the AR(1) law, by dense matrices."""
  steps = np.arange(len(loc))
  covariance = alpha ** np.abs(steps[:, np.newaxis] - steps)
  precision = np.linalg.inv(covariance)
  return 0.5 * (
      np.sum(np.diag(precision) * scale**2)
      + loc @ precision @ loc
      - len(loc)
      + np.linalg.slogdet(covariance)[1]
      - 2 * np.sum(np.log(scale))
  )


class AR1Test(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(length=(1, 2, 3, 8, 32), alpha=(-0.7, 0.0, 0.95))
  def test_rate_is_the_minimum_over_factorised_laws(self, length, alpha):
    rate = ops.ar1_committed_rate(np.float64(alpha), length)
    found = _minimum(length, alpha)
    self.assertAllClose(rate, found.fun, atol=1e-6, rtol=0)
    scale = ops.ar1_optimal_scale(np.float64([alpha]), length)
    self.assertEqual(scale.shape, [length, 1])
    self.assertAllClose(scale[:, 0], np.exp(found.x[length:]), atol=1e-3)
    self.assertAllClose(
        _kl(np.zeros(length), scale.numpy()[:, 0], alpha), rate, atol=1e-12
    )

  @parameterized.product(length=tuple(range(2, 33)), alpha=(-0.3, 0.5, 0.99))
  @pytest.mark.slow
  def test_rate_is_the_minimum_at_every_length(self, length, alpha):
    found = _minimum(length, alpha).fun
    self.assertAllClose(
        ops.ar1_committed_rate(np.float64(alpha), length),
        found,
        atol=1e-6,
        rtol=0,
    )

  def test_golden_nats(self):
    self.assertAllClose(
        ops.ar1_committed_rate(0.99, 64), 23.136, atol=5e-4, rtol=0
    )
    self.assertAllEqual(ops.ar1_committed_rate([0.5, 0.9], 1), 0.0)
    self.assertAllClose(
        ops.ar1_committed_rate([0.6, 0.6], 2), -math.log(1 - 0.6**2)
    )

  def test_float32_keeps_digits_near_one(self):
    alpha = np.float32([0.9999, -0.9999])
    exact = ops.ar1_committed_rate(np.float64(alpha), 4096)
    self.assertAllClose(
        ops.ar1_committed_rate(alpha, 4096), exact, rtol=3e-7, atol=0
    )
    exact = ops.ar1_committed_rate(np.float64(alpha), 2)
    self.assertAllClose(
        ops.ar1_committed_rate(alpha, 2), exact, rtol=3e-7, atol=0
    )

  @parameterized.product(length=(2, 3, 16, 4096), dtype=('float32', 'float64'))
  def test_alpha_for_rate_inverts(self, length, dtype):
    alpha = np.array([0.0, 1e-4, 0.01, 0.3, 0.9, 0.99, 0.9999], dtype)
    rate = ops.ar1_committed_rate(alpha[:, np.newaxis], length)
    found = ops.ar1_alpha_for_rate(rate, length)
    self.assertEqual(found.dtype, dtype)
    epsilon = np.finfo(dtype).eps
    self.assertAllClose(found, alpha, rtol=4 * epsilon, atol=0)
    shared = ops.ar1_alpha_for_rate(3 * rate, length, num_dims=3)
    self.assertAllClose(shared, alpha, rtol=4 * epsilon, atol=0)

  @parameterized.parameters(2, 20)
  def test_alpha_for_rate_has_the_gradient_of_the_inverse(self, length):
    alpha = tf.constant([0.1, 0.9], tf.float64)
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(alpha)
      rate = ops.ar1_committed_rate(alpha[:, tf.newaxis], length)
      round_trip = ops.ar1_alpha_for_rate(rate, length)
    self.assertAllClose(tape.gradient(round_trip, alpha), [1, 1], rtol=1e-10)

  def test_compiles(self):
    compiled = tf.function(
        lambda r: ops.ar1_alpha_for_rate(r, 16), jit_compile=True
    )
    rate = tf.constant([0.01, 5.666])
    self.assertAllClose(
        compiled(rate), ops.ar1_alpha_for_rate(rate, 16), rtol=1e-6
    )

  def test_rejects(self):
    for alpha in (1.0, [-0.5, -1.0], tf.constant(math.nan)):
      for function in (ops.ar1_committed_rate, ops.ar1_optimal_scale):
        with self.assertRaisesRegex(ValueError, r'`alpha` in \(-1, 1\)'):
          function(alpha, 3)
    for function in (ops.ar1_committed_rate, ops.ar1_optimal_scale):
      with self.assertRaisesRegex(ValueError, '`length` of at least 1'):
        function([0.5], 0)
    with self.assertRaisesRegex(ValueError, r'\[..., dim\]; received'):
      ops.ar1_optimal_scale(0.5, 3)
    with self.assertRaisesRegex(ValueError, 'at least 2, as one step'):
      ops.ar1_alpha_for_rate(0.5, 1)
    with self.assertRaisesRegex(ValueError, '`num_dims` of at least 1'):
      ops.ar1_alpha_for_rate(0.5, 2, num_dims=0)
    with self.assertRaisesRegex(ValueError, 'received -0.5'):
      ops.ar1_alpha_for_rate(-0.5, 2)
    # -log(1 - a**2) / 2 at a = 1 - 2**-24.
    with self.assertRaisesRegex(ValueError, 'from 0 to 7.97.* nats, the larg'):
      ops.ar1_alpha_for_rate(8.0, 2)


def _minimum(length, alpha):
  """Minimises the KL over factorised laws, from a random one."""

  def objective(x):
    return _kl(x[:length], np.exp(x[length:]), alpha)

  start = np.random.default_rng(0).normal(size=2 * length) / 2
  return optimize.minimize(
      objective,
      start,
      method='BFGS',
      jac=lambda x: _gradient(x, alpha),
      options={'gtol': 1e-8},
  )


def _gradient(x, alpha):
  loc, log_scale = np.split(x, 2)
  steps = np.arange(len(loc))
  precision = np.linalg.inv(alpha ** np.abs(steps[:, np.newaxis] - steps))
  return np.concatenate(
      [precision @ loc, np.diag(precision) * np.exp(2 * log_scale) - 1]
  )

  def test_second_derivative_of_alpha_for_rate(self):
    second_derivatives.assert_right(
        self, lambda rate: [ops.ar1_alpha_for_rate(rate, 5)], [0.5, 1.0, 4.0]
    )


if __name__ == '__main__':
  tf.test.main()
