import math

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import distributions

tfd = tfp.distributions

_SEED = (3, 5)


def _reference(x, logits, temperature):
  """Maddison et al. 2017, equation 10, as it stands there, in float64."""
  x, logits = np.float64(x), np.float64(logits)
  num_classes = logits.shape[-1]
  alpha = special.softmax(logits, axis=-1)
  return np.log(
      special.gamma(num_classes)
      * temperature ** (num_classes - 1)
      * np.prod(
          alpha
          * x ** (-temperature - 1)
          / np.sum(alpha * x**-temperature, axis=-1, keepdims=True),
          axis=-1,
      )
  )


class GumbelSoftmaxTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(temperature=(0.2, 1.0, 5.0), num_classes=(2, 3, 10))
  def test_equals_the_published_density_and_tfp(self, temperature, num_classes):
    logits = np.random.RandomState(0).normal(size=[3, num_classes])
    logits = logits.astype(np.float32)
    d = distributions.GumbelSoftmax(temperature, logits)
    x = np.random.RandomState(1).dirichlet(np.ones(num_classes), [20, 3])
    x = x.astype(np.float32)
    self.assertAllClose(
        d.log_prob(x), _reference(x, logits, temperature), rtol=1e-5, atol=2e-5
    )
    tfp_log_prob = tfd.RelaxedOneHotCategorical(temperature, logits).log_prob(x)
    self.assertAllClose(d.log_prob(x), tfp_log_prob, rtol=1e-5, atol=5e-5)

  @parameterized.parameters(0.5, 1.0, 3.0)
  def test_density_of_two_classes_integrates_to_one(self, temperature):
    d = distributions.GumbelSoftmax(
        np.float64(temperature), np.array([1.0, -0.5])
    )
    # Over the logit, in which the density has no pole and its sum no error.
    u = np.arange(-30, 30, 0.1) / temperature
    x = special.softmax(np.stack([u, 0 * u], axis=-1), axis=-1)
    mass = np.sum(d.prob(x) * np.prod(x, axis=-1)) * 0.1 / temperature
    self.assertAllClose(mass, 1.0, atol=1e-7)

  # A sum over a grid of log-ratios; the tails left out hold about e^-30.
  @parameterized.parameters(0.5, 3.0)
  def test_density_of_three_classes_integrates_to_one(self, temperature):
    grid = np.arange(-30, 30, 0.25) / temperature
    ratios = np.stack([*np.meshgrid(grid, grid), np.zeros([240, 240])], axis=-1)
    x = special.softmax(ratios, axis=-1)
    d = distributions.GumbelSoftmax(
        np.float64(temperature), np.array([1.0, -0.5, 0.3])
    )
    mass = np.sum(d.prob(x) * np.prod(x, axis=-1)) * (0.25 / temperature) ** 2
    self.assertAllClose(mass, 1.0, atol=1e-6)

  def test_samples_lie_on_the_simplex(self):
    for temperature in (1e-3, 1.0, 100.0):
      d = distributions.GumbelSoftmax(temperature, np.linspace(-3, 3, 100))
      x = d.sample(1000, seed=_SEED)
      self.assertAllClose(tf.reduce_sum(x, axis=-1), np.ones([1000]), rtol=1e-6)
      self.assertAllInRange(x, 0.0, 1.0)

  def test_sample_is_the_exponential_of_the_log_space_sample(self):
    d = distributions.GumbelSoftmax(0.5, [0.0, 1.0, 2.0])
    y, log_q = d.to_log_space().experimental_sample_and_log_prob(4, seed=_SEED)
    x, log_prob = d.experimental_sample_and_log_prob(4, seed=_SEED)
    self.assertAllEqual(x, tf.exp(y))
    self.assertAllClose(log_prob, log_q - tf.reduce_sum(y, axis=-1))

  # Where the bare sample has underflowed, against float64, in which it has not.
  @parameterized.parameters(0.02, 0.1)
  def test_joint_log_prob_is_right_where_the_sample_underflows(
      self, temperature
  ):
    logits = np.array([3.0, 0.0, -3.0, 1.0], np.float32)
    d = distributions.GumbelSoftmax(temperature, logits)
    x, log_prob = d.experimental_sample_and_log_prob(500, seed=_SEED)
    y = d.to_log_space().sample(500, seed=_SEED).numpy()
    self.assertTrue(np.any(x == 0))
    temperature = np.float32(temperature)
    w = logits - temperature * np.float64(y)
    expected = (
        math.lgamma(4)
        + 3 * np.log(np.float64(temperature))
        + np.sum(w - y, axis=-1)
        - 4 * special.logsumexp(w, axis=-1)
    )
    self.assertAllClose(log_prob, expected, rtol=1e-5)

  # The next representable points approach the limit that is documented: for m
  # zeros of K, +inf below a temperature of m / (K - m), -inf above.
  @parameterized.parameters(
      (0.1, [1.0, 0.0, 0.0], math.inf),
      (1.9, [1.0, 0.0, 0.0], math.inf),
      (2.1, [1.0, 0.0, 0.0], -math.inf),
      (0.4, [0.5, 0.5, 0.0], math.inf),
      (0.6, [0.0, 0.5, 0.5], -math.inf),
      (10.0, [0.0, 1.0, 0.0], -math.inf),
  )
  def test_boundary_is_the_limit(self, temperature, x, expected):
    d = distributions.GumbelSoftmax(temperature, [3.0, 5.0, 4.4])
    self.assertAllEqual(d.log_prob(x), expected)
    near, nearer = [
        d.log_prob(np.where(np.equal(x, 0.0), tiny, x).astype(np.float32))
        for tiny in (1e-20, 1e-37)
    ]
    self.assertEqual(nearer > near, expected > 0)

  @parameterized.parameters(
      (1.0, [1.0, 0.0]), (0.5, [0.3, 0.7, 0.0]), (2.0, [0.0, 1.0, 0.0])
  )
  def test_boundary_between_the_infinities_is_finite(self, temperature, x):
    logits = np.array([1.0, -2.0, 0.5])[: len(x)]
    d = distributions.GumbelSoftmax(np.float64(temperature), logits)
    near = np.where(np.equal(x, 0.0), 1e-30, x)
    self.assertAllClose(d.log_prob(np.float64(x)), d.log_prob(near), rtol=1e-6)

  # TensorFlow flushes them to zero in some of its kernels and not in others.
  def test_subnormal_coordinates_count_as_zero(self):
    d = distributions.GumbelSoftmax(0.1, [0.0, 1.0])
    self.assertAllEqual(d.log_prob([[1.0, 1e-40], [1.0, 0.0]]), [math.inf] * 2)

  # A point mass on a face has a density of inf there and of 0 elsewhere.
  def test_a_class_of_probability_zero(self):
    d = distributions.GumbelSoftmax(1.0, probs=[0.5, 0.0, 0.5])
    x, log_prob = d.experimental_sample_and_log_prob(100, seed=_SEED)
    self.assertAllEqual(x[:, 1], np.zeros([100]))
    self.assertAllEqual(log_prob, np.full([100], math.inf))
    self.assertAllEqual(d.log_prob(x.numpy()), log_prob)
    self.assertAllEqual(
        d.log_prob([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]]), [-math.inf] * 2
    )

  # 4.5 standard errors.
  def test_mean_of_samples_tends_to_the_probabilities(self):
    probs = np.array([0.1, 0.2, 0.7], np.float32)
    d = distributions.GumbelSoftmax(0.01, probs=probs)
    x = d.sample(40000, seed=_SEED).numpy()
    sigma = np.sqrt(probs * (1 - probs) / 40000)
    # The temperature leaves some samples between the corners: a bias of 1e-3.
    self.assertAllInSet(
        np.abs(x.mean(axis=0) - probs) < 4.5 * sigma + 1e-3, [True]
    )

  def test_off_the_simplex_there_is_nothing(self):
    logits = tf.Variable([0.0, 0.3, -1.0])
    with tf.GradientTape() as tape:
      d = distributions.GumbelSoftmax(0.5, logits)
      log_prob = d.log_prob([[-0.5, 0.75, 0.75], [0.5, 0.25, 0.25]])
      value = log_prob[1] + tf.exp(log_prob[0])
    self.assertEqual(log_prob[0], -math.inf)
    self.assertAllInRange(tape.gradient(value, logits), -10.0, 10.0)


if __name__ == '__main__':
  tf.test.main()
