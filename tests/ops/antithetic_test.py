import itertools

from absl.testing import parameterized
import numpy as np
from scipy import special
from scipy import stats
import tensorflow as tf

from discrete_lvm import ops


class GumbelToLogisticTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(2, 3, 8)
  def test_equals_the_beta_law_of_the_shares(self, num_classes):
    noise = ops.gumbel([1000, num_classes], [0, 1])
    e = np.exp(-np.float64(noise))
    for k in range(num_classes - 1):
      share = e[:, k] / e[:, k:].sum(-1)
      num_later = num_classes - 1 - k
      u = special.betainc(1, num_later, share)
      below = special.betainc(num_later, 1, 1 - share)
      self.assertAllClose(
          ops.gumbel_to_logistic(noise)[:, k],
          np.log(u) - np.log(below),
          rtol=1e-4,
          atol=1e-5,
      )

  def test_draws_are_logistic_and_independent(self):
    draws = 100_000
    logistic = ops.gumbel_to_logistic(ops.gumbel([draws, 4], [0, 1])).numpy()
    u = special.expit(np.float64(logistic))
    for k in range(3):
      self.assertGreater(stats.kstest(u[:, k], 'uniform').pvalue, 1e-4)
    # Also of a function that is even, where the odd one would not show it.
    for x in (u, np.abs(u - 0.5)):
      correlation = np.corrcoef(x.T)[np.triu_indices(3, 1)]
      self.assertAllLess(np.abs(correlation) * np.sqrt(draws), 4.0)

  def test_two_classes_give_the_difference(self):
    noise = ops.gumbel([100, 2], [0, 1])
    self.assertAllClose(
        ops.gumbel_to_logistic(noise)[:, 0],
        noise[:, 1] - noise[:, 0],
        rtol=1e-6,
        atol=1e-6,
    )

  def test_tails_are_full(self):
    # The ends of `ops.gumbel`.
    ends = np.float32([-2.81, 22.87])
    noise = np.stack(list(itertools.product(ends, repeat=4)))
    logistic = ops.gumbel_to_logistic(noise).numpy()
    self.assertAllEqual(np.isfinite(logistic), np.ones(logistic.shape, bool))
    self.assertLess(logistic.min(), -20.0)
    self.assertGreater(logistic.max(), 20.0)

  def test_can_be_vectorized(self):
    noise = ops.gumbel([5, 3], [0, 1])
    vectorized = tf.vectorized_map(
        ops.gumbel_to_logistic, noise, fallback_to_while_loop=False
    )
    self.assertAllClose(vectorized, ops.gumbel_to_logistic(noise))

  def test_rejects_one_class(self):
    with self.assertRaisesRegex(ValueError, 'static K of at least 2'):
      ops.gumbel_to_logistic([1.0])


class AntitheticScoreTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      tree=(ops.stick_breaking_decisions, ops.balanced_decisions),
      num_classes=(2, 3, 5),
  )
  def test_integrates_out_what_the_codes_leave_open(self, tree, num_classes):
    # The mean of DisARM, given both codes, over the decisions off their ways.
    decisions = tree(num_classes)
    log_odds = np.random.default_rng(0).normal(size=num_classes - 1)
    p = special.expit(log_odds)
    sums, masses = {}, {}
    # Both decisions, their probability where u and 1 - u decide, and DisARM.
    outcomes = [
        [
            (1, 0, min(q, 1 - q), special.expit(abs(t))),
            (0, 1, min(q, 1 - q), -special.expit(abs(t))),
            (0, 0, max(1 - 2 * q, 0), 0.0),
            (1, 1, max(2 * q - 1, 0), 0.0),
        ]
        for q, t in zip(p, log_odds, strict=True)
    ]
    for joint in itertools.product(*outcomes):
      first, second, probs, weights = map(np.array, zip(*joint, strict=True))
      codes = tuple(
          int(np.argmax(ops.decide(b > 0, decisions))) for b in (first, second)
      )
      mass = probs.prod()
      masses[codes] = masses.get(codes, 0.0) + mass
      sums[codes] = sums.get(codes, 0.0) + mass * weights
    one_hot = np.eye(num_classes, dtype=np.float32)
    for codes, mass in masses.items():
      if mass > 0:
        self.assertAllClose(
            ops.antithetic_score(
                one_hot[codes[0]], one_hot[codes[1]], log_odds, decisions
            ),
            sums[codes] / mass,
        )


if __name__ == '__main__':
  tf.test.main()
