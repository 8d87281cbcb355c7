import itertools

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import ops

TREES = (ops.stick_breaking_decisions, ops.balanced_decisions)


class DecisionsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(tree=TREES, num_classes=(2, 3, 5, 8))
  def test_every_choice_of_decisions_leads_to_one_class(
      self, tree, num_classes
  ):
    decisions = tree(num_classes)
    self.assertEqual(decisions.shape, (num_classes - 1, num_classes))
    choices = itertools.product([False, True], repeat=num_classes - 1)
    codes = ops.decide(list(choices), decisions)
    self.assertAllEqual(
        ops.is_one_hot(codes), np.ones(2 ** (num_classes - 1), bool)
    )
    self.assertAllEqual(np.unique(np.argmax(codes, -1)), range(num_classes))

  @parameterized.product(tree=TREES, num_classes=(2, 3, 5, 8))
  def test_probabilities_of_the_way_multiply_to_that_of_the_class(
      self, tree, num_classes
  ):
    decisions = tree(num_classes)
    logits = tf.random.stateless_normal([2, num_classes], [0, 1])
    log_odds = ops.decision_logits(logits, decisions).numpy()
    ways = ops.decisions_of(tf.eye(num_classes), decisions).numpy()
    for k, way in enumerate(ways):
      passed = way != 0
      self.assertAllClose(
          special.expit(way * log_odds)[:, passed].prod(-1),
          special.softmax(logits, -1)[:, k],
      )
      # The decisions off the way make no difference.
      for off in (False, True):
        self.assertAllEqual(
            ops.decide(np.where(passed, way > 0, off), decisions),
            np.eye(num_classes)[k],
        )

  @parameterized.parameters((2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (100, 7))
  def test_balanced_tree_is_as_shallow_as_can_be(self, num_classes, depth):
    decisions = ops.balanced_decisions(num_classes)
    self.assertEqual(np.abs(decisions).sum(0).max(), depth)

  @parameterized.parameters(*TREES)
  def test_impossible_classes_have_finite_log_odds_and_gradients(self, tree):
    logits = tf.constant([-np.inf, 0.3, -np.inf, -np.inf])
    with tf.GradientTape() as tape:
      tape.watch(logits)
      log_odds = ops.decision_logits(logits, tree(4))
    self.assertAllEqual(np.isfinite(log_odds), [True] * 3)
    gradient = tape.gradient(log_odds, logits)
    self.assertAllEqual(np.isfinite(gradient), [True] * 4)

  @parameterized.parameters(*TREES)
  def test_impossible_class_of_two(self, tree):
    logits = tf.constant([[-np.inf, 0.3], [0.3, -np.inf]])
    with tf.GradientTape() as tape:
      tape.watch(logits)
      log_odds = ops.decision_logits(logits, tree(2))
    self.assertAllEqual(log_odds, [[1e3], [-1e3]])
    self.assertAllEqual(tape.gradient(log_odds, logits), tf.zeros([2, 2]))

  def test_rejects_the_tree_of_other_classes(self):
    with self.assertRaisesRegex(
        ValueError, r'`decisions` of shape \(2, 3\); received \(3, 4\)'
    ):
      ops.decision_logits(tf.zeros([3]), ops.balanced_decisions(4))
    with self.assertRaisesRegex(ValueError, 'static K of at least 2'):
      ops.decision_logits(tf.zeros([1]), ops.balanced_decisions(2))


if __name__ == '__main__':
  tf.test.main()
