"""What the estimators that differentiate through their codes promise."""

from absl.testing import parameterized
import keras
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import ops
from tests.estimators import enumeration

_DRAWS = 100_000


def _gradient(estimator, logits, objective, weights=1.0, **kwargs):
  """Returns the gradient for each example, of its value times its weight."""
  with tf.GradientTape() as tape:
    tape.watch(logits)
    values = weights * estimator(logits, objective=objective, **kwargs)
  return tape.gradient(values, logits).numpy()


def _exact(logits, objective):
  """Returns the enumerated gradient of the expectation, shape `[N, K]`."""
  _, gradient, _ = enumeration.exact(
      tf.constant(logits), lambda z, parameter: objective(z) + 0.0 * parameter
  )
  return gradient.numpy()


def _enumerate(logits):
  """Returns all codes, their probabilities, and noise that makes each."""
  codes = ops.all_codes(*logits.shape).numpy()
  log_probs = np.sum(codes * special.log_softmax(logits, -1), (-2, -1))
  return codes, np.exp(log_probs), 60.0 * codes


def _mean(estimator, logits, objective):
  """Returns the mean of the gradient over all samples, enumerated."""
  codes, probs, noise = _enumerate(logits)
  batch = tf.constant(np.tile(logits, [len(codes), 1, 1]))
  return _gradient(estimator, batch, objective, probs, noise=noise).sum(0)


def _logits(num_latents, num_classes):
  rng = np.random.default_rng(0)
  return rng.normal(size=[num_latents, num_classes]).astype(np.float32)


def _polynomial(num_latents, num_classes, power):
  rng = np.random.default_rng(1)
  weights = rng.normal(size=[3, num_latents, num_classes]).astype(np.float32)

  def objective(codes):
    roots = tf.einsum('...nk,mnk->...m', codes, weights)
    # No multiple of a square, so that latents interact.
    return tf.reduce_sum(roots**power * [1.0, -0.5, 0.7], -1)

  return objective


class QuadraticTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      cls=(estimators.ReinMax, estimators.MinimumVariance),
      num_latents=(1, 2),
      num_classes=(2, 3, 6),
  )
  def test_is_exact(self, cls, num_latents, num_classes):
    logits = _logits(num_latents, num_classes)
    for power in (1, 2):
      objective = _polynomial(num_latents, num_classes, power)
      exact = _exact(logits, objective)
      self.assertAllClose(
          _mean(cls(), logits, objective), exact, rtol=1e-4, atol=2e-5
      )
    # The bias of others, and of these where the objective is a cube.
    bias = _mean(estimators.StraightThrough(), logits, objective) - exact
    self.assertGreater(np.abs(bias).max(), 0.02)
    objective = _polynomial(num_latents, num_classes, 3)
    bias = _mean(cls(), logits, objective) - _exact(logits, objective)
    self.assertGreater(np.abs(bias).max(), 0.02)

  @parameterized.parameters(estimators.ReinMax, estimators.MinimumVariance)
  def test_is_unbiased_on_a_quadratic_when_sampled(self, cls):
    logits = enumeration.logits_of(2, 3)
    objective = enumeration.quadratic(2, 3)
    for num_samples in (1, 2):
      estimator = cls(num_samples=num_samples)
      enumeration.assert_unbiased(estimator, logits, objective, 20_000)

  def test_the_bias_at_another_temperature_is_that_of_reinmax(self):
    logits, objective = _logits(1, 4), _polynomial(1, 4, 2)
    bias = [
        _mean(estimators.ReinMax(t), logits, objective)
        - _exact(logits, objective)
        for t in (1.0, 1.1, 1.5)
    ]
    self.assertAllInRange(np.diff([np.abs(b).max() for b in bias]), 1e-3, 1.0)
    ours = [
        _mean(estimators.MinimumVariance(t), logits, objective)
        - _exact(logits, objective)
        for t in (1.0, 1.1, 1.5)
    ]
    self.assertAllClose(ours, bias, atol=2e-5)

  @parameterized.product(k=(3, 6), temperature=(1.0, 1.3))
  def test_minimum_variance_varies_less_over_linear_objectives(
      self, k, temperature
  ):
    # For slopes drawn anew each time `E[|gradient|^2]` is `E[|W|^2]`.
    logits = tf.constant([[1.5, 0.0, -1.0, -1.0, 0.5, -2.0][:k]])
    batch = tf.repeat(logits[tf.newaxis], _DRAWS, axis=0)
    slopes = tf.random.stateless_normal(batch.shape, [0, 2])
    # The same seed makes the same samples.
    ours, theirs = (
        np.sum(
            _gradient(
                cls(temperature),
                batch,
                lambda z: tf.reduce_sum(slopes * z, [-2, -1]),
                seed=[0, 1],
            )
            ** 2,
            (-2, -1),
        )
        for cls in (estimators.MinimumVariance, estimators.ReinMax)
    )
    difference = theirs - ours
    error = difference.std() / np.sqrt(_DRAWS)
    self.assertGreater(difference.mean() / error, 5.0)


class GumbelRaoTest(tf.test.TestCase, parameterized.TestCase):

  def test_one_resample_is_straight_through_gumbel_softmax(self):
    logits, objective = _logits(2, 4), _polynomial(2, 4, 2)
    batch = tf.repeat(logits[tf.newaxis], 1000, axis=0)
    one = estimators.GumbelRao(0.5, num_resamples=1)
    other = estimators.StraightThroughGumbelSoftmax(0.5)
    self.assertAllClose(
        _gradient(one, batch, objective, seed=[0, 1]),
        _gradient(other, batch, objective, seed=[0, 1]),
        rtol=1e-3,
        atol=1e-3,
    )

  @parameterized.parameters(0.3, 1.0)
  def test_has_that_mean_and_less_variance(self, temperature):
    logits, objective = _logits(1, 4), _polynomial(1, 4, 3)
    batch = tf.repeat(logits[tf.newaxis], _DRAWS, axis=0)
    single = _gradient(
        estimators.StraightThroughGumbelSoftmax(temperature),
        batch,
        objective,
        seed=[0, 1],
    )
    variances = [single.var(0).sum()]
    for num_resamples in (2, 10, 50):
      several = _gradient(
          estimators.GumbelRao(temperature, num_resamples),
          batch,
          objective,
          seed=[0, 2],
      )
      error = np.sqrt((single.var(0) + several.var(0)) / _DRAWS)
      off = np.abs(single.mean(0) - several.mean(0)) / error
      self.assertAllLess(off, 4.0)
      variances.append(several.var(0).sum())
    self.assertAllLess(np.diff(variances), 0.0)
    # Only the variance of the mean given the sample is left.
    codes = np.argmax(logits + ops.gumbel([_DRAWS, 1, 4], [0, 1]), -1)[:, 0]
    left = sum(
        np.mean(codes == k) * (single[codes == k].mean(0) - single.mean(0)) ** 2
        for k in range(4)
    )
    self.assertAllClose(variances[-1], left.sum(), rtol=0.03)

  def test_resamples_beat_independent_ones(self):
    logits, objective = _logits(1, 4), _polynomial(1, 4, 2)
    batch = tf.repeat(logits[tf.newaxis], 20_000, axis=0)
    hard = tf.one_hot(tf.zeros([20_000, 1], tf.int32), 4)

    def independent(noise):
      with tf.GradientTape() as tape:
        tape.watch(batch)
        values = objective(ops.gumbel_rao(hard, batch, 0.5, noise))
      return tape.gradient(values, batch).numpy()

    ours = independent(
        ops.resample_noise(
            batch,
            ops.perturb_given_argmax(
                batch, ops.gumbel(batch.shape, [0, 1]), hard
            )
            - batch,
            hard,
            10,
        )
    )
    theirs = independent(ops.gumbel([10, *batch.shape], [0, 2]))
    # The standard error of a variance of 20,000 draws is about 2 percent.
    self.assertLess(ours.var(0).sum(), 0.6 * theirs.var(0).sum())

  def test_bias_on_a_quadratic_falls_with_the_temperature(self):
    logits, objective = _logits(1, 4), _polynomial(1, 4, 2)
    batch = tf.repeat(logits[tf.newaxis], _DRAWS, axis=0)
    exact = _exact(logits, objective)
    norm, error = [], []
    for temperature in (2.0, 0.5, 0.1):
      gradients = _gradient(
          estimators.GumbelRao(temperature, 10), batch, objective, seed=[0, 1]
      )
      norm.append(np.linalg.norm(gradients.mean(0) - exact))
      error.append(np.sqrt(gradients.var(0).sum() / _DRAWS))
    # By more than 4 standard errors each time.
    self.assertGreater(norm[0] - norm[1], 4 * np.hypot(error[0], error[1]))
    self.assertGreater(norm[1] - norm[2], 4 * np.hypot(error[1], error[2]))

  def test_survives_its_config(self):
    estimator = estimators.GumbelRao(0.3, num_resamples=7)
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(estimator)
    )
    self.assertEqual(restored.get_config(), estimator.get_config())
    self.assertEqual(restored.get_config()['num_resamples'], 7)

  @parameterized.parameters(0, -1, 2.0)
  def test_rejects(self, num_resamples):
    with self.assertRaisesRegex(ValueError, 'integer `num_resamples`'):
      estimators.GumbelRao(num_resamples=num_resamples)


class GappedStraightThroughTest(tf.test.TestCase):

  def test_gap_acts_and_survives_its_config(self):
    logits, objective = _logits(1, 4), _polynomial(1, 4, 2)
    estimator = estimators.GappedStraightThrough(0.5, gap=2.5)
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(estimator)
    )
    means = [
        _mean(e, logits, objective)
        for e in (estimator, restored, estimators.GappedStraightThrough(0.5))
    ]
    self.assertAllClose(means[0], means[1])
    self.assertNotAllClose(means[0], means[2])

  def test_rejects_a_negative_gap(self):
    with self.assertRaisesRegex(ValueError, '`gap` of at least 0'):
      estimators.GappedStraightThrough(gap=-1.0)


class SlopeAnnealedStraightThroughTest(tf.test.TestCase):

  def test_is_exact_for_linear_objectives_under_the_steeper_law(self):
    logits, objective = _logits(2, 3), _polynomial(2, 3, 1)
    # d/d logits of the expectation under logits / temperature.
    exact = _exact(logits / 0.5, objective) / 0.5
    _, probs, noise = _enumerate(logits / 0.5)
    batch = tf.constant(np.tile(logits, [9, 1, 1]))
    gradients = _gradient(
        estimators.SlopeAnnealedStraightThrough(0.5),
        batch,
        objective,
        probs,
        noise=noise,
    )
    self.assertAllClose(gradients.sum(0), exact, rtol=1e-4)

  def test_samples_have_the_steeper_law(self):
    seen = []
    estimators.SlopeAnnealedStraightThrough(0.5)(
        tf.math.log([[0.2, 0.3, 0.5]]) + tf.zeros([_DRAWS, 1, 1]),
        objective=lambda z: seen.append(z) or tf.reduce_sum(z, [-2, -1]),
        seed=[0, 1],
    )
    p = np.array([0.04, 0.09, 0.25]) / 0.38
    error = np.sqrt(p * (1 - p) / _DRAWS)
    frequencies = tf.reduce_mean(seen[0], [0, 1])
    self.assertAllLess(np.abs(frequencies - p) / error, 4.0)


class DecoupledStraightThroughGumbelSoftmaxTest(tf.test.TestCase):

  def test_each_temperature_has_its_pass(self):
    seen = []
    logits = tf.constant([[[1.0, 0.0, -1.0]]])
    noise = tf.constant([[[0.0, 0.8, 0.0]]])
    weights = tf.constant([0.5, -1.0, 2.0])

    def objective(codes):
      seen.append(codes.numpy())
      return tf.reduce_sum(weights * codes, [-2, -1])

    gradients = [
        _gradient(
            estimators.DecoupledStraightThroughGumbelSoftmax(
                2.0, forward_temperature
            ),
            logits,
            objective,
            noise=noise,
        )
        for forward_temperature in (1.0, 2.0)
    ]
    # 1 is above 0 + 0.8, and 1 / 2 is not.
    self.assertAllEqual(np.argmax(seen, -1).ravel(), [0, 1])
    p = special.softmax(logits[0, 0] / 2.0 + noise[0, 0])
    expected = p * (weights - np.dot(p, weights)) / 2.0
    for gradient in gradients:
      self.assertAllClose(gradient[0, 0], expected, rtol=1e-5)

  def test_is_straight_through_gumbel_softmax_at_one_and_one(self):
    logits, objective = _logits(2, 4), _polynomial(2, 4, 2)
    batch = tf.repeat(logits[tf.newaxis], 100, axis=0)
    ours, theirs = (
        _gradient(cls(), batch, objective, seed=[0, 1])
        for cls in (
            estimators.DecoupledStraightThroughGumbelSoftmax,
            estimators.StraightThroughGumbelSoftmax,
        )
    )
    self.assertAllClose(ours, theirs, rtol=1e-4, atol=1e-5)

  def test_forward_temperature_is_a_weight_and_in_the_config(self):
    cls = estimators.DecoupledStraightThroughGumbelSoftmax
    estimator = cls(2.0, forward_temperature=0.5)
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(estimator)
    )
    self.assertAllClose(restored.forward_temperature.value, 0.5)
    self.assertLen(restored.weights, 2)
    self.assertEmpty(restored.trainable_weights)
    with self.assertRaisesRegex(ValueError, 'positive `temperature`'):
      cls(forward_temperature=0.0)
    with self.assertRaisesRegex(ValueError, r'is one number; .* \[0.5, 4.0\]'):
      cls(forward_temperature=[0.5, 4.0])


@parameterized.named_parameters(
    (cls.__name__, cls)
    for cls in (
        estimators.DecoupledStraightThroughGumbelSoftmax,
        estimators.GappedStraightThrough,
        estimators.GumbelRao,
        estimators.GumbelSoftmax,
        estimators.MinimumVariance,
        estimators.ReinMax,
        estimators.SlopeAnnealedStraightThrough,
        estimators.StraightThrough,
        estimators.StraightThroughGumbelSoftmax,
    )
)
class EdgeTest(tf.test.TestCase, parameterized.TestCase):

  def test_is_finite_for_any_logits_and_temperature(self, cls):
    rng = np.random.default_rng(0)
    logits = rng.choice([-50.0, -1.0, 0.0, 50.0], size=[64, 2, 5])
    logits = tf.constant(logits.astype(np.float32))
    objective = _polynomial(2, 5, 2)
    codes = np.eye(5, dtype=np.float32)[rng.integers(5, size=[64, 2])]
    for policy in ('float32', 'mixed_bfloat16'):
      estimator = cls(dtype=policy)
      inputs = tf.cast(logits, estimator.compute_dtype)
      for temperature in (1e-3, 1.0, 1e2):
        for variable in estimator.weights:
          variable.assign(temperature)
        for kwargs in ({'seed': [0, 1]}, {'noise': 200.0 * codes}):
          values = estimator(logits, objective=objective, **kwargs)
          self.assertAllInRange(values, -1e3, 1e3)
          gradient = _gradient(estimator, inputs, objective, **kwargs)
          self.assertAllInRange(
              np.float32(gradient), -1e3 / temperature - 1e3, np.inf
          )
          self.assertAllInRange(
              np.float32(gradient), -np.inf, 1e3 / temperature + 1e3
          )


if __name__ == '__main__':
  tf.test.main()
