from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm.ops import placement


def _greedy(targets):
  """Places one sequence, position by position."""
  free = list(range(len(targets)))
  slots = []
  for target in targets:
    slot = min(free, key=lambda s: (abs(s - target), s))
    free.remove(slot)
    slots.append(slot)
  return slots


class PlacementTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters('float32', 'float64', 'bfloat16')
  def test_uncertainty(self, dtype):
    logits = tf.constant(
        [
            [0.0, -1.0, -3.5, -5.0],
            [100.0, 99.0, 96.5, 95.0],
            [-np.inf, 2.0, -np.inf, np.nan],
            [-np.inf] * 4,
            [np.inf, 0.0, np.inf, 0.0],
        ],
        dtype,
    )
    expected = [128 + 96 + 16, 128 + 96 + 16, 128, 512, 256]
    for jit_compile in (False, True):
      function = tf.function(placement.uncertainty, jit_compile=jit_compile)
      self.assertAllEqual(function(logits), expected)

  def test_uncertainty_grows_with_the_entropy(self):
    logits = np.random.default_rng(0).normal(size=[27]) * 4
    scores = placement.uncertainty(logits / np.arange(1, 9)[:, np.newaxis])
    self.assertAllEqual(scores, np.unique(scores))

  def test_targets_count_thresholds(self):
    rng = np.random.default_rng(0)
    thresholds = np.sort(rng.integers(10, size=7)).astype(np.float32)
    scores = rng.integers(12, size=[5, 3])
    below = np.sum(thresholds < scores[..., np.newaxis], -1)
    up_to = np.sum(thresholds <= scores[..., np.newaxis], -1)
    found = placement.targets(scores.astype(np.int32), thresholds)
    self.assertAllEqual(found, (below + up_to) // 2)

  @parameterized.product(length=(1, 2, 9), jit_compile=(False, True))
  def test_places_in_turn(self, length, jit_compile):
    rng = np.random.default_rng(length)
    targets = rng.integers(length, size=[4, 5, length]).astype(np.int32)
    order = rng.permutation(length)
    for chosen in (None, order):
      place = tf.function(placement.place, jit_compile=jit_compile)
      slots = place(targets, chosen).numpy()
      self.assertAllEqual(
          np.sort(slots), np.broadcast_to(np.arange(length), slots.shape)
      )
      in_turn = np.arange(length) if chosen is None else order
      for row, target in zip(
          slots.reshape([-1, length]),
          targets.reshape([-1, length]),
          strict=True,
      ):
        self.assertAllEqual(row[in_turn], _greedy(target[in_turn]))

  def test_a_slot_depends_on_what_comes_before(self):
    rng = np.random.default_rng(0)
    targets = rng.integers(8, size=[1, 8]).astype(np.int32)
    slots = placement.place(targets).numpy()
    for t in range(8):
      changed = targets.copy()
      changed[:, t:] = rng.integers(8, size=8 - t)
      self.assertAllEqual(placement.place(changed)[:, :t], slots[:, :t])

  def test_quantiles_share_equally(self):
    scores = np.random.default_rng(0).permutation(100).reshape([4, 25])
    self.assertAllEqual(placement.quantiles(scores, 5), [20, 40, 60, 80])
    # As even thresholds do for scores that are spread evenly.
    thresholds = placement.even_thresholds(5, 27)
    self.assertAllClose(np.diff(thresholds), [128 * 26 / 5] * 3)

  def test_order_of_uncertainty(self):
    mask = np.array([False, True, False, False])
    scales = np.array([[1.0, 0.0, 3.0, 2.0], [1.0, 9.0, 1.0, 4.0]])
    logits = scales[..., np.newaxis] * [0.0, 1.0]
    order = placement.uncertainty_order(logits, mask)
    self.assertAllEqual(order, [[2, 1, 3, 0], [3, 1, 0, 2]])

  def test_quantiles_of_more_than_31_bits(self):
    # The last index times the length would not fit.
    scores = tf.range(33000 * 256)
    found = placement.quantiles(scores, 256)
    self.assertAllEqual(found[-1], 33000.0 * 255)


if __name__ == '__main__':
  tf.test.main()
