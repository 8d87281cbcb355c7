import functools
import itertools

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import ops
from tests.estimators import enumeration


class UnorderedSetTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      (1, 2, 2), (1, 3, 2), (2, 3, 2), (2, 3, 4), (1, 5, 3), (3, 2, 3)
  )
  def test_is_unbiased(self, num_latents, num_classes, num_samples):
    enumeration.assert_unbiased(
        estimators.UnorderedSet(num_samples),
        enumeration.logits_of(num_latents, num_classes),
        enumeration.table(num_latents, num_classes),
        num_draws=20_000,
    )

  @parameterized.product(
      num_classes_and_samples=((2, 2), (3, 2), (4, 2), (4, 3), (5, 4)),
      make=enumeration.OBJECTIVES,
  )
  def test_exact_mean_is_the_enumeration(self, num_classes_and_samples, make):
    # Every sequence of draws is forced, and weighed with its probability.
    num_classes, num_samples = num_classes_and_samples
    logits = enumeration.logits_of(1, num_classes)
    objective = make(1, num_classes)
    p = special.softmax(np.float64(logits[0]))
    orders = np.array(
        list(itertools.permutations(range(num_classes), num_samples))
    )
    drawn = p[orders]
    before = np.cumsum(drawn, -1) - drawn
    probs = np.prod(drawn / (1 - before), -1)
    noise = 100.0 * tf.one_hot(orders.T, num_classes)[:, :, tf.newaxis]
    batch = tf.repeat(logits[tf.newaxis], len(orders), axis=0)
    parameter = tf.fill([len(orders)], enumeration.PARAMETER)
    with tf.GradientTape() as tape:
      tape.watch([batch, parameter])
      values = estimators.UnorderedSet(num_samples)(
          batch, objective=lambda z: objective(z, parameter), noise=noise
      )
    gradients = tape.gradient(values, [batch, parameter])
    exact = enumeration.exact(logits, objective)
    for x, y in zip([values, *gradients], exact, strict=True):
      self.assertAllClose(np.tensordot(probs, x, 1), y, rtol=1e-4, atol=1e-4)

  @parameterized.parameters(2, 4)
  def test_is_unbiased_where_codes_cannot_be_listed(self, num_samples):
    enumeration.assert_unbiased_over_many_codes(
        estimators.UnorderedSet(num_samples)
    )

  @parameterized.parameters((1, 2), (1, 5), (2, 3), (3, 2))
  def test_all_codes_give_the_exact_gradient(self, num_latents, num_classes):
    logits = tf.random.stateless_normal([4, num_latents, num_classes], [0, 1])
    objective = functools.partial(
        enumeration.table(num_latents, num_classes), parameter=1.0
    )
    estimator = estimators.UnorderedSet(num_classes**num_latents)
    results = []
    for one, kwargs in (
        (estimator, {'seed': [0, 1]}),
        (estimators.Exact(), {}),
    ):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        values = one(logits, objective=objective, **kwargs)
      results.append((values, tape.gradient(values, logits)))
    self.assertAllClose(*results, rtol=1e-4, atol=1e-5)

  def test_distinct_codes_save_variance(self):
    # Against as many codes drawn with replacement.
    logits = enumeration.logits_of(1, 5)
    objective = enumeration.shifted(1, 5)
    _, exact, _ = enumeration.exact(logits, objective)
    squares = [
        np.sum(
            (enumeration.draw(e, logits, objective, 20_000)[1] - exact) ** 2,
            (-2, -1),
        )
        for e in (
            estimators.ScoreFunction(num_samples=3),
            estimators.UnorderedSet(num_samples=3),
        )
    ]
    error = np.hypot(*(x.std() for x in squares)) / np.sqrt(20_000)
    self.assertGreater((squares[0].mean() - squares[1].mean()) / error, 10.0)

  def test_impossible_codes_count_for_nothing(self):
    # Two codes have mass: a third draw finds none, and the rest is exact.
    logits = tf.constant([[[-np.inf, 0.0, 1.0]]] * 10)
    weights = tf.constant([np.inf, 1.0, 3.0])

    def objective(codes):
      return tf.reduce_sum(tf.math.multiply_no_nan(weights, codes), [-2, -1])

    for num_samples in (2, 3):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        values = estimators.UnorderedSet(num_samples)(
            logits, objective=objective, seed=[0, 1]
        )
      p = special.expit(1.0)
      slope = 2.0 * p * (1.0 - p)
      self.assertAllClose(values, np.full(10, 1.0 + 2.0 * p))
      self.assertAllClose(
          tape.gradient(values, logits), [[[0.0, -slope, slope]]] * 10
      )

  def test_missing_ratios_are_seen(self):
    # A planted fault: the probabilities alone, renormalised.
    logits = enumeration.logits_of(1, 3)
    codes, log_probs, _ = ops.sample_without_replacement(
        tf.repeat(logits[tf.newaxis], 20_000, axis=0),
        ops.gumbel([2, 20_000, 1, 3], [0, 1]),
    )
    objective = enumeration.table(1, 3)
    weights = tf.nn.softmax(log_probs, axis=0)
    values = np.float64(tf.reduce_sum(weights * objective(codes, 1.3), axis=0))
    expected, _, _ = enumeration.exact(logits, objective)
    error = values.std() / np.sqrt(len(values))
    self.assertGreater(abs(values.mean() - expected) / error, 4.0)

  @parameterized.parameters(
      ({'num_samples': 1}, '`num_samples` of at least 2; received 1'),
      ({'num_samples': 11}, '`num_samples` of at most 10; received 11'),
      ({'importance_weighted': True}, '`importance_weighted` False'),
  )
  def test_rejects_arguments(self, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      estimators.UnorderedSet(**arguments)

  def test_refuses_to_be_built_for_fewer_codes_than_samples(self):
    with self.assertRaisesRegex(ValueError, r'at most 2\*\*2 = 4 samples'):
      estimators.UnorderedSet(5).build([None, 2, 2])
    with self.assertRaisesRegex(ValueError, 'with a static N'):
      estimators.SumAndSample().build([4, None, 3])

  def test_rejects_logits(self):
    with self.assertRaisesRegex(ValueError, r'at most 2\*\*1 = 2 samples'):
      estimators.UnorderedSet(3)(
          tf.zeros([4, 1, 2]), objective=tf.reduce_sum, seed=[0, 1]
      )
    compiled = tf.function(
        lambda x: estimators.UnorderedSet(3)(
            x, objective=tf.reduce_sum, seed=[0, 1]
        ),
        input_signature=[tf.TensorSpec([None, 3])],
    )
    with self.assertRaisesRegex(ValueError, 'with a static N'):
      compiled(tf.zeros([1, 3]))


if __name__ == '__main__':
  tf.test.main()
