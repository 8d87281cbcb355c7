import math

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import estimators
from discrete_lvm import layers
from discrete_lvm import models
from discrete_lvm import ops

tfd = tfp.distributions

FEATURES = np.random.default_rng(0).normal(size=[5, 6, 7]).astype('float32')
# Whatever an encoder may come to say.
WILD = (1e3 * FEATURES).astype('float32')

FAMILIES = {
    'alpha': lambda: models.GaussianLatents(6, 3, alpha=0.9, seed=0),
    'alphas': lambda: models.GaussianLatents(6, 2, alpha=[0.5, 0.99], seed=0),
    'learned': lambda: models.GaussianLatents(
        6, 3, alpha=0.5, max_alpha=0.99, seed=0
    ),
    'plain': lambda: models.GaussianLatents(6, 3, seed=0),
    'delta': lambda: models.GaussianLatents(6, 3, delta=0.2, seed=0),
    'categorical': lambda: models.CategoricalLatents(6, 3, delta=0.4, seed=0),
    'arrays': lambda: models.GaussianLatents(
        6, 2, alpha=np.array([0.5, 0.99]), seed=0
    ),
    'array of deltas': lambda: models.GaussianLatents(
        6, 2, delta=np.array([0.1, 0.2]), seed=0
    ),
    'none': lambda: models.NoLatents(6, 3),
}


def _rate(latents, params):
  kl = latents.kl(params)
  return tf.reduce_sum(kl, axis=list(range(1, kl.shape.rank)))


class LatentsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      family=list(FAMILIES), features=[FEATURES, WILD, 0 * FEATURES]
  )
  def test_no_posterior_falls_below_the_committed_rate(self, family, features):
    latents = FAMILIES[family]()
    rate = _rate(latents, latents(features))
    self.assertAllGreaterEqual(rate - latents.committed_rate * (1 - 1e-5), 0)

  @parameterized.parameters('alpha', 'alphas', 'plain', 'delta', 'categorical')
  def test_rate_is_the_kl_of_posterior_and_prior(self, family):
    latents = FAMILIES[family]()
    params = latents(FEATURES)
    q, p = latents.posterior(params), latents.prior()
    z = q.sample(20_000, seed=[0, 1])
    differences = q.log_prob(z) - p.log_prob(z)
    error = tf.math.reduce_std(differences, 0) / math.sqrt(20_000)
    z_score = (tf.reduce_mean(differences, 0) - _rate(latents, params)) / error
    self.assertAllLess(tf.abs(z_score), 4.5)
    self.assertEqual(q.event_shape, [latents.length, latents.dim])
    self.assertEqual(p.event_shape, q.event_shape)

  def test_committed_rate_is_that_of_the_alpha_that_acts(self):
    # As float32 it is another one.
    latents = models.GaussianLatents(16, 1, alpha=0.99999)
    self.assertAllClose(
        latents.committed_rate,
        ops.ar1_committed_rate(float(np.float32(0.99999)), 16),
        rtol=1e-9,
    )

  def test_committed_rates(self):
    self.assertAllClose(
        FAMILIES['alphas']().committed_rate,
        ops.ar1_committed_rate([0.5, 0.99], 6),
    )
    self.assertAllClose(
        FAMILIES['learned']().committed_rate,
        ops.ar1_committed_rate([0.5] * 3, 6),
    )
    self.assertAllClose(FAMILIES['delta']().committed_rate, 0.2 * 18)
    self.assertAllClose(FAMILIES['categorical']().committed_rate, 0.4 * 6)
    self.assertEqual(FAMILIES['plain']().committed_rate, 0)

  def test_learned_alpha_stays_within_its_bounds(self):
    latents = FAMILIES['learned']()
    for value, alpha in ((-50.0, 0.5), (50.0, 0.99)):
      latents._alpha_logits.assign([value] * 3)
      self.assertAllClose(latents.alpha, [alpha] * 3)
      self.assertAllGreaterEqual(
          _rate(latents, latents(FEATURES)) - latents.committed_rate, 0
      )
    latents._alpha_logits.assign([0.0] * 3)
    with tf.GradientTape() as tape:
      rate = tf.reduce_sum(_rate(latents, latents(FEATURES)))
    (gradient,) = tape.gradient(rate, [latents._alpha_logits.value])
    self.assertAllGreater(tf.abs(gradient), 0)

  @parameterized.parameters('alpha', 'categorical')
  def test_expectation_has_the_gradient_of_the_estimate(self, family):
    latents = FAMILIES[family]()
    weight = tf.Variable(2.0)
    with tf.GradientTape() as tape:
      params = latents(FEATURES)
      values = latents.expect(
          params,
          lambda z: weight * tf.reduce_sum(tf.square(z + 0.3), axis=[-2, -1]),
          seed=tf.constant([0, 1]),
      )
    self.assertEqual(values.shape, [5])
    gradients = tape.gradient(
        values, [weight, *(v.value for v in latents.trainable_variables)]
    )
    for gradient in gradients:
      self.assertGreater(np.abs(gradient).max(), 0)

  def test_expectation_moves_what_an_estimator_gathers_in_training_alone(self):
    estimator = estimators.MovingAverageBaseline()
    latents = models.CategoricalLatents(6, 3, delta=0.4, estimator=estimator)
    params = latents(FEATURES)

    def gathered(training):
      latents.expect(
          params,
          lambda z: 7.0 + tf.reduce_sum(z, [-2, -1]),
          [0, 1],
          training=training,
      )
      return [v.numpy() for v in estimator.non_trainable_variables]

    before = gathered(True)
    self.assertNotAllClose(before, gathered(True))
    before = gathered(True)
    self.assertAllEqual(before, gathered(False))

  @parameterized.parameters('alpha', 'alphas')
  def test_auxiliary_prior_of_zero_outputs_is_the_prior(self, family):
    latents = FAMILIES[family]()
    network = layers.CausalConvolution(
        2 * (1 + 2 * latents.dim), units=8, dilations=[1, 2], seed=0
    )
    z = latents.prior().sample(4, seed=[0, 1]).numpy()
    learned = latents.autoregressive(network)
    learned.log_prob(z)  # Builds it.
    for variable in network.variables:
      variable.assign(tf.zeros_like(variable))
    # But for the least spread, of a thousandth.
    self.assertAllClose(
        learned.log_prob(z.copy()), latents.prior().log_prob(z), atol=0.1
    )

  def test_auxiliary_prior_does_not_move_the_prior(self):
    latents = FAMILIES['learned']()
    network = layers.CausalConvolution(7, units=8, dilations=[1], seed=0)
    latents(FEATURES)
    z = np.zeros([1, 6, 3], 'float32')
    with tf.GradientTape() as tape:
      log_prob = latents.autoregressive(network).log_prob(z)
    (gradient,) = tape.gradient(log_prob, [latents._alpha_logits.value])
    self.assertIsNone(gradient)

  def test_auxiliary_prior_of_categorical_latents_sums_to_one(self):
    latents = models.CategoricalLatents(2, 3)
    network = layers.MADE(3, hidden_units=[8], seed=0)
    events = tf.one_hot([[i, j] for i in range(3) for j in range(3)], 3)
    log_probs = latents.autoregressive(network).log_prob(events)
    self.assertAllClose(tf.reduce_logsumexp(log_probs), 0.0, atol=1e-5)

  @parameterized.parameters(*FAMILIES)
  def test_config(self, family):
    latents = FAMILIES[family]()
    config = keras.saving.serialize_keras_object(latents)
    restored = keras.saving.deserialize_keras_object(config)
    expected = tf.nest.flatten(latents(FEATURES))
    for x, y in zip(expected, tf.nest.flatten(restored(FEATURES)), strict=True):
      self.assertAllEqual(x, y)
    self.assertEqual(restored.committed_rate, latents.committed_rate)

  @parameterized.parameters(*FAMILIES)
  def test_committed_rate_is_a_number_in_a_graph(self, family):
    latents = FAMILIES[family]()
    rates = []
    for jit_compile in (False, True):

      @tf.function(jit_compile=jit_compile)
      def excess(x):
        rates.append(latents.committed_rate)
        return x - rates[-1]

      excess(tf.constant(0.0))
    self.assertEqual(rates, [latents.committed_rate] * 2)

  @parameterized.parameters(estimators.RELAX, estimators.RODEO)
  def test_building_makes_all_weights(self, cls):
    latents = models.CategoricalLatents(6, 3, delta=0.4, estimator=cls())
    latents.build(FEATURES.shape)
    built = len(latents.weights)
    self.assertGreater(built, 2)
    latents.expect(
        latents(FEATURES), lambda z: tf.reduce_sum(z, [-2, -1]), [0, 1]
    )
    self.assertLen(latents.weights, built)

  @parameterized.parameters('alpha', 'delta', 'categorical')
  def test_low_precision_keeps_the_rate(self, family):
    keras.config.set_dtype_policy('mixed_bfloat16')
    self.addCleanup(keras.config.set_dtype_policy, 'float32')
    latents = FAMILIES[family]()
    params = latents(FEATURES)
    for tensor in tf.nest.flatten(params):
      self.assertEqual(tensor.dtype, tf.float32)
    rate = _rate(latents, params)
    self.assertAllGreaterEqual(rate - latents.committed_rate * (1 - 1e-5), 0)

  @parameterized.parameters(
      ('`length` of at least 1', lambda: models.GaussianLatents(0, 1)),
      ('`dim` of at least 1', lambda: models.NoLatents(1, 0)),
      ('`length` of at least 1', lambda: models.CategoricalLatents(0, 2)),
      ('one `delta` for', lambda: models.CategoricalLatents(1, 4, [0.5])),
      (r'in \[0, 1\) or 2', lambda: models.GaussianLatents(3, 2, alpha=1.0)),
      (r'in \[0, 1\) or 2', lambda: models.GaussianLatents(3, 2, [0.1] * 3)),
      # As float32 it is 1.
      (r'in \[0, 1\) or 2', lambda: models.GaussianLatents(3, 2, 1 - 1e-8)),
      ('above `alpha`', lambda: models.GaussianLatents(3, 2, 0.9, 0.8)),
      ('below 1', lambda: models.GaussianLatents(3, 2, 0.9, 1 - 1e-8)),
      ('above `alpha`', lambda: models.GaussianLatents(3, 2, 0.9, 0.9 + 1e-9)),
      ('either', lambda: models.GaussianLatents(3, 2, 0.9, delta=0.1)),
      ('from 0 to 1.09', lambda: models.CategoricalLatents(3, 3, delta=1.2)),
      ('no auxiliary', lambda: models.NoLatents(3, 2).autoregressive(None)),
      (
          'whose law is that of the logits',
          lambda: models.CategoricalLatents(
              3, 3, 0.5, estimators.SlopeAnnealedStraightThrough()
          ),
      ),
      (
          'whose law is that of the logits',
          lambda: models.CategoricalLatents(
              3, 3, 0.5, estimators.DecoupledStraightThroughGumbelSoftmax()
          ),
      ),
      (
          'neither is importance weighted nor rescales',
          lambda: models.CategoricalLatents(3, 3, 0.5, estimators.VIMCO(2)),
      ),
      (
          'neither is importance weighted nor rescales',
          lambda: models.CategoricalLatents(3, 3, 0.5, estimators.NVIL()),
      ),
  )
  def test_bad_arguments(self, message, make):
    with self.assertRaisesRegex(ValueError, message):
      make()

  def test_bad_features_and_networks(self):
    latents = FAMILIES['alpha']()
    with self.assertRaisesRegex(ValueError, r'\[batch, 6, features\]'):
      latents(FEATURES[:, :5])
    network = layers.CausalConvolution(8, units=4, dilations=[1])
    with self.assertRaisesRegex(ValueError, 'multiple of 7; received 8'):
      latents.autoregressive(network).log_prob(np.zeros([1, 6, 3], 'float32'))


if __name__ == '__main__':
  tf.test.main()
