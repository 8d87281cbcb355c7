import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


def _oracle(logits, top_k=None, top_p=None):
  """Returns what is left of logits, one row and one class after the other."""
  left = np.full_like(logits, -np.inf)
  for row, values in np.ndenumerate(np.empty(logits.shape[:-1])):
    del values
    probs = np.exp(logits[row].astype(np.float64))
    probs /= probs.sum()
    total = 0.0
    # A stable sort: among equals the first class comes first.
    for i, k in enumerate(np.argsort(-logits[row], kind='stable')):
      if i == top_k or (top_p is not None and total >= top_p):
        break
      left[row][k] = logits[row][k]
      total += probs[k]
  return left


def _logits(num_classes, seed=0):
  rng = np.random.default_rng(seed)
  logits = rng.normal(0.0, 2.0, [20, 3, num_classes]).astype(np.float32)
  logits[1] = logits[1].round()  # Ties.
  logits[2, :, num_classes // 2 :] = -np.inf
  return logits


class TruncationTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(num_classes=(2, 7, 40), jit_compile=(False, True))
  def test_equals_a_loop_over_the_classes(self, num_classes, jit_compile):
    logits = _logits(num_classes)

    @tf.function(jit_compile=jit_compile)
    def filtered(logits):
      by_k = {k: ops.top_k_logits(logits, k) for k in (1, 2, 5, 100)}
      by_p = {p: ops.nucleus_logits(logits, p) for p in (1e-6, 0.5, 0.95)}
      return by_k, by_p

    by_k, by_p = filtered(logits)
    for top_k, result in by_k.items():
      self.assertAllEqual(result, _oracle(logits, top_k=top_k))
    for top_p, result in by_p.items():
      self.assertAllEqual(result, _oracle(logits, top_p=top_p))
    self.assertAllEqual(ops.nucleus_logits(logits, 1.0), logits)

  # A quarter each is exact in binary, so that the totals are.
  @parameterized.parameters(
      (0.2, [0]), (0.25, [0]), (0.3, [0, 1]), (0.75, [0, 1, 2])
  )
  def test_nucleus_of_equal_classes_takes_the_first(self, top_p, expected):
    left = ops.nucleus_logits(tf.zeros([4]), top_p)
    self.assertAllEqual(np.flatnonzero(np.isfinite(left)), expected)

  def test_all_classes_are_left_where_the_totals_round_to_one(self):
    logits = tf.concat([[0.0], tf.fill([65535], -30.0)], axis=0)
    self.assertAllEqual(ops.nucleus_logits(logits, 1.0), logits)
    left = ops.nucleus_logits(logits, 1.0 - 1e-4)
    self.assertAllEqual(np.flatnonzero(np.isfinite(left)), [0])

  @parameterized.parameters('float64', 'float16', 'bfloat16')
  def test_keeps_the_dtype_and_the_gradient_of_what_is_left(self, dtype):
    logits = tf.constant([1.0, 3.0, 2.0], dtype)
    for function in (
        lambda x: ops.top_k_logits(x, 2),
        lambda x: ops.nucleus_logits(x, 0.8),
    ):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        left = function(logits)
        kept = tf.reduce_sum(tf.where(tf.math.is_finite(left), left, 0))
      self.assertEqual(left.dtype, dtype)
      self.assertAllEqual(left, [-math.inf, 3.0, 2.0])
      self.assertAllEqual(tape.gradient(kept, logits), [0.0, 1.0, 1.0])

  def test_rejects_bad_input(self):
    with self.assertRaisesRegex(ValueError, 'at least 1; received 0'):
      ops.top_k_logits([0.0, 1.0], 0)
    for top_p in (0.0, 1.5, tf.constant(-1.0)):
      with self.assertRaisesRegex(ValueError, r'in \(0, 1\]; received'):
        ops.nucleus_logits([0.0, 1.0], top_p)
    for function in (ops.top_k_logits, ops.nucleus_logits):
      with self.assertRaisesRegex(ValueError, 'static K'):
        tf.function(lambda x, function=function: function(x, 1))(tf.zeros([]))

  def test_what_is_no_number_stays(self):
    logits = tf.constant([[math.nan, 1.0, 2.0, 0.0], [1.0, 2.0, 0.0, math.nan]])
    for kept in (
        ops.top_k_logits(logits, 2),
        ops.nucleus_logits(logits, 0.9),
        ops.nucleus_logits(logits, 1.0),
    ):
      self.assertAllEqual(np.isnan(kept), np.isnan(logits))


if __name__ == '__main__':
  tf.test.main()
