import math

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import ops


def _softmax_jacobian(probs):
  return np.diag(probs) - np.outer(probs, probs)


def _matrices(function, logits, temperature=1.0):
  """Returns `W`, shape `[K, K, K]`: of each class of the sample its matrix."""
  num_classes = logits.shape[-1]
  rows = tf.Variable(np.tile(logits, [num_classes, 1]))
  with tf.GradientTape(persistent=True) as tape:
    y = function(tf.eye(num_classes, dtype=rows.dtype), rows, temperature)
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

  @parameterized.parameters(0.5, 1.0, 1.5)
  def test_is_reinmax_for_two_classes_and_for_uniform_probabilities(
      self, temperature
  ):
    for logits in (np.array([1.3, -0.4]), np.zeros(5)):
      ours, theirs = (
          _matrices(function, logits, temperature)
          for function in (ops.minimum_variance, ops.reinmax)
      )
      self.assertAllClose(ours, theirs, atol=1e-12)

  @parameterized.product(num_classes=(3, 6), temperature=(0.5, 1.0, 1.5, 4.0))
  def test_has_the_mean_of_reinmax_for_quadratics_and_the_least_norm(
      self, num_classes, temperature
  ):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=num_classes) * 1.5
    p = special.softmax(logits)
    w, reinmax = (
        _matrices(function, logits, temperature)
        for function in (ops.minimum_variance, ops.reinmax)
    )
    # Twenty quadratics.
    a = rng.normal(size=[20, num_classes, num_classes])
    a += a.transpose(0, 2, 1)
    b = rng.normal(size=[20, num_classes])

    def mean(w):
      return sum(p[i] * (a[:, i] + b) @ w[i].T for i in range(num_classes))

    def norm(w):
      return np.sum(p[:, np.newaxis, np.newaxis] * w**2)

    diagonals = np.diagonal(a, axis1=1, axis2=2)
    exact = (diagonals / 2 + b) @ _softmax_jacobian(p)
    self.assertAllClose(mean(w), mean(reinmax), atol=1e-12)
    if temperature == 1.0:
      self.assertAllClose(mean(w), exact, atol=1e-12)
      self.assertLess(norm(w), 0.999 * norm(reinmax))
    else:
      self.assertGreater(np.abs(mean(w) - exact).max(), 1e-3)
      self.assertLess(norm(w), 0.9999 * norm(reinmax))
    # Others of that mean: flows p_i W_i e_j = -p_j W_j e_i without a source.
    for _ in range(20):
      flow = rng.normal(size=[num_classes, num_classes, num_classes])
      flow -= flow.transpose(2, 1, 0)
      potential = flow.sum(0) / num_classes
      flow -= potential[np.newaxis] - potential.T[:, :, np.newaxis]
      for size in (1e-2, -1e-2):
        other = w + size * flow / p[:, np.newaxis, np.newaxis]
        self.assertAllClose(mean(other), mean(w), atol=1e-12)
        self.assertGreater(norm(other), norm(w))

  def test_a_temperature_for_each_sample(self):
    logits = tf.Variable(np.random.default_rng(0).normal(size=[2, 3]))
    hard = tf.constant([[0.0, 1.0, 0.0]] * 2, tf.float64)
    slopes = tf.constant([[1.0, -2.0, 0.5]] * 2, tf.float64)

    def gradient(temperature):
      with tf.GradientTape() as tape:
        y = ops.minimum_variance(hard, logits, temperature)
      return tape.gradient(y, logits, slopes)

    both = gradient(tf.constant([0.5, 2.0]))
    for i, temperature in enumerate((0.5, 2.0)):
      self.assertAllClose(both[i], gradient(temperature)[i], atol=1e-12)
    self.assertAllEqual(both, gradient(tf.constant([[0.5], [2.0]])))

  def test_rejects_a_bad_temperature(self):
    logits = tf.zeros([2, 3])
    with self.assertRaisesRegex(ValueError, 'positive `temperature`'):
      ops.minimum_variance(logits, logits, 0.0)
    with self.assertRaisesRegex(
        ValueError, 'Expected a `temperature` of shape'
    ):
      ops.minimum_variance(logits, logits, [1.0, 2.0, 3.0])

  @parameterized.product(size=(5.0, 50.0, 500.0), temperature=(0.5, 1.0, 2.0))
  def test_is_accurate_in_float32_for_any_logits(self, size, temperature):
    logits = np.random.default_rng(0).uniform(-size, size, size=20)
    w = _matrices(ops.minimum_variance, logits.astype(np.float32), temperature)
    self.assertAllInRange(w, -0.5 - 1e-5, 0.5 + 1e-5)
    expected = _matrices(ops.minimum_variance, logits, temperature)
    self.assertAllClose(w, expected, rtol=0.0, atol=2e-5)

  @parameterized.parameters(0.5, 1.0, 2.0)
  def test_masked_classes_have_no_gradient(self, temperature):
    logits = np.array([-math.inf, 0.3, -1.0, -math.inf, 0.7])
    w = _matrices(ops.minimum_variance, logits, temperature)[[1, 2, 4]]
    open_ = [1, 2, 4]
    expected = _matrices(ops.minimum_variance, logits[open_], temperature)
    if temperature == 1.0:
      published = _expected_matrices(logits[open_])
      self.assertAllClose(expected, published, atol=1e-12)
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

  @parameterized.parameters(([2],), ([5, 3],))
  def test_rejects_a_sample_of_another_shape(self, shape):
    with self.assertRaisesRegex(
        ValueError, r'Expected `hard` of the shape of `logits`, \(5, 2\)'
    ):
      ops.minimum_variance(tf.zeros(shape), tf.zeros([5, 2]))

  @parameterized.parameters(math.nan, math.inf)
  def test_what_is_no_number_spoils_its_own_row_alone(self, bad):
    logits = tf.constant([[0.0, bad, 1.0], [0.0, 1.0, 2.0]])
    slopes = tf.constant([[1.0, 2.0, -1.0]] * 2)

    def gradient(logits):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        codes = ops.minimum_variance(tf.one_hot([0, 1], 3), logits)
        loss = tf.reduce_sum(slopes * codes)
      return tape.gradient(loss, logits)

    expected = gradient(tf.constant([[0.0, 1.0, 2.0]] * 2))
    for function in (gradient, tf.function(gradient, jit_compile=True)):
      found = function(logits)
      self.assertTrue(np.isnan(found[0]).all())
      self.assertAllClose(found[1], expected[1])


if __name__ == '__main__':
  tf.test.main()
