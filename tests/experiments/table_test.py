import math

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from experiments import table


class TableTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    weights = np.random.default_rng(0).random([3, 3])
    weights[1, 2] = 0
    self.probs = weights / weights.sum()
    self.table = table.Table(weights)

  def test_normalises_and_looks_up(self):
    codes = np.array(list(np.ndindex(3, 3)))
    self.assertAllClose(np.exp(self.table.log_prob(codes)), self.probs.ravel())
    self.assertAllClose(
        np.exp(self.table.log_prob(codes.reshape([3, 3, 2]))), self.probs
    )
    self.assertEqual((self.table.length, self.table.num_classes), (2, 3))

  def test_entropies(self):
    def entropy(probs):
      return -sum(p * math.log(p) for p in probs if p > 0)

    self.assertAlmostEqual(self.table.entropy(), entropy(self.probs.ravel()))
    self.assertAlmostEqual(
        self.table.factorized_entropy(),
        entropy(self.probs.sum(0)) + entropy(self.probs.sum(1)),
    )

  def test_samples_the_table(self):
    size = 100_000
    codes = self.table.sample(size, [0, 1]).numpy()
    self.assertEqual(codes.dtype, np.int32)
    counts = np.zeros([3, 3])
    np.add.at(counts, tuple(codes.T), 1)
    # Each cell within 5 sigma; one without probability is never drawn.
    sigma = np.sqrt(self.probs * (1 - self.probs) / size)
    self.assertAllLessEqual(np.abs(counts / size - self.probs) - 5 * sigma, 0.0)

  def test_samples_are_a_function_of_the_seed(self):
    sample = tf.function(self.table.sample)
    first = self.table.sample(100, [0, 1])
    self.assertAllEqual(sample(100, [0, 1]), first)
    self.assertNotAllEqual(sample(100, [0, 2]), first)

  def test_reaches_the_ends(self):
    # All the mass in the first and the last cell.
    corners = table.Table(np.diag([1.0, 0.0, 1.0]))
    codes = corners.sample(1000, [0, 1]).numpy()
    self.assertEqual(set(codes.ravel()), {0, 2})
    self.assertAllEqual(codes[:, 0], codes[:, 1])

  @parameterized.parameters(
      (np.ones([2, 3]), r'one size; received the shape \(2, 3\)'),
      (np.array([0.5, -0.5]), 'non-negative'),
      (np.zeros([2, 2]), 'finite sum'),
      (np.array([1, np.nan]), 'non-negative'),
  )
  def test_bad_tables(self, probs, message):
    with self.assertRaisesRegex(ValueError, message):
      table.Table(probs)


if __name__ == '__main__':
  absltest.main()
