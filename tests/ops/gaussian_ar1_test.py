from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops

tfd = tfp.distributions


def _dense_kl(loc, scale, alpha):
  """Sums over dimensions the KL between multivariate normals, in float64."""
  length, dim = loc.shape[-2:]
  steps = np.arange(length)
  kl = 0.0
  for k in range(dim):
    covariance = alpha[k] ** np.abs(steps[:, np.newaxis] - steps)
    prior = tfd.MultivariateNormalFullCovariance(np.zeros(length), covariance)
    kl += tfd.kl_divergence(
        tfd.MultivariateNormalDiag(loc[..., k], scale[..., k]), prior
    )
  return kl


def _posterior(*shape, seed=0):
  rng = np.random.default_rng(seed)
  return rng.normal(size=shape), np.exp(rng.normal(size=shape))


class GaussianAR1KLTest(tf.test.TestCase, parameterized.TestCase):

  def test_terms_are_the_expected_kl_of_each_step(self):
    loc, scale = _posterior(3, 2)
    alpha = np.array([0.6, -0.9])
    terms = ops.gaussian_ar1_kl_terms(loc, scale, alpha).numpy()
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    for t in range(3):
      # The step before is random, and its law is that of the posterior.
      before = loc[t - 1] + scale[t - 1] * nodes[:, np.newaxis]
      correlation = alpha if t else 0 * alpha
      prior = tfd.Normal(correlation * before, np.sqrt(1 - correlation**2))
      kl = tfd.kl_divergence(tfd.Normal(loc[t], scale[t]), prior)
      expected = weights @ kl.numpy() / np.sum(weights)
      self.assertAllClose(terms[t], expected, rtol=1e-10)

  @parameterized.parameters(1, 2, 3, 32)
  def test_equals_the_kl_of_dense_normals(self, length):
    loc, scale = _posterior(4, length, 3)
    alpha = np.array([-0.8, 0.0, 0.95])
    expected = _dense_kl(loc, scale, alpha)
    self.assertAllClose(
        ops.gaussian_ar1_kl(loc, scale, alpha), expected, rtol=1e-10
    )
    low = [tf.cast(x, tf.float32) for x in (loc, scale, alpha)]
    self.assertAllClose(ops.gaussian_ar1_kl(*low), expected, rtol=1e-5)

  def test_reaches_the_committed_rate_and_never_less(self):
    alpha = tf.constant([0.5, 0.99, 0.9999])
    scale = ops.ar1_optimal_scale(alpha, 64)
    rate = ops.ar1_committed_rate(alpha, 64)
    self.assertAllClose(
        ops.gaussian_ar1_kl(tf.zeros_like(scale), scale, alpha), rate, rtol=1e-6
    )
    rng = np.random.default_rng(0)
    size = 10.0 ** rng.uniform(-6, 4, size=[2000, 1, 1])
    loc = tf.cast(size * rng.normal(size=[2000, 64, 3]), tf.float32)
    factor = 10.0 ** (rng.uniform(-6, 4, size=[2000, 1, 1]))
    scale *= tf.cast(
        np.exp(factor * rng.normal(size=loc.shape) / 200), 'float32'
    )
    scale = tf.clip_by_value(scale, 1e-30, 1e15)
    self.assertAllGreaterEqual(
        ops.gaussian_ar1_kl(loc, scale, alpha) / rate, 1 - 1e-6
    )

  @parameterized.parameters(0.9999, -0.9999)
  def test_float32_keeps_digits_at_length_4096(self, alpha):
    loc, scale = _posterior(4096, 2)
    for factor in (1e-3, 1.0):  # The scale of the noise of a step is 1.4e-2.
      args = [
          np.float32(x) for x in (factor * loc, factor * scale, [alpha] * 2)
      ]
      exact = ops.gaussian_ar1_kl(*[x.astype(np.float64) for x in args])
      kl, gradients = tfp.math.value_and_gradient(
          ops.gaussian_ar1_kl, [tf.constant(x) for x in args]
      )
      self.assertAllClose(kl, exact, rtol=1e-5)
      for gradient in gradients:
        self.assertAllEqual(np.isfinite(gradient), np.ones(gradient.shape))

  def test_gradients_match_finite_differences(self):
    loc, scale = _posterior(5, 2)
    alpha = np.array([0.3, -0.9])
    theoretical, numerical = tf.test.compute_gradient(
        ops.gaussian_ar1_kl, [loc, scale, alpha], delta=1e-6
    )
    self.assertAllClose(theoretical, numerical, rtol=1e-5, atol=1e-6)

  def test_broadcasts(self):
    loc, scale = _posterior(4, 5, 3)
    alpha = np.random.default_rng(1).uniform(size=[2, 1, 3])
    kl = ops.gaussian_ar1_kl(loc, scale[0, :1], alpha)
    self.assertEqual(kl.shape, [2, 4])
    scale = np.broadcast_to(scale[0, :1], loc.shape)
    self.assertAllClose(kl[1], _dense_kl(loc, scale, alpha[1, 0]))
    self.assertAllClose(
        ops.gaussian_ar1_kl(loc, scale, np.float64(0.5)),
        _dense_kl(loc, scale, [0.5] * 3),
    )

  def test_compiles_at_unknown_shapes(self):
    compiled = tf.function(
        ops.gaussian_ar1_kl,
        input_signature=[
            tf.TensorSpec([None, None, 3]),
            tf.TensorSpec([None, None, 3]),
            tf.TensorSpec([3]),
        ],
        jit_compile=True,
    )
    loc, scale = _posterior(4, 5, 3)
    alpha = np.float32([0.1, 0.5, 0.9])
    loc, scale = np.float32(loc), np.float32(scale)
    self.assertAllClose(
        compiled(loc, scale, alpha), ops.gaussian_ar1_kl(loc, scale, alpha)
    )

  @parameterized.parameters(
      ([3, None], [2], [3, 1], [2]),
      ([3, 1], [None], [3, 1], [2]),
      ([3, None], [None], [3, 2], [3]),
  )
  def test_rejects_another_dim_in_the_run(self, spec, alpha_spec, shape, dim):
    kl = tf.function(
        lambda loc, alpha: ops.gaussian_ar1_kl(loc, tf.ones_like(loc), alpha),
        input_signature=[tf.TensorSpec(spec), tf.TensorSpec(alpha_spec)],
    )
    with self.assertRaises(tf.errors.InvalidArgumentError):
      kl(tf.zeros(shape), tf.zeros(dim))
    loc = tf.ones([3, *dim]) if spec[-1] is None else tf.ones(spec)
    alpha = tf.fill(dim if alpha_spec[-1] else [1], 0.5)
    self.assertAllClose(
        kl(loc, alpha), ops.gaussian_ar1_kl(loc, tf.ones_like(loc), alpha)
    )

  def test_rejects(self):
    with self.assertRaisesRegex(ValueError, r'`alpha` in \(-1, 1\)'):
      ops.gaussian_ar1_kl(tf.zeros([3, 2]), tf.ones([3, 2]), 1.0)
    for shape in ([0, 2], [2]):
      with self.assertRaisesRegex(ValueError, 'length of at least 1; received'):
        ops.gaussian_ar1_kl(tf.zeros(shape), tf.ones(shape), 0.5)
    with self.assertRaisesRegex(ValueError, r'shapes \(3, 2\) and \(4, 2\)'):
      ops.gaussian_ar1_kl(tf.zeros([3, 2]), tf.ones([4, 2]), 0.5)
    with self.assertRaisesRegex(ValueError, r'or \[..., 2\]; received'):
      ops.gaussian_ar1_kl(tf.zeros([3, 2]), tf.ones([3, 2]), tf.zeros([3]))


if __name__ == '__main__':
  tf.test.main()
