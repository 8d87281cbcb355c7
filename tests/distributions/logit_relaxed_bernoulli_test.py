import math

from absl.testing import parameterized
import numpy as np
import pytest
from scipy import stats
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import distributions

tfd = tfp.distributions

_SEED = (3, 5)


class LogitRelaxedBernoulliTest(tf.test.TestCase, parameterized.TestCase):

  # Logits and `T u`, of up to 80, are rounded by 4e-6: that is the error of a
  # density near 1 (`atol`), and that of its slope.
  def _check_against_reference(self, num_draws, seed):
    random = np.random.RandomState(0)
    logits = random.uniform(-50, 50, [6, 10]).astype(np.float32)
    temperature = np.float32([[1e-3], [1e-2], [0.1], [1], [10], [100]])
    u, log_prob, gradients = _log_prob_and_gradients(
        temperature, logits, num_draws, tf.constant(seed)
    )
    z = np.float64(temperature) * np.float64(u) - logits
    expected = np.log(np.float64(temperature)) + stats.logistic.logpdf(z)
    self.assertAllClose(log_prob, expected, rtol=1e-5, atol=1e-5)
    slope = -np.tanh(z / 2)
    self.assertAllClose(gradients[0] / temperature, slope, rtol=1e-5, atol=1e-5)
    self.assertAllClose(gradients[1], -slope, rtol=1e-5, atol=1e-5)
    # Of log T, a product of terms of up to 80.
    self.assertAllClose(
        gradients[2] * temperature,
        1 + slope * np.float64(u) * temperature,
        rtol=1e-5,
        atol=1e-3,
    )

  def test_equals_float64_reference_on_its_samples(self):
    self._check_against_reference(2000, _SEED)

  @pytest.mark.slow
  def test_a_million_samples(self):
    for i in range(17):
      self._check_against_reference(1000, (7, i))

  @parameterized.parameters(0.3, 4.0)
  def test_equals_the_logistic_law_of_tfp(self, temperature):
    logits = np.array([-2.0, 0.0, 3.0])
    ours = distributions.LogitRelaxedBernoulli(temperature, logits)
    theirs = tfd.Logistic(logits / temperature, np.float64(1 / temperature))
    u = np.linspace(-20.0, 20.0, 50)[:, np.newaxis]
    for method in (
        'log_prob',
        'cdf',
        'log_cdf',
        'survival_function',
        'log_survival_function',
    ):
      self.assertAllClose(
          getattr(ours, method)(u), getattr(theirs, method)(u), rtol=1e-6
      )
    for statistic in ('mean', 'mode', 'stddev', 'variance', 'entropy'):
      self.assertAllClose(
          getattr(ours, statistic)(), getattr(theirs, statistic)()
      )
    p = np.array([[0.01], [0.5], [0.9]])
    self.assertAllClose(ours.quantile(p), theirs.quantile(p))
    self.assertAllClose(ours.cdf(ours.quantile(p).numpy()), p + np.zeros([3]))

  def test_every_quantile_of_an_atom_is_the_atom(self):
    d = distributions.LogitRelaxedBernoulli(0.5, logits=[-math.inf, math.inf])
    self.assertAllEqual(
        d.quantile([[0.0], [0.3], [1.0]]), [[-math.inf, math.inf]] * 3
    )

  # sqrt(n) D > 2.2 has a probability of 1.3e-4, that of 3.8 sigma.
  @parameterized.parameters(1e-3, 1.0, 100.0)
  def test_samples_are_logistic(self, temperature):
    d = distributions.LogitRelaxedBernoulli(temperature, [2.0, -1.0])
    u = d.sample(100000, seed=_SEED).numpy()
    noise = temperature * np.float64(u) - [2.0, -1.0]
    for column in noise.T:
      statistic = stats.kstest(column, stats.logistic.cdf).statistic
      self.assertLess(statistic * math.sqrt(100000), 2.2)
    correlation = np.corrcoef(noise.T)[0, 1]
    self.assertLess(abs(correlation), 4.5 / math.sqrt(100000))

  # 4.5 standard errors of a Poisson count.
  def _check_tails(self, threshold, num_chunks):
    counts = np.zeros([2])
    for i in range(num_chunks):
      counts += _count_tails(threshold, tf.constant([i, 9])).numpy()
    expected = num_chunks * 2**22 / (1 + math.exp(threshold))
    self.assertLess(np.max(np.abs(counts - expected)), 4.5 * expected**0.5)

  # Counts of 155 and 28.
  @parameterized.parameters((12.0, 6), (14.0, 8))
  def test_both_tails_are_right(self, threshold, num_chunks):
    self._check_tails(threshold, num_chunks)

  # A count of 26 where a uniform draw on a grid of 2^-24 has none left.
  @pytest.mark.slow
  def test_both_tails_are_full(self):
    self._check_tails(17.0, 150)

  def test_infinite_logits_are_atoms(self):
    d = distributions.LogitRelaxedBernoulli(1.0, probs=[0.0, 1.0])
    u = d.sample(seed=_SEED)
    self.assertAllEqual(u, [-math.inf, math.inf])
    self.assertAllEqual(d.log_prob(u), [math.inf, math.inf])
    self.assertAllEqual(d.log_prob(0.0), [-math.inf, -math.inf])
    self.assertAllEqual(
        d.cdf([[-math.inf], [0.0], [math.inf]]), [[1, 0], [1, 0], [1, 1]]
    )


@tf.function
def _count_tails(threshold, seed):
  u = distributions.LogitRelaxedBernoulli(1.0, 0.0).sample(2**22, seed=seed)
  return tf.math.count_nonzero([u > threshold, u < -threshold], axis=1)


@tf.function
def _log_prob_and_gradients(temperature, logits, num_draws, seed):
  u = distributions.LogitRelaxedBernoulli(temperature, logits).sample(
      num_draws, seed=seed
  )
  # Parameters of its own for each draw, so that no gradient is a sum over them.
  arguments = [
      u,
      tf.broadcast_to(logits, tf.shape(u)),
      tf.broadcast_to(temperature, tf.shape(u)),
  ]
  with tf.GradientTape() as tape:
    tape.watch(arguments)
    d = distributions.LogitRelaxedBernoulli(arguments[2], arguments[1])
    log_prob = d.log_prob(u)
  return u, log_prob, tape.gradient(log_prob, arguments)


if __name__ == '__main__':
  tf.test.main()
