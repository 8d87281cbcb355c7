import math

from absl.testing import parameterized
import numpy as np
import pytest
from scipy import special
from scipy import stats
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import distributions

tfd = tfp.distributions

_SEED = (3, 5)


def _reference(y, logits, temperature):
  """Maddison et al. 2017, Appendix C.3, as it stands there, in float64."""
  num_classes = logits.shape[-1]
  w = logits - temperature[..., np.newaxis] * y
  return (
      special.gammaln(num_classes)
      + (num_classes - 1) * np.log(temperature)
      + np.sum(w, axis=-1)
      - num_classes * special.logsumexp(w, axis=-1)
  )


def _reference_gradients(y, logits, temperature):
  """Gradients of `_reference` in its three arguments."""
  num_classes = logits.shape[-1]
  t = temperature[..., np.newaxis]
  in_w = 1 - num_classes * special.softmax(logits - t * y, axis=-1)
  in_temperature = (num_classes - 1) / temperature - np.sum(in_w * y, axis=-1)
  return -t * in_w, in_w, in_temperature


class ExpGumbelSoftmaxTest(tf.test.TestCase, parameterized.TestCase):

  # Logits and `T y`, of up to 100, are rounded by 4e-6: that is the error of a
  # density near 1 (`atol`), a coordinate at a time.
  def _check_against_reference(self, num_classes, num_draws, seed):
    logits, temperature = _extreme_parameters(num_classes)
    y, log_prob, gradients = _log_prob_and_gradients(
        temperature, logits, num_draws, tf.constant(seed)
    )
    arguments = [np.float64(x) for x in (y, logits, temperature)]
    self.assertAllClose(
        log_prob,
        _reference(*arguments),
        rtol=1e-5,
        atol=2e-5 * num_classes**0.5,
    )
    # The derivatives in `T y`, the logits and `log T`. The last is a sum of K
    # terms of up to 100, each wrong by the rounding of the largest score.
    scales = (1 / temperature[..., np.newaxis], np.float32(1), temperature)
    errors = (2e-5, 2e-5, 3e-4 * num_classes)
    expected = _reference_gradients(*arguments)
    for ours, theirs, scale, error in zip(
        gradients, expected, scales, errors, strict=True
    ):
      self.assertAllClose(ours * scale, theirs * scale, rtol=1e-5, atol=error)

  @parameterized.parameters((2, 500), (10, 500), (1000, 8))
  def test_equals_float64_reference_on_its_samples(
      self, num_classes, num_draws
  ):
    self._check_against_reference(num_classes, num_draws, _SEED)

  # 24 draws at a time: each is finite, one in ten compared.
  @parameterized.parameters((2, 4200, 10), (10, 1050, 40), (1000, 25, 1667))
  @pytest.mark.slow
  def test_a_million_samples(self, num_classes, num_draws, num_chunks):
    logits, temperature = _extreme_parameters(num_classes)
    for i in range(num_chunks):
      if i % 10 == 0:
        self._check_against_reference(num_classes, num_draws, (7, i))
      finite = _all_finite(temperature, logits, num_draws, tf.constant([7, i]))
      self.assertTrue(finite)

  # With the noise fixed the density depends on nothing but T, since the sample
  # moves with the logits: d log q / d log T = K - 1.
  def test_gradients_along_the_sample_cancel(self):
    logits, temperature = tf.constant([[3.0, 0.0, -40.0]]), tf.constant([1e-3])
    with tf.GradientTape() as tape:
      tape.watch([logits, temperature])
      d = distributions.ExpGumbelSoftmax(temperature, logits)
      _, log_prob = d.experimental_sample_and_log_prob(1000, seed=_SEED)
      log_prob = tf.reduce_mean(log_prob)
    in_logits, in_temperature = tape.gradient(log_prob, [logits, temperature])
    self.assertAllClose(in_logits, [[0.0, 0.0, 0.0]], atol=1e-5)
    self.assertAllClose(in_temperature * temperature, [2.0], rtol=1e-4)

  @parameterized.product(temperature=(0.1, 1.0, 5.0), num_classes=(2, 7))
  def test_equals_tfp_where_tfp_is_finite(self, temperature, num_classes):
    logits = np.random.RandomState(0).normal(size=[3, num_classes])
    ours = distributions.ExpGumbelSoftmax(temperature, logits)
    theirs = tfd.ExpRelaxedOneHotCategorical(np.float64(temperature), logits)
    y = theirs.sample(20, seed=_SEED).numpy()
    self.assertAllClose(ours.log_prob(y), theirs.log_prob(y))
    self.assertEqual(ours.batch_shape, theirs.batch_shape)
    self.assertEqual(ours.event_shape, theirs.event_shape)

  # A sum over a grid of log-ratios; the tails left out hold about e^-30.
  @parameterized.parameters(0.5, 3.0)
  def test_density_of_three_classes_integrates_to_one(self, temperature):
    grid = np.arange(-30, 30, 0.25) / temperature
    ratios = np.stack([*np.meshgrid(grid, grid), np.zeros([240, 240])], axis=-1)
    y = special.log_softmax(ratios, axis=-1)
    d = distributions.ExpGumbelSoftmax(
        np.float64(temperature), np.array([1.0, -0.5, 0.3])
    )
    mass = np.sum(d.prob(y)) * (0.25 / temperature) ** 2
    self.assertAllClose(mass, 1.0, atol=1e-6)

  # The log-ratio of two coordinates is logistic. sqrt(n) D > 2.2 has a
  # probability of 1.3e-4, that of 3.8 sigma.
  @parameterized.parameters(1e-3, 1.0, 100.0)
  def test_log_ratios_are_logistic(self, temperature):
    num_draws = 100000
    logits = np.array([2.0, -1.0, 0.0, 0.5], np.float32)
    d = distributions.ExpGumbelSoftmax(temperature, logits)
    y = d.sample(num_draws, seed=_SEED).numpy()
    for i, j in ((0, 1), (2, 3), (3, 1)):
      noise = temperature * np.float64(y[:, i] - y[:, j]) - (
          logits[i] - logits[j]
      )
      statistic = stats.kstest(noise, stats.logistic.cdf).statistic
      self.assertLess(statistic * math.sqrt(num_draws), 2.2)

  # 4 standard errors.
  @parameterized.product(temperature=(0.1, 2.0), num_classes=(2, 3, 50))
  def test_entropy_is_the_mean_negative_log_prob(
      self, temperature, num_classes
  ):
    logits = np.random.RandomState(0).normal(size=[2, num_classes])
    d = distributions.ExpGumbelSoftmax(temperature, logits)
    _, log_prob = d.experimental_sample_and_log_prob(20000, seed=_SEED)
    error = np.std(log_prob, axis=0) / math.sqrt(20000)
    self.assertAllInSet(
        np.abs(d.entropy() + np.mean(log_prob, axis=0)) < 4 * error, [True]
    )

  def test_entropy_of_two_classes_is_that_of_the_logistic_law(self):
    d = distributions.ExpGumbelSoftmax([0.3, 4.0], [1.0, -1.0])
    self.assertAllClose(
        d.entropy(), tfd.Logistic(0.0, [1 / 0.3, 1 / 4.0]).entropy()
    )

  @parameterized.parameters(0.2, 3.0)
  def test_mode_has_the_greatest_density(self, temperature):
    logits = np.random.RandomState(0).normal(size=[2, 4])
    d = distributions.ExpGumbelSoftmax(temperature, logits)
    mode = d.mode().numpy()
    self.assertAllClose(special.logsumexp(mode, axis=-1), [0.0, 0.0], atol=1e-6)
    x = tf.constant(mode)
    with tf.GradientTape() as tape:
      tape.watch(x)
      log_prob = d.log_prob(x)
    self.assertAllClose(tape.gradient(log_prob, x), np.zeros([2, 4]), atol=1e-6)
    self.assertAllInSet(
        d.log_prob(d.sample(1000, seed=_SEED)) < log_prob, [True]
    )

  def test_density_is_zero_where_a_coordinate_is_infinite(self):
    d = distributions.ExpGumbelSoftmax(0.1, [1.0, 2.0, 3.0])
    half = math.log(0.5)
    y = [[0.0, -math.inf, -math.inf], [half, -math.inf, half]]
    self.assertAllEqual(d.log_prob(y), [-math.inf, -math.inf])

  # Its law is on a face: sampled there, and without a density.
  def test_a_class_of_probability_zero(self):
    d = distributions.ExpGumbelSoftmax(1.0, logits=[0.0, -math.inf, 1.0])
    y = d.sample(100, seed=_SEED)
    self.assertAllEqual(y[:, 1], np.full([100], -math.inf))
    self.assertAllInSet(tf.math.is_finite(y[:, 0]), [True])
    self.assertAllEqual(d.log_prob(y.numpy()), np.full([100], math.inf))
    inside = special.log_softmax([1.0, 2.0, 3.0])
    self.assertAllEqual(d.log_prob(inside), -math.inf)


def _extreme_parameters(num_classes):
  """Six temperatures by four vectors of logits of up to 50."""
  random = np.random.RandomState(0)
  logits = random.uniform(-50, 50, [6, 4, num_classes])
  temperature = np.repeat([[1e-3], [1e-2], [0.1], [1], [10], [100]], 4, axis=1)
  return logits.astype(np.float32), temperature.astype(np.float32)


@tf.function
def _all_finite(temperature, logits, num_draws, seed):
  y, log_prob, gradients = _log_prob_and_gradients(
      temperature, logits, num_draws, seed
  )
  return tf.reduce_all(
      [tf.reduce_all(tf.math.is_finite(x)) for x in (y, log_prob, *gradients)]
  )


@tf.function
def _log_prob_and_gradients(temperature, logits, num_draws, seed):
  y = distributions.ExpGumbelSoftmax(temperature, logits).sample(
      num_draws, seed=seed
  )
  # Parameters of its own for each draw, so that no gradient is a sum over them.
  arguments = [
      y,
      tf.broadcast_to(logits, tf.shape(y)),
      tf.broadcast_to(temperature, tf.shape(y)[:-1]),
  ]
  with tf.GradientTape() as tape:
    tape.watch(arguments)
    d = distributions.ExpGumbelSoftmax(arguments[2], arguments[1])
    log_prob = d.log_prob(y)
  return y, log_prob, tape.gradient(log_prob, arguments)


if __name__ == '__main__':
  tf.test.main()
