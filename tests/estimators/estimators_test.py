"""What every estimator must do, over `ESTIMATORS`; members add their own."""

import math

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import ops
from discrete_lvm.estimators import relaxation
from tests.conformance import xla

LOGITS = tf.constant([[[0.3, -1.0, 0.5], [1.0, 0.2, -0.7]]] * 4)
NOISE = ops.gumbel([4, 2, 3], [0, 1])
WEIGHTS = tf.random.stateless_normal([2, 3], [0, 2])


BINARY = (estimators.ARM, estimators.DisARM)
WITHOUT_BOUND = (estimators.UnorderedSet,)


def _logits(cls):
  return LOGITS[..., :2] if cls in BINARY else LOGITS


def _objective(codes):
  weights = WEIGHTS[:, : codes.shape[-1]]
  return tf.reduce_sum(weights * codes, [-2, -1]) ** 2


def _noise(estimator, logits):
  samples = [] if estimator.num_samples == 1 else [estimator.num_samples]
  return ops.gumbel([*samples, *logits.shape], [0, 1])


def _value_and_gradient(estimator, logits, objective=_objective, **kwargs):
  with tf.GradientTape() as tape:
    tape.watch(logits)
    values = estimator(logits, objective=objective, **kwargs)
  return values, tape.gradient(values, logits)


@parameterized.named_parameters(estimators.ESTIMATORS.items())
class ConformanceTest(tf.test.TestCase, parameterized.TestCase):

  def test_gradient_reaches_logits_and_objective(self, cls):
    logits = _logits(cls)
    level = tf.Variable(2.0)
    with tf.GradientTape() as tape:
      tape.watch(logits)
      values = cls()(
          logits, objective=lambda z: level + _objective(z), seed=[0, 1]
      )
    self.assertEqual(values.shape, [4])
    d_logits, d_level = tape.gradient(values, [logits, level])
    # Not of every example: two equal codes of a pair make no difference.
    self.assertAllGreater(tf.reduce_max(tf.abs(d_logits), [0, -1]), 0.0)
    # A mean or a bound rises with the level, in each of the examples.
    self.assertAllClose(d_level, 4.0)

  def test_own_weights_learn_alike_where_values_are_maximised(self, cls):
    logits = _logits(cls)
    estimator = cls()

    def gradients(sign):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        values = estimator(
            logits, objective=_objective, seed=[0, 1], training=False
        )
        loss = sign * tf.reduce_mean(values)
      own = [weight.value for weight in estimator.trainable_weights]
      return tape.gradient(loss, [logits, *own])

    estimator.build(logits.shape)
    (ascent, *own_ascent), (descent, *own_descent) = gradients(-1), gradients(1)
    self.assertAllClose(ascent, -descent)
    for gradient, expected in zip(own_ascent, own_descent, strict=True):
      self.assertNotAllClose(gradient, tf.zeros_like(gradient))
      self.assertAllClose(gradient, expected)

  def test_masked_classes_leave_the_gradient_finite(self, cls):
    logits = tf.where(
        [[True, True, False], [False, True, True]], LOGITS, -math.inf
    )
    if cls in BINARY:
      logits = tf.where([[True, True], [True, False]], _logits(cls), -math.inf)
    estimator = cls()
    with tf.GradientTape() as tape:
      tape.watch(logits)
      values = estimator(logits, objective=_objective, seed=[0, 1])
    own = [weight.value for weight in estimator.trainable_weights]
    d_logits, *d_own = tape.gradient(values, [logits, *own])
    for gradient in (values, d_logits, *d_own):
      self.assertAllEqual(np.isfinite(gradient), np.ones(gradient.shape, bool))

  def test_nan_shows_in_the_gradient_of_its_example_alone(self, cls):
    logits = tf.tensor_scatter_nd_update(_logits(cls), [[1, 0, 1]], [math.nan])
    estimator = cls()
    _, gradient = _value_and_gradient(
        estimator, logits, noise=_noise(estimator, logits)
    )
    self.assertTrue(np.isnan(gradient[1]).any())
    self.assertAllEqual(
        np.isnan(np.delete(gradient, 1, axis=0)),
        np.zeros([3, *gradient.shape[1:]], bool),
    )

  def test_values_of_some_examples_may_be_gathered(self, cls):
    logits = _logits(cls)
    estimator = cls()

    def gradient(reduce):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        values = estimator(
            logits, objective=_objective, seed=[0, 1], training=False
        )
        loss = reduce(values)
      return tape.gradient(loss, logits)

    estimator.build(logits.shape)
    estimator.trainable = False
    self.assertAllClose(
        gradient(lambda x: tf.reduce_sum(tf.gather(x, [0, 2, 2]))),
        gradient(lambda x: tf.reduce_sum(x * [1.0, 0.0, 2.0, 0.0])),
    )

  def test_takes_importance_weighted_samples(self, cls):
    if cls in WITHOUT_BOUND:
      with self.assertRaisesRegex(ValueError, '`importance_weighted` False'):
        cls(num_samples=3, importance_weighted=True)
      return
    estimator = cls(num_samples=3, importance_weighted=True)
    values, gradient = _value_and_gradient(estimator, _logits(cls), seed=[0, 1])
    self.assertEqual(values.shape, [4])
    self.assertAllGreater(tf.reduce_max(tf.abs(gradient), [0, -1]), 0.0)
    self.assertAllEqual(np.isfinite(gradient), np.ones(gradient.shape, bool))

  def test_offset_of_the_logits_changes_nothing(self, cls):
    # That is representable beside eighths.
    logits = tf.round(8 * _logits(cls)) / 8

    def run(logits):
      keras.utils.set_random_seed(0)
      values, gradient = _value_and_gradient(cls(), logits, seed=[0, 1])
      return values, tf.cast(gradient, tf.float32)

    expected = run(logits)
    self.assertAllClose(run(logits + 2.0**20), expected)
    self.assertAllClose(run(tf.cast(logits, tf.float64) + 2.0**40), expected)

  def test_seed_and_noise_agree(self, cls):
    # The noise of a seed is that of `ops.gumbel`.
    logits = _logits(cls)
    noise = _noise(cls(), logits)
    self.assertAllClose(
        cls()(logits, objective=_objective, seed=[0, 1]),
        cls()(logits, objective=_objective, noise=noise),
        rtol=1e-5,
    )

  def test_compiled_equals_eager_given_the_noise(self, cls):
    estimator = cls()
    logits = _logits(cls)
    noise = _noise(estimator, logits)

    def evaluate(x, noise):
      return _value_and_gradient(estimator, x, noise=noise, training=False)

    # What is gathered in training has a part in it.
    estimator(logits, objective=_objective, noise=noise)
    eager = evaluate(logits, noise)
    for jit_compile in (False, True):
      compiled = tf.function(evaluate, jit_compile=jit_compile)
      self.assertAllClose(compiled(logits, noise), eager, rtol=1e-5, atol=1e-6)
    concrete = compiled.get_concrete_function(logits, noise)
    self.assertEmpty(xla.host_callbacks(concrete))
    self.assertEmpty(xla.dynamic_shapes(concrete))

  def test_any_number_of_batch_dimensions(self, cls):
    estimator = cls()
    logits = _logits(cls)
    noise = _noise(estimator, logits)
    flat = estimator(logits, objective=_objective, noise=noise)
    nested = estimator(
        tf.reshape(logits, [2, 2, *logits.shape[1:]]),
        objective=_objective,
        noise=tf.reshape(noise, [*noise.shape[:-3], 2, 2, *logits.shape[1:]]),
    )
    self.assertAllClose(tf.reshape(nested, [4]), flat)
    single = estimator(
        logits[0], objective=_objective, noise=noise[..., 0, :, :]
    )
    self.assertAllClose(single, flat[0])

  def test_batch_size_may_be_unknown(self, cls):
    estimator = cls()
    logits = _logits(cls)
    compiled = tf.function(
        lambda x: estimator(x, objective=_objective, seed=[0, 1]),
        input_signature=[tf.TensorSpec([None, *logits.shape[1:]])],
    )
    self.assertEqual(compiled(logits).shape, [4])

  def test_computes_in_float32_under_mixed_precision(self, cls):
    seen = []

    def objective(codes):
      seen.append(codes.dtype)
      return tf.cast(_objective(codes), tf.bfloat16)

    estimator = cls(dtype='mixed_bfloat16')
    values = estimator(
        tf.cast(_logits(cls), tf.bfloat16), objective=objective, seed=[0, 1]
    )
    self.assertEqual(values.dtype, tf.float32)
    self.assertEqual(set(seen), {tf.float32})

  def test_survives_its_config(self, cls):
    importance_weighted = cls not in WITHOUT_BOUND
    estimator = cls(num_samples=3, importance_weighted=importance_weighted)
    config = keras.saving.serialize_keras_object(estimator)
    restored = keras.saving.deserialize_keras_object(config, safe_mode=True)
    self.assertIsInstance(restored, cls)
    self.assertEqual(restored.get_config(), estimator.get_config())
    self.assertEqual(restored.num_samples, 3)
    self.assertEqual(restored.importance_weighted, importance_weighted)

  def test_rejects(self, cls):
    with self.assertRaisesRegex(ValueError, 'static K of at least 2'):
      cls()(tf.zeros([4, 2, 1]), objective=_objective, seed=[0, 1])
    with self.assertRaisesRegex(ValueError, r'shape \[..., N, K\]'):
      cls()(tf.zeros([3]), objective=_objective, seed=[0, 1])
    with self.assertRaisesRegex(ValueError, 'Expected `objective` to return'):
      cls()(_logits(cls), objective=tf.reduce_sum, seed=[0, 1])
    with self.assertRaisesRegex(ValueError, '`num_samples` of at least'):
      cls(num_samples=0)
    if cls is not estimators.Exact:  # It draws nothing.
      with self.assertRaisesRegex(
          ValueError, 'exactly one of `seed` and `noise`'
      ):
        cls()(_logits(cls), objective=_objective)


@parameterized.named_parameters(
    (name, cls)
    for name, cls in estimators.ESTIMATORS.items()
    if issubclass(cls, relaxation.Relaxation)
)
class RelaxationTest(tf.test.TestCase, parameterized.TestCase):

  def test_temperature_is_a_weight_that_acts(self, cls):
    estimator = cls(temperature=1.0)
    _, before = _value_and_gradient(estimator, LOGITS, noise=NOISE)
    estimator.temperature.assign(0.3)
    _, after = _value_and_gradient(estimator, LOGITS, noise=NOISE)
    self.assertNotAllClose(before, after)
    self.assertIn(estimator.temperature, estimator.weights)
    self.assertEmpty(estimator.trainable_weights)

  def test_temperature_is_in_the_config(self, cls):
    config = keras.saving.serialize_keras_object(cls(temperature=0.3))
    restored = keras.saving.deserialize_keras_object(config, safe_mode=True)
    self.assertAllClose(restored.temperature.value, 0.3)

  def test_a_temperature_may_be_a_tensor(self, cls):
    config = keras.saving.serialize_keras_object(cls(tf.constant(0.5)))
    restored = keras.saving.deserialize_keras_object(config)
    self.assertEqual(restored.get_config()['temperature'], 0.5)

  def test_rejects_a_temperature_of_zero(self, cls):
    with self.assertRaisesRegex(
        ValueError, 'Expected a positive `temperature`'
    ):
      cls(temperature=0.0)


class HardEstimatorsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      estimators.DecoupledStraightThroughGumbelSoftmax,
      estimators.GappedStraightThrough,
      estimators.GumbelRao,
      estimators.MinimumVariance,
      estimators.ReinMax,
      estimators.SlopeAnnealedStraightThrough,
      estimators.StraightThrough,
      estimators.StraightThroughGumbelSoftmax,
  )
  def test_objective_sees_exact_categorical_samples(self, cls):
    seen = []
    draws = 20_000
    logits = tf.math.log([[0.2, 0.3, 0.5]]) + tf.zeros([draws, 1, 1])
    cls()(
        logits,
        objective=lambda z: seen.append(z) or tf.reduce_sum(z, [-2, -1]),
        seed=[0, 1],
    )
    (codes,) = seen
    self.assertAllInSet(codes, [0.0, 1.0])
    self.assertAllEqual(tf.reduce_sum(codes, -1), np.ones([draws, 1]))
    p = np.array([0.2, 0.3, 0.5])
    error = np.sqrt(p * (1 - p) / draws)
    frequencies = tf.reduce_mean(codes, [0, 1])
    self.assertAllLess(np.abs(frequencies - p) / error, 4.0)

  def test_straight_through_is_exact_on_a_linear_objective(self):
    # d/dl sum_k w_k softmax(l)_k = p * (w - p.w), whatever the sample.
    logits = tf.constant([[0.3, -1.0, 0.5]])
    w = np.array([1.0, -2.0, 0.5], 'float32')
    _, gradient = _value_and_gradient(
        estimators.StraightThrough(),
        logits,
        objective=lambda z: tf.reduce_sum(w * z, [-2, -1]),
        seed=[0, 1],
    )
    p = tf.nn.softmax(logits).numpy()
    self.assertAllClose(gradient, p * (w - (p * w).sum()), rtol=1e-5)

  def test_surrogates_differ_as_their_names_say(self):
    w = tf.constant([[1.0, -2.0, 0.5]])
    logits = LOGITS[0, :1]

    def gradient(cls):
      return _value_and_gradient(
          cls(temperature=0.5),
          logits,
          objective=lambda z: tf.reduce_sum(w * z, [-2, -1]),
          noise=NOISE[0, :1],
      )[1]

    def softmax_gradient(noise):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        value = tf.reduce_sum(w * tf.nn.softmax((logits + noise) / 0.5))
      return tape.gradient(value, logits)

    self.assertAllClose(
        gradient(estimators.StraightThrough), softmax_gradient(0.0)
    )
    self.assertAllClose(
        gradient(estimators.StraightThroughGumbelSoftmax),
        softmax_gradient(NOISE[0, :1]),
    )


class GumbelSoftmaxTest(tf.test.TestCase):

  def test_bias_falls_with_the_temperature(self):
    # Against the enumerated gradient of E[objective].
    logits = tf.constant([[0.3, -1.0, 0.5]])
    with tf.GradientTape() as tape:
      tape.watch(logits)
      values = tf.stack(
          [_objective_of_one(tf.one_hot([k], 3)) for k in range(3)]
      )
      exact = tf.reduce_sum(tf.nn.softmax(logits)[0] * values)
    exact = tape.gradient(exact, logits)
    draws = 100_000
    batch = tf.repeat(logits[tf.newaxis], draws, axis=0)
    bias = []
    for temperature in (2.0, 0.5):
      _, gradient = _value_and_gradient(
          estimators.GumbelSoftmax(temperature),
          batch,
          objective=_objective_of_one,
          seed=[0, 1],
      )
      bias.append(tf.norm(tf.reduce_mean(gradient, 0) - exact).numpy())
    # The standard error of each is below 0.01.
    self.assertLess(bias[1], bias[0] - 0.05)


def _objective_of_one(codes):
  return tf.reduce_sum(WEIGHTS[0] * codes, [-2, -1]) ** 2


if __name__ == '__main__':
  tf.test.main()
