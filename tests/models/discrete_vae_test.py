import itertools
import math
import os

from absl.testing import parameterized
import keras
import numpy as np
import pytest
from scipy import special
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import estimators
from discrete_lvm import models
from discrete_lvm import ops

tfd = tfp.distributions

SIZE = 6
X = (np.random.default_rng(0).uniform(size=[40, SIZE]) < 0.4).astype('float32')


def _make(
    num_latents=2, num_classes=3, outputs=(SIZE,), regularizer=None, **kwargs
):
  keras.utils.set_random_seed(1)
  logits = keras.layers.Dense(6, kernel_regularizer=regularizer)
  encoder = keras.Sequential([keras.Input((SIZE,)), logits])
  decoder = keras.Sequential(
      [
          keras.Input((num_latents, num_classes)),
          keras.layers.Flatten(),
          keras.layers.Dense(math.prod(outputs)),
          keras.layers.Reshape(outputs),
      ]
  )
  return models.DiscreteVAE(
      encoder, decoder, num_latents, num_classes, **kwargs
  )


def _shape_for(cls):
  """Returns N and K: six logits either way, as some take two classes alone."""
  return (3, 2) if cls in (estimators.ARM, estimators.DisARM) else (2, 3)


def _all_codes(num_latents, num_classes):
  codes = itertools.product(range(num_classes), repeat=num_latents)
  return tf.one_hot(list(codes), num_classes)


def _exact_log_evidence(model, x):
  """Enumerates the latents: float64 `[batch]`."""
  codes = _all_codes(model.num_latents, model.num_classes)
  log_prior = np.full(
      len(codes), -model.num_latents * np.log(model.num_classes)
  )
  if model.prior_logits is not None:
    log_prior = np.sum(
        codes * special.log_softmax(model.prior_logits.numpy(), -1), (-2, -1)
    )
  log_likelihood = model.decode(codes[:, tf.newaxis]).log_prob(x).numpy()
  return special.logsumexp(
      log_likelihood.astype('float64') + log_prior[:, np.newaxis], axis=0
  )


class BoundsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters('uniform', 'learned')
  def test_sampled_bound_tends_to_the_enumerated_evidence(self, prior):
    model = _make(prior=prior)
    if prior == 'learned':
      model.prior_logits.assign([[0.0, 2.0, -1.0], [0.5, 0.0, -2.0]])
    exact = _exact_log_evidence(model, X[:10])
    weights = (
        model.log_weights(X[:10], 5_000, seed=[0, 1]).numpy().astype('float64')
    )
    estimate = special.logsumexp(weights, 0) - np.log(5_000)
    # Delta method: the error of log mean w is sd(w) / (mean(w) sqrt(S)).
    w = np.exp(weights - exact)
    error = w.std(0) / w.mean(0) / np.sqrt(5_000)
    self.assertAllLess(np.abs(estimate - exact) / error, 4.0)

  # Chunks of 51 codes for a batch of 40: one in part, and two.
  @parameterized.parameters((2, 3), (4, 3))
  def test_marginal_is_the_enumerated_evidence(self, num_latents, num_classes):
    model = _make(num_latents, num_classes, prior='learned')
    model.prior_logits.assign(
        np.random.default_rng(0).normal(size=[num_latents, num_classes])
    )
    exact = _exact_log_evidence(model, X)
    self.assertAllClose(model.log_marginal(X), exact, rtol=1e-6)
    compiled = tf.function(model.log_marginal, jit_compile=True)(X)
    self.assertAllClose(compiled, exact, rtol=1e-6)

  def test_bound_rises_to_the_marginal_with_samples(self):
    model = _make()
    for weight in model.decoder.weights:
      weight.assign(5.0 * weight.value)
    x = np.repeat(X, 200, axis=0)
    exact = model.log_marginal(x)
    gaps = []
    for num_samples in (1, 4, 16):
      estimate = model.importance_weighted_estimate(x, num_samples, seed=[0, 1])
      gap = exact - estimate.bound
      self.assertGreater(np.mean(gap), 4 * np.std(gap) / np.sqrt(len(x)))
      gaps.append(np.mean(gap))
      self.assertAllInRange(
          estimate.effective_sample_size, 1 - 1e-5, num_samples + 1e-4
      )
    self.assertAllLess(np.diff(gaps), 0.0)

  def test_one_sample_bound_is_the_elbo(self):
    # E_q[log w] = E_q[log p(x | z)] - KL, enumerated.
    model = _make()
    logits = model.encode(X)
    log_q = tf.nn.log_softmax(logits)
    codes = _all_codes(2, 3)
    q = tf.exp(tf.einsum('snk,bnk->sb', codes, log_q))
    log_likelihood = model.decode(codes[:, tf.newaxis]).log_prob(X)
    kl = tf.reduce_sum(math.log(3) - ops.categorical_entropy(logits), -1)
    expected = tf.reduce_sum(q * log_likelihood, 0) - kl
    weights = model.log_weights(X, 5000, seed=[0, 1]).numpy()
    error = weights.std(0) / np.sqrt(5000)
    self.assertAllLess(np.abs(weights.mean(0) - expected) / error, 4.0)

  # Chunks of 51 rows for a batch of 40, so that 60 needs two, one in part.
  @parameterized.parameters(1, 51, 60)
  def test_any_number_of_samples_are_distinct_draws(self, num_samples):
    weights = _make().log_weights(X, num_samples, seed=[0, 1])
    self.assertEqual(weights.shape, [num_samples, 40])
    bound = _make().importance_weighted_bound(X, num_samples, seed=[0, 1])
    self.assertAllClose(
        bound, special.logsumexp(weights, 0) - np.log(num_samples), rtol=1e-5
    )
    if num_samples > 51:
      self.assertNotAllClose(weights[:9], weights[51:])

  def test_loss_terms_are_those_of_the_estimator(self):
    model = _make(prior='learned', estimator=estimators.GumbelSoftmax(0.5))
    model.prior_logits.assign([[0.0, 2.0, -1.0], [0.5, 0.0, -2.0]])
    terms = model.loss_terms(X, seed=[0, 1])
    logits = model.encode(X)
    codes = ops.gumbel_softmax(logits, 0.5, seed=[0, 1])
    outputs = model.decoder(codes)
    expected = tf.nn.sigmoid_cross_entropy_with_logits(X, outputs)
    self.assertAllClose(terms['distortion'], tf.reduce_sum(expected, -1))
    kl = ops.categorical_kl(logits, model.prior_logits.value)
    self.assertAllClose(terms['rate'], tf.reduce_sum(kl, -1))

  def test_gradient_reaches_every_weight(self):
    self.check_gradients('learned')

  @pytest.mark.slow
  def test_gradient_reaches_every_weight_of_a_uniform_prior(self):
    self.check_gradients('uniform')

  def check_gradients(self, prior):
    for cls in estimators.ESTIMATORS.values():
      model = _make(*_shape_for(cls), prior=prior, estimator=cls())
      with tf.GradientTape() as tape:
        terms = model.loss_terms(X, seed=[0, 1])
        loss = tf.add_n(list(terms.values()))
      gradients = tape.gradient(loss, model.trainable_variables)
      own = len(model.estimator.trainable_weights)
      self.assertLen(gradients, 4 + own + (prior == 'learned'))
      for gradient in gradients:
        self.assertGreater(float(tf.norm(gradient)), 0.0)

  def test_compiled_loss_equals_eager(self):
    model = _make(estimator=estimators.StraightThrough())
    terms = model.loss_terms(X, seed=[0, 1])
    compiled = tf.function(lambda x: model.loss_terms(x, seed=[0, 1]))(X)
    self.assertAllClose(compiled, terms)
    # XLA draws other numbers from a seed, so that only the rate can agree.
    jit = tf.function(
        lambda x: model.loss_terms(x, seed=[0, 1]), jit_compile=True
    )(X)
    self.assertAllClose(jit['rate'], terms['rate'])
    bound = tf.function(
        lambda x: model.importance_weighted_bound(x, 7, seed=[0, 1]),
        jit_compile=True,
    )(X)
    self.assertAllEqual(np.isfinite(bound), [True] * 40)


# Those that take the longest to trace. `control_variates_test.py` trains the
# first three, too.
# One of each kind: a relaxation, a score function, one with weights of its own.
_QUICK = ('gumbel_softmax', 'leave_one_out', 'nvil')


class EstimatorsTest(tf.test.TestCase, parameterized.TestCase):

  def test_bound_is_that_of_the_weights(self):
    # The estimator draws as `log_weights` does not, so its codes are caught.
    model = _make(
        prior='learned',
        estimator=estimators.ScoreFunction(3, importance_weighted=True),
    )
    model.prior_logits.assign([[0.0, 2.0, -1.0], [0.5, 0.0, -2.0]])
    terms = model.loss_terms(X, seed=[0, 1])
    self.assertEqual(list(terms), ['negative_bound'])
    logits = model.encode(X)
    codes = ops.one_hot_argmax(
        ops.perturb(logits, seed=[0, 1], sample_shape=[3])
    ).numpy()
    log_q = (codes * special.log_softmax(logits.numpy(), -1)).sum((-2, -1))
    log_p = special.log_softmax(model.prior_logits.numpy(), -1)
    log_p = (codes * log_p).sum((-2, -1))
    log_w = model.decode(codes).log_prob(X) + log_p - log_q
    self.assertAllClose(
        terms['negative_bound'],
        math.log(3) - special.logsumexp(log_w, 0),
        rtol=1e-5,
    )

  @parameterized.parameters(1, 2)
  def test_exact_bound_equals_the_enumeration(self, num_samples):
    model = _make(
        prior='learned',
        estimator=estimators.Exact(
            num_samples=num_samples, importance_weighted=True
        ),
    )
    model.prior_logits.assign([[0.0, 2.0, -1.0], [0.5, 0.0, -2.0]])
    terms = model.loss_terms(X, seed=0)
    codes = _all_codes(2, 3)
    log_q = np.einsum(
        'cnk,bnk->cb', codes, special.log_softmax(model.encode(X).numpy(), -1)
    )
    log_p = special.log_softmax(model.prior_logits.numpy(), -1)
    log_p = np.einsum('cnk,nk->c', codes, log_p)[:, np.newaxis]
    log_w = model.decode(codes[:, tf.newaxis]).log_prob(X) + log_p - log_q
    tuples = list(itertools.product(range(9), repeat=num_samples))
    bound = special.logsumexp(log_w.numpy()[tuples], 1) - math.log(num_samples)
    q = np.exp(log_q[tuples].sum(1))
    self.assertAllClose(
        terms['negative_bound'], -np.sum(q * bound, 0), rtol=1e-5
    )

  @parameterized.parameters(estimators.VIMCO, estimators.LeaveOneOut)
  def test_gradient_of_the_bound_is_unbiased_for_every_weight(self, cls):
    # Through the score, the weights of the bound and `log q` in them at once.
    x = X[:1]
    kwargs = {'num_samples': 2, 'importance_weighted': True}

    def gradient(estimator, repeats):
      model = _make(prior='learned', estimator=estimator)
      with tf.GradientTape() as tape:
        tape.watch(model.encoder.weights[1].value)
        loss = tf.add_n(
            list(
                model.loss_terms(np.repeat(x, repeats, 0), seed=[0, 1]).values()
            )
        )
        # Of means of 400, so that they are nearly normal.
        loss = tf.reduce_mean(tf.reshape(loss, [-1, min(repeats, 400)]), -1)
      variables = [v.value for v in model.trainable_variables[:5]]
      return tape.jacobian(loss, variables)

    exact = gradient(estimators.Exact(**kwargs), 1)
    drawn = gradient(cls(**kwargs), 20_000)
    for means, expected in zip(drawn, exact, strict=True):
      means = means.numpy()
      error = means.std(0, ddof=1) / np.sqrt(len(means)) + 1e-5
      # Student's t with 49 degrees of freedom: 4.7 for a normal 4.
      self.assertAllLess(np.abs(means.mean(0) - expected[0]) / error, 4.7)

  @parameterized.named_parameters(
      (name, estimators.ESTIMATORS[name]) for name in _QUICK
  )
  def test_fits_and_survives_a_file(self, cls):
    self.check_file(cls)

  @parameterized.named_parameters(
      item for item in estimators.ESTIMATORS.items() if item[0] not in _QUICK
  )
  @pytest.mark.slow
  def test_fits_and_survives_a_file_slow(self, cls):
    self.check_file(cls)

  def check_file(self, cls):
    model = _make(*_shape_for(cls), estimator=cls())
    model.build(X.shape)
    before = [v.numpy() for v in model.trainable_variables]
    model.compile(keras.optimizers.Adam(0.01), num_importance_samples=2)
    history = model.fit(X, batch_size=40, verbose=0).history
    self.assertTrue(np.isfinite(history['loss'][0]))
    is_whole = cls in (estimators.NVIL, estimators.VIMCO)
    self.assertEqual('negative_bound' in history, is_whole)
    self.assertEqual('rate' in history, not is_whole)
    for old, new in zip(before, model.trainable_variables, strict=True):
      self.assertNotAllClose(old, new.numpy())
    state = [v.numpy() for v in model.estimator.variables]
    model.update_metrics(X)
    result = model.get_metrics_result()
    self.assertTrue(np.isfinite([float(x) for x in result.values()]).all())
    # To evaluate is not to train.
    for old, new in zip(state, model.estimator.variables, strict=True):
      self.assertAllEqual(old, new.numpy())

    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True).estimator
    self.assertIsInstance(restored, cls)
    self.assertEqual(restored.num_samples, model.estimator.num_samples)
    for old, new in zip(state, restored.variables, strict=True):
      self.assertAllEqual(old, new.numpy())

  @parameterized.parameters(
      estimators.ScoreFunction(),
      estimators.LeaveOneOut(3),
      estimators.VIMCO(3),
      estimators.MovingAverageBaseline(num_samples=2, importance_weighted=True),
      estimators.StraightThrough(num_samples=3, importance_weighted=True),
      estimators.SlopeAnnealedStraightThrough(0.25),
      estimators.SlopeAnnealedStraightThrough(
          0.25, num_samples=3, importance_weighted=True
      ),
  )
  def test_exact_samples_have_no_gap(self, estimator):
    model = _make(estimator=estimator)
    model.update_metrics(X, seed=[0, 1])
    gap = float(model.get_metrics_result()['soft_hard_gap'])
    self.assertAllClose(gap, 0.0, atol=1e-5)

  def test_rescaled_gradient_is_that_of_the_whole_bound(self):
    # Were the rate beside the values, it would outweigh them.
    nvil, exact = estimators.NVIL(keras.layers.Dense(1)), estimators.Exact()
    x, gradients = np.repeat(X[:1], 20_000, 0), []
    for estimator in (nvil, exact):
      model = _make(estimator=estimator)
      model.build(X.shape)
      for dense in (model.encoder.layers[-1], model.decoder.layers[-2]):
        dense.kernel.assign(4.0 * dense.kernel)
      model.loss_terms(X, seed=[0, 2])  # From here on it has moments.
      weight = model.encoder.layers[-1].bias.value
      with tf.GradientTape() as tape:
        tape.watch(weight)
        terms = model.loss_terms(x, seed=[0, 1], training=False)
        loss = tf.reduce_mean(tf.add_n(list(terms.values())))
      gradients.append(tape.gradient(loss, weight).numpy())
    drawn, expected = gradients
    factor = np.linalg.norm(drawn) / np.linalg.norm(expected)
    self.assertLess(factor, 0.7)
    self.assertAllClose(drawn / factor, expected, atol=0.05)

  def test_slope_of_an_estimator_is_part_of_the_posterior(self):
    model = _make(estimator=estimators.SlopeAnnealedStraightThrough(0.25))
    terms = model.loss_terms(X, seed=[0, 1])
    logits = 4.0 * tf.reshape(model.encoder(X), [-1, 2, 3])
    self.assertAllClose(model.encode(X), logits)
    self.assertAllClose(
        terms['rate'], tf.reduce_sum(ops.categorical_kl(logits), -1)
    )

  def test_bound_of_an_exploring_estimator_is_one(self):
    # What is drawn is what is weighed.
    estimator = estimators.DecoupledStraightThroughGumbelSoftmax(
        forward_temperature=5.0, num_samples=50, importance_weighted=True
    )
    model = _make(estimator=estimator)
    kernel, _ = model.encoder.weights
    kernel.assign(2.0 * tf.random.stateless_normal(kernel.shape, [0, 1]))
    x = np.repeat(X[:1], 2_000, axis=0)
    bounds = -model.loss_terms(x, seed=[0, 1])['negative_bound']
    ratios = np.exp(bounds - _exact_log_evidence(model, X[:1]))
    error = np.std(ratios) / np.sqrt(len(ratios))
    self.assertLess(error, 0.05)
    self.assertLess(np.abs(np.mean(ratios) - 1) / error, 4.0)

  def test_baseline_sees_the_data(self):
    model = _make(estimator=estimators.NVIL(keras.layers.Dense(1)))
    model.loss_terms(X, seed=[0, 1])
    self.assertEqual(model.estimator.trainable_weights[0].shape, (SIZE, 1))


class SamplingTest(tf.test.TestCase):

  def test_prior_samples_follow_the_prior(self):
    model = _make(prior='learned')
    model.prior_logits.assign([[0.0, 2.0, -1.0], [0.5, 0.0, -2.0]])
    codes = model.sample_prior(20_000, seed=[0, 1])
    p = special.softmax(model.prior_logits.numpy(), -1)
    error = np.sqrt(p * (1 - p) / 20_000)
    self.assertAllLess(np.abs(tf.reduce_mean(codes, 0) - p) / error, 4.0)

  def test_data_follows_the_enumerated_marginal(self):
    model = _make()
    mean = tf.reduce_mean(model.decode(_all_codes(2, 3)).mean(), 0)
    x = model.sample(20_000, seed=[0, 1])
    error = np.sqrt(mean * (1 - mean) / 20_000)
    self.assertAllLess(np.abs(tf.reduce_mean(x, 0) - mean) / error, 4.0)

  def test_decode_takes_leading_dimensions(self):
    model = _make()
    codes = tf.reshape(_all_codes(2, 3), [3, 3, 2, 3])
    distribution = model.decode(codes)
    self.assertEqual(distribution.batch_shape, [3, 3])
    self.assertEqual(distribution.event_shape, [SIZE])
    self.assertAllClose(
        distribution.mean()[1, 2], model.decode(codes[1, 2:]).mean()[0]
    )


class LikelihoodsTest(tf.test.TestCase, parameterized.TestCase):

  def test_categorical(self):
    model = _make(outputs=(SIZE, 4), likelihood='categorical')
    x = np.random.default_rng(0).integers(0, 4, [40, SIZE]).astype('int32')
    codes = _all_codes(2, 3)[:1]
    log_prob = model.decode(codes).log_prob(x[:1])
    log_p = tf.nn.log_softmax(model.decoder(codes))[0].numpy()
    self.assertAllClose(log_prob, [log_p[np.arange(SIZE), x[0]].sum()])
    self.assertEqual(model(tf.cast(x, tf.float32)).shape, [40, SIZE])

  def test_categorical_refuses_floats(self):
    model = _make(outputs=(SIZE, 4), likelihood='categorical')
    model.loss_terms(X.astype('uint8'))
    with self.assertRaisesRegex(ValueError, 'Expected integer.*float32'):
      model.loss_terms(X)

  def test_discretized_logistic_mixture(self):
    model = _make(outputs=(SIZE, 6), likelihood='discretized_logistic_mixture')
    codes = _all_codes(2, 3)[0]
    values = tf.range(256.0)[:, tf.newaxis] * tf.ones([SIZE])
    # An independent pmf per pixel: each sums to one.
    pmf = tf.exp(model.decode(codes).distribution.log_prob(values))
    self.assertAllClose(tf.reduce_sum(pmf, 0), np.ones(SIZE), atol=1e-5)
    self.assertEqual(model(X).shape, [40, SIZE])

  def test_images_keep_their_shape(self):
    encoder = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(6)]
    )
    decoder = keras.Sequential(
        [
            keras.Input((2, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(16),
            keras.layers.Reshape((4, 4, 1)),
        ]
    )
    model = models.DiscreteVAE(encoder, decoder, 2, 3)
    self.assertEqual(model.sample(5, seed=0).shape, [5, 4, 4, 1])
    self.assertEqual(
        model.loss_terms(tf.zeros([5, 4, 4, 1]))['rate'].shape, [5]
    )

  def test_user_function(self):
    model = _make(likelihood=lambda params: tfd.Normal(params, 0.5))
    codes = _all_codes(2, 3)
    expected = tfd.Normal(model.decoder(codes), 0.5).log_prob(X[:9])
    self.assertAllClose(
        model.decode(codes).log_prob(X[:9]), tf.reduce_sum(expected, -1)
    )


class KerasTest(tf.test.TestCase, parameterized.TestCase):

  def test_fit_learns_and_evaluate_reports(self):
    self.check_fit(jit_compile=False, steps=4)

  @pytest.mark.slow
  def test_fit_learns_by_xla(self):
    self.check_fit(jit_compile=True, steps=1)

  def check_fit(self, jit_compile, steps):
    model = _make()
    model.compile(
        keras.optimizers.Adam(0.05),
        num_importance_samples=3,
        jit_compile=jit_compile,
        steps_per_execution=steps,
    )
    history = model.fit(X, batch_size=10, epochs=10, verbose=0).history
    self.assertLess(history['loss'][-1], history['loss'][0] - 0.3)
    self.assertAllClose(
        np.array(history['loss']),
        np.array(history['distortion']) + np.array(history['rate']),
        rtol=1e-5,
    )
    result = model.evaluate(X, batch_size=10, verbose=0, return_dict=True)
    self.assertContainsSubset(
        {
            'elbo',
            'elbo_stderr',
            'importance_weighted_bound',
            'importance_weighted_bound_stderr',
            'rate',
            'effective_sample_size',
            'soft_hard_gap',
            'code_perplexity',
            'code_usage',
        },
        result,
    )
    kl = ops.categorical_kl(model.encode(X), None)
    self.assertAllClose(result['rate'], tf.reduce_sum(kl) / len(X), rtol=1e-4)
    exact = _exact_log_evidence(model, X).mean()
    self.assertLess(result['elbo'], exact + 4 * result['elbo_stderr'])
    self.assertLess(
        result['importance_weighted_bound'],
        exact + 4 * result['importance_weighted_bound_stderr'],
    )

  def test_evaluation_does_not_depend_on_the_batch_size(self):
    # But for the samples, so that here the posterior has no entropy.
    model = _make()
    kernel, bias = model.encoder.weights
    kernel.assign(1000.0 * kernel.value)
    bias.assign([100.0, 0.0, 200.0, 300.0, 100.0, 0.0])
    model.compile()
    small, large = (
        model.evaluate(X, batch_size=n, verbose=0, return_dict=True)
        for n in (7, 40)
    )
    del small['soft_hard_gap'], large['soft_hard_gap']
    self.assertAllClose(small, large, rtol=1e-4)

  def test_soft_hard_gap_is_that_of_the_estimator(self):
    for estimator, expect_gap in (
        (estimators.GumbelSoftmax(5.0), True),
        (estimators.StraightThrough(), False),
    ):
      model = _make(estimator=estimator)
      for weight in model.decoder.weights:
        weight.assign(5.0 * weight.value)
      model.update_metrics(X, seed=[0, 1])
      gap = float(model.get_metrics_result()['soft_hard_gap'])
      terms = model.loss_terms(X, training=False, seed=[0, 1])
      elbo = float(model.get_metrics_result()['elbo'])
      loss = tf.reduce_mean(terms['distortion'] + terms['rate'])
      self.assertAllClose(gap, -elbo - loss, atol=1e-4)
      self.assertEqual(abs(gap) > 0.1, expect_gap)

  def test_survives_a_file(self):
    model = _make(prior='learned', estimator=estimators.StraightThrough(0.5))
    model.compile(keras.optimizers.Adam(0.01), num_importance_samples=4)
    model.fit(X, verbose=0)
    model.estimator.temperature.assign(0.25)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertIsInstance(restored.estimator, estimators.StraightThrough)
    self.assertEqual(float(restored.estimator.temperature.value), 0.25)
    self.assertEqual(restored.num_importance_samples, 4)
    self.assertAllEqual(
        restored.log_weights(X, 3, seed=[0, 1]),
        model.log_weights(X, 3, seed=[0, 1]),
    )
    self.assertAllClose(
        [v.numpy().sum() for v in restored.optimizer.variables],
        [v.numpy().sum() for v in model.optimizer.variables],
    )
    restored.fit(X, verbose=0)

  def test_unbuilt_networks_are_built(self):
    encoder = keras.Sequential([keras.layers.Dense(6)])
    decoder = keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(SIZE)]
    )
    model = models.DiscreteVAE(encoder, decoder, 2, 3)
    model.compile('adam')
    model.fit(X, verbose=0)
    self.assertLen(model.trainable_variables, 4)

  @parameterized.parameters('mixed_bfloat16', 'mixed_float16')
  def test_mixed_precision_keeps_the_loss_in_float32(self, policy):
    previous = keras.mixed_precision.dtype_policy()
    self.addCleanup(keras.mixed_precision.set_dtype_policy, previous)
    keras.mixed_precision.set_dtype_policy(policy)
    model = _make(prior='learned')
    terms = model.loss_terms(X, seed=[0, 1])
    self.assertEqual({t.dtype for t in terms.values()}, {tf.float32})
    model.compile('adam')
    self.assertTrue(np.isfinite(model.fit(X, verbose=0).history['loss'][0]))

  def test_regularisers_of_the_networks_count(self):
    def step(regularizer):
      model = _make(regularizer=regularizer)
      kernel = model.encoder.layers[0].kernel
      before = kernel.numpy()
      model.compile(keras.optimizers.SGD(0.1))
      model.fit(X, batch_size=40, shuffle=False, verbose=0)
      return before, kernel.numpy()

    before, plain = step(None)
    _, decayed = step('l2')
    # A step of 0.1 down the slope of 0.01 |w|^2.
    self.assertAllClose(decayed - plain, -0.002 * before, atol=1e-6)

  def test_losses_of_the_networks_are_a_term(self):
    model = _make(regularizer='l2')
    # Called inside the estimator, where Keras clears nothing: a second trace
    # would meet the tensors of the first.
    model.decoder.layers[1].activity_regularizer = keras.regularizers.L1(0.1)
    for _ in range(2):
      terms = tf.function(lambda: model.loss_terms(X, seed=[0, 1]))()
    decoder_outputs = model.decoder(
        ops.gumbel_softmax(model.encode(X), 1.0, seed=[0, 1])
    )
    kernel = model.encoder.layers[0].kernel.numpy()
    expected = 0.01 * (kernel**2).sum()
    # Keras divides by the batch size.
    expected += 0.1 * tf.reduce_sum(tf.abs(decoder_outputs)) / 40
    self.assertAllClose(terms['regularization'], tf.fill([40], expected))
    self.assertNotIn('regularization', model.loss_terms(X, training=False))

  def test_one_trace_over_epochs(self):
    model = _make()
    traces = []
    loss_terms = model.loss_terms

    def counting(*args, **kwargs):
      traces.append(1)
      return loss_terms(*args, **kwargs)

    model.loss_terms = counting
    model.compile('sgd')
    model.fit(X, batch_size=10, epochs=3, verbose=0)
    self.assertLen(traces, 1)


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      ({'num_latents': 0}, '`num_latents` of at least 1'),
      ({'num_latents': 2.5}, 'an integer `num_latents` .* received 2.5'),
      ({'num_latents': True}, 'an integer `num_latents` .* received True'),
      ({'num_classes': 1}, '`num_classes` of at least 2'),
      (
          {'prior': 'normal'},
          "`prior` 'uniform' or 'learned'; received 'normal'",
      ),
      ({'likelihood': 'gaussian'}, "received 'gaussian'"),
  )
  def test_rejects_arguments(self, kwargs, message):
    valid = {'num_latents': 2, 'num_classes': 3}
    with self.assertRaisesRegex(ValueError, message):
      models.DiscreteVAE(None, None, **{**valid, **kwargs})

  def test_rejects_an_encoder_of_another_size(self):
    model = _make()
    model.encoder = keras.Sequential([keras.layers.Dense(5)])
    with self.assertRaisesRegex(
        ValueError, r'shape \[None, 2, 3\] or \[None, 6\]; received \(40, 5\)'
    ):
      model.loss_terms(X)

  def test_rejects_codes_of_another_shape(self):
    with self.assertRaisesRegex(
        ValueError, r'\[..., 2, 3\]; received \(3, 2\)'
    ):
      _make().decode(tf.zeros([3, 2]))

  @parameterized.parameters((1, 4), (3, 1), (3, 4))
  def test_rejects_codes_of_another_batch(self, x_size, codes_size):
    model = _make()
    codes = tf.broadcast_to(_all_codes(2, 3)[4], [5, codes_size, 2, 3])
    with self.assertRaisesRegex(
        ValueError, f'`codes` with {x_size} examples on axis -3; received'
    ):
      model.log_joint(X[:x_size], codes)
    log_joint = tf.function(
        model.log_joint,
        input_signature=[
            tf.TensorSpec([None, SIZE]),
            tf.TensorSpec([5, None, 2, 3]),
        ],
    )
    self.assertEqual(log_joint(X[:codes_size], codes).shape, [5, codes_size])
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, '`codes` of each example'
    ):
      log_joint(X[:x_size], codes)
    with self.assertRaisesRegex(ValueError, '`codes` with 1 examples'):
      model.log_joint(X[:1], codes[0, 0])

  def test_rejects_data_that_would_broadcast(self):
    model = _make(outputs=(1,))
    for method in (
        model.loss_terms,
        model.update_metrics,
        lambda x: model.log_weights(x, 2, seed=0),
    ):
      with self.assertRaisesRegex(ValueError, r"\['batch', 1\].*received"):
        method(X)

  @parameterized.parameters('int8', 'uint8', 'int16', 'int64')
  def test_classes_of_any_integer_type(self, dtype):
    model = _make(outputs=(SIZE, 3), likelihood='categorical')
    data = np.random.default_rng(0).integers(3, size=[5, SIZE])
    expected = model.loss_terms(data, seed=[0, 1])
    actual = model.loss_terms(data.astype(dtype), seed=[0, 1])
    self.assertAllClose(actual, expected)

  def test_rejects_a_mixture_without_triples(self):
    model = _make(outputs=(SIZE, 4), likelihood='discretized_logistic_mixture')
    with self.assertRaisesRegex(ValueError, r'\[..., 3 \* M\]'):
      model.decode(_all_codes(2, 3))

  def test_rejects_targets_losses_and_no_samples(self):
    model = _make()
    with self.assertRaisesRegex(ValueError, 'Expected no `loss`'):
      model.compile('adam', loss='mse')
    model.compile('adam')
    with self.assertRaisesRegex(ValueError, 'without targets'):
      model.fit(X, X, verbose=0)
    with self.assertRaisesRegex(ValueError, '`num_samples` of at least 1'):
      model.log_weights(X, 0, seed=0)
    with self.assertRaisesRegex(ValueError, '`num_samples` of at least 1'):
      model.importance_weighted_bound(X, 0, seed=0)
    for method in (model.log_weights, model.importance_weighted_bound):
      with self.assertRaisesRegex(ValueError, 'an integer `num_samples`'):
        method(X, 5.0, seed=0)
    with self.assertRaisesRegex(ValueError, r'received 3\*\*11'):
      _make(11, 3).log_marginal(X)


if __name__ == '__main__':
  tf.test.main()
