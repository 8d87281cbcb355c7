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

  def test_rejects_no_samples(self):
    for log_weights in (tf.zeros([0, 3]), tf.zeros([])):
      with self.assertRaisesRegex(ValueError, 'at least one sample on axis 0'):
        objectives.importance_weighted_bound(log_weights)


if __name__ == '__main__':
  tf.test.main()
