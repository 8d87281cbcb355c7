import math

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import ops


def _softmax_jacobian(probs):
  return np.diag(probs) - np.outer(probs, probs)


def _matrices(function, logits):
  """Returns `W`, shape `[K, K, K]`: of each class of the sample its matrix."""
  num_classes = logits.shape[-1]
  rows = tf.Variable(np.tile(logits, [num_classes, 1]))
  with tf.GradientTape(persistent=True) as tape:
    y = function(tf.eye(num_classes, dtype=rows.dtype), rows)
    columns = [y[:, j] for j in range(num_classes)]
  return np.stack([tape.gradient(c, rows).numpy() for c in columns], axis=-1)


def _expected_matrices(logits):
  """The published formula, with the pseudo-inverse in float64."""
  p = special.softmax(logits)
  num_classes = p.size
  weights = np.outer(p, p) / (p[:, np.newaxis] + p)
  np.fill_diagonal(weights, 0.0)
  laplacian = np.diag(weights.sum(0)) - weights
  c = np.linalg.pinv(laplacian) @ _softmax_jacobian(p) / 2
  e = np.eye(num_classes)
  w = np.zeros([num_classes] * 3)
  for i in range(num_classes):
    for j in range(num_classes):
      w[i, :, j] = p[j] / (p[i] + p[j]) * c.T @ (e[j] - e[i])
    w[i, :, i] = (e[i] - p) / 2
  return w


class MinimumVarianceTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(2, 3, 6, 11)
  def test_is_the_published_formula(self, num_classes):
    logits = np.random.default_rng(0).normal(size=num_classes)
    self.assertAllClose(
        _matrices(ops.minimum_variance, logits),
        _expected_matrices(logits),
        atol=1e-12,
    )

  def test_is_reinmax_for_two_classes_and_for_uniform_probabilities(self):
    for logits in (np.array([1.3, -0.4]), np.zeros(5)):
      self.assertAllClose(
          _matrices(ops.minimum_variance, logits),
          _matrices(ops.reinmax, logits),
          atol=1e-12,
      )

  @parameterized.parameters(3, 6)
  def test_is_exact_for_quadratics_and_of_least_norm(self, num_classes):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=num_classes) * 1.5
    p = special.softmax(logits)
    w = _matrices(ops.minimum_variance, logits)

    def bias(w):
      a = rng.normal(size=[num_classes, num_classes])
      a += a.T
      b = rng.normal(size=num_classes)
      mean = sum(p[i] * w[i] @ (a[i] + b) for i in range(num_classes))
      return mean - _softmax_jacobian(p) @ (np.diag(a) / 2 + b)

    def norm(w):
      return np.sum(p[:, np.newaxis, np.newaxis] * w**2)

    self.assertAllClose(bias(w), np.zeros(num_classes), atol=1e-12)
    reinmax = _matrices(ops.reinmax, logits)
    self.assertLess(norm(w), 0.999 * norm(reinmax))
    # Other exact ones: flows p_i W_i e_j = -p_j W_j e_i without a source.
    for _ in range(20):
      flow = rng.normal(size=[num_classes, num_classes, num_classes])
      flow -= flow.transpose(2, 1, 0)
      potential = flow.sum(0) / num_classes
      flow -= potential[np.newaxis] - potential.T[:, :, np.newaxis]
      other = w + 1e-2 * flow / p[:, np.newaxis, np.newaxis]
      self.assertAllClose(bias(other), np.zeros(num_classes), atol=1e-12)
      self.assertGreater(norm(other), norm(w))

  @parameterized.parameters(5.0, 50.0, 500.0)
  def test_is_accurate_in_float32_for_any_logits(self, size):
    logits = np.random.default_rng(0).uniform(-size, size, size=20)
    w = _matrices(ops.minimum_variance, logits.astype(np.float32))
    self.assertAllInRange(w, -0.5 - 1e-5, 0.5 + 1e-5)
    self.assertAllClose(
        w, _matrices(ops.minimum_variance, logits), rtol=0.0, atol=2e-5
    )

  def test_masked_classes_have_no_gradient(self):
    logits = np.array([-math.inf, 0.3, -1.0, -math.inf, 0.7])
    w = _matrices(ops.minimum_variance, logits)[[1, 2, 4]]
    open_ = [1, 2, 4]
    expected = _expected_matrices(logits[open_])
    self.assertAllClose(w[:, open_][:, :, open_], expected, atol=1e-12)
    self.assertAllEqual(w[:, [0, 3]], np.zeros([3, 2, 5]))
    self.assertAllClose(w[:, :, [0, 3]], np.zeros([3, 5, 2]), atol=1e-12)

  @parameterized.parameters('float32', 'bfloat16')
  def test_compiles(self, dtype):
    logits = tf.cast(tf.random.stateless_normal([2, 5, 7], [0, 1]), dtype)
    hard = ops.one_hot_argmax(ops.gumbel([2, 5, 7], [0, 2]), dtype)
    slopes = tf.cast(tf.range(7), dtype)

    def run(logits):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        y = ops.minimum_variance(hard, logits)
      return y, tape.gradient(y, logits, slopes + 0 * y)

    _, expected = run(logits)
    eps = 1e-5 if dtype == 'float32' else 0.05
    for jit_compile in (False, True):
      y, gradient = tf.function(run, jit_compile=jit_compile)(logits)
      self.assertEqual(y.dtype, dtype)
      self.assertEqual(gradient.dtype, dtype)
      self.assertAllEqual(tf.cast(y, tf.int32), tf.cast(hard, tf.int32))
      self.assertAllClose(
          tf.cast(gradient, tf.float32), tf.cast(expected, tf.float32), eps, eps
      )


if __name__ == '__main__':
  tf.test.main()
