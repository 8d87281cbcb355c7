from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from discrete_lvm import ops


class MasksTest(parameterized.TestCase):

  @parameterized.parameters(
      (ops.alternating_mask, [2], [1, 0]),
      (ops.alternating_mask, [5], [1, 0, 1, 0, 1]),
      (ops.half_mask, [2], [1, 0]),
      (ops.half_mask, [5], [1, 1, 0, 0, 0]),
      (ops.all_but_one_mask, [2, 0], [0, 1]),
      (ops.all_but_one_mask, [4, 3], [1, 1, 1, 0]),
  )
  def test_positions(self, function, arguments, expected):
    mask = function(*arguments)
    np.testing.assert_array_equal(mask, np.array(expected, bool))
    np.testing.assert_array_equal(ops.as_mask(mask), mask)

  @parameterized.parameters(2, 3, 64)
  def test_random_mask_splits_in_half_by_its_seed(self, length):
    mask = ops.random_mask(length, seed=1)
    self.assertEqual(mask.dtype, bool)
    self.assertEqual(mask.sum(), length // 2)
    np.testing.assert_array_equal(ops.random_mask(length, seed=1), mask)
    others = {tuple(ops.random_mask(length, seed=i)) for i in range(20)}
    self.assertGreater(len(others), 1)

  @parameterized.parameters(
      lambda length: ops.alternating_mask(length),
      lambda length: ops.half_mask(length),
      lambda length: ops.all_but_one_mask(length, 0),
      lambda length: ops.random_mask(length, 0),
  )
  def test_rejects_a_length_that_cannot_be_split(self, function):
    for length in (-1, 0, 1):
      with self.assertRaisesRegex(ValueError, 'at least 2; received'):
        function(length)

  @parameterized.parameters(-1, 3)
  def test_rejects_a_position_out_of_range(self, position):
    with self.assertRaisesRegex(ValueError, r'in \[0, 3\); received'):
      ops.all_but_one_mask(3, position)

  @parameterized.parameters(
      ([True, True], 'both True and False; received'),
      ([False, False], 'both True and False; received'),
      ([0, 1], 'Expected a boolean `mask`'),
      ([[True, False]], r'shape \[length\]; received'),
      ([], 'Expected a boolean `mask`'),
  )
  def test_rejects_a_mask(self, mask, message):
    with self.assertRaisesRegex(ValueError, message):
      ops.as_mask(mask)

  def test_a_mask_is_a_copy(self):
    given = np.array([True, False])
    mask = ops.as_mask(given)
    given[:] = False
    np.testing.assert_array_equal(mask, [True, False])

  @parameterized.parameters(
      ([1, 2, 2],), ([1, 2, 3],), ([0.0, 1.0],), ([[0, 1]],), (0,)
  )
  def test_rejects_an_order(self, order):
    with self.assertRaisesRegex(ValueError, 'permutation of 0, .*; received'):
      ops.as_order(order)

  def test_takes_a_permutation(self):
    order = ops.as_order((2, 0, 1))
    self.assertEqual(order.dtype, np.int32)
    np.testing.assert_array_equal(order, [2, 0, 1])


if __name__ == '__main__':
  absltest.main()
