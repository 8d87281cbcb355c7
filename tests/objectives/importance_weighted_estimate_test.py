from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import objectives

WEIGHTS = np.random.default_rng(0).normal(-500, 30, [1000, 4]).astype('float32')
# Of one example, weights that nearly agree.
WEIGHTS[:, 0] = -90 + WEIGHTS[:, 0] / 1e4


def _estimate(num_samples, chunk_size, log_weights=WEIGHTS):
  # More than the samples, so that the surplus of the last chunk is no zero.
  padded = tf.constant(np.concatenate([log_weights, log_weights + 9]))

  def draw(size, index):
    return padded[index * size : (index + 1) * size]

  return objectives.importance_weighted_estimate(
      draw, num_samples, chunk_size, log_weights.shape[1:]
  )


class ImportanceWeightedEstimateTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters((1, 1), (7, 3), (1000, 1), (1000, 64), (1000, 1000))
  def test_equals_numpy_in_any_chunks(self, num_samples, chunk_size):
    estimate = _estimate(num_samples, chunk_size)
    weights = WEIGHTS[:num_samples].astype('float64')
    bound = special.logsumexp(weights, 0) - np.log(num_samples)
    # Two roundings of a number of 500 nats in float32, not one for each chunk.
    self.assertAllClose(estimate.bound, bound, atol=1e-4, rtol=0)
    self.assertAllClose(estimate.elbo, weights.mean(0), rtol=1e-6)
    w = np.exp(weights - bound)
    size = w.sum(0) ** 2 / (w**2).sum(0)
    self.assertAllClose(estimate.effective_sample_size, size, rtol=1e-4)
    error = w.std(0) / w.mean(0) / np.sqrt(num_samples)
    self.assertAllClose(estimate.stderr, error, rtol=1e-3, atol=1e-5)

  def test_error_is_that_of_repeated_estimates(self):
    rng = np.random.default_rng(1)
    draws = rng.normal(-100, 0.5, [200, 2000]).astype('float32')
    estimate = _estimate(200, 50, draws)
    spread = np.std(estimate.bound)
    # The standard deviation of 2000 values is known to 1.6 %: 4 sigma, and the
    # bias of the delta method.
    self.assertAllClose(spread, np.mean(estimate.stderr), rtol=0.08)

  def test_infinite_weights(self):
    log_weights = np.float32([[-np.inf, -np.inf, 0], [-np.inf, 2, np.inf]])
    estimate = _estimate(2, 1, log_weights)
    self.assertAllClose(estimate.bound, [-np.inf, 2 - np.log(2), np.inf])
    self.assertAllClose(estimate.effective_sample_size[:2], [0.0, 1.0])

  def test_compiles_for_a_batch_of_unknown_size(self):
    expected = _estimate(7, 3)

    def estimate(x):
      return objectives.importance_weighted_estimate(
          lambda size, index: tf.gather(x, size * index + tf.range(size)),
          num_samples=7,
          chunk_size=3,
          batch_shape=tf.shape(x)[1:],
      )

    x = tf.constant(WEIGHTS[:9])
    for jit_compile in (False, True):
      compiled = tf.function(
          estimate,
          jit_compile=jit_compile,
          input_signature=[tf.TensorSpec([9, None])],
      )
      self.assertAllClose(compiled(x), expected)

  def test_gradient_is_that_of_the_bound(self):
    @tf.function(jit_compile=True)
    def gradients(x):
      with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        streamed = objectives.importance_weighted_estimate(
            lambda size, index: tf.gather(x, 2 * index + [0, 1]),
            num_samples=6,
            chunk_size=2,
            batch_shape=[4],
        ).bound
        whole = objectives.importance_weighted_bound(x)
      return tape.gradient(streamed, x), tape.gradient(whole, x)

    streamed, whole = gradients(tf.constant(WEIGHTS[:6]))
    self.assertAllClose(streamed, whole, atol=1e-5)

  @parameterized.parameters(([2, 1],), ([2],), ([3, 3],))
  def test_rejects_weights_that_would_broadcast(self, shape):
    with self.assertRaisesRegex(ValueError, r'return shape \(2, 3\); received'):
      objectives.importance_weighted_estimate(
          lambda size, index: tf.zeros(shape), 4, 2, [3]
      )

  @parameterized.parameters(
      (0, 1, 'num_samples'),
      (1, 0, 'chunk_size'),
      (5.0, 1, 'num_samples'),
      (1, 2.5, 'chunk_size'),
  )
  def test_rejects_nothing_to_do(self, num_samples, chunk_size, argument):
    with self.assertRaisesRegex(ValueError, f'`{argument}` of at least 1'):
      objectives.importance_weighted_estimate(
          None, num_samples, chunk_size, [1]
      )


if __name__ == '__main__':
  tf.test.main()
