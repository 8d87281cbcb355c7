"""Estimators without bias by enumeration and by the score function."""

import functools
import math

from absl.testing import parameterized
import keras
import numpy as np
import pytest
from scipy import special
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import ops
from discrete_lvm.estimators import score_estimator
from tests.estimators import enumeration

_UNBIASED = (
    ('leave_one_out', estimators.LeaveOneOut, {}),
    ('leave_one_out_3', estimators.LeaveOneOut, {'num_samples': 3}),
    (
        'leave_one_out_bound',
        estimators.LeaveOneOut,
        {'num_samples': 3, 'importance_weighted': True},
    ),
    ('moving_average_baseline', estimators.MovingAverageBaseline, {}),
    ('nvil', estimators.NVIL, {'normalize': False}),
    (
        'nvil_bound',
        estimators.NVIL,
        {'normalize': False, 'num_samples': 2, 'importance_weighted': True},
    ),
    ('score_function', estimators.ScoreFunction, {}),
    ('score_function_2', estimators.ScoreFunction, {'num_samples': 2}),
    (
        'score_function_bound',
        estimators.ScoreFunction,
        {'num_samples': 3, 'importance_weighted': True},
    ),
    ('sum_none_and_sample', estimators.SumAndSample, {'num_summed': 0}),
    ('sum_and_sample', estimators.SumAndSample, {}),
    (
        'sum_2_and_sample_bound',
        estimators.SumAndSample,
        {'num_summed': 2, 'num_samples': 2, 'importance_weighted': True},
    ),
    ('vimco', estimators.VIMCO, {}),
    ('vimco_3', estimators.VIMCO, {'num_samples': 3}),
)
_SHAPES = ((3, 2), (2, 3), (1, 5))


def _assert_unbiased(cls, kwargs, shape, objective, num_draws):
  estimator = cls(**kwargs)
  logits, objective = enumeration.logits_of(*shape), objective(*shape)
  # A baseline has seen something before it is put to the test.
  enumeration.draw(estimator, logits, objective, 100, seed=(0, 1))
  enumeration.assert_unbiased(estimator, logits, objective, num_draws)


class UnbiasednessTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.named_parameters(*_UNBIASED)
  def test_equals_the_enumeration(self, cls, kwargs):
    for shape in _SHAPES:
      for objective in enumeration.OBJECTIVES:
        with self.subTest(shape=shape, objective=objective.__name__):
          _assert_unbiased(cls, kwargs, shape, objective, 20_000)

  @parameterized.named_parameters(*_UNBIASED)
  @pytest.mark.slow
  def test_equals_the_enumeration_over_a_million_draws(self, cls, kwargs):
    for shape in _SHAPES:
      _assert_unbiased(cls, kwargs, shape, enumeration.table, 1_000_000)

  @parameterized.product(
      shape=_SHAPES,
      kwargs=({}, {'num_samples': 2, 'importance_weighted': True}),
  )
  def test_without_variance(self, shape, kwargs):
    num_codes = shape[1] ** (shape[0] * kwargs.get('num_samples', 1))
    for estimator in (
        estimators.Exact(**kwargs),
        estimators.SumAndSample(num_summed=num_codes + 1, **kwargs),
    ):
      for objective in enumeration.OBJECTIVES:
        logits, objective = enumeration.logits_of(*shape), objective(*shape)
        drawn = enumeration.draw(estimator, logits, objective, 3)
        expected = enumeration.exact(logits, objective, **kwargs)
        for x, mean in zip(drawn, expected, strict=True):
          self.assertAllClose(x, [mean] * 3, atol=1e-5, rtol=1e-5)

  def test_normalized_nvil_is_unbiased_but_for_the_scale(self):
    estimator = estimators.NVIL()
    logits = enumeration.logits_of(2, 3)
    spread = enumeration.quadratic(2, 3)

    def objective(codes, parameter):
      return 5.0 * spread(codes, parameter)

    enumeration.draw(estimator, logits, objective, 100, seed=(0, 1))
    scale = math.sqrt(estimator._moments.variance)
    self.assertGreater(scale, 2.0)
    values, d_logits, d_parameter = enumeration.draw(
        estimator, logits, objective, 20_000
    )
    enumeration.assert_means(
        (values, d_logits * scale, d_parameter),
        enumeration.exact(logits, objective),
    )

  @parameterized.parameters(1, 7)
  def test_sum_and_sample_of_codes_that_cannot_be_listed(self, num_summed):
    enumeration.assert_unbiased_over_many_codes(
        estimators.SumAndSample(num_summed)
    )


class _OwnCostInBaseline(score_estimator.ScoreEstimator):
  """A planted fault: the mean of all samples depends on each."""

  def _signals(self, samples, **context):
    return samples - tf.reduce_mean(samples, axis=0)


class _MeanWhereABoundIs(estimators.VIMCO):
  """A planted fault: not weighed by what a sample is worth to the bound."""

  def _costs(self, samples):
    return samples


class _WrongSign(estimators.ScoreFunction):
  """A planted fault."""

  def _signals(self, samples, **context):
    return -super()._signals(samples, **context)


class _RestNotReweighted(estimators.SumAndSample):
  """A planted fault: the sample counts as if no code were summed."""

  def _estimate(self, logits, objective, seed, noise, **context):
    values = super()._estimate(logits, objective, seed, noise, **context)
    sampled = estimators.ScoreFunction()(logits, objective=objective, seed=seed)
    return values + 0.05 * sampled


class PlantedFaultsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.named_parameters(
      ('own_cost', _OwnCostInBaseline, {'num_samples': 3}),
      ('bound', _MeanWhereABoundIs, {}),
      ('sign', _WrongSign, {}),
      ('rest', _RestNotReweighted, {}),
  )
  def test_are_seen(self, cls, kwargs):
    with self.assertRaisesRegex(AssertionError, 'standard errors by which'):
      _assert_unbiased(cls, kwargs, (2, 3), enumeration.table, 20_000)


LOGITS = tf.random.stateless_normal([4, 2, 3], [0, 1])
OBJECTIVE = functools.partial(enumeration.table(2, 3), parameter=2.0)


def _gradient(estimator, logits=LOGITS, objective=OBJECTIVE, **kwargs):
  with tf.GradientTape() as tape:
    tape.watch(logits)
    values = estimator(logits, objective=objective, **kwargs)
  return tape.gradient(values, logits)


def _draws(num_samples, seed=(0, 2)):
  """Returns noise `[S, 4, 2, 3]`, and costs and scores of its codes."""
  noise = ops.gumbel([num_samples, *LOGITS.shape], seed)
  codes = ops.one_hot_argmax(LOGITS + noise)
  scores = codes - special.softmax(LOGITS.numpy(), -1)
  return noise, OBJECTIVE(codes).numpy().astype('float64'), scores.numpy()


def _weigh(signals, scores):
  return np.asarray(signals)[..., np.newaxis, np.newaxis] * scores


class FormulasTest(tf.test.TestCase, parameterized.TestCase):

  def test_score_function(self):
    noise, costs, scores = _draws(1)
    expected = _weigh(costs, scores)[0]
    for estimator in (
        estimators.ScoreFunction(),
        estimators.SumAndSample(num_summed=0),
    ):
      self.assertAllClose(_gradient(estimator, noise=noise[0]), expected)

  def test_leave_one_out(self):
    noise, costs, scores = _draws(5)
    others = [np.delete(costs, s, axis=0).mean(0) for s in range(5)]
    self.assertAllClose(
        _gradient(estimators.LeaveOneOut(5), noise=noise),
        _weigh(costs - others, scores).mean(0),
        atol=1e-5,
    )

  def test_vimco(self):
    # Equations 5, 9 and 10 of the paper, in its order of operations.
    noise, costs, scores = _draws(5)
    log_f = -costs
    bound = special.logsumexp(log_f, 0) - math.log(5)
    without = []
    for s in range(5):
      others = np.delete(log_f, s, axis=0)
      replaced = np.concatenate([others, [others.mean(0)]])
      without.append(special.logsumexp(replaced, 0) - math.log(5))
    self.assertAllClose(
        _gradient(estimators.VIMCO(5), noise=noise),
        -_weigh(bound - without, scores).sum(0),
        atol=1e-5,
    )

  def test_vimco_is_stable(self):
    # Weights a thousand nats apart, in either direction.
    noise, costs, scores = _draws(3)
    gradient = _gradient(
        estimators.VIMCO(3),
        objective=lambda z: 1000.0 * OBJECTIVE(z) + 1e4,
        noise=noise,
    )
    costs = 1000.0 * costs + 1e4
    bound = math.log(3) - special.logsumexp(-costs, 0)
    without = [
        math.log(3) - special.logsumexp(-np.concatenate([o, [o.mean(0)]]), 0)
        for o in (np.delete(costs, s, axis=0) for s in range(3))
    ]
    self.assertAllClose(
        gradient, _weigh(bound - without, scores).sum(0), rtol=1e-4, atol=1e-2
    )

  def test_moving_average_is_of_the_past_alone(self):
    estimator = estimators.MovingAverageBaseline(decay=0.6)
    total = weight = 0.0
    for seed in range(3):
      noise, costs, scores = _draws(1, (0, seed))
      # The first call has no past.
      baseline = total / weight if weight else 0.0
      self.assertAllClose(
          _gradient(estimator, noise=noise[0]),
          _weigh(costs - baseline, scores)[0],
          atol=1e-5,
      )
      total = 0.6 * total + 0.4 * costs.mean()
      weight = 0.6 * weight + 0.4

  def test_nvil(self):
    network = keras.layers.Dense(1, bias_initializer='ones')
    estimator = estimators.NVIL(network, decay=0.6)
    features = tf.random.stateless_normal([4, 7], [0, 3])
    mean = variance = weight = 0.0
    for seed in range(3):
      noise, costs, scores = _draws(1, (0, seed))
      costs, scores = 10.0 * costs[0], scores[0]
      gradient = _gradient(
          estimator,
          objective=lambda z: 10.0 * OBJECTIVE(z),
          noise=noise[0],
          features=features,
      )
      residual = costs - network(features).numpy()[:, 0]
      centre, scale = 0.0, 1.0
      if weight:
        centre = mean / weight
        scale = max(1.0, math.sqrt(variance / weight))
      self.assertAllClose(
          gradient, _weigh((residual - centre) / scale, scores), atol=1e-4
      )
      mean = 0.6 * mean + 0.4 * residual.mean()
      variance = 0.6 * variance + 0.4 * residual.var()
      weight = 0.6 * weight + 0.4
    self.assertGreater(scale, 1.0)

  def test_sum_and_sample_samples_the_rest(self):
    # The rest of one example, as often as its conditional law says.
    logits = enumeration.logits_of(2, 3)
    draws = 20_000
    seen = []

    def objective(codes):
      seen.append(codes)
      return tf.reduce_sum(codes, [-2, -1])

    estimators.SumAndSample(num_summed=2)(
        tf.repeat(logits[tf.newaxis], draws, axis=0),
        objective=objective,
        seed=[0, 1],
    )
    (codes,) = seen
    self.assertEqual(codes.shape, [3, draws, 2, 3])
    index = np.argmax(codes, -1) @ [3, 1]
    log_p = tf.nn.log_softmax(logits).numpy()
    q = np.exp(log_p[0][:, np.newaxis] + log_p[1]).ravel()
    likeliest = np.argsort(-q)[:2]
    self.assertAllEqual(index[:2], np.outer(likeliest, np.ones(draws)))
    q[likeliest] = 0.0
    q /= q.sum()
    frequencies = np.bincount(index[2], minlength=9) / draws
    error = np.sqrt(q * (1 - q) / draws) + 1e-9
    self.assertAllLess(np.abs(frequencies - q) / error, 4.0)


class VarianceTest(tf.test.TestCase, parameterized.TestCase):

  def _variance(self, estimator, objective=enumeration.shifted):
    logits, objective = enumeration.logits_of(2, 3), objective(2, 3)
    # Two calls, so that the baselines know what to expect.
    for seed in (1, 2):
      _, gradient, _ = enumeration.draw(
          estimator, logits, objective, 5_000, seed=(0, seed)
      )
    return gradient.var(0).sum()

  def test_baselines_take_off_a_large_mean(self):
    plain = self._variance(estimators.ScoreFunction(2))
    self.assertLess(self._variance(estimators.LeaveOneOut(2)), plain / 10)
    plain = self._variance(estimators.ScoreFunction())
    moving_average = estimators.MovingAverageBaseline(decay=0.0)
    self.assertLess(self._variance(moving_average), plain / 10)
    nvil = estimators.NVIL(decay=0.0, normalize=False)
    self.assertLess(self._variance(nvil), plain / 10)

  def test_vimco_takes_off_a_large_mean(self):
    plain = self._variance(estimators.ScoreFunction(3, True))
    for cls in (estimators.VIMCO, estimators.LeaveOneOut):
      estimator = cls(num_samples=3, importance_weighted=True)
      self.assertLess(self._variance(estimator), plain / 10)

  def test_summing_takes_off_at_least_its_share(self):
    log_p = tf.nn.log_softmax(enumeration.logits_of(2, 3)).numpy()
    q = np.sort(np.exp(log_p[0][:, np.newaxis] + log_p[1]).ravel())[::-1]
    plain = self._variance(estimators.ScoreFunction(), enumeration.table)
    for num_summed in (1, 3, 6):
      estimator = estimators.SumAndSample(num_summed=num_summed)
      rest = q[num_summed:].sum()
      # A variance of 5,000 draws is within 10 % (4 sigma at a kurtosis of 4).
      self.assertLess(
          self._variance(estimator, enumeration.table), 1.1 * rest * plain
      )


class BaselineTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      (estimators.MovingAverageBaseline, {}),
      (estimators.NVIL, {'num_samples': 2}),
  )
  def test_evaluation_leaves_no_trace(self, cls, kwargs):
    estimator = cls(**kwargs)
    weights = []
    for training in (True, False, True):
      estimator(LOGITS, objective=OBJECTIVE, seed=[0, 1], training=training)
      weights.append([w.numpy() for w in estimator.non_trainable_weights])
    self.assertAllEqual(weights[0], weights[1])
    self.assertNotAllEqual(weights[1], weights[2])

  @parameterized.parameters(
      (estimators.MovingAverageBaseline, {}),
      (estimators.NVIL, {}),
  )
  def test_an_infinite_cost_leaves_no_trace(self, cls, kwargs):
    estimator = cls(**kwargs)
    _gradient(estimator, LOGITS, seed=[0, 1])
    before = [w.numpy() for w in estimator.non_trainable_weights]
    for cost in (math.inf, math.nan):
      estimator(
          LOGITS,
          objective=lambda z, cost=cost: cost + OBJECTIVE(z),
          seed=[0, 1],
          training=True,
      )
    after = [w.numpy() for w in estimator.non_trainable_weights]
    self.assertAllEqual(before, after)

  def test_average_takes_in_samples_drawn_elsewhere(self):
    weighed, called = (estimators.MovingAverageBaseline() for _ in range(2))
    noise = ops.gumbel(LOGITS.shape, [0, 1])
    codes = ops.one_hot_argmax(LOGITS + noise)
    for _ in range(3):
      logits = tf.Variable(LOGITS)
      with tf.GradientTape() as tape:
        log_probs = tf.reduce_sum(ops.one_hot_log_prob(codes, logits), -1)
        values = weighed.weigh(OBJECTIVE(codes), log_probs, training=True)
      expected = _gradient(called, LOGITS, noise=noise, training=True)
      self.assertAllClose(tape.gradient(values, logits), expected)
    self.assertAllClose(values, OBJECTIVE(codes))

  @parameterized.parameters(
      (estimators.NVIL, {}), (estimators.RODEO, {'num_samples': 2})
  )
  def test_some_refuse_samples_drawn_elsewhere(self, cls, kwargs):
    samples = tf.zeros([2, 4])
    with self.assertRaisesRegex(ValueError, f'received {cls.__name__}'):
      cls(**kwargs).weigh(samples, samples, training=True)

  @parameterized.parameters(
      ([2, 4], [2]), ([2, 4], [2, 1]), ([4], [4]), ([3, 4], [3, 4])
  )
  def test_weigh_rejects_other_shapes(self, samples, log_probs):
    estimator = estimators.LeaveOneOut(num_samples=2)
    with self.assertRaisesRegex(ValueError, 'Expected `samples` of shape'):
      estimator.weigh(tf.zeros(samples), tf.zeros(log_probs))

  def test_weigh_takes_in_the_values_as_a_call_does(self):
    estimator = estimators.MovingAverageBaseline(decay=0.0)
    estimator.weigh(tf.fill([4], 5.0), tf.zeros([4]))
    self.assertAllClose(estimator._moments.mean, 5.0)

  def test_network_learns_by_the_gradient_of_its_error_alone(self):
    network = keras.Sequential([keras.Input((7,)), keras.layers.Dense(1)])
    estimator = estimators.NVIL(network)
    features = tf.random.stateless_normal([4, 7], [0, 3])
    slope = tf.Variable(2.0)
    noise, costs, _ = _draws(1)

    @tf.function(jit_compile=True)
    def gradients():
      with tf.GradientTape() as tape:
        tape.watch(features)
        values = estimator(
            LOGITS,
            objective=lambda z: slope * OBJECTIVE(z),
            noise=noise[0],
            features=features,
        )
        loss = tf.reduce_mean(values)
      variables = [w.value for w in estimator.trainable_weights]
      return tape.gradient(loss, [slope, features, *variables])

    d_slope, d_features, *d_network = gradients()
    self.assertAllClose(d_slope, costs.mean())
    self.assertIsNone(d_features)
    with tf.GradientTape() as tape:
      error = 2.0 * costs[0].astype('float32') - network(features)[:, 0]
      loss = tf.reduce_mean(error**2) / 2.0
    expected = tape.gradient(loss, [w.value for w in network.weights])
    self.assertLen(d_network, 2)
    for gradient, right in zip(d_network, expected, strict=True):
      self.assertAllClose(gradient, right)

  def test_network_lowers_the_variance_where_examples_differ(self):
    # The cost depends on the example far more than on the code.
    features = tf.one_hot(tf.range(400) % 4, 4)
    logits = tf.zeros([400, 1, 3])
    level = tf.linalg.matvec(features, tf.constant([0.0, 10.0, 20.0, 30.0]))
    objective = lambda z: level + z[..., 0, 0]  # noqa: E731
    estimator = estimators.NVIL(
        keras.layers.Dense(1), normalize=False, decay=0.0
    )
    optimizer = keras.optimizers.Adam(0.3)

    @tf.function
    def step(seed):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        values = estimator(
            logits, objective=objective, seed=seed, features=features
        )
      weights = estimator.trainable_weights
      d_logits, *d_weights = tape.gradient(
          values, [logits, *(w.value for w in weights)]
      )
      optimizer.apply(d_weights, weights)
      return tf.math.reduce_variance(d_logits)

    estimator.build(logits.shape, features.shape)
    optimizer.build(estimator.trainable_weights)
    variances = [float(step(ops.as_seed(i))) for i in range(300)]
    self.assertLess(variances[-1], variances[1] / 20)

  def test_default_network_sees_the_probabilities(self):
    estimator = estimators.NVIL()
    estimator(LOGITS, objective=OBJECTIVE, seed=[0, 1])
    self.assertEqual(estimator.trainable_weights[0].shape, (6, 100))

  def test_default_network_is_float32_under_any_policy(self):
    estimator = estimators.NVIL(dtype='mixed_float16')
    for layer in estimator.network.layers:
      self.assertEqual(layer.compute_dtype, 'float32')

  def test_a_call_that_is_refused_builds_nothing(self):
    estimator = estimators.NVIL()
    with self.assertRaisesRegex(ValueError, r'\[..., N, K\]'):
      estimator(tf.zeros([3]), objective=OBJECTIVE, seed=[0, 1])
    values = estimator(LOGITS, objective=OBJECTIVE, seed=[0, 1])
    self.assertEqual(values.shape, [4])
    for estimator in (estimators.NVIL(), estimators.RELAX()):
      for shape in ([7], [5, 7], [4, 7]):
        features = tf.zeros(shape)
        call = functools.partial(
            estimator,
            LOGITS,
            objective=OBJECTIVE,
            seed=[0, 1],
            features=features,
        )
        if shape == [4, 7]:
          self.assertEqual(call().shape, [4])
        else:
          with self.assertRaisesRegex(ValueError, 'Expected `features` of sha'):
            call()

  def test_batches_of_any_rank(self):
    for shape in ((2, 3), (2, 2, 2, 3)):
      estimator = estimators.NVIL()
      logits = tf.zeros(shape)
      values = estimator(logits, objective=OBJECTIVE, seed=[0, 1])
      self.assertEqual(values.shape, shape[:-2])

  def test_rejects(self):
    with self.assertRaisesRegex(ValueError, r'`decay` in \[0, 1\); received 1'):
      estimators.MovingAverageBaseline(decay=1)
    estimator = estimators.NVIL()
    with self.assertRaisesRegex(
        ValueError, r"`features` of shape \[4, '...'\]; received \(5, 7\)"
    ):
      estimator(
          LOGITS, objective=OBJECTIVE, seed=[0, 1], features=tf.zeros([5, 7])
      )
    estimator = estimators.NVIL()
    with self.assertRaisesRegex(ValueError, r'static shape.*\(None, 3\)'):
      tf.function(
          lambda x: estimator(x, objective=OBJECTIVE, seed=[0, 1])
      ).get_concrete_function(tf.TensorSpec([4, None, 3]))
    estimator = estimators.NVIL(keras.layers.Dense(2))
    with self.assertRaisesRegex(ValueError, r'received an output of shape'):
      estimator(
          LOGITS, objective=OBJECTIVE, seed=[0, 1], features=tf.zeros([4, 7])
      )


class EdgesTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.named_parameters(('exact', estimators.Exact, {}), *_UNBIASED)
  def test_classes_of_probability_zero(self, cls, kwargs):
    logits = tf.constant([[[-math.inf, 0.0, 1.0], [0.5, -math.inf, -math.inf]]])
    values = cls(**kwargs)(
        logits,
        # Infinite where a code never comes.
        objective=lambda z: tf.where(z[..., 0, 0] > 0, math.inf, OBJECTIVE(z)),
        seed=[0, 1],
    )
    self.assertAllEqual(np.isfinite(values), [True])
    gradient = _gradient(cls(**kwargs), logits, seed=[0, 1])
    self.assertAllEqual(np.isfinite(gradient), np.ones([1, 2, 3], bool))
    impossible = np.isinf(logits)
    self.assertAllEqual(gradient[impossible], np.zeros(3))

  @parameterized.parameters(
      (estimators.Exact, {}),
      (estimators.SumAndSample, {'num_summed': 5}),
      (estimators.SumAndSample, {'num_summed': 4}),
  )
  def test_what_is_infinite_where_no_code_comes_leaves_no_trace(
      self, cls, kwargs
  ):
    def gradient(estimator, masked):
      logits = tf.Variable([[[masked, 0.0, 1.0], [0.5, masked, 0.2]]])

      def objective(codes):
        log_q = ops.one_hot_log_prob(codes, logits)
        return OBJECTIVE(codes) + tf.reduce_sum(log_q, axis=-1)

      with tf.GradientTape() as tape:
        value = estimator(logits, objective=objective, seed=[0, 1])
      return value, tape.gradient(value, logits)

    expected = gradient(estimators.Exact(), -80.0)
    actual = gradient(cls(**kwargs), -math.inf)
    for one, other in zip(actual, expected, strict=True):
      self.assertAllClose(one, other, atol=1e-6)

  def test_too_many_codes(self):
    with self.assertRaisesRegex(
        ValueError, r'at most 2\*\*16 = 65536 codes .* received 3\*\*11'
    ):
      estimators.Exact()(tf.zeros([11, 3]), objective=OBJECTIVE)

  @parameterized.parameters(estimators.Exact, estimators.SumAndSample)
  def test_unknown_number_of_latents(self, cls):
    unknown = tf.function(lambda x: cls()(x, objective=OBJECTIVE, seed=[0, 1]))
    with self.assertRaisesRegex(ValueError, 'with a static N'):
      unknown.get_concrete_function(tf.TensorSpec([4, None, 3]))

  def test_too_few_samples(self):
    for cls in (estimators.LeaveOneOut, estimators.VIMCO):
      with self.assertRaisesRegex(
          ValueError, '`num_samples` of at least 2; received 1'
      ):
        cls(num_samples=1)
    with self.assertRaisesRegex(ValueError, 'True for a bound; received False'):
      estimators.VIMCO(importance_weighted=False)
    with self.assertRaisesRegex(ValueError, '`num_summed` of at least 0'):
      estimators.SumAndSample(num_summed=-1)


if __name__ == '__main__':
  tf.test.main()
