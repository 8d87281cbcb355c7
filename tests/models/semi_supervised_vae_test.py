import math
import os
from unittest import mock

from absl.testing import parameterized
import keras
import numpy as np
import pytest
from scipy import special
from scipy import stats
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import layers
from discrete_lvm import models
from discrete_lvm import ops
from discrete_lvm import training

SIZE, CLASSES = 5, 3
_RNG = np.random.default_rng(0)
X = (_RNG.uniform(size=[24, SIZE]) < 0.4).astype('float32')
# One of each class, and the first and the last, among those without a label.
LABELS = np.array([0, -1, 2, -1, -1, 1] * 4, 'int32')


def _dense(units, *args, **kwargs):
  # Large weights, so that the classes and the styles matter.
  return keras.layers.Dense(
      units,
      *args,
      kernel_initializer=keras.initializers.RandomNormal(0.0, 0.7, seed=1),
      bias_initializer=keras.initializers.RandomNormal(0.0, 0.5, seed=2),
      **kwargs,
  )


def _make(inference='marginalize', latent_dim=1, num_classes=CLASSES, **kwargs):
  keras.utils.set_random_seed(1)
  model = models.SemiSupervisedVAE(
      classifier=_dense(num_classes),
      encoder=_dense(4, 'tanh'),
      posterior=layers.GaussianHead(latent_dim, initial_scale=0.7),
      decoder=_dense(SIZE),
      inference=inference,
      **kwargs,
  )
  model.build((None, SIZE))
  return model


def _costs(model, x, z_of=None):
  """Returns the cost of every class, float64 `[K, batch]`, by hand.

  Args:
    model: A model of a latent of dimension 1.
    x: Data.
    z_of: From the location and the scale to the one z of an example; by default
      the expectation over z is exact, by Gauss-Hermite quadrature.
  """
  nodes, weights = np.polynomial.hermite_e.hermegauss(40)
  weights = weights / weights.sum()
  costs = []
  for k in range(CLASSES):
    y = np.tile(np.eye(CLASSES, dtype='float32')[k], [len(x), 1])
    features = model.encoder(x)
    loc, scale = model.posterior(tf.concat([features, y], -1))
    loc, scale = (np.asarray(v, 'float64') for v in (loc, scale))

    def log_likelihood(z, y=y):
      logits = model.decoder(np.concatenate([y, z], -1).astype('float32'))
      logits = np.asarray(logits, 'float64')
      return np.sum(x * logits - np.logaddexp(0, logits), -1)

    if z_of is None:
      log_p = sum(
          w * log_likelihood(loc + scale * n)
          for n, w in zip(nodes, weights, strict=True)
      )
    else:
      log_p = log_likelihood(z_of(loc, scale))
    kl = 0.5 * (loc**2 + scale**2 - 1) - np.log(scale)
    costs.append(-log_p + kl[:, 0])
  return np.stack(costs)


def _log_q(model, x):
  """Returns `log q(y | x)`, float64 `[batch, K]`."""
  return special.log_softmax(np.float64(model.classifier(x)), -1)


def _log_evidence(model, x):
  """Returns `log p(x)` by quadrature over z, float64 `[batch]`."""
  z = np.linspace(-8, 8, 801)
  log_prior = stats.norm.logpdf(z) + np.log(z[1] - z[0]) - np.log(CLASSES)
  joint = []
  for k in range(CLASSES):
    y = np.tile(np.eye(CLASSES)[k], [len(z), 1])
    inputs = np.concatenate([y, z[:, np.newaxis]], -1).astype('float32')
    logits = np.float64(model.decoder(inputs))[:, np.newaxis]
    log_p = np.sum(x * logits - np.logaddexp(0, logits), -1)
    joint.append(log_p + log_prior[:, np.newaxis])
  return special.logsumexp(np.stack(joint), (0, 1))


class LossTest(tf.test.TestCase, parameterized.TestCase):

  def test_marginalised_loss_is_the_enumeration(self):
    # Its noise is one number an example, whatever the class.
    model = _make(classification_weight=0.3)
    noise = []
    original = ops.normal_noise
    with mock.patch.object(
        ops,
        'normal_noise',
        side_effect=lambda *a, **k: noise.append(original(*a, **k))
        or noise[-1],
    ):
      terms = model.loss_terms((X, LABELS), seed=[0, 1])
    self.assertLen(noise, 1)
    eps = np.float64(noise[0])
    costs = _costs(model, X, lambda loc, scale: loc + scale * eps)
    log_q = _log_q(model, X)
    expected = np.sum(np.exp(log_q).T * costs, 0)
    rate = np.sum(np.exp(log_q) * (log_q + math.log(3)), -1)
    has_label = LABELS >= 0
    rows = np.arange(len(X))
    self.assertAllClose(
        terms['conditional_bound'],
        np.where(has_label, costs[LABELS, rows], expected),
        rtol=1e-5,
    )
    self.assertAllClose(
        terms['class_rate'],
        np.where(has_label, math.log(3), rate),
        rtol=1e-5,
    )
    self.assertAllClose(
        terms['classification'],
        np.where(has_label, -0.3 * log_q[rows, LABELS], 0),
        rtol=1e-5,
    )

  def test_mean_loss_is_the_bound(self):
    # Over many styles; the labelled bound is that of log p(x, y).
    model = _make()
    x, labels = np.repeat(X[:3], 4000, 0), np.repeat(LABELS[:3], 4000)
    terms = model.loss_terms((x, labels), seed=[0, 1])
    values = np.reshape(terms['conditional_bound'], [3, -1])
    costs, log_q = _costs(model, X[:3]), _log_q(model, X[:3])
    expected = np.array(
        [costs[0, 0], np.exp(log_q[1]) @ costs[:, 1], costs[2, 2]]
    )
    error = values.std(-1) / np.sqrt(4000)
    self.assertAllLess(np.abs(values.mean(-1) - expected) / error, 4.0)

  @parameterized.parameters(
      estimators.GumbelSoftmax(0.01),
      estimators.StraightThroughGumbelSoftmax(1.0),
      estimators.ScoreFunction(),
      estimators.LeaveOneOut(2),
  )
  def test_estimators_come_to_the_marginalised_loss(self, estimator):
    repeats = 4000
    x, labels = np.repeat(X[:3], repeats, 0), np.repeat(LABELS[:3], repeats)
    exact = _make().loss_terms((x, labels), seed=[0, 1])
    drawn = _make(estimator).loss_terms((x, labels), seed=[0, 1])
    self.assertAllClose(drawn['class_rate'], exact['class_rate'])
    self.assertAllClose(drawn['classification'], exact['classification'])
    # The same noise of the style, so that labelled examples agree to rounding.
    difference = np.reshape(
        drawn['conditional_bound'] - exact['conditional_bound'], [3, -1]
    )
    self.assertAllClose(difference[[0, 2]], np.zeros([2, repeats]), atol=1e-5)
    error = difference[1].std() / np.sqrt(repeats)
    # Relaxed at 0.01, a value is off by less than that on average.
    self.assertLess(np.abs(difference[1].mean()), 4 * error + 0.01)

  def test_slope_of_an_estimator_is_part_of_the_posterior(self):
    model = _make(estimators.SlopeAnnealedStraightThrough(0.25))
    x, labels = np.repeat(X[1:3], 4000, 0), np.repeat(LABELS[1:3], 4000)
    terms = model.loss_terms((x, labels), seed=[0, 1])
    logits = 4.0 * np.float64(model.classifier(X[1:3]))
    self.assertAllClose(model.classify(X[1:3]), logits)
    log_q = special.log_softmax(logits, -1)
    self.assertAllClose(terms['classification'][-1], -log_q[1, 2])
    q = np.exp(log_q[0])
    rate = math.log(CLASSES) + q @ log_q[0]
    self.assertAllClose(terms['class_rate'][0], rate)
    values = terms['conditional_bound'][:4000].numpy()
    expected = q @ _costs(model, X[1:3])[:, 0]
    error = values.std() / np.sqrt(4000)
    self.assertLess(np.abs(values.mean() - expected) / error, 4.0)

  def test_relaxed_loss_is_that_of_the_relaxed_class(self):
    model = _make(estimators.GumbelSoftmax(0.7))
    terms = model.loss_terms(X, seed=[0, 1])
    logits = model.classify(X)[:, tf.newaxis]
    y = ops.gumbel_softmax(logits, 0.7, seed=[0, 1])[:, 0]
    loc, scale = model.posterior(tf.concat([model.encoder(X), y], -1))
    noise = tf.random.stateless_normal([24, 1], ops.fold_in([0, 1], 'style'))
    outputs = model.decoder(tf.concat([y, loc + scale * noise], -1))
    distortion = tf.nn.sigmoid_cross_entropy_with_logits(X, outputs)
    kl = 0.5 * (loc**2 + scale**2 - 1) - tf.math.log(scale)
    self.assertAllClose(
        terms['conditional_bound'],
        tf.reduce_sum(distortion, -1) + kl[:, 0],
        rtol=1e-5,
    )

  def test_labels_of_some_do_not_touch_the_others(self):
    model = _make(estimators.StraightThroughGumbelSoftmax())
    mixed = model.loss_terms((X, LABELS), seed=[0, 1])
    without = model.loss_terms(X, seed=[0, 1])
    rows = LABELS < 0
    for name, value in mixed.items():
      self.assertAllClose(value[rows], without[name][rows])
      self.assertNotAllClose(value[~rows], without[name][~rows])

  @parameterized.named_parameters(estimators.ESTIMATORS.items())
  def test_gradient_reaches_every_weight(self, cls):
    two_classes = cls in (estimators.ARM, estimators.DisARM)
    model = _make(cls(), num_classes=2 if two_classes else CLASSES)
    labels = np.minimum(LABELS, model.num_classes - 1)
    for batch in (X, (X, labels)):
      with tf.GradientTape() as tape:
        terms = model.loss_terms(batch, seed=[0, 1])
        loss = tf.add_n(list(terms.values()))
      gradients = tape.gradient(loss, model.trainable_variables)
      own = len(model.estimator.trainable_weights)
      self.assertLen(gradients, 8 + own)
      for gradient in gradients:
        self.assertGreater(float(tf.norm(gradient)), 0.0)

  @parameterized.parameters(
      estimators.ScoreFunction(), estimators.StraightThrough()
  )
  def test_a_label_leaves_the_classifier_to_its_own_term(self, estimator):
    # Not even the score of a sample that the label overrules.
    for weight in (0.0, 2.0):
      model = _make(estimator, classification_weight=weight)
      labels = np.where(LABELS < 0, 1, LABELS)
      with tf.GradientTape() as tape:
        terms = model.loss_terms((X, labels), seed=[0, 1])
        loss = tf.add_n(list(terms.values()))
      gradient = tape.gradient(loss, model.classifier.bias.value)
      q = np.exp(_log_q(model, X))
      expected = weight * np.sum(q - np.eye(CLASSES)[labels], 0)
      self.assertAllClose(gradient, expected, atol=1e-4)

  def test_gradient_is_that_of_differences(self):
    model = _make(classification_weight=0.5)

    def loss():
      terms = model.loss_terms((X, LABELS), seed=[0, 1])
      return tf.reduce_sum(tf.add_n(list(terms.values())))

    for layer in (model.classifier, model.encoder, model.decoder):
      with tf.GradientTape() as tape:
        value = loss()
      gradient = tape.gradient(value, layer.bias.value).numpy()
      bias = layer.bias.numpy()
      for i in range(len(bias)):
        step = np.eye(len(bias), dtype='float32')[i] * 0.01
        values = []
        for sign in (1, -1):
          layer.bias.assign(bias + sign * step)
          values.append(float(loss()))
        layer.bias.assign(bias)
        self.assertAllClose(
            (values[0] - values[1]) / 0.02, gradient[i], rtol=0.02, atol=0.05
        )

  def test_compiled_loss_equals_eager(self):
    model = _make()
    # XLA draws other numbers from a seed, so the noise is no draw.
    constant = mock.patch.object(
        ops,
        'normal_noise',
        side_effect=lambda shape, seed: tf.fill(shape, 0.3),
    )

    def loss(x, labels):
      with constant:
        return model.loss_terms((x, labels), seed=[0, 1])

    eager = loss(X, LABELS)
    for jit_compile in (False, True):
      compiled = tf.function(loss, jit_compile=jit_compile)(X, LABELS)
      self.assertAllClose(compiled, eager)


class BoundsTest(tf.test.TestCase, parameterized.TestCase):

  def test_sampled_bound_tends_to_the_evidence(self):
    model = _make()
    exact = _log_evidence(model, X[:6])
    weights = np.float64(model.log_weights(X[:6], 5_000, seed=[0, 1]))
    # Delta method: the error of log mean w is sd(w) / (mean(w) sqrt(S)).
    w = np.exp(weights - exact)
    error = w.std(0) / w.mean(0) / np.sqrt(5_000)
    estimate = special.logsumexp(weights, 0) - np.log(5_000)
    self.assertAllLess(np.abs(estimate - exact) / error, 4.0)
    labelled = model.log_weights((X[:6], LABELS[:6]), 5_000, seed=[0, 1])
    self.assertAllEqual(labelled, weights)

  def test_importance_weighted_loss_is_a_bound_that_tightens(self):
    evidence = _log_evidence(_make(), X)
    bounds = []
    for samples in (1, 10, 1000):
      model = _make(estimators.ScoreFunction(samples, importance_weighted=True))
      losses = [
          model.loss_terms(X, seed=[0, seed])['negative_bound']
          for seed in range(20)
      ]
      values = -np.mean(losses, 0)
      error = np.std(losses, 0) / np.sqrt(20)
      self.assertAllLess(values - evidence - 4 * error, 0.0)
      bounds.append(values.mean())
    self.assertGreater(bounds[1], bounds[0] + 0.02)
    self.assertGreater(bounds[2], bounds[1])
    self.assertLess(evidence.mean() - bounds[2], 0.05)

  def test_importance_weighted_loss_with_a_label_is_that_of_the_pair(self):
    # With one sample, E -log p(x | y, z) - log p(z) + log q(z | x, y) + log K.
    model = _make(estimators.ScoreFunction(importance_weighted=True))
    x, labels = np.repeat(X[:1], 8000, 0), np.repeat(LABELS[:1], 8000)
    loss = model.loss_terms((x, labels), seed=[0, 1])['negative_bound'].numpy()
    expected = _costs(model, X[:1])[LABELS[0], 0] + math.log(3)
    error = loss.std() / np.sqrt(8000)
    self.assertLess(np.abs(loss.mean() - expected) / error, 4.0)

  def test_evaluation_is_exact_over_the_classes(self):
    model = _make()
    x, labels = np.repeat(X[:6], 500, 0), np.repeat(LABELS[:6], 500)
    model.num_importance_samples = 3
    model.update_metrics((x, labels), seed=[0, 1])
    result = {k: float(v) for k, v in model.get_metrics_result().items()}
    log_q = _log_q(model, X[:6])
    loss = np.sum(np.exp(log_q).T * _costs(model, X[:6]), 0)
    loss += np.sum(np.exp(log_q) * (log_q + math.log(3)), -1)
    # The stated error is over examples too, and so more than that of styles.
    self.assertLess(
        np.abs(result['elbo'] + loss.mean()), 4 * result['elbo_stderr']
    )
    self.assertBetween(
        result['importance_weighted_bound'],
        result['elbo'],
        _log_evidence(model, X[:6]).mean() + 0.05,
    )
    known = LABELS[:6] >= 0
    right = np.argmax(log_q, -1)[known] == LABELS[:6][known]
    self.assertAllClose(result['accuracy'], right.mean())

  def test_accuracy_without_labels_has_no_error(self):
    model = _make()
    model.update_metrics(X, seed=[0, 1])
    error = float(model.get_metrics_result()['accuracy_stderr'])
    self.assertTrue(math.isnan(error))


class SamplingTest(tf.test.TestCase):

  def test_classes_and_styles_follow_the_prior(self):
    codes, z = _make(latent_dim=2).sample_prior(20_000, seed=[0, 1])
    error = np.sqrt(2 / 9 / 20_000)
    self.assertAllLess(np.abs(tf.reduce_mean(codes, 0) - 1 / 3) / error, 4.0)
    self.assertAllEqual(tf.reduce_sum(codes, -1), np.ones(20_000))
    self.assertGreater(stats.kstest(z.numpy().ravel(), 'norm').pvalue, 1e-4)

  def test_labels_choose_the_class(self):
    model = _make()
    codes, z = model.sample_prior(3, seed=0, labels=[2, 0, 1])
    self.assertAllEqual(tf.argmax(codes, -1), [2, 0, 1])
    for dtype in ('int8', 'uint16'):
      labels = np.array([2, 0, 1], dtype)
      same, _ = model.sample_prior(3, seed=0, labels=labels)
      self.assertAllEqual(same, codes)
    # The styles are those of the seed, whatever the classes.
    self.assertAllEqual(model.sample_prior(3, seed=0)[1], z)
    x = model.sample(20_000, seed=[0, 1], labels=2)
    mean = tf.reduce_mean(
        model.decode(*model.sample_prior(20_000, seed=[0, 2], labels=2)).mean(),
        0,
    )
    # Of two means of 20,000 of variance 1/4 at most.
    self.assertAllLess(
        np.abs(tf.reduce_mean(x, 0) - mean), 4 * np.sqrt(0.5 / 20_000)
    )

  def test_encode_and_decode_take_leading_dimensions(self):
    model = _make(latent_dim=2)
    classes = tf.broadcast_to(tf.eye(3)[:, tf.newaxis], [3, 24, 3])
    loc, scale = model.encode(X, classes)
    self.assertEqual(loc.shape, [3, 24, 2])
    self.assertAllClose(model.encode(X, classes[1])[1], scale[1])
    distribution = model.decode(classes, loc)
    self.assertEqual(distribution.batch_shape, [3, 24])
    self.assertEqual(distribution.event_shape, [SIZE])


class KerasTest(tf.test.TestCase, parameterized.TestCase):

  def test_fit_learns_and_evaluate_reports(self):
    # Two kinds of data, which a label of each tells apart.
    kinds = np.array([[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]], 'float32')
    truth = np.arange(40) % 2
    labels = np.where(np.arange(40) < 4, truth, -1).astype('int32')
    model = _make(num_classes=2)
    model.compile(
        keras.optimizers.Adam(0.03),
        num_importance_samples=3,
        steps_per_execution=4,
    )
    history = model.fit(
        kinds[truth], labels, batch_size=10, epochs=12, verbose=0
    ).history
    self.assertLess(history['loss'][-1], history['loss'][0] - 0.5)
    terms = ('conditional_bound', 'class_rate', 'classification')
    self.assertAllClose(
        history['loss'], np.sum([history[name] for name in terms], 0), rtol=1e-5
    )
    result = model.evaluate(
        kinds[truth], truth, batch_size=10, verbose=0, return_dict=True
    )
    self.assertEqual(result['accuracy'], 1.0)
    self.assertContainsSubset(
        {'elbo', 'elbo_stderr', 'importance_weighted_bound'}, result
    )
    predicted = np.argmax(model.predict(kinds, verbose=0), -1)
    self.assertAllEqual(predicted, [0, 1])

  def test_survives_a_file(self):
    self.check_survives_a_file('marginalize')

  @parameterized.parameters(
      (estimators.GumbelSoftmax(0.5),), (estimators.VIMCO(2),)
  )
  @pytest.mark.slow
  def test_survives_a_file_slow(self, inference):
    self.check_survives_a_file(inference)

  def check_survives_a_file(self, inference):
    inference_is_default = inference == 'marginalize'
    model = _make(inference, classification_weight=0.3)
    model.compile(keras.optimizers.Adam(0.01), num_importance_samples=4)
    model.fit(X, LABELS, verbose=0)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertEqual(restored.num_importance_samples, 4)
    self.assertIsInstance(restored.estimator, type(model.estimator))
    inference = restored.get_config()['inference']
    self.assertEqual(inference == 'marginalize', inference_is_default)
    batch = (X, LABELS)
    terms = model.loss_terms(batch, training=False, seed=[0, 1])
    self.assertAllClose(
        restored.loss_terms(batch, training=False, seed=[0, 1]), terms, rtol=0
    )
    restored.fit(X, LABELS, verbose=0)

  def test_mixed_precision_keeps_the_loss_in_float32(self):
    previous = keras.mixed_precision.dtype_policy()
    self.addCleanup(keras.mixed_precision.set_dtype_policy, previous)
    keras.mixed_precision.set_dtype_policy('mixed_float16')
    model = _make(estimators.GumbelSoftmax())
    terms = model.loss_terms((X, LABELS), seed=[0, 1])
    self.assertEqual({t.dtype for t in terms.values()}, {tf.float32})
    model.compile('adam')
    history = model.fit(X, LABELS, verbose=0).history
    self.assertTrue(np.isfinite(history['loss'][0]))

  def test_networks_of_images_and_the_trainer(self):
    def network(*stack):
      return keras.Sequential(stack)

    model = models.SemiSupervisedVAE(
        network(keras.layers.Flatten(), keras.layers.Dense(10)),
        network(keras.layers.Conv2D(2, 3), keras.layers.Flatten()),
        network(keras.layers.Dense(4), layers.GaussianHead(2)),
        network(keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))),
    )
    images = np.zeros([20, 4, 4, 1], 'float32')
    labels = np.arange(20, dtype='int32') % 10
    trainer = training.Trainer(
        model, keras.optimizers.Adam(), self.get_temp_dir()
    )
    batches = training.ShuffledBatches((images, labels), 10, seed=0)
    trainer.fit(batches, num_steps=2)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)
    self.assertIn('accuracy', trainer.evaluate(dataset))
    self.assertEqual(model.num_classes, 10)
    self.assertEqual(model.latent_dim, 2)
    self.assertEqual(model.sample(3, seed=0).shape, [3, 4, 4, 1])


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      ({'inference': 'exact'}, "`inference` to be 'marginalize' or an"),
      ({'classification_weight': -1.0}, '`classification_weight` of at least'),
      ({'likelihood': 'gaussian'}, "received 'gaussian'"),
  )
  def test_rejects_arguments(self, kwargs, message):
    with self.assertRaisesRegex(ValueError, message):
      _make(**kwargs)

  @parameterized.parameters(
      ('classifier', keras.layers.Reshape((5, 1)), 'classifier to return'),
      ('encoder', keras.layers.Reshape((5, 1)), 'encoder to return'),
      ('posterior', keras.layers.Dense(2), r'returns \(loc, scale\)'),
  )
  def test_rejects_networks(self, name, network, message):
    networks = {
        'classifier': keras.layers.Dense(3),
        'encoder': keras.layers.Dense(4),
        'posterior': layers.GaussianHead(2),
        'decoder': keras.layers.Dense(5),
        name: network,
    }
    model = models.SemiSupervisedVAE(**networks)
    with self.assertRaisesRegex(ValueError, message):
      model.build((None, 5))

  @parameterized.parameters(
      ((X, LABELS.astype('float32')), 'integer labels of shape .24.; received'),
      ((X, LABELS[:, np.newaxis]), r'received int32 of shape \(24, 1\)'),
      ((X, LABELS[:3]), r'received int32 of shape \(3,\)'),
      ((X, LABELS, LABELS), r'batch x or \(x, y\); received 3 members'),
  )
  def test_rejects_batches(self, batch, message):
    for method in (
        _make().loss_terms,
        lambda batch: _make().log_weights(batch, 1, seed=0),
        _make().update_metrics,
    ):
      with self.assertRaisesRegex(ValueError, message):
        method(batch)

  def test_rejects_data_that_would_broadcast(self):
    model = models.SemiSupervisedVAE(
        classifier=keras.layers.Dense(CLASSES),
        encoder=keras.layers.Dense(4),
        posterior=layers.GaussianHead(2),
        decoder=keras.layers.Dense(1),
    )
    for method in (model.loss_terms, model.update_metrics):
      with self.assertRaisesRegex(ValueError, r"\['batch', 1\].*received"):
        method(X)

  @parameterized.parameters(3, -2, np.iinfo(np.int64).min)
  def test_rejects_labels_out_of_range(self, label):
    model = _make()
    labels = LABELS.astype('int64')
    labels[1] = label
    for method in (model.loss_terms, model.update_metrics):
      with self.assertRaisesRegex(
          ValueError, 'from -1 to 2; received .-?[0-9]'
      ):
        method((X, labels))
    # In a graph their values are not known: that example is NaN, alone.
    terms = tf.function(model.loss_terms, jit_compile=True)(
        (tf.constant(X), tf.constant(labels)), seed=[0, 1]
    )
    self.assertAllEqual(
        tf.math.is_nan(tf.add_n(list(terms.values()))), np.arange(24) == 1
    )
    model.compile('adam')
    result = model.evaluate(X, labels, verbose=0, return_dict=True)
    self.assertTrue(np.isnan(result['accuracy']))

  def test_rejects_classes_out_of_range(self):
    model = _make()
    for labels in (3, -1, [0, 1, 2, 3]):
      with self.assertRaisesRegex(ValueError, 'labels from 0 to 2; received'):
        model.sample(4, seed=0, labels=labels)
    codes, _ = tf.function(model.sample_prior)(
        4, seed=0, labels=tf.constant([0, 1, 2, 3])
    )
    self.assertAllEqual(
        tf.math.is_nan(codes), np.arange(4)[:, np.newaxis] == [[3, 3, 3]]
    )

  def test_rejects_other_uses(self):
    model = _make()
    with self.assertRaisesRegex(ValueError, 'styles of shape .*, 1'):
      model.decode(tf.eye(3), tf.zeros([3, 2]))
    with self.assertRaisesRegex(ValueError, 'codes of shape .*, 3'):
      model.encode(X, tf.zeros([24, 2]))
    for size, codes in ((1, [3, 3]), (3, [4, 1, 3]), (1, [3])):
      with self.assertRaisesRegex(
          ValueError, f'`codes` with {size} examples on axis -2; received'
      ):
        model.encode(X[:size], tf.zeros(codes))
    with self.assertRaisesRegex(ValueError, r'labels of shape \[4\]'):
      model.sample(4, seed=0, labels=[0, 1])
    with self.assertRaisesRegex(ValueError, '`num_samples` of at least 1'):
      model.log_weights(X, 0, seed=0)
    model.compile('adam')
    with self.assertRaisesRegex(ValueError, 'without sample weights'):
      model.fit(X, LABELS, sample_weight=np.ones(24), verbose=0)
    unbuilt = models.SemiSupervisedVAE(
        *(keras.layers.Dense(2) for _ in range(4))
    )
    with self.assertRaisesRegex(ValueError, 'Expected a model that is built'):
      unbuilt.sample(2, seed=0)

  def test_rejects_one_label_for_all(self):
    model = _make()
    loss = tf.function(
        lambda x, y: model.loss_terms((x, y), seed=[0, 1]),
        input_signature=[
            tf.TensorSpec([None, SIZE]),
            tf.TensorSpec([None], tf.int32),
        ],
    )
    self.assertLen(loss(X, LABELS)['class_rate'], len(X))
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, '`y` of each example'
    ):
      loss(X, LABELS[:1])


if __name__ == '__main__':
  tf.test.main()
