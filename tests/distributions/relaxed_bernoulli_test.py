import math

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import distributions

tfd = tfp.distributions

_SEED = (3, 5)


class RelaxedBernoulliTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(0.3, 1.0, 4.0)
  def test_equals_tfp_where_tfp_is_finite(self, temperature):
    logits = np.array([-2.0, 0.0, 3.0], np.float32)
    ours = distributions.RelaxedBernoulli(temperature, logits)
    theirs = tfd.RelaxedBernoulli(temperature, logits)
    x = np.float32([[1e-5], [0.1], [0.5], [0.8], [0.999]])
    for method in ('log_prob', 'prob', 'cdf', 'log_cdf'):
      self.assertAllClose(
          getattr(ours, method)(x), getattr(theirs, method)(x), rtol=1e-4
      )
    self.assertAllClose(ours.survival_function(x), 1 - theirs.cdf(x), atol=1e-6)
    self.assertEqual(ours.batch_shape, theirs.batch_shape)
    self.assertEqual(ours.event_shape, theirs.event_shape)

  # Maddison et al. 2017, Appendix B, as it stands there.
  @parameterized.parameters(0.3, 1.0, 4.0)
  def test_equals_the_published_density(self, temperature):
    x = np.array([0.1, 0.3, 0.5, 0.9])
    alpha = 0.1 / 0.9
    expected = (
        temperature
        * alpha
        * (x * (1 - x)) ** (-temperature - 1)
        / (alpha * x**-temperature + (1 - x) ** -temperature) ** 2
    )
    d = distributions.RelaxedBernoulli(temperature, probs=np.float64(0.1))
    self.assertAllClose(d.prob(x), expected)

  def test_is_gumbel_softmax_of_two_classes(self):
    x = np.array([0.1, 0.3, 0.5, 0.9])
    binary = distributions.RelaxedBernoulli(0.7, np.float64(1.5))
    categorical = distributions.GumbelSoftmax(0.7, np.array([1.5, 0.0]))
    self.assertAllClose(
        binary.log_prob(x), categorical.log_prob(np.stack([x, 1 - x], axis=-1))
    )

  @parameterized.parameters(0.5, 1.0, 3.0)
  def test_density_integrates_to_one(self, temperature):
    d = distributions.RelaxedBernoulli(np.float64(temperature), np.float64(1.0))
    # Over the logit, in which the density has no pole and its sum no error; up
    # to the last values that float64 tells from 1.
    u = np.arange(-30, 30, 0.1)
    x = special.expit(u)
    mass = np.sum(d.prob(x) * x * special.expit(-u)) * 0.1
    beyond = 2 * math.exp(1 - 30 * temperature)
    self.assertAllClose(mass, 1.0, atol=1e-6 + beyond)

  @parameterized.parameters(0.02, 0.1)
  def test_joint_log_prob_is_right_where_the_sample_rounds(self, temperature):
    logits = np.array([3.0, 0.0, -3.0], np.float32)
    d = distributions.RelaxedBernoulli(temperature, logits)
    x, log_prob = d.experimental_sample_and_log_prob(500, seed=_SEED)
    self.assertTrue(np.any(x == 0) and np.any(x == 1))
    u = np.float64(d.to_logit_space().sample(500, seed=_SEED).numpy())
    self.assertAllEqual(x, tf.sigmoid(np.float32(u)))
    temperature = np.float64(np.float32(temperature))
    z = temperature * u - logits
    expected = (
        np.log(temperature)
        + special.log_expit(z)
        + special.log_expit(-z)
        - special.log_expit(u)
        - special.log_expit(-u)
    )
    self.assertAllClose(log_prob, expected, rtol=1e-5, atol=1e-5)

  def test_ends_are_the_limit(self):
    d = distributions.RelaxedBernoulli([[0.1], [2.0]], [[3.0, -5.0]])
    for end in (0.0, 1.0):
      self.assertAllEqual(d.log_prob(end), [[math.inf] * 2, [-math.inf] * 2])
    # At a temperature of one the density is finite up to its ends.
    p = np.array([0.3, 0.9])
    d = distributions.RelaxedBernoulli(np.float64(1.0), probs=p)
    self.assertAllClose(d.prob(np.float64(0.0)), (1 - p) / p)
    self.assertAllClose(d.prob(np.float64(1.0)), p / (1 - p))

  def test_probabilities_of_zero_and_one_are_atoms(self):
    for temperature in (0.01, 1.0, 2.0):
      d = distributions.RelaxedBernoulli(temperature, probs=[0.0, 1.0])
      self.assertAllEqual(d.sample(seed=_SEED), [0.0, 1.0])
      self.assertAllEqual(
          d.log_prob([[0.0], [0.5], [1.0]]),
          [
              [math.inf, -math.inf],
              [-math.inf, -math.inf],
              [-math.inf, math.inf],
          ],
      )
      self.assertAllEqual(d.cdf([[0.5], [1.0]]), [[1.0, 0.0], [1.0, 1.0]])

  def test_quantile_inverts_the_cdf(self):
    d = distributions.RelaxedBernoulli(0.5, [-1.0, 2.0])
    p = np.float32([[0.05], [0.5], [0.95]])
    x = d.quantile(p).numpy()
    # The spacing of floats near 1 is 6e-8 of a distance to it of 1e-3.
    self.assertAllClose(d.cdf(x), p + np.zeros([2]), rtol=1e-4)

  def test_half_precision_cdf_is_computed_in_float32(self):
    d = distributions.RelaxedBernoulli(0.5, tf.constant(0.0, tf.bfloat16))
    x = tf.constant(0.01, tf.bfloat16)
    self.assertAllClose(
        d.cdf(x),
        distributions.RelaxedBernoulli(0.5, 0.0).cdf(tf.cast(x, tf.float32)),
    )

  @parameterized.parameters(False, True)
  def test_off_the_unit_interval_there_is_nothing(self, jit_compile):
    x = tf.constant([-0.5, 0.0, 0.3, 1.0, 1.5])
    names = ('log_prob', 'cdf', 'log_cdf', 'survival_function')
    names += ('log_survival_function',)

    def run(temperature, logits):
      with tf.GradientTape() as tape:
        tape.watch([temperature, logits])
        d = distributions.RelaxedBernoulli(temperature, logits)
        values = {name: getattr(d, name)(x) for name in names}
        total = sum(tf.reduce_sum(v[2]) for v in values.values())
        total += tf.reduce_sum(values['cdf']) + values['log_prob'][0]
      return values, tape.gradient(total, [temperature, logits])

    run = tf.function(run, jit_compile=jit_compile)
    values, gradients = run(tf.constant(0.5), tf.constant(0.3))
    inf = math.inf
    self.assertAllEqual(tf.gather(values['log_prob'], [0, 4]), [-inf, -inf])
    ends = {
        'cdf': [0.0, 0.0, 1.0, 1.0],
        'log_cdf': [-inf, -inf, 0.0, 0.0],
        'survival_function': [1.0, 1.0, 0.0, 0.0],
        'log_survival_function': [0.0, 0.0, -inf, -inf],
    }
    for name, expected in ends.items():
      self.assertAllEqual(tf.gather(values[name], [0, 1, 3, 4]), expected)
    self.assertAllInRange(gradients, -100.0, 100.0)

  def test_an_impossible_value_has_its_mass_at_the_end(self):
    d = distributions.RelaxedBernoulli(0.5, probs=[0.0, 1.0])
    x = [[-0.5], [0.0], [0.5], [1.0], [1.5]]
    expected = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    self.assertAllEqual(d.cdf(x), expected)
    self.assertAllEqual(d.survival_function(x), 1 - np.array(expected))


if __name__ == '__main__':
  tf.test.main()
