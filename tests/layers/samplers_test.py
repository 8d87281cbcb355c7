"""What both sampling layers must do; each adds its own."""

import math
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers
from discrete_lvm import ops

SHAPE = (8, 2, 3)
LOGITS = tf.random.stateless_normal(SHAPE, [0, 1])
NOISE = ops.gumbel(SHAPE, [0, 2])
LAYERS = (layers.GumbelSoftmax, layers.StraightThroughCategorical)


def _assert_one_hot(test, codes):
  test.assertAllInSet(codes, [0.0, 1.0])
  test.assertAllEqual(tf.reduce_sum(codes, -1), np.ones(codes.shape[:-1]))


@parameterized.parameters(*LAYERS)
class SamplersTest(tf.test.TestCase, parameterized.TestCase):

  def test_inference_takes_the_mode_or_an_exact_sample(self, cls):
    mode = cls()(LOGITS)
    self.assertAllEqual(mode, ops.one_hot_argmax(LOGITS))
    sample = cls(inference='sample')(LOGITS, noise=NOISE)
    self.assertAllEqual(sample, ops.one_hot_argmax(LOGITS + NOISE))

  def test_gradient_reaches_the_logits_in_training(self, cls):
    layer = cls(seed=0)
    with tf.GradientTape() as tape:
      tape.watch(LOGITS)
      codes = layer(LOGITS, training=True)
      value = tf.reduce_sum(codes[..., 0])
    gradient = tape.gradient(value, LOGITS)
    self.assertAllGreater(tf.reduce_max(tf.abs(gradient), -1), 0.0)

  def test_seed_repeats_and_calls_differ(self, cls):
    a, b = cls(seed=1), cls(seed=1)
    logits = tf.zeros([100, 1, 5])
    first = a(logits, training=True)
    self.assertAllEqual(first, b(logits, training=True))
    self.assertNotAllEqual(first, a(logits, training=True))

  def test_compiled_equals_eager_given_the_noise(self, cls):
    layer = cls(temperature=0.5)

    def call(logits, noise):
      return layer(logits, training=True, noise=noise)

    for jit_compile in (False, True):
      compiled = tf.function(call, jit_compile=jit_compile)
      self.assertAllClose(
          compiled(LOGITS, NOISE), call(LOGITS, NOISE), atol=1e-6
      )

  def test_kl_is_that_of_the_prior(self, cls):
    prior = tf.constant([0.0, 1.0, -1.0])
    for given, expected in (
        ('uniform', None),
        ('learned', tf.zeros([2, 3])),
        (prior.numpy(), prior),
    ):
      _, kl = cls(prior=given, kl='output')(LOGITS)
      self.assertAllClose(
          kl, tf.reduce_sum(ops.categorical_kl(LOGITS, expected), -1)
      )

  def test_learned_prior_learns(self, cls):
    layer = cls(prior='learned', kl='output')
    with tf.GradientTape() as tape:
      _, kl = layer(LOGITS)
    (variable,) = layer.trainable_variables
    self.assertEqual(variable.shape, (2, 3))
    gradient = tape.gradient(kl, variable.value)
    # d KL / d prior logits = prior - mean posterior, summed over the batch.
    expected = tf.reduce_sum(1 / 3 - tf.nn.softmax(LOGITS), 0)
    self.assertAllClose(gradient, expected, atol=1e-5)

  def test_kl_becomes_a_loss_on_request(self, cls):
    layer = cls(kl='loss')
    layer(LOGITS)
    expected = tf.reduce_mean(tf.reduce_sum(ops.categorical_kl(LOGITS), -1))
    self.assertAllClose(layer.losses, [expected])

  def test_mixed_precision_casts_only_the_codes(self, cls):
    layer = cls(dtype='mixed_bfloat16', kl='output', prior='learned')
    codes, kl = layer(LOGITS, training=True, noise=NOISE)
    self.assertEqual(codes.dtype, tf.bfloat16)
    self.assertEqual(kl.dtype, tf.float32)
    self.assertAllClose(
        kl, tf.reduce_sum(ops.categorical_kl(LOGITS), -1), rtol=1e-6
    )
    _assert_one_hot(self, tf.cast(layer(LOGITS)[0], tf.float32))

  def test_functional_model_trains_and_survives_a_file(self, cls):
    inputs = keras.Input((4,))
    logits = keras.layers.Reshape((2, 3))(keras.layers.Dense(6)(inputs))
    codes = cls(temperature=0.5, kl='loss', prior='learned', seed=0)(logits)
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(codes))
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).normal(size=[32, 4]).astype('float32')
    model.compile('sgd', 'mse')
    model.fit(x, x[:, :1], epochs=1, verbose=0)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(
        restored.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    self.assertEqual(
        restored.layers[3].get_config(), model.layers[3].get_config()
    )

  def test_works_in_a_sequential_model(self, cls):
    model = keras.Sequential(
        [
            keras.layers.Dense(6),
            keras.layers.Reshape((2, 3)),
            cls(),
            keras.layers.Flatten(),
        ]
    )
    self.assertEqual(model(tf.zeros([5, 4])).shape, [5, 6])

  def test_nan_remains(self, cls):
    logits = LOGITS.numpy()
    logits[1, 1, 2], logits[3] = math.nan, math.nan
    is_nan = np.zeros(SHAPE, bool)
    is_nan[1, 1], is_nan[3] = True, True
    kinds = [{}, {'inference': 'sample'}]
    if cls is layers.GumbelSoftmax:
      kinds.append({'hard': True})
    for kwargs in kinds:
      for training in (False, True):
        codes = cls(**kwargs)(logits, training=training, noise=NOISE)
        self.assertAllEqual(np.isnan(codes), is_nan)

  def test_any_leading_dimensions(self, cls):
    layer = cls()
    expected = layer(LOGITS, training=True, noise=NOISE)
    shape = [2, 1, 2, 1, 2, 2, 3]
    codes = layer(
        tf.reshape(LOGITS, shape),
        training=True,
        noise=tf.reshape(NOISE, shape),
    )
    self.assertAllEqual(codes, tf.reshape(expected, shape))

  def test_temperature_survives_weights(self, cls):
    layer = cls(temperature=1.0)
    layer.build(SHAPE)
    layer.temperature.assign(0.25)
    other = cls(temperature=1.0)
    other.build(SHAPE)
    other.set_weights(layer.get_weights())
    self.assertEqual(float(other.temperature.value), 0.25)

  def test_rejects_bad_arguments(self, cls):
    for kwargs, message in (
        ({'temperature': 0.0}, 'Expected a positive `temperature`'),
        ({'temperature': [0.5, 1.0]}, 'a scalar `temperature`; received'),
        ({'inference': 'max'}, "`inference` to be one of .* received 'max'"),
        ({'kl': True}, '`kl` to be one of'),
        ({'prior': 'normal'}, '`prior` to be one of'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        cls(**kwargs)

  def test_rejects_bad_inputs(self, cls):
    for shape in ([3], [2, 1], [2, 3, 1]):
      with self.assertRaisesRegex(ValueError, 'Expected .*logits.*received'):
        cls()(tf.zeros(shape))
    with self.assertRaisesRegex(ValueError, r'broadcasts to \(2, 3\)'):
      cls(prior=[0.0, 1.0])(LOGITS)
    with self.assertRaisesRegex(ValueError, r'`noise` of the shape'):
      cls()(LOGITS, training=True, noise=tf.zeros([2, 3]))


class GumbelSoftmaxTest(tf.test.TestCase):

  def test_training_relaxes(self):
    codes = layers.GumbelSoftmax(0.5)(LOGITS, training=True, noise=NOISE)
    self.assertAllClose(codes, tf.nn.softmax((LOGITS + NOISE) / 0.5))

  def test_hard_training_is_one_hot_with_the_relaxed_gradient(self):
    def codes_and_gradient(hard):
      layer = layers.GumbelSoftmax(0.5, hard=hard)
      with tf.GradientTape() as tape:
        tape.watch(LOGITS)
        codes = layer(LOGITS, training=True, noise=NOISE)
        value = tf.reduce_sum(codes[..., 0])
      return codes, tape.gradient(value, LOGITS)

    hard, hard_gradient = codes_and_gradient(True)
    _, relaxed_gradient = codes_and_gradient(False)
    _assert_one_hot(self, hard)
    self.assertAllClose(hard_gradient, relaxed_gradient, atol=1e-6)

  def test_collapsed_posterior_has_full_rate_against_uniform(self):
    logits = tf.constant([[[0.0, -math.inf]]])
    _, kl = layers.GumbelSoftmax(kl='output')(logits)
    self.assertAllClose(kl, [math.log(2)])


class StraightThroughCategoricalTest(tf.test.TestCase):

  def test_training_is_one_hot_with_the_gradient_of_the_mean(self):
    layer = layers.StraightThroughCategorical(temperature=0.5)
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(LOGITS)
      codes = layer(LOGITS, training=True, noise=NOISE)
      value = tf.reduce_sum(codes[..., 0])
      mean = tf.reduce_sum(tf.nn.softmax(LOGITS / 0.5)[..., 0])
    self.assertAllEqual(codes, ops.one_hot_argmax(LOGITS + NOISE))
    self.assertAllClose(
        tape.gradient(value, LOGITS), tape.gradient(mean, LOGITS), atol=1e-6
    )


if __name__ == '__main__':
  tf.test.main()
