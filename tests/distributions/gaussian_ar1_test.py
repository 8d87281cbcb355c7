import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import distributions
from discrete_lvm import ops

tfb = tfp.bijectors
tfd = tfp.distributions

GaussianAR1 = distributions.GaussianAR1

ALPHA = tf.constant([[-0.8, 0.0, 0.95], [0.3, 0.6, -0.1]], tf.float64)


def _dense(alpha, length):
  """The same law over flattened events, each `[length * dim]`."""
  steps = np.arange(length)
  lags = np.abs(steps[:, np.newaxis] - steps)
  dim = alpha.shape[-1]
  covariance = np.zeros([*alpha.shape[:-1], length, dim, length, dim])
  for k in range(dim):
    covariance[..., :, k, :, k] = np.float64(alpha)[..., k, None, None] ** lags
  size = length * dim
  covariance = covariance.reshape([*alpha.shape[:-1], size, size])
  return tfd.MultivariateNormalFullCovariance(np.zeros(size), covariance)


class GaussianAR1Test(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 2, 7)
  def test_is_the_multivariate_normal_it_describes(self, length):
    d, dense = GaussianAR1(ALPHA, length), _dense(ALPHA, length)
    z = np.random.default_rng(0).normal(size=[5, 2, length, 3])
    flat = z.reshape([5, 2, -1])
    self.assertAllClose(d.log_prob(z), dense.log_prob(flat), rtol=1e-9)
    low = GaussianAR1(tf.cast(ALPHA, tf.float32), length)
    self.assertAllClose(
        low.log_prob(tf.cast(z, tf.float32)), dense.log_prob(flat), rtol=1e-5
    )
    self.assertAllClose(d.entropy(), dense.entropy())
    self.assertAllClose(d.covariance(), dense.covariance())
    self.assertAllEqual(d.mean(), np.zeros([2, length, 3]))
    self.assertAllEqual(d.mode(), np.zeros([2, length, 3]))
    self.assertAllEqual(d.variance(), np.ones([2, length, 3]))
    self.assertAllEqual(d.stddev(), np.ones([2, length, 3]))
    self.assertEqual(d.event_shape, [length, 3])
    self.assertEqual(d.batch_shape, [2])
    self.assertEqual(d.dtype, tf.float64)

  @parameterized.parameters(1, 2, 7)
  def test_kl_is_that_of_the_multivariate_normals(self, length):
    p, dense_p = GaussianAR1(ALPHA, length), _dense(ALPHA, length)
    q_alpha = tf.constant([0.5, -0.99, 0.2], tf.float64)
    kl = tfd.kl_divergence(GaussianAR1(q_alpha, length), p)
    expected = tfd.kl_divergence(_dense(q_alpha, length), dense_p)
    self.assertAllClose(kl, expected, rtol=1e-9, atol=1e-12)
    rng = np.random.default_rng(0)
    loc = rng.normal(size=[4, 1, length, 3])
    scale = np.exp(rng.normal(size=loc.shape))
    flat = tfd.MultivariateNormalDiag(
        loc.reshape([4, 1, -1]), scale.reshape([4, 1, -1])
    )
    expected = tfd.kl_divergence(flat, dense_p)
    for q in (
        tfd.Independent(tfd.Normal(loc, scale), 2),
        tfd.Independent(tfd.MultivariateNormalDiag(loc, scale), 1),
    ):
      kl = tfd.kl_divergence(q, p)
      self.assertEqual(kl.shape, [4, 2])
      self.assertAllClose(kl, expected, rtol=1e-9)

  def test_kl_of_half_precision_is_computed_in_float32(self):
    p = GaussianAR1([0.9, 0.9], 4)
    loc = tf.ones([4, 2], tf.bfloat16)
    q = tfd.Independent(tfd.Normal(loc, tf.ones_like(loc)), 2)
    kl = tfd.kl_divergence(q, p)
    self.assertEqual(kl.dtype, tf.float32)
    self.assertAllClose(
        kl, ops.gaussian_ar1_kl(tf.ones([4, 2]), tf.ones([4, 2]), 0.9)
    )

  def test_samples_have_the_law(self):
    alpha = tf.constant([[-0.8, 0.0, 0.95], [0.3, 0.6, -0.1]])
    d = GaussianAR1(alpha, 5)
    n = 20_000
    z = d.sample([4, n // 4], seed=[0, 1])
    self.assertEqual(z.shape, [4, n // 4, 2, 5, 3])
    flat = tf.reshape(z, [n, 2, 15])
    # 5 sigma of a mean, and of a covariance, whose variance is at most 2.
    self.assertAllLess(abs(tf.reduce_mean(flat, 0)), 5 / math.sqrt(n))
    covariance = tf.einsum('nbi,nbj->bij', flat, flat) / n
    self.assertAllLess(abs(covariance - d.covariance()), 5 * math.sqrt(2 / n))

  def test_long_samples_keep_variance_and_correlation_in_float32(self):
    alpha = tf.constant([0.9999, -0.9999])
    z = GaussianAR1(alpha, 4096).sample(500, seed=[0, 1])
    # 5 sigma of a variance among 500.
    for t in (0, 1, 4095):
      variance = tf.reduce_mean(tf.square(z[:, t]), axis=0)
      self.assertAllClose(variance, [1, 1], atol=5 * math.sqrt(2 / 500))
    z, alpha = np.float64(z), np.float64(alpha)
    noise = np.mean(np.square(z[:, 1:] - alpha * z[:, :-1]), axis=(0, 1))
    # 5 sigma among 500 * 4095.
    self.assertAllClose(
        noise / (1 - alpha**2), [1, 1], atol=5 * math.sqrt(2 / 2.0e6)
    )

  def test_samples_are_differentiable_in_alpha(self):
    alpha = tf.constant([0.0, 0.7, -0.3], tf.float64)

    def sample(alpha):
      return GaussianAR1(alpha, 4).sample(2, seed=[0, 1])

    theoretical, numerical = tf.test.compute_gradient(
        sample, [alpha], delta=1e-6
    )
    self.assertAllClose(theoretical, numerical, atol=1e-8)

  def test_learns_an_alpha_within_bounds(self):
    logits = tf.Variable([0.0, 0.0])
    alpha = tfp.util.DeferredTensor(
        logits, tfb.Sigmoid(tf.constant(0.5), tf.constant(0.9))
    )
    p = GaussianAR1(alpha, 3)
    q = GaussianAR1([0.8, 0.99], 3)
    self.assertLen(p.trainable_variables, 1)
    with tf.GradientTape() as tape:
      kl = tfd.kl_divergence(q, p) - p.log_prob(q.sample(seed=[0, 1]))
    (gradient,) = tape.gradient(kl, p.trainable_variables)
    self.assertAllGreater(abs(gradient), 1e-3)
    before = p.entropy()
    logits.assign([100.0, -100.0])
    self.assertAllClose(p.covariance()[1::3, 4], [0.0, 1.0])
    self.assertAllClose(tf.convert_to_tensor(p.alpha), [0.9, 0.5])
    self.assertNotAllClose(p.entropy(), before)

  def test_compiled_equals_eager(self):
    d = GaussianAR1(tf.constant([0.5, -0.9]), 6)
    z = np.random.default_rng(0).normal(size=[3, 6, 2]).astype('float32')
    compiled = tf.function(
        lambda z: (d.log_prob(z), d.covariance()), jit_compile=True
    )
    log_prob, covariance = compiled(z)
    self.assertAllClose(log_prob, d.log_prob(z), rtol=1e-5)
    self.assertAllClose(covariance, d.covariance(), atol=1e-6)

  def test_is_a_composite_tensor(self):
    function = tf.function(lambda d: (d, d.sample(seed=[0, 1])))
    d, z = function(GaussianAR1(tf.constant([[0.5], [0.9]]), 3))
    self.assertAllEqual(z, d.sample(seed=[0, 1]))
    self.assertEqual(d[0].batch_shape, [])

  def test_rejects_bad_input(self):
    for alpha in ([1.0], [-1.0], [math.nan], [[0.5], [2.0]]):
      with self.assertRaisesRegex(ValueError, r'`alpha` in \(-1, 1\)'):
        GaussianAR1(alpha, 3)
    with self.assertRaisesRegex(ValueError, 'floating `alpha`'):
      GaussianAR1(tf.constant([0]), 3)
    with self.assertRaisesRegex(ValueError, r'\[..., dim\] with a static dim'):
      GaussianAR1(0.5, 3)
    with self.assertRaisesRegex(ValueError, '`length` of at least 1'):
      GaussianAR1([0.5], 0)
    p = GaussianAR1([0.5], 3)
    with self.assertRaisesRegex(ValueError, r'events of shape \(3, 1\)'):
      p.log_prob(tf.zeros([3, 3]))
    normal = tfd.Normal(tf.zeros([1, 1]), 1.0)
    for q in (tfd.Independent(normal, 2), GaussianAR1([0.5, 0.5], 3)):
      with self.assertRaisesRegex(ValueError, r'of shape \(3, 1\); received'):
        tfd.kl_divergence(q, p)
    q = tfd.Independent(tfd.Laplace(tf.zeros([3, 1]), 1.0), 2)
    with self.assertRaisesRegex(NotImplementedError, 'one of `Laplace`'):
      tfd.kl_divergence(q, p)

  @parameterized.parameters(
      ([None, None, 2], [3, 8, 2]), ([None, 16, None], [3, 16, 1])
  )
  def test_rejects_events_of_another_shape_in_the_run(self, spec, shape):
    p = GaussianAR1([0.5, 0.9], 16)
    log_prob = tf.function(p.log_prob, input_signature=[tf.TensorSpec(spec)])
    self.assertAllClose(
        log_prob(tf.ones([3, 16, 2]))[0], p.log_prob(tf.ones([16, 2]))
    )
    with self.assertRaises(tf.errors.InvalidArgumentError):
      log_prob(tf.ones(shape))

  @parameterized.parameters(False, True)
  def test_rejects_events_of_unknown_rank_in_the_run(self, jit_compile):
    p = GaussianAR1([0.5, 0.9], 3)
    log_prob = tf.function(
        p.log_prob,
        input_signature=[tf.TensorSpec(None)],
        jit_compile=jit_compile,
    )
    x = p.sample(2, seed=[0, 1])
    self.assertAllClose(log_prob(x), p.log_prob(x), rtol=1e-5)
    for shape in ([2], [2, 3], [5, 1, 2], [3, 1]):
      with self.assertRaises(tf.errors.InvalidArgumentError):
        log_prob(tf.zeros(shape))

  def test_kl_of_a_length_that_only_the_graph_knows(self):
    p = GaussianAR1([0.5], 3)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 1])])
    def kl(loc):
      q = tfd.Independent(tfd.Normal(loc, tf.ones_like(loc)), 2)
      return tfd.kl_divergence(q, p)

    loc = tf.constant([[[0.0], [1.0], [2.0]]])
    q = tfd.Independent(tfd.Normal(loc, 1.0), 2)
    self.assertAllClose(kl(loc), tfd.kl_divergence(q, p))
    for length in (1, 4):
      with self.assertRaises(tf.errors.InvalidArgumentError):
        kl(tf.zeros([2, length, 1]))

  def test_checks_a_variable_at_each_use(self):
    alpha = tf.Variable([0.5])
    p = GaussianAR1(alpha, 3, validate_args=True)
    p.entropy()
    for value in (1.0, math.nan):
      alpha.assign([value])
      with self.assertRaisesRegex(tf.errors.InvalidArgumentError, '`alpha`'):
        p.log_prob(tf.zeros([3, 1]))

  def test_shape_of_alpha_has_no_time(self):
    shapes = distributions.GaussianAR1.param_shapes([5, 16, 3])
    self.assertAllEqual(shapes['alpha'], [5, 3])
    p = tfp.experimental.util.make_trainable(
        distributions.GaussianAR1, batch_and_event_shape=[16, 3], length=16
    )
    self.assertEqual(p.batch_shape, [])
    self.assertEqual(p.event_shape, [16, 3])

  def test_covariance_has_a_gradient_at_zero(self):
    alpha = tf.Variable([0.0, 0.5])
    with tf.GradientTape() as tape:
      covariance = distributions.GaussianAR1(alpha, 3).covariance()
    # Of `4 * alpha + 2 * alpha**2`, the sum over six pairs of steps.
    self.assertAllClose(tape.gradient(covariance, alpha), [4.0, 6.0])


if __name__ == '__main__':
  tf.test.main()
