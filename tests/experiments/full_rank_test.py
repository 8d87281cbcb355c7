import math

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from experiments import full_rank


class FullRankTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters((2, 2), (5, 5), (5, 10))
  def test_entropy_is_that_of_a_flat_dirichlet(self, length, num_classes):
    cells = num_classes**length
    entropies = [
        full_rank.full_rank(length, num_classes, seed).entropy()
        for seed in range(10)
    ]
    # E[H] = digamma(n + 1) - digamma(2), here by its harmonic sum.
    expected = math.fsum(1 / k for k in range(2, cells + 1))
    deviation = np.std(entropies, ddof=1)
    # 5 sigma of the mean of 10 tables, sigma being estimated from them.
    self.assertAllClose(
        np.mean(entropies), expected, atol=5 * deviation / math.sqrt(10)
    )
    self.assertLess(deviation, 0.5 if cells == 4 else 0.02)

  def test_too_many_events(self):
    with self.assertRaisesRegex(ValueError, r'100,000,000 .* 10\*\*12'):
      full_rank.full_rank(12, 10, seed=0)

  def test_seed(self):
    codes = np.array(list(np.ndindex(2, 2, 2)))
    tables = [full_rank.full_rank(3, 2, seed) for seed in (3, 3, 4)]
    a, b, c = (table.log_prob(codes) for table in tables)
    self.assertAllEqual(a, b)
    self.assertNotAllClose(a, c)


if __name__ == '__main__':
  absltest.main()
