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
from discrete_lvm import models
from discrete_lvm import ops

tfd = tfp.distributions

LENGTH, DIM, SIZE = 3, 2, 5
RNG = np.random.default_rng(0)
X = (RNG.uniform(size=[40, SIZE]) < 0.4).astype('float32')
IMAGES = (RNG.uniform(size=[8, 4, 3, 1]) < 0.4).astype('float32')
CODES = RNG.integers(5, size=[8, 6]).astype('int32')


def _encoder():
  return keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(LENGTH * 4),
          keras.layers.Reshape([LENGTH, 4]),
      ]
  )


def _make(latents=None, decoder=None, encoder=None, **kwargs):
  keras.utils.set_random_seed(1)
  if decoder is None:
    network = keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(SIZE)]
    )
    decoder = models.IndependentDecoder(network)
  return models.DeltaVAE(
      encoder or _encoder(),
      latents or models.GaussianLatents(LENGTH, DIM, alpha=0.8, seed=0),
      decoder,
      **kwargs,
  )


def _auxiliary_prior(num_outputs=2 * (1 + 2 * DIM)):
  return layers.CausalConvolution(
      num_outputs, units=8, dilations=[1, 2], seed=0
  )


def _pixel_decoder(num_outputs=1, **kwargs):
  network = keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(4 * 3 * 2),
          keras.layers.Reshape([4, 3, 2]),
      ]
  )
  return models.PixelDecoder(
      network,
      layers.GatedPixelCNN(num_outputs, units=8, num_layers=2, seed=0),
      **kwargs,
  )


def _token_decoder():
  return models.TokenDecoder(
      keras.layers.UpSampling1D(2),
      layers.CausalConvolution(5, units=8, dilations=[1, 2], seed=0),
      num_classes=5,
  )


def _token_encoder():
  return keras.Sequential(
      [keras.layers.Embedding(5, 4), keras.layers.AveragePooling1D(2)]
  )


# Arguments of the model, and data.
CASES = {
    'independent': lambda: ({}, X),
    'pixels': lambda: ({'decoder': _pixel_decoder()}, IMAGES),
    'tokens': lambda: (
        {'decoder': _token_decoder(), 'encoder': _token_encoder()},
        CODES,
    ),
    'categorical': lambda: (
        {
            'latents': models.CategoricalLatents(LENGTH, 4, 0.3, seed=0),
            'auxiliary_prior': _auxiliary_prior(4),
        },
        X,
    ),
    'none': lambda: ({'latents': models.NoLatents(LENGTH, 1)}, X),
    'auxiliary': lambda: ({'auxiliary_prior': _auxiliary_prior()}, X),
    'controlled': lambda: ({'rate_control': models.RateWeight(0.5)}, X),
}
LONG = ('auxiliary', 'pixels', 'tokens')


class DeltaVAETest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*(case for case in CASES if case not in LONG))
  def test_contract(self, case):
    self.check_contract(case)

  @parameterized.parameters(*LONG)
  @pytest.mark.slow
  def test_contract_slow(self, case):
    self.check_contract(case)

  def check_contract(self, case):
    arguments, x = CASES[case]()
    model = _make(**arguments)
    model.compile('adam', num_importance_samples=3)
    terms = model.loss_terms(x, seed=[0, 1])
    self.assertContainsSubset({'distortion', 'rate'}, terms)
    for term in terms.values():
      self.assertEqual(term.shape, [len(x)])
      self.assertEqual(term.dtype, tf.float32)
    self.assertAllGreaterEqual(
        terms['rate'] - (1 - 1e-5) * model.latents.committed_rate, 0
    )
    # The last batch is smaller, so the size of a batch is unknown.
    history = model.fit(x[:7], epochs=1, batch_size=4, verbose=0)
    self.assertTrue(np.isfinite(history.history['loss']).all())
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(3)
    result = model.evaluate(dataset, verbose=0, return_dict=True)
    self.assertLessEqual(
        result['elbo'], result['importance_weighted_bound'] + 1e-4
    )
    has_auxiliary = model.auxiliary_prior is not None
    self.assertEqual('auxiliary_elbo' in result, has_auxiliary)
    self.assertEqual(model.sample(2, seed=[0, 1]).shape, [2, *x.shape[1:]])
    self.assertEqual(model.reconstruct(x[:2], [0, 1]).shape, x[:2].shape)
    self.assertEqual(
        model(x).shape, [len(x), model.latents.length, model.latents.dim]
    )

  @parameterized.parameters('pixels', 'tokens', 'categorical', 'controlled')
  def test_file_keeps_the_model(self, case):
    arguments, x = CASES[case]()
    model = _make(**arguments)
    model.compile('adam', num_importance_samples=3)
    model.build((None, *x.shape[1:]))
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    self.assertEqual(loaded.num_importance_samples, 3)
    self.assertAllClose(
        loaded.log_weights(x, 4, [0, 1]), model.log_weights(x, 4, [0, 1])
    )
    if model.auxiliary_prior is not None:
      self.assertAllClose(
          loaded.log_weights(x, 4, [0, 1], auxiliary=True),
          model.log_weights(x, 4, [0, 1], auxiliary=True),
      )

  @parameterized.parameters('independent', 'pixels', 'tokens')
  def test_every_weight_is_trained(self, case):
    arguments, x = CASES[case]()
    model = _make(**arguments)
    with tf.GradientTape() as tape:
      terms = model.loss_terms(x, seed=[0, 1])
      loss = tf.reduce_sum(tf.add_n(list(terms.values())))
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
      gradient = tf.convert_to_tensor(gradient)
      self.assertGreater(np.abs(gradient).max(), 0, variable.path)

  def test_auxiliary_prior_learns_beside_and_moves_nothing(self):
    model = _make(auxiliary_prior=_auxiliary_prior())
    with tf.GradientTape() as tape:
      term = model.loss_terms(X, seed=[0, 1])['auxiliary_prior']
    variables = model.trainable_variables
    gradients = tape.gradient(term, [v.value for v in variables])
    own = {v.path for v in model.auxiliary_prior.trainable_variables}
    for variable, gradient in zip(variables, gradients, strict=True):
      self.assertEqual(gradient is not None, variable.path in own)

  @pytest.mark.slow
  def test_auxiliary_prior_learns_afterwards(self):
    model = _make(auxiliary_prior=_auxiliary_prior())
    model.build((None, SIZE))
    for layer in (model.encoder, model.latents, model.decoder):
      layer.trainable = False
    before = model.log_weights(X, 2, [0, 1])
    model.compile(keras.optimizers.Adam(3e-2))
    losses = model.fit(X, epochs=10, verbose=0).history['auxiliary_prior']
    self.assertLess(losses[-1], losses[0] - 0.3)
    self.assertAllEqual(model.log_weights(X, 2, [0, 1]), before)

  @pytest.mark.slow
  def test_auxiliary_prior_tightens_the_bound(self):
    model = _make(auxiliary_prior=_auxiliary_prior())
    model.compile(keras.optimizers.Adam(2e-2), num_importance_samples=20)
    model.fit(X, epochs=40, batch_size=40, verbose=0)
    result = model.evaluate(X, batch_size=40, verbose=0, return_dict=True)
    self.assertGreater(result['auxiliary_elbo'], result['elbo'] + 0.2)
    self.assertEqual(model.sample(3, [0, 1], auxiliary=True).shape, [3, SIZE])

  def test_rate_control_stands_in_for_the_rate(self):
    model = _make(rate_control=models.RateWeight(0.25))
    terms = model.loss_terms(X, seed=[0, 1])
    self.assertAllClose(terms['rate_control'], -0.75 * terms['rate'])
    # What is evaluated is the bound.
    terms = model.loss_terms(X, training=False, seed=[0, 1])
    self.assertNotIn('rate_control', terms)

  def test_weights_are_those_of_the_densities(self):
    model = _make()
    weights = model.log_weights(X, 3, [0, 1]).numpy()
    seed = ops.fold_in([0, 1], 0)
    loc, scale = (p.numpy() for p in model.encode(X))
    z = model.latents.posterior((loc, scale)).sample(3, seed=seed).numpy()
    log_q = tfd.Normal(loc, scale).log_prob(z).numpy().sum((-2, -1))
    covariance = 0.8 ** np.abs(np.subtract.outer(range(3), range(3)))
    prior = tfd.MultivariateNormalFullCovariance(np.zeros(3), covariance)
    log_p = sum(prior.log_prob(z[..., k].astype('float64')) for k in range(DIM))
    logits = model.decoder(z).numpy()
    log_x = (logits * X - np.logaddexp(0, logits)).sum(-1)
    self.assertAllClose(weights, log_p.numpy() - log_q + log_x, atol=1e-4)

  def test_bound_rises_to_the_evidence_of_enumerable_latents(self):
    model = _make(latents=models.CategoricalLatents(LENGTH, 3, 0.2, seed=0))
    model.build((None, SIZE))
    events = np.stack(np.meshgrid(*[range(3)] * LENGTH), -1).reshape(-1, LENGTH)
    log_x = model.decode(tf.one_hot(events, 3)[:, tf.newaxis]).log_prob(X)
    exact = special.logsumexp(log_x.numpy(), axis=0) - LENGTH * math.log(3)
    few = model.importance_weighted_bound(X, 1, [0, 1]).numpy()
    many = model.importance_weighted_bound(X, 2000, [0, 1]).numpy()
    self.assertLess(few.mean(), many.mean())
    # The error of 2000 samples, and the sign of their bias.
    self.assertAllClose(many, exact, atol=0.25)
    self.assertAllClose(many.mean(), exact.mean(), atol=0.03)

  def test_no_latents_is_the_decoder_alone(self):
    arguments, x = CASES['none']()
    model = _make(**arguments)
    expected = model.decode(tf.zeros([LENGTH, 1])).log_prob(x)
    terms = model.loss_terms(x, seed=[0, 1])
    self.assertAllClose(-terms['distortion'], expected)
    self.assertAllEqual(terms['rate'], tf.zeros([len(x)]))
    weights = model.log_weights(x, 2, [0, 1])
    self.assertAllClose(weights, [expected, expected])

  def test_low_precision(self):
    keras.config.set_dtype_policy('mixed_bfloat16')
    self.addCleanup(keras.config.set_dtype_policy, 'float32')
    for case in ('independent', 'pixels', 'tokens'):
      arguments, x = CASES[case]()
      model = _make(**arguments)
      terms = model.loss_terms(x, seed=[0, 1])
      for term in terms.values():
        self.assertEqual(term.dtype, tf.float32)
        self.assertTrue(np.isfinite(term).all())
      self.assertAllGreaterEqual(
          terms['rate'] - (1 - 1e-5) * model.latents.committed_rate, 0
      )

  def test_xla(self):
    model = _make(auxiliary_prior=_auxiliary_prior())
    model.build((None, SIZE))
    compiled = tf.function(
        lambda x: model.loss_terms(x, seed=[0, 1]), jit_compile=True
    )
    terms = compiled(X)
    # The rate has no noise.
    self.assertAllClose(
        terms['rate'], model.loss_terms(X, seed=[0, 1])['rate'], rtol=1e-5
    )

  def test_bad_arguments(self):
    model = _make()
    with self.assertRaisesRegex(ValueError, 'Expected a model that is built'):
      model.sample(1, [0, 1])
    model.build((None, SIZE))
    with self.assertRaisesRegex(ValueError, r'\[..., 3, 2\]; received'):
      model.decode(np.zeros([2, 3]))
    with self.assertRaisesRegex(ValueError, 'with an `auxiliary_prior`'):
      model.log_weights(X, 1, [0, 1], auxiliary=True)
    with self.assertRaisesRegex(ValueError, '`num_samples` of at least 1'):
      model.log_weights(X, 0, [0, 1])
    network = keras.layers.Flatten()
    with self.assertRaisesRegex(ValueError, 'increasing `pixel_range`'):
      models.PixelDecoder(network, None, pixel_range=(1, 0))
    with self.assertRaisesRegex(ValueError, '`num_classes` of at least 2'):
      models.TokenDecoder(network, None, num_classes=1)
    with self.assertRaisesRegex(ValueError, 'a function or one of'):
      models.IndependentDecoder(network, 'poisson')
    flat = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)])
    for decoder, shape in (
        (models.PixelDecoder(flat, network), r'\[batch, H, W, F\]'),
        (models.TokenDecoder(flat, network, 2), r'\[batch, num_tokens, F\]'),
    ):
      with self.assertRaisesRegex(ValueError, f'from latents to {shape}'):
        decoder.build((None, LENGTH, DIM))

  def test_pixels_of_classes_are_integers(self):
    decoder = _pixel_decoder(3, likelihood='categorical', pixel_range=(0, 2))
    model = _make(decoder=decoder)
    images = np.random.default_rng(0).integers(3, size=[6, 4, 3, 1])
    model.build(images.shape)
    sample = model.sample(5, seed=0)
    self.assertEqual(sample.dtype, tf.int32)
    self.assertAllInSet(sample, [0, 1, 2])
    distortion = model.loss_terms(images, seed=0)['distortion']
    self.assertAllInRange(distortion, 12 * 0.1, 12 * 10.0)
    with self.assertRaisesRegex(ValueError, 'Expected integer data'):
      model.loss_terms(images + 0.5, seed=0)

  def test_rejects_data_that_would_broadcast(self):
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model = _make(decoder=models.IndependentDecoder(network))
    for method in (
        model.loss_terms,
        model.update_metrics,
        lambda x: model.log_weights(x, 2, seed=0),
    ):
      with self.assertRaisesRegex(ValueError, r"\['batch', 1\].*received"):
        method(X)


if __name__ == '__main__':
  tf.test.main()
