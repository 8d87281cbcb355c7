import itertools
import math
import os

from absl.testing import parameterized
import keras
import numpy as np
import pytest
from scipy import special
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import models
from discrete_lvm import ops
from discrete_lvm import training

_RNG = np.random.default_rng(0)
X = _RNG.normal(size=[24, 3]).astype('float32')
Y = (_RNG.uniform(size=[24, 4]) < 0.4).astype('float32')


def _dense(units):
  # Large weights, so that layers depend on each other.
  return keras.layers.Dense(
      units,
      kernel_initializer=keras.initializers.RandomNormal(0.0, 1.0, seed=1),
      bias_initializer=keras.initializers.RandomNormal(0.0, 0.5, seed=2),
  )


def _make(estimator=None, num_layers=2, num_latents=2, num_classes=2, **kwargs):
  keras.utils.set_random_seed(1)
  codes = keras.Input((num_latents, num_classes))

  def network(*first, units):
    return keras.Sequential([*first, _dense(units)])

  num_logits = num_latents * num_classes
  networks = [network(keras.Input((3,)), units=num_logits)]
  networks += [
      network(codes, keras.layers.Flatten(), units=num_logits)
      for _ in range(num_layers - 1)
  ]
  decoder = network(codes, keras.layers.Flatten(), units=4)
  return models.StructuredPrediction(
      networks, decoder, num_latents, num_classes, estimator, **kwargs
  )


def _enumerate(model, x, y):
  """Returns `log p` of all codes of all layers, and `log p(y | z_L)`.

  Both of shape `[paths, batch]`, and differentiable.
  """
  size = (model.num_latents, model.num_classes)
  codes = ops.all_codes(*size)
  layers = len(model.networks)
  paths = np.array(list(itertools.product(range(len(codes)), repeat=layers)))
  log_p, logits = 0.0, model.logits(0, x)
  for layer in range(layers):
    z = tf.gather(codes, paths[:, layer])[:, tf.newaxis]
    log_q = tf.nn.log_softmax(logits)
    log_p += tf.reduce_sum(z * log_q, [-2, -1])
    if layer + 1 < layers:
      logits = model.logits(layer + 1, z)
  return log_p, model.decode(z).log_prob(y)


def _exact_loss(model, x, y, num_samples):
  """Returns `-E log mean_s p(y | z_L^s)`, `[batch]`, by all tuples of paths."""
  log_p, log_likelihood = _enumerate(model, x, y)
  tuples = list(itertools.product(range(len(log_p)), repeat=num_samples))
  bound = tf.reduce_logsumexp(tf.gather(log_likelihood, tuples), 1)
  p = tf.exp(tf.reduce_sum(tf.gather(log_p, tuples), 1))
  return -tf.reduce_sum(p * (bound - math.log(num_samples)), 0)


def _exact_log_prob(model, x, y):
  log_p, log_likelihood = _enumerate(model, x, y)
  joint = np.float64(log_p) + np.float64(log_likelihood)
  return special.logsumexp(joint, 0)


def _loss(model, batch, **kwargs):
  return tf.add_n(list(model.loss_terms(batch, **kwargs).values()))


class GradientsTest(tf.test.TestCase, parameterized.TestCase):

  def assert_unbiased(self, model, num_samples, num_draws=20_000):
    x, y = X[:1], Y[:1]
    model.build(x.shape)
    # A baseline has seen something before it is put to the test.
    model.loss_terms((X, Y), seed=[0, 2])
    networks = [*model.networks, model.decoder]
    variables = [v.value for n in networks for v in n.trainable_variables]
    with tf.GradientTape() as tape:
      loss = _exact_loss(model, x, y, num_samples)
    exact = [loss, *tape.gradient(loss, variables)]
    with tf.GradientTape() as tape:
      batch = np.repeat(x, num_draws, 0), np.repeat(y, num_draws, 0)
      # Of means of 400, so that they are nearly normal.
      loss = tf.reshape(_loss(model, batch, seed=[0, 1]), [-1, 400])
      loss = tf.reduce_mean(loss, -1)
    drawn = [loss, *tape.jacobian(loss, variables)]
    for means, expected in zip(drawn, exact, strict=True):
      means = means.numpy()
      error = means.std(0, ddof=1) / np.sqrt(len(means)) + 1e-4
      # Student's t with 49 degrees of freedom: 4.7 for a normal 4.
      self.assertAllLess(
          np.abs(means.mean(0) - np.reshape(expected, means.shape[1:])) / error,
          4.7,
      )

  @parameterized.product(
      estimator=(
          estimators.ScoreFunction(),
          estimators.LeaveOneOut(),
          estimators.NVIL(keras.layers.Dense(1), normalize=False),
      ),
      num_layers=(1, 2),
  )
  def test_of_the_mean(self, estimator, num_layers):
    self.assert_unbiased(_make(estimator, num_layers), 1)

  @parameterized.parameters(
      (estimators.ScoreFunction(2, True), 2, 1, 3),
      (
          estimators.MovingAverageBaseline(
              2 / 3, num_samples=2, importance_weighted=True
          ),
          2,
          2,
          2,
      ),
      (
          estimators.SumAndSample(num_samples=2, importance_weighted=True),
          2,
          1,
          2,
      ),
      (estimators.VIMCO(2), 1, 2, 2),
      (estimators.VIMCO(2), 2, 2, 2),
      (estimators.LeaveOneOut(2, True), 2, 2, 2),
  )
  def test_of_the_bound_of_joint_samples(
      self, estimator, num_layers, num_latents, num_classes
  ):
    model = _make(estimator, num_layers, num_latents, num_classes)
    self.assert_unbiased(model, 2)

  @parameterized.parameters((1, False), (2, True))
  def test_exact_estimators_equal_the_enumeration(self, num_samples, is_bound):
    model = _make(
        estimators.Exact(num_samples=num_samples, importance_weighted=is_bound),
        2,
        1,
    )
    model.build(X.shape)
    variables = [v.value for v in model.trainable_variables]
    results = []
    for compute in (
        lambda: _loss(model, (X, Y), seed=0),
        lambda: _exact_loss(model, X, Y, num_samples),
    ):
      with tf.GradientTape() as tape:
        loss = compute()
      results.append([loss, *tape.gradient(loss, variables)])
    self.assertAllClose(*results, rtol=1e-4, atol=1e-4)

  @parameterized.named_parameters(estimators.ESTIMATORS.items())
  def test_reaches_every_weight(self, cls):
    is_bound = cls not in (estimators.RODEO, estimators.UnorderedSet)
    model = _make(cls(num_samples=2, importance_weighted=is_bound), 3)
    with tf.GradientTape() as tape:
      loss = _loss(model, (X, Y), seed=[0, 1])
    gradients = tape.gradient(loss, model.trainable_variables)
    own = sum(len(e.trainable_weights) for e in model.estimators)
    self.assertLen(gradients, 2 * len(model.networks) + 2 + own)
    for gradient in gradients:
      self.assertGreater(float(tf.norm(gradient)), 0.0)

  def test_pathwise_bound_is_that_of_the_samples(self):
    model = _make(
        estimators.StraightThrough(num_samples=3, importance_weighted=True)
    )
    drawn = []
    decode = model.decode
    model.decode = lambda codes, **kwargs: drawn.append(codes) or decode(codes)
    loss = model.loss_terms((X, Y), seed=[0, 1])['negative_bound']
    (codes,) = drawn
    self.assertEqual(codes.shape, [3, 24, 2, 2])
    self.assertNotAllEqual(codes[0], codes[1])
    log_w = decode(codes).log_prob(Y)
    self.assertAllClose(loss, math.log(3) - special.logsumexp(log_w, 0))


class BoundsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 2)
  def test_tends_to_the_enumerated_log_prob(self, num_layers):
    model = _make(num_layers=num_layers)
    log_p, log_likelihood = np.float64(_enumerate(model, X, Y))
    exact = special.logsumexp(log_p + log_likelihood, 0)
    weights = np.float64(model.log_weights((X, Y), 4000, seed=[0, 1]))
    w = np.exp(weights - exact)
    # The weights are unbiased for p(y | x). Their variance is enumerated, since
    # some of it is that of codes which hardly ever come.
    square = np.exp(special.logsumexp(log_p + 2 * (log_likelihood - exact), 0))
    error = np.sqrt((square - 1) / len(w)) + 1e-5
    self.assertAllLess(np.abs(w.mean(0) - 1) / error, 4.0)
    bounds = [
        np.mean(special.logsumexp(weights.reshape([-1, n, 24]), 1) - np.log(n))
        for n in (1, 10, 400)
    ]
    self.assertLess(bounds[0], bounds[1])
    self.assertLess(bounds[1], bounds[2])
    self.assertLess(bounds[1], exact.mean())
    self.assertAllClose(bounds[2], exact.mean(), atol=0.02)
    self.assertAllClose(
        bounds[0], -np.mean(_exact_loss(model, X, Y, 1)), atol=0.02
    )

  def test_slope_of_an_estimator_is_part_of_the_law(self):
    model = _make(estimators.SlopeAnnealedStraightThrough(0.25))
    batch = np.repeat(X[:1], 20_000, 0), np.repeat(Y[:1], 20_000, 0)
    loss = model.loss_terms(batch, seed=[0, 1])['distortion'].numpy()
    plain = tf.reshape(model.networks[0](X), [-1, 2, 2])
    self.assertAllClose(model.logits(0, X), 4.0 * plain)
    error = loss.std() / np.sqrt(len(loss))
    exact = _exact_loss(model, X[:1], Y[:1], 1)
    self.assertAllLess(np.abs(loss.mean() - exact) / error, 4.0)

  @parameterized.parameters({}, {'num_samples': 2, 'importance_weighted': True})
  def test_copies_have_the_weights_of_the_estimator(self, **kwargs):
    estimator = estimators.GumbelSoftmax(**kwargs)
    estimator.temperature.assign(0.25)
    model = _make(estimator)
    for copy in model.estimators:
      self.assertAllEqual(copy.temperature, 0.25)
    built = estimators.NVIL(keras.layers.Dense(1))
    built.build((None, 2, 2), (None, 7))
    built.network.kernel.assign(7.0 * tf.ones([7, 1]))
    for copy in _make(built).estimators:
      self.assertAllEqual(copy.network.kernel, built.network.kernel)

  def test_samples_in_chunks_are_distinct(self):
    model = _make()
    # Of 85 samples each.
    weights = model.log_weights((X, Y), 100, seed=[0, 1])
    self.assertEqual(weights.shape, [100, 24])
    self.assertNotAllClose(weights[:15], weights[85:])
    self.assertAllClose(
        model.importance_weighted_bound({'x': X, 'y': Y}, 100, seed=[0, 1]),
        special.logsumexp(weights, 0) - np.log(100),
    )

  def test_samples_follow_the_enumerated_law(self):
    model = _make()
    everything = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    x = np.repeat(X[:1], 16, 0)
    p = np.exp(_exact_log_prob(model, x, everything.astype('float32')))
    self.assertAllClose(p.sum(), 1.0)
    y = model.sample(X[:2], 20_000, seed=[0, 1])
    self.assertEqual(y.shape, [20_000, 2, 4])
    index = np.einsum('sd,d->s', y[:, 0], [8, 4, 2, 1]).astype(int)
    frequency = np.bincount(index, minlength=16) / len(index)
    error = np.sqrt(p * (1 - p) / len(index))
    self.assertAllLess(np.abs(frequency - p) / error, 4.0)

  def test_each_layer_is_drawn_given_the_one_before(self):
    model = _make()
    first, last = model.sample_layers(X[:1], 20_000, seed=[0, 1])
    self.assertAllEqual(last, model.sample_codes(X[:1], 20_000, seed=[0, 1]))
    given = tf.nn.softmax(model.logits(1, first))
    for codes, p in (first, tf.nn.softmax(model.logits(0, X[:1]))), (
        last,
        given,
    ):
      error = tf.math.reduce_std(codes - p, axis=[0, 1]) / 20_000**0.5
      mean = tf.reduce_mean(codes - p, axis=[0, 1])
      self.assertAllLess(np.abs(mean) / error, 4.0)


class KerasTest(tf.test.TestCase, parameterized.TestCase):

  def test_fits_pairs_and_evaluates(self):
    model = _make(estimators.StraightThroughGumbelSoftmax())
    model.compile(keras.optimizers.Adam(0.05), num_importance_samples=50)
    history = model.fit(X, Y, batch_size=8, epochs=20, verbose=0).history
    self.assertLess(history['loss'][-1], history['loss'][0] - 0.3)
    self.assertEqual(history['loss'], history['distortion'])
    result = model.evaluate(X, Y, batch_size=10, verbose=0, return_dict=True)
    self.assertEqual(
        set(result),
        {
            'elbo',
            'effective_sample_size',
            'elbo_stderr',
            'importance_weighted_bound',
            'importance_weighted_bound_stderr',
        },
    )
    exact = _exact_log_prob(model, X, Y).mean()
    self.assertAllClose(result['importance_weighted_bound'], exact, atol=0.1)
    self.assertLess(result['elbo'], result['importance_weighted_bound'])
    self.assertEqual(model.predict(X, verbose=0).shape, (24, 4))

  def test_unbuilt_networks_fit_dicts_of_images(self):
    networks = [
        keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)]),
        keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)]),
    ]
    decoder = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(8),
            keras.layers.Reshape((4, 2, 1)),
        ]
    )
    nvil = estimators.NVIL(keras.layers.Dense(1))
    model = models.StructuredPrediction(networks, decoder, 2, 2, nvil)
    model.compile('adam')
    dataset = tf.data.Dataset.from_tensors(
        {'x': tf.ones([5, 3, 2, 1]), 'y': tf.ones([5, 4, 2, 1])}
    )
    model.fit(dataset, verbose=0)
    # Of the target and the image, and of the target and the codes.
    kernels = [e.trainable_weights[0].shape for e in model.estimators]
    self.assertEqual(kernels, [(14, 1), (12, 1)])
    self.assertLen(model.trainable_variables, 10)
    path = os.path.join(self.get_temp_dir(), 'images.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    for old, new in zip(model.weights, restored.weights, strict=True):
      self.assertAllEqual(old.numpy(), new.numpy())

  def test_survives_a_file(self):
    model = _make(
        estimators.StraightThrough(num_samples=2, importance_weighted=True)
    )
    model.compile(keras.optimizers.Adam(0.01), num_importance_samples=4)
    model.fit(X, Y, verbose=0)
    model.estimators[1].temperature.assign(0.25)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    temperatures = [float(e.temperature.value) for e in restored.estimators]
    self.assertEqual(temperatures, [1.0, 0.25])
    self.assertEqual(restored.num_importance_samples, 4)
    self.assertAllEqual(
        restored.log_weights((X, Y), 3, seed=[0, 1]),
        model.log_weights((X, Y), 3, seed=[0, 1]),
    )
    self.assertAllClose(
        restored.loss_terms((X, Y), seed=[0, 1]),
        model.loss_terms((X, Y), seed=[0, 1]),
    )
    restored.fit(X, Y, verbose=0)

  def test_mixed_precision_keeps_the_loss_in_float32(self):
    previous = keras.mixed_precision.dtype_policy()
    self.addCleanup(keras.mixed_precision.set_dtype_policy, previous)
    keras.mixed_precision.set_dtype_policy('mixed_bfloat16')
    model = _make()
    terms = model.loss_terms((X, Y), seed=[0, 1])
    self.assertEqual({t.dtype for t in terms.values()}, {tf.float32})
    model.compile('adam')
    self.assertTrue(np.isfinite(model.fit(X, Y, verbose=0).history['loss'][0]))

  def test_integer_targets(self):
    decoder = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(4 * 3),
            keras.layers.Reshape((4, 3)),
        ]
    )
    model = models.StructuredPrediction(
        [keras.layers.Dense(4)], decoder, 2, 2, likelihood='categorical'
    )
    y = tf.cast(Y, tf.int32)
    self.assertEqual(model.loss_terms((X, y))['distortion'].shape, [24])
    self.assertEqual(model(X).shape, [24, 4])

  def test_trains_in_the_trainer(self):
    self.check_training(as_dict=False)

  @pytest.mark.slow
  def test_trains_on_dicts_by_xla(self):
    self.check_training(as_dict=True)

  def check_training(self, as_dict):
    estimator = estimators.ScoreFunction(2, True)
    model = _make(estimator)
    data = {'x': X, 'y': Y} if as_dict else (X, Y)
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(8)
    before = [v.numpy() for v in model.trainable_variables]
    trainer = training.Trainer(
        model,
        keras.optimizers.Adam(0.01),
        os.path.join(self.get_temp_dir(), self.id()),
        jit_compile=as_dict,
    )
    history = trainer.fit(
        lambda step: dataset.repeat().skip(step),
        num_steps=2,
        eval_batches=dataset,
    ).history
    self.assertIn('negative_bound', history)
    self.assertIn('val_importance_weighted_bound', history)
    for old, new in zip(before, model.trainable_variables, strict=True):
      self.assertNotAllClose(old, new.numpy())


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      ({'num_latents': 0}, '`num_latents` of at least 1'),
      ({'num_classes': 1}, '`num_classes` of at least 2'),
      ({'networks': []}, 'at least one network'),
      ({'likelihood': 'gaussian'}, "received 'gaussian'"),
      (
          {'estimator': estimators.RODEO(None, 3, importance_weighted=True)},
          'one sample for a bound of 3 samples through 2 layers; .* RODEO',
      ),
  )
  def test_rejects_arguments(self, kwargs, message):
    layers = [keras.layers.Dense(4), keras.layers.Dense(4)]
    valid = {'networks': layers, 'num_latents': 2, 'num_classes': 2}
    with self.assertRaisesRegex(ValueError, message):
      models.StructuredPrediction(
          decoder=keras.layers.Dense(4), **{**valid, **kwargs}
      )

  def test_rejects_batches_and_codes(self):
    model = _make()
    for batch in (tf.constant(X), {'x': X}, (X,)):
      with self.assertRaisesRegex(ValueError, r'a batch \(x, y\), or a dict'):
        model.loss_terms(batch)
    model.compile('sgd')
    with self.assertRaisesRegex(ValueError, r'a batch \(x, y\), or a dict'):
      model.fit(X, verbose=0)
    with self.assertRaisesRegex(ValueError, 'without sample weights'):
      model.fit(X, Y, sample_weight=np.ones(24), verbose=0)
    with self.assertRaisesRegex(ValueError, r'\[..., 2, 2\]; received \(3, 2'):
      model.decode(tf.zeros([3, 2]))
    with self.assertRaisesRegex(ValueError, '`num_samples` of at least 1'):
      model.log_weights((X, Y), 0, seed=0)

  @parameterized.parameters(
      ([24],), ([24, 1],), ([24, 5],), ([24, 4, 1],), ([24, 1, 4],)
  )
  def test_rejects_targets_that_would_broadcast(self, shape):
    model, y = _make(), np.zeros(shape, 'float32')
    with self.assertRaisesRegex(ValueError, r"\['batch', 4\].*received \(24"):
      model.loss_terms((X, y))
    with self.assertRaisesRegex(ValueError, r"\['batch', 4\].*received \(24"):
      model.log_weights((X, y), 2, seed=0)
    model.compile('sgd')
    with self.assertRaisesRegex(ValueError, r"\['batch', 4\].*received "):
      model.fit(X, y, verbose=0)

  @parameterized.parameters((3, 1), (1, 3), (2, 3))
  def test_rejects_targets_of_another_batch(self, x_size, y_size):
    model = _make()
    batch = X[:x_size], Y[:y_size]
    message = f'`y` with {x_size} examples on axis 0; received .*{y_size}, 4'
    with self.assertRaisesRegex(ValueError, message):
      model.loss_terms(batch)
    with self.assertRaisesRegex(ValueError, message):
      model.importance_weighted_bound(batch, 2, seed=0)
    model(X)
    bound = tf.function(
        lambda x, y: model.importance_weighted_bound((x, y), 2, seed=0),
        input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([None, 4])],
    )
    self.assertEqual(bound(X, Y).shape, [24])
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, '`y` of each example'
    ):
      bound(*batch)

  @parameterized.parameters(-1, 2)
  def test_rejects_a_layer_that_is_not(self, layer):
    with self.assertRaisesRegex(ValueError, f'from 0 to 1; received {layer}'):
      _make().logits(layer, X)

  def test_rejects_networks_of_another_size(self):
    model = _make(num_classes=3)
    model.networks[1] = keras.layers.Dense(5)
    with self.assertRaisesRegex(
        ValueError, r'\[None, 2, 3\] or \[None, 6\]; received \(24, 2, 5\)'
    ):
      model.loss_terms((X, Y))


if __name__ == '__main__':
  tf.test.main()
