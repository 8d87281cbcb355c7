import math
import os

from absl.testing import parameterized
import keras
import numpy as np
import pytest
from scipy import special
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import layers
from discrete_lvm import ops

tfd = tfp.distributions

PRIOR = np.array([0.5, -1.0, 1.0, 0.0], np.float32)
FEATURES = np.random.default_rng(0).normal(size=[6, 5]).astype('float32')
HEADS = {
    'gaussian': lambda **kwargs: layers.GaussianHead(3, 0.1, **kwargs),
    'delta_gaussian': lambda **kwargs: layers.DeltaGaussianHead(
        3, [0.1, 0.5, 1.0], **kwargs
    ),
    'delta_categorical': lambda **kwargs: layers.DeltaCategoricalHead(
        3, 4, [0.1, 0.5, 0.7], prior=PRIOR, **kwargs
    ),
}


def _rate(outputs, prior=PRIOR):
  """KL from the prior in float64, of each latent."""
  if isinstance(outputs, tuple):
    loc, scale = np.float64(outputs.loc), np.float64(outputs.scale)
    return (loc**2 + scale**2 - 1) / 2 - np.log(scale)
  log_q = special.log_softmax(np.float64(outputs), axis=-1)
  log_p = special.log_softmax(np.float64(prior), axis=-1)
  return np.sum(np.exp(log_q) * (log_q - log_p), axis=-1)


def _adversarial_features(n, size):
  """Features of all sizes to 1e4, with ties, zeros and opposite extremes."""
  rng = np.random.default_rng(0)
  x = rng.normal(size=[n, size]) * 10.0 ** rng.uniform(-8, 4, size=[n, 1])
  x[: n // 4] = np.round(x[: n // 4])
  x[n // 4 : n // 2] = rng.uniform(-1e4, 1e4, size=[n // 2 - n // 4, size])
  x[-n // 4 :] = rng.choice([-1e4, 0, 1e4], size=[-(-n // 4), size])
  x[0] = 0.0
  return np.float32(np.clip(x, -1e4, 1e4))


def _pass_through(head, size):
  """Builds a head whose projection is the identity."""
  head.build((None, size))
  head.set_weights([np.eye(size, dtype='float32'), np.zeros(size, 'float32')])
  return head


class DeltaHeadsTest(tf.test.TestCase, parameterized.TestCase):

  # A million outputs. In bfloat16 only the projection is rounded.
  @parameterized.product(
      name=('delta_gaussian', 'delta_categorical'),
      policy=('float32', 'mixed_bfloat16'),
  )
  def test_rate_is_at_least_delta_and_reaches_it(self, name, policy):
    size = 6 if name == 'delta_gaussian' else 12
    head = _pass_through(HEADS[name](dtype=policy), size)
    outputs = head(_adversarial_features(350_000, size))
    for output in tf.nest.flatten(outputs):
      self.assertEqual(output.dtype, tf.float32)
    rate = _rate(outputs)
    delta = np.array(head.get_config()['delta'])
    self.assertAllGreaterEqual(rate.min(0) / delta, 1 - 1e-5)
    self.assertAllLess(rate.min(0) - delta, 1e-4)

  # Both ways from ties, from zeros, from noise and from saturation.
  @parameterized.product(
      name=('delta_gaussian', 'delta_categorical'), sign=(-1.0, 1.0)
  )
  def test_no_attack_by_gradients_gets_below_delta(self, name, sign):
    size = 6 if name == 'delta_gaussian' else 12
    head = _pass_through(HEADS[name](), size)
    rng = np.random.default_rng(0)
    start = rng.normal(size=[200, size])
    start *= np.repeat([0.0, 1e-3, 1.0, 30.0], 50)[:, np.newaxis]
    start[:50] = np.round(start[:50])

    def kl(outputs):
      if name == 'delta_gaussian':
        return ops.standard_normal_kl(*outputs)
      return ops.categorical_kl(outputs, PRIOR)

    @tf.function
    def attack(x, step):
      with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = head(x)
        rate = kl(outputs)
      gradient = tape.gradient(rate, x)
      return x + sign * step * tf.sign(gradient), outputs

    x = tf.constant(start, tf.float32)
    delta = np.array(head.get_config()['delta'])
    least = np.full(3, np.inf)
    for step in np.geomspace(3.0, 1e-4, 150):
      x, outputs = attack(x, tf.constant(step, tf.float32))
      least = np.minimum(least, _rate(outputs).min(0))
    self.assertAllGreaterEqual(least / delta, 1 - 1e-5)
    if sign < 0:
      self.assertAllLess(_rate(outputs).min(0) - delta, 1e-4)

  @parameterized.parameters(*HEADS)
  def test_gradients_reach_every_weight(self, name):
    head = HEADS[name](seed=0)
    with tf.GradientTape() as tape:
      outputs = head(FEATURES)
      probs = [
          tf.nn.softmax(x) if name == 'delta_categorical' else x
          for x in tf.nest.flatten(outputs)
      ]
      loss = sum(tf.reduce_sum(tf.square(x)) for x in probs)
    self.assertLen(head.trainable_variables, 2)
    for gradient in tape.gradient(
        loss, [v.value for v in head.trainable_variables]
    ):
      self.assertAllEqual(np.isfinite(gradient), np.ones(gradient.shape))
      self.assertGreater(np.abs(gradient).max(), 1e-4)

  @parameterized.parameters('gaussian', 'delta_gaussian')
  def test_functional_model_trains_and_survives_a_file(self, name):
    self.check_functional_model_trains_and_survives_a_file(name)

  @pytest.mark.slow
  def test_functional_model_trains_and_survives_a_file_slow(self):
    self.check_functional_model_trains_and_survives_a_file('delta_categorical')

  def check_functional_model_trains_and_survives_a_file(self, name):
    inputs = keras.Input((5,))
    outputs = HEADS[name](seed=0)(inputs)
    flat = [keras.layers.Flatten()(x) for x in tf.nest.flatten(outputs)]
    model = keras.Model(
        inputs, keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    )
    model.compile('sgd', 'mse', jit_compile=True)
    model.fit(FEATURES, np.zeros([6, *model.output_shape[1:]]), verbose=0)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllClose(restored(FEATURES), model(FEATURES), atol=1e-6)

  @parameterized.parameters(*HEADS)
  def test_compiles_on_features_of_unknown_leading_shape(self, name):
    head = HEADS[name](seed=0)
    expected = head(FEATURES)
    compiled = tf.function(
        lambda x: head(x),
        input_signature=[tf.TensorSpec([None, None, 5])],
        jit_compile=True,
    )
    outputs = compiled(FEATURES[:, np.newaxis])
    for output, value in zip(
        tf.nest.flatten(outputs), tf.nest.flatten(expected), strict=True
    ):
      self.assertAllClose(output[:, 0], value, atol=1e-5)

  @parameterized.parameters(*HEADS)
  def test_seed_repeats_and_config_copies(self, name):
    head = HEADS[name](seed=3)
    copy = type(head).from_config(head.get_config())
    for x, y in zip(
        tf.nest.flatten(head(FEATURES)),
        tf.nest.flatten(copy(FEATURES)),
        strict=True,
    ):
      self.assertAllEqual(x, y)

  @parameterized.parameters(*HEADS)
  def test_rejects_infinite_outputs_on_request(self, name):
    features = np.where(FEATURES > 1.0, np.float32(np.inf), FEATURES)
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, 'Expected finite outputs'
    ):
      HEADS[name](validate_args=True)(features)

  def test_gaussian_head_starts_at_the_rate_of_an_ar1_prior(self):
    scale = math.sqrt((1 - 0.95**2) / (1 + 0.95**2))
    head = layers.GaussianHead(2, initial_scale=scale)
    loc, scale = head(tf.zeros([3, 64, 5]))
    self.assertEqual(loc.shape, [3, 64, 2])
    rate = ops.ar1_committed_rate([0.95, 0.95], 64)
    kl = ops.gaussian_ar1_kl(loc, scale, 0.95)
    self.assertAllClose(kl / rate, np.ones(3), atol=0.02)
    self.assertAllGreaterEqual(kl / rate, 1 - 1e-6)

  @parameterized.parameters(0.5, 0.95, 0.9999)
  def test_gaussian_head_counts_means_in_scales(self, alpha):
    # One unit at one step costs half a nat at any alpha, so that training
    # starts near the committed rate where the prior is sharp too.
    scale = np.sqrt((1 - alpha**2) / (1 + alpha**2))
    head = _pass_through(layers.GaussianHead(1, scale), 2)
    features = np.zeros([2, 8, 2], np.float32)
    features[1, 3, 0] = 1
    kl = ops.gaussian_ar1_kl(*head(features), alpha)
    self.assertAllClose(kl[1] - kl[0], 0.5, atol=1e-3)

  def test_gaussian_head_is_finite_at_any_outputs(self):
    head = _pass_through(layers.GaussianHead(3, 0.1), 6)
    loc, scale = head(_adversarial_features(1000, 6)[:, np.newaxis])
    rate = ops.ar1_committed_rate(0.99, 1)
    kl = ops.gaussian_ar1_kl(loc, scale, 0.99)
    self.assertAllGreaterEqual(kl, rate)
    self.assertAllLess(kl, 1e9)

  def test_codes_are_sampled_on_top(self):
    model = keras.Sequential(
        [
            layers.DeltaCategoricalHead(3, 4, delta=0.5, seed=0),
            layers.GumbelSoftmax(kl='output', seed=0),
        ]
    )
    codes, kl = model(tf.zeros([6, 5]), training=True)
    self.assertAllClose(tf.reduce_sum(codes, -1), tf.ones([6, 3]))
    self.assertAllClose(kl, np.full(6, 1.5))

  def test_rejects(self):
    for cls in (layers.GaussianHead, layers.DeltaGaussianHead):
      with self.assertRaisesRegex(ValueError, '`units` of at least 1'):
        cls(0, 1.0)
    with self.assertRaisesRegex(ValueError, 'positive `initial_scale`'):
      layers.GaussianHead(1, 0.0)
    with self.assertRaisesRegex(ValueError, r'`delta` in \(0, 80\] nats'):
      layers.DeltaGaussianHead(2, [0.1, -0.1])
    with self.assertRaisesRegex(ValueError, r'2, as `units`; rec.*\(3,\)'):
      layers.DeltaGaussianHead(2, [0.1] * 3)
    head = layers.DeltaCategoricalHead
    with self.assertRaisesRegex(
        ValueError, '`num_latents` of at least 1; received 0'
    ):
      head(0, 3, 0.1)
    with self.assertRaisesRegex(
        ValueError, '`num_classes` of at least 2; received 1'
    ):
      head(1, 1, 0.1)
    for delta in (-0.1, 1.5):
      with self.assertRaisesRegex(ValueError, '0 to 1.386294 nats'):
        head(2, 4, delta)
    with self.assertRaisesRegex(ValueError, r'2, as `num_latents`; rec.*3'):
      head(2, 4, [0.1] * 3)
    with self.assertRaisesRegex(ValueError, "'uniform' or logits; received 'l"):
      head(2, 4, 0.1, prior='learned')
    with self.assertRaisesRegex(ValueError, r'\[4\] or \[2, 4\]; rec.*\(3,\)'):
      head(2, 4, 0.1, prior=[0.0] * 3)
    with self.assertRaisesRegex(ValueError, 'finite `prior_logits`'):
      head(2, 2, 0.1, prior=[0.0, math.inf])


if __name__ == '__main__':
  tf.test.main()
