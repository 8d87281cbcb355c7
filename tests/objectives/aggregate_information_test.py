import itertools
import math

from absl.testing import parameterized
import numpy as np
from scipy import integrate
from scipy import special
from scipy import stats
import tensorflow as tf

from discrete_lvm import objectives


def _posteriors(num_examples, num_classes, concentration=0.5):
  rng = np.random.default_rng(0)
  return rng.dirichlet(np.full(num_classes, concentration), size=num_examples)


def _information(q):
  """In nats, of the joint law `q[i, z] / N`."""
  return stats.entropy(q.mean(0)) - stats.entropy(q, axis=1).mean()


class AggregateInformationTest(tf.test.TestCase, parameterized.TestCase):

  def test_expectation_over_all_samples_is_the_information(self):
    q = _posteriors(4, 3)
    z = np.array(list(itertools.product(range(3), repeat=4)))
    prob = np.prod(q[np.arange(4), z], axis=1)
    log_q = np.log(q.T[z])  # [3**4, j, i].
    values = objectives.aggregate_information(log_q)
    self.assertEqual(values.shape, [81, 4])
    self.assertAllClose(
        prob @ tf.reduce_mean(values, axis=-1).numpy(), _information(q)
    )

  def test_chunks_are_the_rows_of_the_whole(self):
    q = _posteriors(6, 4)
    z = np.random.default_rng(1).integers(4, size=[5, 6])
    log_q = np.log(q.T[z])
    expected = objectives.aggregate_information(log_q)
    own = np.diagonal(log_q, axis1=-2, axis2=-1)
    for rows in (slice(0, 4), slice(4, 6)):
      self.assertAllClose(
          objectives.aggregate_information(log_q[:, rows], own[:, rows]),
          expected[:, rows],
      )

  def test_equals_numerical_integration_for_normal_posteriors(self):
    loc = np.array([-2.0, -0.5, 0.0, 1.0, 3.0])
    scale = np.array([0.5, 1.0, 0.3, 0.7, 2.0])

    def integrand(z):
      p = stats.norm.pdf(z, loc, scale)
      return np.mean(special.xlogy(p, p / p.mean()))

    expected, _ = integrate.quad(integrand, -20, 20, limit=500)
    z = np.random.default_rng(0).normal(loc, scale, size=[20_000, 5])
    log_q = stats.norm.logpdf(z[..., np.newaxis], loc, scale)
    values = objectives.aggregate_information(log_q).numpy().mean(-1)
    # Four sigma.
    self.assertAllClose(
        values.mean(), expected, atol=4 * stats.sem(values), rtol=0
    )
    self.assertLess(stats.sem(values), 0.01)

  def test_is_log_n_for_posteriors_apart_and_never_more(self):
    log_q = np.where(np.eye(7), 1e4, -np.inf).astype('float32')
    self.assertAllEqual(
        objectives.aggregate_information(log_q),
        tf.fill([7], tf.math.log(7.0)),
    )
    noise = np.random.default_rng(0).normal(scale=1e3, size=[7, 7])
    values = objectives.aggregate_information(np.float32(noise))
    self.assertAllInRange(values, -math.inf, float(tf.math.log(7.0)))

  def test_is_zero_for_posteriors_alike_however_small_the_density(self):
    log_q = np.tile(np.float32([[-3e4], [-2e4], [5e3]]), [1, 3])
    self.assertAllClose(
        objectives.aggregate_information(log_q), np.zeros(3), atol=1e-6
    )

  def test_compiles_at_unknown_size_in_half_precision(self):
    compiled = tf.function(
        objectives.aggregate_information,
        input_signature=[tf.TensorSpec([None, None], tf.bfloat16)],
        jit_compile=True,
    )
    values = compiled(tf.zeros([3, 3], tf.bfloat16))
    self.assertEqual(values.dtype, tf.float32)
    self.assertAllClose(values, np.zeros(3), atol=1e-6)

  def test_rejects(self):
    for shape in ([3], [3, 2], [2, 2, 3]):
      with self.assertRaisesRegex(ValueError, r'\[..., N, N\]; received'):
        objectives.aggregate_information(tf.zeros(shape))
    for own_shape in ([3], [2, 1]):
      with self.assertRaisesRegex(ValueError, r'`own` of shape \[..., J\]'):
        objectives.aggregate_information(tf.zeros([2, 3]), tf.zeros(own_shape))


if __name__ == '__main__':
  tf.test.main()
