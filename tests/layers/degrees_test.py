from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import degrees


def _rng():
  return np.random.default_rng(0)


class DegreesTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      ('left_to_right', [0, 1, 2]),
      ('right_to_left', [2, 1, 0]),
      ([1, 2, 0], [1, 2, 0]),
  )
  def test_resolves_an_order(self, order, expected):
    self.assertAllEqual(degrees.resolve_order(order, 3, _rng()), expected)

  def test_random_order_is_a_permutation_and_depends_on_the_seed(self):
    a, b = (
        degrees.resolve_order('random', 50, np.random.default_rng(seed))
        for seed in (0, 1)
    )
    self.assertAllEqual(np.sort(a), np.arange(50))
    self.assertNotAllEqual(a, b)

  def test_equal_degrees_are_equally_many(self):
    actual = degrees.hidden_degrees('equal', 8, 1, 4, _rng())
    counts = np.bincount(actual, minlength=4)
    self.assertEqual(counts[0], 0)
    self.assertAllInRange(counts[1:], 2, 3)

  @parameterized.product(kind=('equal', 'random'), units=(3, 4, 7, 50))
  def test_every_degree_occurs(self, kind, units):
    actual = degrees.hidden_degrees(kind, units, 1, 4, _rng())
    self.assertLen(actual, units)
    self.assertAllEqual(np.unique(actual), [1, 2, 3])

  def test_units_by_degree(self):
    units, exists = degrees.units_by_degree(np.array([2, 1, 2, 1, 2]), 3)
    listed = [
        row[mask].tolist() for row, mask in zip(units, exists, strict=True)
    ]
    self.assertEqual(listed, [[], [1, 3], [0, 2, 4]])


if __name__ == '__main__':
  tf.test.main()
