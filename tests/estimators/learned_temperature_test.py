import math

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import ops

_CLASSES = (
    estimators.GumbelSoftmax,
    estimators.StraightThroughGumbelSoftmax,
)
LOGITS = np.random.default_rng(0).normal(size=[5, 2, 3]).astype('float32')
NOISE = -np.log(np.random.default_rng(1).exponential(size=LOGITS.shape)).astype(
    'float32'
)


def _objective(codes):
  weights = tf.constant([[1.0, -2.0, 0.5], [0.3, 1.0, -1.0]])
  return tf.reduce_sum(weights * codes**2, [-2, -1])


class LearnedTemperatureTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*_CLASSES)
  def test_is_as_if_fixed_there(self, cls):
    learned, fixed = cls(0.4, learn_temperature=True), cls(0.4)
    self.assertEqual([w.name for w in learned.weights], ['log_temperature'])
    self.assertLen(learned.trainable_weights, 1)
    self.assertEmpty(fixed.trainable_weights)
    self.assertFalse(hasattr(learned, 'temperature'))
    found = []
    for estimator in (learned, fixed):
      logits = tf.constant(LOGITS)
      with tf.GradientTape() as tape:
        tape.watch(logits)
        values = estimator(logits, objective=_objective, noise=NOISE)
      found.append((values, tape.gradient(values, logits)))
    self.assertAllClose(*found)

  def test_gradient_is_that_of_differences(self):
    estimator = estimators.GumbelSoftmax(0.4, learn_temperature=True)

    def value():
      return tf.reduce_sum(estimator(LOGITS, objective=_objective, noise=NOISE))

    weight = estimator.log_temperature
    with tf.GradientTape() as tape:
      found = value()
    gradient = tape.gradient(found, weight.value)
    values = []
    for sign in (1, -1):
      weight.assign(math.log(0.4) + sign * 0.01)
      values.append(value())
    self.assertAllClose(gradient, (values[0] - values[1]) / 0.02, rtol=1e-2)

  def test_straight_through_gradient_is_that_of_the_relaxed_sample(self):
    estimator = estimators.StraightThroughGumbelSoftmax(
        0.4, learn_temperature=True
    )
    weight = estimator.log_temperature
    with tf.GradientTape() as tape:
      values = estimator(LOGITS, objective=_objective, noise=NOISE)
    gradient = tape.gradient(values, weight.value)
    hard = ops.gumbel_softmax(LOGITS, 0.4, noise=NOISE, hard=True)
    with tf.GradientTape() as tape:
      tape.watch(hard)
      values = _objective(hard)
    slopes = tape.gradient(values, hard)
    log_temperature = tf.constant(math.log(0.4))
    with tf.GradientTape() as tape:
      tape.watch(log_temperature)
      soft = tf.nn.softmax((LOGITS + NOISE) / tf.exp(log_temperature))
      product = tf.reduce_sum(slopes * soft)
    self.assertAllClose(
        gradient, tape.gradient(product, log_temperature), rtol=1e-4
    )

  @parameterized.parameters(*_CLASSES)
  def test_a_masked_class_leaves_it_its_gradient(self, cls):
    estimator = cls(0.5, learn_temperature=True)

    def gradient(logit):
      with tf.GradientTape() as tape:
        values = estimator(
            tf.constant([[0.5, 0.0, logit]]),
            objective=lambda z: tf.reduce_sum(z**2, [-2, -1]),
            seed=[0, 1],
        )
      return tape.gradient(values, estimator.log_temperature.value)

    self.assertNotAllClose(gradient(-80.0), 0.0)
    self.assertAllClose(gradient(-math.inf), gradient(-80.0))

  @parameterized.parameters(*_CLASSES)
  def test_moves_where_the_objective_falls(self, cls):
    # A sharp sample has the greater square.
    estimator = cls(1.0, learn_temperature=True)
    optimizer = keras.optimizers.SGD(0.1)
    for step in range(20):
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(
            estimator(
                LOGITS,
                objective=lambda z: -tf.reduce_sum(z**2, [-2, -1]),
                seed=[0, step],
            )
        )
      weights = estimator.trainable_weights
      optimizer.apply(tape.gradient(loss, [w.value for w in weights]), weights)
    self.assertLess(float(estimator.log_temperature), -0.1)

  @parameterized.parameters(*_CLASSES)
  def test_survives_its_config_and_rejects(self, cls):
    estimator = cls(0.5, learn_temperature=True, num_samples=2)
    restored = cls.from_config(estimator.get_config())
    self.assertAllClose(restored.log_temperature, math.log(0.5))
    self.assertEqual(restored.get_config(), estimator.get_config())
    for learn_temperature in (False, True):
      with self.assertRaisesRegex(ValueError, 'positive `temperature`'):
        cls(-1.0, learn_temperature=learn_temperature)
      with self.assertRaisesRegex(ValueError, '`temperature` that is one num'):
        cls([0.5, 4.0], learn_temperature=learn_temperature)
    with self.assertRaisesRegex(ValueError, 'learn_temperature'):
      estimators.ReinMax(learn_temperature=True)


if __name__ == '__main__':
  tf.test.main()
