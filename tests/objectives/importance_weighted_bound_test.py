import itertools

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import objectives


class ImportanceWeightedBoundTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(0, 1, -1)
  def test_is_the_log_mean_of_the_weights(self, axis):
    log_weights = np.random.default_rng(0).normal(scale=50, size=[4, 3])
    expected = special.logsumexp(log_weights, axis) - np.log(
        log_weights.shape[axis]
    )
    self.assertAllClose(
        objectives.importance_weighted_bound(log_weights, axis), expected
    )

  def test_lies_below_the_enumerated_evidence_and_rises_with_samples(self):
    rng = np.random.default_rng(0)
    joint = np.log(rng.dirichlet(np.ones(4)) * 0.3)
    q = rng.dirichlet(np.ones(4))
    expected_bounds = []
    for num_samples in (1, 2, 4):
      bound = 0.0
      for z in itertools.product(range(4), repeat=num_samples):
        z = list(z)
        bound += np.prod(q[z]) * objectives.importance_weighted_bound(
            joint[z] - np.log(q[z])
        )
      expected_bounds.append(float(bound))
    self.assertAllLess(expected_bounds, special.logsumexp(joint))
    self.assertAllGreater(np.diff(expected_bounds), 0.0)

  def test_computes_in_32_bits_at_the_least(self):
    log_weights = [-500.3, -501.7, -499.2]
    for dtype in ('bfloat16', 'float16'):
      rounded = tf.cast(log_weights, dtype)
      bound = objectives.importance_weighted_bound(rounded)
      self.assertEqual(bound.dtype, tf.float32)
      expected = special.logsumexp(np.float64(rounded)) - np.log(3)
      self.assertAllClose(bound, expected, rtol=1e-6)
    bound = objectives.importance_weighted_bound([1, 2, 3])
    self.assertAllClose(bound, special.logsumexp([1, 2, 3]) - np.log(3))

  @parameterized.parameters(1, -2)
  def test_rejects_an_axis_that_is_not(self, axis):
    with self.assertRaisesRegex(ValueError, f'on axis {axis}; received'):
      objectives.importance_weighted_bound(tf.zeros([3]), axis)

  def test_rejects_no_samples(self):
    for log_weights in (tf.zeros([0, 3]), tf.zeros([])):
      with self.assertRaisesRegex(ValueError, 'at least one sample on axis 0'):
        objectives.importance_weighted_bound(log_weights)


if __name__ == '__main__':
  tf.test.main()
