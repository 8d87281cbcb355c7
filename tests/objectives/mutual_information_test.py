"""What holds for all bounds of mutual information, and for each by itself."""

import itertools
import math

from absl.testing import parameterized
import numpy as np
import pytest
from scipy import special
from scipy import stats
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import objectives

# log a(y_i) of up to six pairs.
_LOG_BASELINE = np.array([0.3, -0.7, 1.1, 0.2, -0.4, 0.9])


def _baseline(scores):
  return _LOG_BASELINE[: scores.shape[-1]]


# Each bound as a function of a score matrix and a mask.
_BOUNDS = {
    'donsker_varadhan': objectives.donsker_varadhan_bound,
    'info_nce': objectives.info_nce_bound,
    'interpolated_0': lambda s, m=None: objectives.interpolated_bound(
        s, 0.0, _baseline(s), m
    ),
    'interpolated_0.3': lambda s, m=None: objectives.interpolated_bound(
        s, 0.3, _baseline(s), m
    ),
    'interpolated_1': lambda s, m=None: objectives.interpolated_bound(
        s, 1.0, mask=m
    ),
    'jensen_shannon': objectives.jensen_shannon_bound,
    'jensen_shannon_objective': objectives.jensen_shannon_objective,
    'leave_one_out': objectives.leave_one_out_upper_bound,
    'nwj': objectives.nwj_bound,
    'tuba': lambda s, m=None: objectives.tuba_bound(s, _baseline(s), m),
}


def _log_mean_exp(values):
  return special.logsumexp(values) - np.log(len(values))


def _formula(name, f, kept=slice(None)):
  """Returns what the paper says for one matrix, in loops."""
  log_a = _baseline(f)[kept]
  f = f[kept][:, kept]
  size = len(f)
  own = np.diag(f)
  rows = [np.delete(f[i], i) for i in range(size)]
  others = np.concatenate(rows)
  alpha = name.partition('_')[2]
  if name == 'donsker_varadhan':
    return own.mean() - _log_mean_exp(others)
  if name == 'info_nce':
    return np.mean([f[i, i] - _log_mean_exp(f[i]) for i in range(size)])
  if name == 'leave_one_out':
    return np.mean([f[i, i] - _log_mean_exp(rows[i]) for i in range(size)])
  if name == 'nwj':
    return own.mean() - np.mean(np.exp(others - 1))
  if name == 'jensen_shannon':
    return 1 + own.mean() - np.mean(np.exp(others))
  if name == 'jensen_shannon_objective':
    return np.mean(np.log(special.expit(own))) + np.mean(
        np.log(special.expit(-others))
    )
  if name == 'tuba':
    z = np.array([np.mean(np.exp(row)) for row in rows])
    return own.mean() - np.mean(z / np.exp(log_a) + log_a - 1)
  return _interpolated(f, float(alpha), log_a if alpha != '1' else 1.0)


def _interpolated(f, alpha, log_a=1.0):
  """Returns I_alpha of one matrix by the paper's formula, in loops."""
  pairs = list(itertools.permutations(range(len(f)), 2))
  log_a = np.broadcast_to(log_a, [len(f)])

  def log_denominator(i, left_out):
    with np.errstate(divide='ignore'):
      return np.logaddexp(
          np.log(alpha) + _log_mean_exp(np.delete(f[i], left_out)),
          np.log(1 - alpha) + log_a[i],
      )

  first = [f[i, i] - log_denominator(i, j) for i, j in pairs]
  second = [np.exp(f[i, j] - log_denominator(i, i)) for i, j in pairs]
  return 1 + np.mean(first) - np.mean(second)


def _scores(*shape, seed=0, scale=2.0):
  return np.random.default_rng(seed).normal(scale=scale, size=shape)


class MutualInformationTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(name=tuple(_BOUNDS), size=(2, 5))
  def test_equals_the_formula_for_each_matrix(self, name, size):
    f = _scores(2, 3, size, size)
    values = _BOUNDS[name](f)
    self.assertEqual(values.shape, [2, 3])
    for index in np.ndindex(2, 3):
      self.assertAllClose(values[index], _formula(name, f[index]))

  @parameterized.parameters(*_BOUNDS)
  def test_mask_is_as_if_the_pairs_were_not_there(self, name):
    f = _scores(3, 6, 6)
    mask = np.array(
        [
            [True, False, True, True, False, True],
            [True] * 6,
            [False, True, False, False, True, False],
        ]
    )
    pairs = mask[:, :, np.newaxis] & mask[:, np.newaxis]
    expected = [_formula(name, f[b], mask[b]) for b in range(3)]
    for garbage in (1e30, math.nan, math.inf):
      scores = tf.constant(np.where(pairs, f, garbage))
      with tf.GradientTape() as tape:
        tape.watch(scores)
        values = _BOUNDS[name](scores, mask)
      self.assertAllClose(values, expected)
      gradient = tape.gradient(values, scores)
      self.assertAllEqual(gradient[~pairs], np.zeros((~pairs).sum()))
      self.assertAllEqual(tf.math.is_finite(gradient), np.ones([3, 6, 6]))
    # One mask for all matrices.
    self.assertAllClose(
        _BOUNDS[name](f, mask[0]), [_formula(name, g, mask[0]) for g in f]
    )

  @parameterized.parameters(*_BOUNDS)
  def test_gradient_is_that_of_finite_differences(self, name):
    f = tf.constant(_scores(4, 4))
    theoretical, numerical = tf.test.compute_gradient(_BOUNDS[name], [f])
    self.assertAllClose(theoretical, numerical, rtol=1e-6, atol=1e-7)

  def test_compiled_equals_eager_at_unknown_size(self):
    self.check_compiled_equals_eager_at_unknown_size(False)

  @pytest.mark.slow
  def test_compiled_equals_eager_at_unknown_size_slow(self):
    self.check_compiled_equals_eager_at_unknown_size(True)

  def check_compiled_equals_eager_at_unknown_size(self, jit_compile):
    f = np.float32(_scores(2, 5, 5))
    mask = np.array([[True] * 5, [True, True, False, True, False]])

    def values_and_gradient(scores, mask, log_baseline):
      with tf.GradientTape() as tape:
        tape.watch(scores)
        values = [
            objectives.donsker_varadhan_bound(scores, mask),
            objectives.info_nce_bound(scores, mask),
            objectives.interpolated_bound(scores, 0.3, log_baseline, mask),
            objectives.jensen_shannon_objective(scores, mask),
            objectives.leave_one_out_upper_bound(scores, mask),
            objectives.tuba_bound(scores, log_baseline, mask),
        ]
        total = tf.add_n(values)
      return tf.stack(values), tape.gradient(total, scores)

    compiled = tf.function(
        values_and_gradient,
        input_signature=[
            tf.TensorSpec([None, None, None]),
            tf.TensorSpec([None, None], tf.bool),
            tf.TensorSpec([None]),
        ],
        jit_compile=jit_compile,
    )
    log_baseline = np.float32(_LOG_BASELINE[:5])
    expected = values_and_gradient(tf.constant(f), mask, log_baseline)
    for size in (5, 4):
      if size == 4:
        f, mask, log_baseline = f[:, :4, :4], mask[:, :4], log_baseline[:4]
        expected = values_and_gradient(tf.constant(f), mask, log_baseline)
      for actual, e in zip(
          compiled(f, mask, log_baseline), expected, strict=True
      ):
        self.assertAllClose(actual, e, rtol=1e-5, atol=1e-5)

  @parameterized.parameters(*_BOUNDS)
  def test_half_precision_is_computed_in_float32(self, name):
    f = tf.cast(_scores(5, 5), tf.bfloat16)
    values = _BOUNDS[name](f)
    self.assertNotEqual(values.dtype, tf.bfloat16)
    expected = _formula(name, np.float64(tf.cast(f, tf.float32)))
    self.assertAllClose(values, expected, rtol=1e-5, atol=1e-5)

  def test_keeps_large_scores(self):
    # The ratio to the others is what counts, not the size.
    f = np.float32(_scores(4, 4) * 50)
    for name in ('info_nce', 'donsker_varadhan', 'leave_one_out'):
      for shift in (-5e3, 5e3):
        self.assertAllClose(
            _BOUNDS[name](f + np.float32(shift)),
            _formula(name, np.float64(f)),
            rtol=1e-4,
        )
    # Each row is dominated by one x that is left out in turn.
    f = np.float32(np.diag([60.0, 50, 40, 30])[::-1])
    for alpha in (0.01, 1.0):
      self.assertAllClose(
          objectives.interpolated_bound(f, alpha),
          _interpolated(np.float64(f), alpha),
          rtol=1e-5,
      )

  @parameterized.parameters(0.0, 0.5, 1.0)
  def test_interpolated_bound_of_impossible_pairs(self, alpha):
    f = np.float32(_scores(4, 4))
    f[0, 1:] = f[1, 2] = -np.inf

    def value_and_gradient(scores):
      with tf.GradientTape() as tape:
        tape.watch(scores)
        value = objectives.interpolated_bound(scores, alpha)
      return value, tape.gradient(value, scores)

    # Of scores so low that it makes no difference.
    low = tf.constant(np.where(np.isinf(f), -80.0, f))
    expected = value_and_gradient(tf.cast(low, tf.float32))
    for function in (
        value_and_gradient,
        tf.function(value_and_gradient, jit_compile=True),
    ):
      value, gradient = function(tf.constant(f))
      self.assertAllClose(value, expected[0], rtol=1e-5)
      self.assertAllInRange(gradient, -10.0, 10.0)
      self.assertAllClose(
          gradient[np.isfinite(f)], expected[1][np.isfinite(f)], atol=1e-5
      )
      self.assertAllEqual(gradient[np.isinf(f)], [0.0] * 4)
    f[2, 2] = -np.inf
    value, gradient = value_and_gradient(tf.constant(f))
    self.assertAllEqual(value, -np.inf)
    self.assertAllInRange(gradient, -10.0, 10.0)

  def test_info_nce_of_an_impossible_pair(self):
    f = _scores(4, 4)
    f[2, 2] = -np.inf
    f = tf.constant(f)
    with tf.GradientTape() as tape:
      tape.watch(f)
      value = objectives.info_nce_bound(f)
    self.assertAllEqual(value, -np.inf)
    self.assertAllInRange(tape.gradient(value, f), -1.0, 1.0)

  @parameterized.parameters(*_BOUNDS)
  def test_is_nan_without_enough_pairs(self, name):
    value = _BOUNDS[name](_scores(4, 4), [False] * 4)
    self.assertAllEqual(tf.math.is_nan(value), True)
    if name != 'info_nce':
      value = _BOUNDS[name](_scores(4, 4), [False, True, False, False])
      self.assertAllEqual(tf.math.is_nan(value), True)

  def test_equals_tfp_where_it_is_right(self):
    vi = tfp.vi.mutual_information
    f = _scores(3, 5, 5)
    for bound, oracle in (
        (objectives.info_nce_bound, vi.lower_bound_info_nce),
        (objectives.nwj_bound, vi.lower_bound_nguyen_wainwright_jordan),
        (objectives.jensen_shannon_objective, vi.lower_bound_jensen_shannon),
    ):
      self.assertAllClose(bound(f), oracle(f))
      # With the mask of the pairs it averages them over all matrices at once:
      # a batch is no longer what its matrices are one by one.
      eye = np.broadcast_to(np.eye(5, dtype=bool), f.shape)
      self.assertNotAllClose(oracle(f, eye), oracle(f))
      self.assertAllClose(
          [oracle(g, np.eye(5, dtype=bool)) for g in f], bound(f)
      )
      # A mask of ours keeps them apart.
      self.assertAllClose(bound(f, np.ones([3, 5], bool)), oracle(f))
    log_q = _scores(3, 5)
    self.assertAllClose(
        objectives.barber_agakov_bound(log_q, 0.7),
        vi.lower_bound_barber_agakov(log_q, 0.7),
    )

  def test_barber_agakov_under_a_mask(self):
    log_q, log_z = _scores(2, 4), _scores(2, 4, seed=1)
    mask = np.array([[True, False, True, True], [False, False, True, False]])
    log_q[~mask] = math.nan
    self.assertAllClose(
        objectives.barber_agakov_bound(log_q, [1.0, 2.0], mask),
        np.nanmean(log_q, -1) + [1, 2],
    )
    self.assertAllClose(
        objectives.unnormalized_barber_agakov_bound(log_q, log_z, mask),
        np.nanmean(log_q - log_z, -1),
    )

  def test_one_pair_tells_nothing(self):
    self.assertAllEqual(objectives.info_nce_bound([[5.0]]), 0.0)

  def test_rejects(self):
    for name, bound in _BOUNDS.items():
      for shape in ([3], [2, 3], [2, 3, 2]):
        with self.assertRaisesRegex(ValueError, r'K, K\]|\[\.\.\., K\]'):
          bound(np.zeros(shape))
      for mask in ([1.0, 1.0], [True] * 3):
        with self.assertRaisesRegex(ValueError, r'boolean `mask` .*\[..., 2\]'):
          bound(np.zeros([2, 2]), mask)
      if name != 'info_nce':
        with self.assertRaisesRegex(ValueError, 'at least 2 pairs'):
          bound(np.zeros([1, 1]))
    with self.assertRaisesRegex(ValueError, '`log_baseline` that broadcasts'):
      objectives.tuba_bound(np.zeros([3, 3]), np.zeros([3, 3]))
    with self.assertRaisesRegex(ValueError, 'a scalar `alpha`; received shape'):
      tf.function(
          lambda alpha: objectives.interpolated_bound(np.zeros([2, 2]), alpha)
      )(tf.ones([2]))
    with self.assertRaisesRegex(ValueError, '`entropy` that broadcasts to'):
      objectives.barber_agakov_bound(np.zeros([2, 3]), np.zeros([5, 1]))
    for log_partition in (np.zeros([3, 1]), np.zeros([1]), np.zeros([2, 3])):
      with self.assertRaisesRegex(ValueError, 'Expected `log_partition`'):
        objectives.unnormalized_barber_agakov_bound(np.zeros(3), log_partition)
    for log_baseline in ([0.0] * 3, np.zeros([2, 1])):
      with self.assertRaisesRegex(ValueError, r'`log_baseline` of shape \[\]'):
        objectives.tuba_bound(np.zeros([2, 2]), log_baseline)
    for alpha in (-0.1, 1.1, math.nan):
      for same in (alpha, np.float64(alpha), tf.constant(alpha, tf.float64)):
        with self.assertRaisesRegex(ValueError, f'`alpha` .* received {alpha}'):
          objectives.interpolated_bound(np.zeros([2, 2]), same)
    with self.assertRaisesRegex(ValueError, '`log_q` of shape'):
      objectives.barber_agakov_bound(0.0, 0.0)
    with self.assertRaisesRegex(ValueError, '`joint_scores` of shape'):
      objectives.unnormalized_barber_agakov_bound(0.0, 0.0)


class EnumerationTest(tf.test.TestCase, parameterized.TestCase):
  """All batches of three pairs of x and y of three values each."""

  def setUp(self):
    super().setUp()
    rng = np.random.default_rng(0)
    self.joint = rng.dirichlet(np.full(9, 0.5)).reshape([3, 3])
    self.joint = 0.98 * self.joint + 0.02 / 9
    p_x, p_y = self.joint.sum(1), self.joint.sum(0)
    self.independent = np.outer(p_x, p_y)
    self.log_ratio = np.log(self.joint / self.independent)
    self.information = np.sum(self.joint * self.log_ratio)
    outcomes = np.array(list(itertools.product(range(9), repeat=3)))
    self.x, self.y = np.divmod(outcomes, 3)
    self.probs = np.prod(self.joint[self.x, self.y], axis=1)

  def expectation(self, bound, critic):
    """Returns the mean of `bound(scores)` for a table of f over x and y."""
    scores = critic[self.x[:, np.newaxis, :], self.y[:, :, np.newaxis]]
    return self.probs @ bound(scores).numpy()

  def critics(self):
    rng = np.random.default_rng(1)
    yield self.log_ratio
    for scale in (0.1, 1.0, 3.0):
      yield self.log_ratio + rng.normal(scale=scale, size=[3, 3])
      yield rng.normal(scale=scale, size=[3, 3])

  def test_tuba_nwj_and_js_are_unbiased(self):
    log_a = np.array([0.4, -0.2, 0.7])
    for f in self.critics():

      def population(log_a, f=f):
        u = f - log_a
        return 1 + np.sum(self.joint * u - self.independent * np.exp(u))

      self.assertLessEqual(population(log_a), self.information + 1e-9)
      for bound, expected in (
          (objectives.nwj_bound, population(1.0)),
          (objectives.jensen_shannon_bound, population(0.0)),
          (
              lambda s: objectives.tuba_bound(s, log_a[self.y]),
              population(log_a),
          ),
          (
              lambda s: objectives.interpolated_bound(s, 0.0, log_a[self.y]),
              population(log_a),
          ),
      ):
        self.assertAllClose(self.expectation(bound, f), expected)

  def test_lower_bounds_are_below_for_any_critic(self):
    log_a = np.array([0.4, -0.2, 0.7])
    for f in self.critics():
      for bound in (
          objectives.info_nce_bound,
          *(
              lambda s, alpha=alpha: objectives.interpolated_bound(
                  s, alpha, log_a[self.y]
              )
              for alpha in (0.05, 0.5, 1.0)
          ),
      ):
        self.assertLess(self.expectation(bound, f), self.information)

  def test_optimal_critics(self):
    expectation = self.expectation
    f = self.log_ratio
    self.assertAllClose(
        expectation(objectives.nwj_bound, f + 1), self.information
    )
    self.assertAllClose(
        expectation(objectives.jensen_shannon_bound, f), self.information
    )
    # What it would be without the 1.
    self.assertAllClose(
        expectation(objectives.nwj_bound, f), self.information - 1 / math.e
    )
    lower = expectation(objectives.info_nce_bound, f)
    upper = expectation(objectives.leave_one_out_upper_bound, f)
    self.assertBetween(self.information, lower + 0.01, upper - 0.01)
    # Any c(y) is as good, and then the roles of x and y are not the same.
    shifted = f + np.array([3.0, -1.0, 0.5])
    self.assertAllClose(expectation(objectives.info_nce_bound, shifted), lower)
    self.assertAllClose(
        expectation(objectives.leave_one_out_upper_bound, shifted), upper
    )
    self.assertNotAllClose(
        expectation(objectives.info_nce_bound, f + [[3.0], [-1.0], [0.5]]),
        lower,
    )
    # One pair is left out, in one expectation and in the other.
    expected = self.probs @ np.mean(
        [
            objectives.info_nce_bound(
                f[self.x[:, np.newaxis, kept], self.y[:, kept, np.newaxis]]
            )
            for kept in ([0, 1], [0, 2], [1, 2])
        ],
        axis=0,
    )
    self.assertAllClose(
        expectation(lambda s: objectives.interpolated_bound(s, 1.0), f),
        expected,
    )

  def test_js_has_its_optimum_at_the_log_ratio(self):
    critic = tf.Variable(self.log_ratio)
    index = np.stack(
        np.broadcast_arrays(self.x[:, np.newaxis, :], self.y[:, :, np.newaxis]),
        axis=-1,
    )
    with tf.GradientTape(persistent=True) as tape:
      scores = tf.gather_nd(critic, index)
      values = {
          bound: tf.tensordot(self.probs, bound(scores), 1)
          for bound in (
              objectives.jensen_shannon_objective,
              objectives.jensen_shannon_bound,
              objectives.nwj_bound,
          )
      }
    for bound, value in values.items():
      gradient = tf.reduce_max(tf.abs(tape.gradient(value, critic)))
      if bound is objectives.nwj_bound:
        self.assertGreater(gradient, 0.01)
      else:
        self.assertLess(gradient, 1e-9)
    mean = (self.joint + self.independent) / 2
    divergence = 0.5 * np.sum(
        special.rel_entr(self.joint, mean)
        + special.rel_entr(self.independent, mean)
    )
    self.assertAllClose(
        values[objectives.jensen_shannon_objective],
        2 * divergence - math.log(4),
    )

  def test_barber_agakov_is_below_by_the_divergence(self):
    p_x, p_y = self.joint.sum(1), self.joint.sum(0)
    q = np.random.default_rng(2).dirichlet(np.ones(3), size=3).T  # [x, y].
    gap = np.sum(special.rel_entr(self.joint, q * p_y))
    # Each pair counts by its probability: sums instead of means.
    values = objectives.barber_agakov_bound(
        np.log(q).reshape([9, 1]), stats.entropy(p_x)
    )
    self.assertAllClose(
        self.joint.reshape([9]) @ values.numpy(), self.information - gap
    )
    f = self.log_ratio + np.random.default_rng(3).normal(size=[3, 3])
    log_z = special.logsumexp(f + np.log(p_x)[:, np.newaxis], axis=0)
    values = objectives.unnormalized_barber_agakov_bound(
        f.reshape([9, 1]), np.broadcast_to(log_z, [3, 3]).reshape([9, 1])
    )
    q = p_x[:, np.newaxis] * np.exp(f - log_z)
    gap = np.sum(special.rel_entr(self.joint, q * p_y))
    self.assertAllClose(
        self.joint.reshape([9]) @ values.numpy(), self.information - gap
    )


class CeilingTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(2, 7, 64)
  def test_info_nce_is_at_most_log_k(self, size):
    rng = np.random.default_rng(0)
    for scale in (0.0, 1.0, 1e2, 1e4, 1e30):
      noise = np.float32(rng.normal(scale=scale, size=[20, size, size]))
      for f in (noise, noise + np.float32(scale) * np.eye(size, dtype='f')):
        values = objectives.info_nce_bound(f)
        self.assertAllLessEqual(values, float(tf.math.log(float(size))))

  @parameterized.product(size=(2, 7, 64), alpha=(1e-3, 0.5, 1.0))
  def test_interpolated_is_at_most_one_above_log_m_over_alpha(
      self, size, alpha
  ):
    ceiling = math.log((size - 1) / alpha) + (alpha < 1)
    rng = np.random.default_rng(0)
    for scale in (0.0, 1.0, 1e2, 1e4):
      noise = np.float32(rng.normal(scale=scale, size=[20, size, size]))
      for f in (noise, noise + np.float32(scale) * np.eye(size, dtype='f')):
        values = objectives.interpolated_bound(f, alpha)
        self.assertAllLessEqual(values, ceiling + 1e-5)

  def test_interpolated_may_be_above_log_m_over_alpha(self):
    # Pairs that tell all: no other x comes near the baseline.
    f = np.where(np.eye(64), 50.0, -50.0)
    for alpha in (0.01, 0.5, 0.99):
      self.assertAllClose(
          objectives.interpolated_bound(f, alpha), 1 + math.log(63 / alpha)
      )
    self.assertAllClose(objectives.interpolated_bound(f, 1.0), math.log(63))


class GaussianTest(tf.test.TestCase, parameterized.TestCase):
  """Pairs of 20 dimensions of which the information is known."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.pairs = {information: cls._draw(information) for information in (2, 6)}

  @classmethod
  def _draw(cls, information, num_batches=1000, size=32, dim=20):
    rho = math.sqrt(-math.expm1(-2 * information / dim))
    x, noise = np.random.default_rng(0).normal(size=[2, num_batches, size, dim])
    y = rho * x + math.sqrt(1 - rho**2) * noise
    errors = (
        np.sum(y**2, -1)[..., :, np.newaxis]
        - 2 * rho * np.einsum('bid,bjd->bij', y, x)
        + rho**2 * np.sum(x**2, -1)[..., np.newaxis, :]
    ) / (1 - rho**2)
    marginal = np.sum(y**2, -1)[..., np.newaxis]
    return x, y, rho, information + 0.5 * (marginal - errors)

  def check(self, values, expected):
    """Asserts the mean within four standard errors, and returns it."""
    values = values.numpy()
    error = stats.sem(values)
    self.assertAllClose(values.mean(), expected, atol=4 * error, rtol=0)
    return values.mean(), error

  @parameterized.parameters(2, 6)
  def test_bounds_that_are_equal_at_the_optimal_critic(self, information):
    x, y, rho, log_ratio = self.pairs[information]
    self.check(objectives.nwj_bound(log_ratio + 1), information)
    self.check(objectives.jensen_shannon_bound(log_ratio), information)
    self.check(objectives.nwj_bound(log_ratio), information - math.exp(-1))
    log_a = np.sin(y[..., 0])
    self.check(
        objectives.tuba_bound(log_ratio + log_a[..., np.newaxis], log_a),
        information,
    )
    self.check(
        objectives.interpolated_bound(
            log_ratio + log_a[..., np.newaxis], 0.0, log_a
        ),
        information,
    )
    own = np.diagonal(log_ratio, axis1=-2, axis2=-1)
    self.check(
        objectives.unnormalized_barber_agakov_bound(own + log_a, log_a),
        information,
    )
    entropy = 10 * (1 + math.log(2 * math.pi))
    scale = math.sqrt(1 - rho**2)
    for loc, q_scale in ((rho, scale), (0.9 * rho, 1.2 * scale)):
      log_q = stats.norm.logpdf(x, loc * y, q_scale).sum(-1)
      gap = 20 * (
          math.log(q_scale / scale)
          + (scale**2 + (rho - loc) ** 2) / (2 * q_scale**2)
          - 0.5
      )
      self.check(
          objectives.barber_agakov_bound(log_q, entropy), information - gap
      )

  @parameterized.parameters(2, 6)
  def test_bounds_that_are_below_or_above(self, information):
    *_, log_ratio = self.pairs[information]
    # Known from ten times as many draws of one y each: of an own x and of 31
    # others, whose log ratios do not depend on the law of the batch.
    rng = np.random.default_rng(1)
    rho = math.sqrt(-math.expm1(-information / 10))
    y, own = rng.normal(size=[2, 30_000, 20])
    others = rng.normal(size=[31, 30_000, 20])
    own = rho * y + math.sqrt(1 - rho**2) * own

    def ratio(x):
      errors = np.sum((y - rho * x) ** 2, -1) / (1 - rho**2)
      return information + 0.5 * (np.sum(y**2, -1) - errors)

    own, others = ratio(own), ratio(others)
    log_sum = special.logsumexp(others, axis=0)

    def check(bound, known, lowest, highest):
      values = bound(log_ratio).numpy()
      error = math.hypot(stats.sem(values), stats.sem(known))
      self.assertAllClose(values.mean(), known.mean(), atol=4 * error, rtol=0)
      self.assertBetween(values.mean(), lowest, highest + 4 * error)

    # 31 of the 32 terms, as one is left out.
    m = np.exp(log_sum) / 31
    m_own = np.exp(np.logaddexp(own, special.logsumexp(others[1:], 0))) / 31
    check(
        objectives.info_nce_bound,
        own - np.logaddexp(own, log_sum) + math.log(32),
        0.0,
        min(information, math.log(32)),
    )
    for alpha in (0.1, 0.5, 1.0):
      check(
          lambda s, alpha=alpha: objectives.interpolated_bound(s, alpha, 0.0),
          1
          + own
          - np.log(alpha * m_own + 1 - alpha)
          - m / (alpha * m + 1 - alpha),
          0.0,
          information,
      )
    check(
        objectives.leave_one_out_upper_bound,
        own - log_sum + math.log(31),
        information + 0.01,
        math.inf,
    )
    # From samples it is no lower bound.
    values = objectives.donsker_varadhan_bound(log_ratio).numpy()
    self.assertGreater(values.mean() + 4 * stats.sem(values), information)


if __name__ == '__main__':
  tf.test.main()
