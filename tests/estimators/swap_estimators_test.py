"""ARS and ARSM."""

import functools
import itertools

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import ops
from tests.estimators import enumeration


def _value_and_gradient(estimator, logits, objective, noise):
  with tf.GradientTape() as tape:
    tape.watch(logits)
    values = estimator(logits, objective=objective, noise=noise)
  return values, tape.gradient(values, logits)


def _oracle(logits, noise, f, references):
  """The formula of the paper, swap by swap: all codes, and the gradient."""
  num_classes = logits.shape[-1]
  e = np.exp(-np.float64(noise))
  pi = e / e.sum(-1, keepdims=True)
  f_of = {}
  for c, j in itertools.product(range(num_classes), references):
    swapped = pi.copy()
    swapped[..., [c, j]] = pi[..., [j, c]]
    z = np.argmin(swapped * np.exp(-np.float64(logits)), -1)
    f_of[c, j] = f(tf.one_hot(z, num_classes)).numpy()
  gradient = np.zeros(logits.shape)
  for c, j in f_of:
    mean = np.mean([f_of[m, j] for m in range(num_classes)], 0)
    gradient[..., c] += (f_of[c, j] - mean)[:, np.newaxis] * (
        1 - num_classes * pi[..., j]
    )
  return f_of, gradient / len(references)


class SwapTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      estimator=(
          estimators.ARS(),
          estimators.ARS(reference=1),
          estimators.ARSM(),
          estimators.ARSM(num_samples=3),
          estimators.ARS(num_samples=2, importance_weighted=True),
          estimators.ARSM(num_samples=2, importance_weighted=True),
      ),
      num_classes=(2, 3, 5),
  )
  def test_is_unbiased(self, estimator, num_classes):
    enumeration.assert_unbiased(
        estimator,
        enumeration.logits_of(2, num_classes),
        enumeration.table(2, num_classes),
        num_draws=20_000,
    )

  @parameterized.product(
      cls=(estimators.ARS, estimators.ARSM), make=enumeration.OBJECTIVES
  )
  def test_is_unbiased_for_any_objective(self, cls, make):
    enumeration.assert_unbiased(
        cls(), enumeration.logits_of(1, 3), make(1, 3), num_draws=20_000
    )

  @parameterized.product(num_classes=(2, 3, 5), reference=(0, 1, None))
  def test_equals_the_published_formula(self, num_classes, reference):
    logits = tf.random.stateless_normal([50, 2, num_classes], [0, 1])
    noise = ops.gumbel(logits.shape, [0, 2])
    f = functools.partial(enumeration.table(2, num_classes), parameter=1.0)
    if reference is None:
      estimator, references = estimators.ARSM(), range(num_classes)
    else:
      estimator, references = estimators.ARS(reference), [reference]
    values, gradient = _value_and_gradient(estimator, logits, f, noise)
    f_of, expected = _oracle(logits, noise, f, references)
    self.assertAllClose(gradient, expected, rtol=1e-4, atol=1e-5)
    distinct = {(min(c, j), max(c, j)): x for (c, j), x in f_of.items()}
    # No swap at all is one code, whatever the reference.
    for j in references:
      distinct[0, 0] = distinct.pop((j, j))
    self.assertAllClose(values, np.mean(list(distinct.values()), 0))

  @parameterized.parameters(
      estimators.ARS(), estimators.ARS(reference=1), estimators.ARSM()
  )
  def test_two_classes_are_arm(self, estimator):
    logits = tf.random.stateless_normal([50, 2, 2], [0, 1])
    noise = ops.gumbel([50, 2, 2], [0, 2])
    f = functools.partial(enumeration.table(2, 2), parameter=1.0)
    self.assertAllClose(
        _value_and_gradient(estimator, logits, f, noise),
        _value_and_gradient(estimators.ARM(), logits, f, noise),
        rtol=1e-4,
        atol=1e-6,
    )

  @parameterized.parameters(
      (estimators.ARS, 2, 2),
      (estimators.ARS, 5, 5),
      (estimators.ARSM, 2, 2),
      (estimators.ARSM, 5, 11),
  )
  def test_costs_as_many_evaluations_as_it_says(self, cls, num_classes, cost):
    draws = 10_000
    logits = enumeration.logits_of(1, num_classes)
    seen = []
    cls()(
        tf.repeat(logits[tf.newaxis], draws, axis=0),
        objective=lambda z: seen.append(z) or tf.reduce_sum(z, [-2, -1]),
        seed=[0, 1],
    )
    (codes,) = seen
    self.assertEqual(codes.shape, [cost, draws, 1, num_classes])
    # Each is an exact sample.
    p = special.softmax(logits[0])
    error = np.sqrt(p * (1 - p) / draws)
    for frequencies in np.mean(codes, (1, 2)):
      self.assertAllLess(np.abs(frequencies - p) / error, 4.5)

  def test_merging_references_saves_variance(self):
    logits = enumeration.logits_of(1, 3)
    objective = enumeration.table(1, 3)
    _, exact, _ = enumeration.exact(logits, objective)
    squares = []
    for cls in (estimators.ARS, estimators.ARSM):
      _, gradients, _ = enumeration.draw(cls(), logits, objective, 20_000)
      squares.append(np.sum((gradients - exact) ** 2, (-2, -1)))
    saved = squares[0] - squares[1]
    sigma = saved.mean() / (saved.std() / np.sqrt(len(saved)))
    self.assertGreater(sigma, 10.0)

  @parameterized.parameters(estimators.ARS, estimators.ARSM)
  def test_impossible_classes_are_never_drawn(self, cls):
    logits = tf.constant([[[-np.inf, 0.0, 0.3]]] * 100)
    values, gradient = _value_and_gradient(
        cls(),
        logits,
        lambda z: z[..., 0, 1] + 5.0 * z[..., 0, 0],
        ops.gumbel(logits.shape, [0, 1]),
    )
    self.assertAllInRange(values, 0.0, 1.0)
    self.assertAllEqual(np.isfinite(gradient), np.ones([100, 1, 3], bool))

  @parameterized.parameters(-1, 1.0, True, None)
  def test_rejects_references(self, reference):
    with self.assertRaisesRegex(
        ValueError, 'integer `reference` of at least 0'
    ):
      estimators.ARS(reference)

  def test_rejects_references_that_are_no_class(self):
    with self.assertRaisesRegex(ValueError, 'below K = 3; received 3'):
      estimators.ARS(3)(
          tf.zeros([4, 2, 3]), objective=tf.reduce_sum, seed=[0, 1]
      )

  def test_reference_is_in_the_config(self):
    config = estimators.ARS(2).get_config()
    self.assertEqual(estimators.ARS.from_config(config).reference, 2)


if __name__ == '__main__':
  tf.test.main()
