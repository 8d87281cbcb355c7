"""What the base class gives: samples, bounds, hierarchies."""

import functools

from absl.testing import parameterized
import keras
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import models
from discrete_lvm import ops
from discrete_lvm.estimators import estimator as estimator_lib
from tests.estimators import enumeration


class OneSample(estimators.Estimator):
  """Knows of one sample only: the base class does the rest."""

  def _estimate(self, logits, objective, seed, noise, **context):
    codes = ops.one_hot_argmax(ops.perturb(logits, seed=seed, noise=noise))
    values = estimator_lib.evaluate(objective, codes)
    score = ops.categorical_score(codes, logits)
    signal = tf.stop_gradient(values)[..., tf.newaxis, tf.newaxis]
    return ops.with_logits_gradient(values, logits, signal * score)


class WrongSign(OneSample):
  """A planted fault."""

  def _estimate(self, logits, objective, seed, noise, **context):
    values = super()._estimate(logits, objective, seed, noise, **context)
    return 2.0 * tf.stop_gradient(values) - values


class ReducedValueByValue(OneSample):
  """A planted fault: the score must see the bound, not each value."""

  _is_pathwise = True


class SamplesTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      num_samples=(1, 3), importance_weighted=(False, True), num_classes=(2, 3)
  )
  def test_any_estimator_of_one_sample_takes_several(
      self, num_samples, importance_weighted, num_classes
  ):
    enumeration.assert_unbiased(
        OneSample(num_samples, importance_weighted),
        enumeration.logits_of(1, num_classes),
        enumeration.table(1, num_classes),
        num_draws=20_000,
    )

  @parameterized.parameters(
      WrongSign(), WrongSign(2, True), ReducedValueByValue(3, True)
  )
  def test_planted_faults_are_seen(self, estimator):
    with self.assertRaisesRegex(AssertionError, 'the gradient for the'):
      enumeration.assert_unbiased(
          estimator,
          enumeration.logits_of(1, 3),
          enumeration.table(1, 3),
          num_draws=20_000,
      )

  @parameterized.parameters(
      OneSample, estimators.ScoreFunction, estimators.StraightThrough
  )
  def test_values_are_those_of_each_sample_reduced(self, cls):
    logits = tf.random.stateless_normal([4, 2, 3], [0, 1])
    noise = ops.gumbel([5, 4, 2, 3], [0, 2])
    codes = ops.one_hot_argmax(logits + noise)
    objective = functools.partial(enumeration.table(2, 3), parameter=1.0)
    each = objective(codes).numpy()
    self.assertAllClose(
        cls(num_samples=5)(logits, objective=objective, noise=noise),
        each.mean(0),
    )
    self.assertAllClose(
        cls(num_samples=5, importance_weighted=True)(
            logits, objective=objective, noise=noise
        ),
        np.log(5) - special.logsumexp(-each, 0),
    )

  def test_objective_gets_samples_before_the_batch(self):
    seen = []

    def objective(codes):
      seen.append(codes.shape.as_list())
      return tf.reduce_sum(codes, [-2, -1])

    for cls in (OneSample, estimators.GumbelSoftmax, estimators.ScoreFunction):
      for importance_weighted in (False, True):
        estimator = cls(num_samples=5, importance_weighted=importance_weighted)
        estimator(tf.zeros([4, 2, 3]), objective=objective, seed=[0, 1])
    self.assertAllEqual(seen, [[5, 4, 2, 3]] * 6)

  def test_pathwise_bound_weighs_the_gradients(self):
    # d/dx of -log mean exp(-f_s) is the mean of d f_s with weights exp(-f_s).
    logits = tf.constant([[0.3, -1.0, 0.5]])
    noise = ops.gumbel([4, 1, 3], [0, 2])
    objective = functools.partial(enumeration.quadratic(1, 3), parameter=1.0)
    one = estimators.GumbelSoftmax()
    gradients, values = [], []
    for s in range(4):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        value = one(logits, objective=objective, noise=noise[s])
      gradients.append(tape.gradient(value, logits))
      values.append(value)
    several = estimators.GumbelSoftmax(num_samples=4, importance_weighted=True)
    with tf.GradientTape() as tape:
      tape.watch(logits)
      value = several(logits, objective=objective, noise=noise)
    weights = special.softmax(-np.array(values))
    self.assertAllClose(
        tape.gradient(value, logits),
        np.tensordot(weights, np.array(gradients), 1),
    )

  def test_hierarchies_nest(self):
    # Two layers of codes: the logits of the second depend on the first.
    weights = tf.random.stateless_normal([3, 3], [0, 7])
    costs = tf.random.stateless_normal([3, 3], [0, 8])
    logits = enumeration.logits_of(1, 3)

    def objective_of(inner):
      def objective(first, parameter):
        inner_logits = parameter[..., tf.newaxis, tf.newaxis] * (
            first @ weights
        )
        return inner(
            inner_logits,
            objective=lambda second: parameter
            * tf.einsum('...nk,...nl,kl->...', first, second, costs),
            seed=[0, 9],
        )

      return objective

    exact = estimators.Exact()
    expected = enumeration.exact(
        logits, lambda z, p: objective_of(exact)(z, tf.fill([3], p))
    )
    score_function = estimators.ScoreFunction()
    pairs = [(score_function, score_function), (exact, score_function)]
    # Those that evaluate several codes of an example at once.
    for cls in (
        estimators.DisARMTree,
        estimators.ARSM,
        estimators.UnorderedSet,
    ):
      pairs.append((cls(), cls()))
    for outer, inner in pairs:
      drawn = enumeration.draw(outer, logits, objective_of(inner), 20_000)
      enumeration.assert_means(drawn, expected)

  def test_weighted_hierarchies_are_of_relaxations(self):
    def estimate(outer, inner):
      return outer(
          tf.zeros([4, 1, 2]),
          objective=lambda z: inner(z, objective=_add_up, seed=[0, 2]),
          seed=[0, 1],
      )

    bound = {'num_samples': 2, 'importance_weighted': True}
    for outer in (OneSample(**bound), estimators.StraightThrough(**bound)):
      self.assertEqual(estimate(outer, estimators.GumbelSoftmax()).shape, [4])
      for inner in (OneSample(), estimators.Exact(), estimators.VIMCO()):
        with self.assertRaisesRegex(ValueError, 'Expected a relaxation within'):
          estimate(outer, inner)
      # What failed leaves no trace.
      self.assertEqual(estimate(OneSample(), OneSample()).shape, [4])


def _add_up(codes):
  return tf.reduce_sum(codes, [-2, -1])


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(0, 2.0, True, '3', None)
  def test_rejects_numbers_of_samples(self, num_samples):
    with self.assertRaisesRegex(
        ValueError, '`num_samples` of at least 1; received'
    ):
      OneSample(num_samples)

  @parameterized.parameters(
      (estimators.ARM(), 'K = 2 classes; received K = 3'),
      (estimators.DisARM(), 'K = 2 classes; received K = 3'),
      (estimators.ARS(reference=3), '`reference` below K = 3; received 3'),
      (estimators.Exact(), r'codes to enumerate; received 3\*\*12'),
  )
  def test_models_refuse_what_it_cannot_estimate(self, estimator, expected):
    model = models.DiscreteVAE(
        keras.layers.Dense(36),
        keras.layers.Dense(5),
        12,
        3,
        estimator=estimator,
    )
    # Before there are data.
    with self.assertRaisesRegex(ValueError, expected):
      model.build((None, 5))

  def test_exact_bound_counts_its_samples(self):
    exact = estimators.Exact(num_samples=4, importance_weighted=True)
    exact.build((None, 4, 2))
    with self.assertRaisesRegex(ValueError, r'received 2\*\*20'):
      exact.build((None, 5, 2))

  def test_rejects_noise_of_other_samples(self):
    logits = tf.zeros([4, 2, 3])
    objective = functools.partial(tf.reduce_sum, axis=[-2, -1])
    with self.assertRaisesRegex(
        ValueError, r'`noise` of shape \(5, 4, 2, 3\); received \(4, 2, 3\)'
    ):
      OneSample(5)(logits, objective=objective, noise=logits)
    with self.assertRaisesRegex(
        ValueError, r'`noise` of shape \(4, 2, 3\); received \(5, 4, 2, 3\)'
    ):
      OneSample()(logits, objective=objective, noise=tf.zeros([5, 4, 2, 3]))

  @parameterized.parameters(True, False)
  def test_rejects_objectives_that_lose_the_samples(self, importance_weighted):
    with self.assertRaisesRegex(
        ValueError, r'values of shape \(5, 4\) .* received \(4,\)'
    ):
      OneSample(5, importance_weighted)(
          tf.zeros([4, 2, 3]),
          objective=lambda z: tf.reduce_sum(z, [0, -2, -1]),
          seed=[0, 1],
      )

  def test_rejects_logits_that_are_not_floating(self):
    with self.assertRaisesRegex(ValueError, 'floating `logits`; received int'):
      OneSample()(tf.zeros([4, 2, 3], tf.int32), objective=_add_up, seed=[0, 1])

  @parameterized.product(
      cls=(OneSample, estimators.LeaveOneOut, estimators.RELAX),
      jit_compile=(False, True),
  )
  def test_a_batch_of_one_does_not_broadcast_in_a_graph_either(
      self, cls, jit_compile
  ):
    estimator = cls()
    estimator.build([None, 2, 3])

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2, 3])], jit_compile=jit_compile
    )
    def of_first(logits):
      return estimator(
          logits, objective=lambda z: _add_up(z)[..., :1], seed=[0, 1]
      )

    self.assertEqual(of_first(tf.zeros([1, 2, 3])).shape, [1])
    with self.assertRaises(tf.errors.InvalidArgumentError):
      of_first(tf.zeros([4, 2, 3]))

  def test_noise_of_one_example_does_not_broadcast_in_a_graph(self):
    estimator = OneSample(2)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2, 3]),
            tf.TensorSpec([2, None, 2, 3]),
        ]
    )
    def estimate(logits, noise):
      return estimator(logits, objective=_add_up, noise=noise)

    values = estimate(tf.zeros([4, 2, 3]), tf.zeros([2, 4, 2, 3]))
    self.assertEqual(values.shape, [4])
    with self.assertRaises(tf.errors.InvalidArgumentError):
      estimate(tf.zeros([4, 2, 3]), tf.zeros([2, 1, 2, 3]))


if __name__ == '__main__':
  tf.test.main()
