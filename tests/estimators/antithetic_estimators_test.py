"""ARM, and DisARM over one decision or over those of a tree.

Given the cells into which the uniforms fall, the codes of a pair are fixed, and
every estimate is at most linear in the uniforms. So a sum over the cells, each
at its middle, is the exact mean.
"""

import functools
import itertools

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import ops
from tests.estimators import enumeration

BINARY = (estimators.ARM, estimators.DisARM)
TREES = {
    estimators.DisARMStickBreaking: ops.stick_breaking_decisions,
    estimators.DisARMTree: ops.balanced_decisions,
}
CASES = [
    *itertools.product(BINARY, (2,), (1, 2, 3)),
    *itertools.product(TREES, (2, 3), (1, 2)),
    *itertools.product(TREES, (5,), (1,)),
]


class WrongSign(estimators.DisARMTree):
  """A planted fault: the second code's score counts like the first's."""

  def _weights(self, codes, antithetic_codes, logistic, log_odds, decisions):
    return super()._weights(
        codes, codes, logistic, log_odds, decisions
    ) + super()._weights(
        antithetic_codes, antithetic_codes, logistic, log_odds, decisions
    )


class WithoutReweighting(estimators.DisARM):
  """A planted fault: antithetic samples taken for independent ones."""

  def _weights(self, codes, antithetic_codes, logistic, log_odds, decisions):
    b, c = (
        (ops.decisions_of(x, decisions) + 1) / 2
        for x in (codes, antithetic_codes)
    )
    return b - c


def _gumbel_of(u):
  """Returns noise `[..., K]` of which `[..., K - 1]` uniforms are made."""
  later = np.zeros_like(u[..., 0])
  noise = [later]
  for k in reversed(range(u.shape[-1])):
    num_later = u.shape[-1] - k
    log_odds = np.log(np.expm1(-np.log1p(-u[..., k]) / num_later))
    noise.append(-(later + log_odds))
    later = np.logaddexp(later, later + log_odds)
  return np.stack(noise[::-1], -1)


def _tree_of(cls, num_classes):
  return TREES.get(cls, ops.balanced_decisions)(num_classes)


def _cells(cls, logits):
  """Returns the noise `[C, N, K]` and the probabilities `[C]` of all cells."""
  log_odds = ops.decision_logits(logits, _tree_of(cls, logits.shape[-1]))
  middles, widths = [], []
  for t in log_odds.numpy().ravel():
    edges = np.sort([0.0, special.expit(t), special.expit(-t), 1.0])
    middles.append((edges[1:] + edges[:-1]) / 2)
    widths.append(np.diff(edges))
  u = np.array(list(itertools.product(*middles)))
  widths = np.prod(list(itertools.product(*widths)), -1)
  return _gumbel_of(u.reshape([-1, *log_odds.shape])), widths


def _mean(estimator, logits, objective):
  """Returns the exact mean of value and gradients, and their mean squares."""
  noise, widths = _cells(type(estimator), logits)
  batch = tf.repeat(logits[tf.newaxis], len(widths), axis=0)
  parameter = tf.fill([len(widths)], enumeration.PARAMETER)
  with tf.GradientTape() as tape:
    tape.watch([batch, parameter])
    values = estimator(
        batch,
        objective=lambda z: objective(z, parameter),
        noise=tf.cast(noise, tf.float32),
    )
  gradients = tape.gradient(values, [batch, parameter])
  return [np.tensordot(widths, x, 1) for x in (values, *gradients)]


class AntitheticTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*CASES)
  def test_exact_mean_is_the_enumeration(self, cls, num_classes, num_latents):
    logits = enumeration.logits_of(num_latents, num_classes)
    for make in enumeration.OBJECTIVES:
      objective = make(num_latents, num_classes)
      mean = _mean(cls(), logits, objective)
      exact = enumeration.exact(logits, objective)
      for x, y in zip(mean, exact, strict=True):
        self.assertAllClose(x, y, rtol=1e-4, atol=1e-4)

  @parameterized.parameters((WrongSign, 3), (WithoutReweighting, 2))
  def test_planted_faults_are_seen(self, cls, num_classes):
    logits = enumeration.logits_of(1, num_classes)
    objective = enumeration.table(1, num_classes)
    mean = _mean(cls(), logits, objective)
    exact = enumeration.exact(logits, objective)
    self.assertAllClose(mean[0], exact[0])
    self.assertNotAllClose(mean[1], exact[1], rtol=1e-2, atol=1e-2)

  @parameterized.product(
      cls_and_classes=[
          *itertools.product(BINARY, (2,)),
          *itertools.product(TREES, (3,)),
      ],
      options=(
          {},
          {'num_samples': 3},
          {'num_samples': 2, 'importance_weighted': True},
      ),
  )
  def test_draws_are_unbiased(self, cls_and_classes, options):
    cls, num_classes = cls_and_classes
    enumeration.assert_unbiased(
        cls(**options),
        enumeration.logits_of(2, num_classes),
        enumeration.table(2, num_classes),
        num_draws=20_000,
    )

  @parameterized.parameters(*BINARY)
  def test_equals_the_published_formula(self, cls):
    logits = tf.random.stateless_normal([50, 2, 2], [0, 1])
    noise = ops.gumbel([50, 2, 2], [0, 2])
    f = functools.partial(enumeration.table(2, 2), parameter=1.0)
    with tf.GradientTape() as tape:
      tape.watch(logits)
      values = cls()(logits, objective=f, noise=noise)
    t = np.float64(logits[..., 1] - logits[..., 0])
    u = special.expit(np.float64(noise[..., 1] - noise[..., 0]))
    first = u > special.expit(-t)
    second = u < special.expit(t)
    f_first, f_second = (
        f(tf.one_hot(b.astype(int), 2)).numpy()[:, np.newaxis]
        for b in (first, second)
    )
    if cls is estimators.ARM:
      expected = (f_first - f_second) * (u - 0.5)
    else:
      sign = np.where(second, -1, 1) * (first != second)
      expected = 0.5 * (f_first - f_second) * sign * special.expit(np.abs(t))
    self.assertAllClose(values, ((f_first + f_second) / 2)[:, 0])
    self.assertAllClose(
        tape.gradient(values, logits),
        np.stack([-expected, expected], -1),
        rtol=1e-4,
        atol=1e-5,
    )

  def test_equals_the_published_formula_of_stick_breaking(self):
    num_classes = 4
    logits = tf.random.stateless_normal([50, 2, num_classes], [0, 1])
    noise = ops.gumbel(logits.shape, [0, 2])
    f = functools.partial(enumeration.table(2, num_classes), parameter=1.0)
    with tf.GradientTape() as tape:
      tape.watch(logits)
      values = estimators.DisARMStickBreaking()(
          logits, objective=f, noise=noise
      )
    # Of the paper, up to the sign: b_k = 1 goes on to the classes after k.
    q = special.softmax(np.float64(logits), -1)
    mass = np.cumsum(q[..., ::-1], -1)[..., ::-1]
    go_on = mass[..., 1:] / mass[..., :-1]
    u = special.expit(np.float64(ops.gumbel_to_logistic(noise)))
    b = [u > 1 - go_on, 1 - u > 1 - go_on]
    z = [np.where(x.all(-1), num_classes - 1, (~x).argmax(-1)) for x in b]
    f_z = [f(tf.one_hot(x, num_classes)).numpy() for x in z]
    d = 0.5 * (f_z[0] - f_z[1])[:, np.newaxis, np.newaxis]
    k = np.arange(num_classes - 1)
    passed = [k <= x[..., np.newaxis] for x in z]
    disarm = (
        np.where(b[1], -1, 1)
        * (b[0] != b[1])
        * np.maximum(go_on, 1 - go_on)  # sigmoid(|t|).
    )
    weights = np.select(
        [passed[0] & passed[1], passed[0], passed[1]],
        [disarm, b[0] - go_on, -(b[1] - go_on)],
    )
    expected = np.zeros_like(q)
    for i in range(num_classes - 1):
      # d t_i / d logits: minus one at i, the law of the later ones after it.
      jacobian = (
          np.where(np.arange(num_classes) > i, q, 0)
          / mass[..., i + 1, np.newaxis]
          - np.eye(num_classes)[i]
      )
      expected += (d * weights)[..., i, np.newaxis] * jacobian
    self.assertAllClose(values, (f_z[0] + f_z[1]) / 2)
    self.assertAllClose(
        tape.gradient(values, logits), expected, rtol=1e-4, atol=1e-5
    )

  @parameterized.parameters(*TREES)
  def test_trees_of_two_classes_are_disarm(self, cls):
    logits = tf.random.stateless_normal([50, 2, 2], [0, 1])
    noise = ops.gumbel([50, 2, 2], [0, 2])
    results = []
    for estimator in (cls(), estimators.DisARM()):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        values = estimator(
            logits,
            objective=functools.partial(enumeration.table(2, 2), parameter=1.0),
            noise=noise,
        )
      results.append((values, tape.gradient(values, logits)))
    self.assertAllEqual(results[0][0], results[1][0])
    self.assertAllClose(results[0][1], results[1][1])

  @parameterized.parameters(1, 3)
  def test_disarm_has_less_variance_than_arm(self, num_latents):
    logits = enumeration.logits_of(num_latents, 2)
    objective = enumeration.table(num_latents, 2)
    _, exact, _ = enumeration.exact(logits, objective)
    # The same seed, and so the same pairs.
    squares = []
    for cls in BINARY:
      _, gradients, _ = enumeration.draw(cls(), logits, objective, 20_000)
      squares.append(np.sum((gradients - exact) ** 2, (-2, -1)))
    saved = squares[0] - squares[1]
    sigma = saved.mean() / (saved.std() / np.sqrt(len(saved)))
    self.assertGreater(sigma, 10.0)

  @parameterized.parameters(*BINARY, *TREES)
  def test_objective_sees_pairs_of_exact_samples(self, cls):
    num_classes = 2 if cls in BINARY else 3
    draws = 20_000
    logits = enumeration.logits_of(1, num_classes)
    seen = []
    cls()(
        tf.repeat(logits[tf.newaxis], draws, axis=0),
        objective=lambda z: seen.append(z) or tf.reduce_sum(z, [-2, -1]),
        seed=[0, 1],
    )
    (codes,) = seen
    self.assertEqual(codes.shape, [2, draws, 1, num_classes])
    self.assertAllEqual(ops.is_one_hot(codes), np.ones([2, draws, 1], bool))
    p = special.softmax(logits[0])
    error = np.sqrt(p * (1 - p) / draws)
    for frequencies in np.mean(codes, (1, 2)):
      self.assertAllLess(np.abs(frequencies - p) / error, 4.0)
    # And they are coupled: equal less often than independent ones.
    equal = np.mean(np.sum(codes[0] * codes[1], (-2, -1)))
    same = np.sum(p**2)
    self.assertLess(equal, same - 4 * np.sqrt(same * (1 - same) / draws))

  @parameterized.parameters(*BINARY, *TREES)
  def test_impossible_classes_have_no_gradient(self, cls):
    num_classes = 2 if cls in BINARY else 4
    logits = np.float32(np.zeros([100, 1, num_classes]))
    logits[..., 0] = -np.inf
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
      tape.watch(logits)
      values = cls()(
          logits,
          objective=lambda z: z[..., 0, -1] + 5.0 * z[..., 0, 0],
          seed=[0, 1],
      )
    self.assertAllInRange(values, 0.0, 1.0)
    gradient = tape.gradient(values, logits).numpy()
    self.assertAllEqual(gradient[..., 0], np.zeros([100, 1]))
    self.assertAllEqual(np.isfinite(gradient), np.ones(gradient.shape, bool))
    if cls in TREES:
      self.assertGreater(np.abs(gradient).max(), 0.0)

  @parameterized.parameters(*BINARY)
  def test_binary_ones_refuse_more_classes(self, cls):
    with self.assertRaisesRegex(
        ValueError, 'K = 2 classes; received K = 3, for which .* DisARMTree'
    ):
      cls()(tf.zeros([4, 2, 3]), objective=tf.reduce_sum, seed=[0, 1])


if __name__ == '__main__':
  tf.test.main()
