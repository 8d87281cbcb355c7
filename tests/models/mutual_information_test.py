import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers
from discrete_lvm import models
from discrete_lvm import objectives
from discrete_lvm import training

K, X_DIM, Y_DIM = 16, 3, 2
# What each bound takes beside the critic.
BOUNDS = {
    'donsker_varadhan': {},
    'info_nce': {},
    'interpolated': {'alpha': 0.5},
    'jensen_shannon': {},
    'nwj': {},
    'tuba': {},
}


def _dense(units, seed):
  return keras.layers.Dense(
      units, kernel_initializer=keras.initializers.GlorotUniform(seed)
  )


def _model(bound, log_baseline=True, **kwargs):
  if log_baseline and bound in ('interpolated', 'tuba'):
    kwargs['log_baseline'] = layers.LogBaseline(_dense(1, 2))
  critic = layers.SeparableCritic(_dense(4, 0), _dense(4, 1))
  return models.MutualInformation(critic, bound, **{**BOUNDS[bound], **kwargs})


def _batch(seed=0, size=K):
  rng = np.random.default_rng(seed)
  x = rng.normal(size=[size, X_DIM]).astype('float32')
  return x, (x[:, :Y_DIM] + 0.5 * rng.normal(size=[size, Y_DIM])).astype('f')


def _objective(bound):
  name = 'objective' if bound == 'jensen_shannon' else 'bound'
  return getattr(objectives, f'{bound}_{name}')


class MutualInformationTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*BOUNDS)
  def test_reports_the_bound_and_follows_the_objective(self, bound):
    model = _model(bound)
    batch = _batch()
    with tf.GradientTape() as tape:
      terms = model.loss_terms(batch)
      loss = tf.reduce_mean(terms['negative_bound'])
    options = dict(BOUNDS[bound])
    with tf.GradientTape() as expected_tape:
      scores = model.critic(*batch)
      if model.log_baseline is not None:
        options['log_baseline'] = model.log_baseline(batch[1])
      objective = -_objective(bound)(scores, **options)
    report = getattr(objectives, f'{bound}_bound')(scores, **options)
    self.assertAllClose(terms['negative_bound'], np.full(K, -report))
    self.assertAllClose(model.bound(batch), report)
    self.assertAllClose(model(batch), scores)
    weights = [w.value for w in model.trainable_variables]
    self.assertLen(weights, 6 if model.log_baseline is not None else 4)
    for actual, expected in zip(
        tape.gradient(loss, weights),
        expected_tape.gradient(objective, weights),
        strict=True,
    ):
      self.assertAllClose(actual, expected, atol=1e-6)
      # All biases of h(y) and one of g(x) cancel in the softmax of a row.
      if bound != 'info_nce':
        self.assertGreater(tf.reduce_max(tf.abs(actual)), 0.0)

  def test_an_overflow_of_what_is_reported_does_not_end_the_training(self):
    critic = layers.BilinearCritic(
        kernel_initializer=keras.initializers.Constant(1.0)
    )
    model = models.MutualInformation(critic, 'jensen_shannon')
    x = np.array([[12], [1], [1], [1]], np.float32)
    y = np.array([[1], [12], [1], [1]], np.float32)
    # A score of 144, whose exponential float32 does not hold.
    self.assertEqual(model.bound((x, y)), -np.inf)
    with tf.GradientTape() as tape:
      loss = model.loss_terms((x, y))['negative_bound']
    self.assertAllEqual(loss, np.full(4, 1e30, np.float32))
    (gradient,) = tape.gradient(loss, model.trainable_variables)
    self.assertGreater(gradient, 0)
    data = tf.data.Dataset.from_tensors((x, y)).repeat()
    trainer = training.Trainer(
        model, keras.optimizers.SGD(1e-3), self.get_temp_dir()
    )
    trainer.fit(lambda step: data.skip(step), 3)
    self.assertLess(tf.reduce_max(model((x, y))), 144)
    # What the critic cannot survive still ends it.
    infinite = np.array([[np.inf], [1], [1], [1]], np.float32)
    loss = model.loss_terms((infinite, y))['negative_bound']
    self.assertFalse(np.isfinite(loss).any())

  def test_fit_raises_the_bound_and_evaluate_has_its_error(self):
    model = _model('info_nce')
    model.compile(training.FusedAdam(3e-2))
    x, y = _batch(size=40 * K)
    before = model.evaluate(x, y, batch_size=K, verbose=0, return_dict=True)
    model.fit(x, y, batch_size=K, epochs=3, verbose=0)
    after = model.evaluate(x, y, batch_size=K, verbose=0, return_dict=True)
    values = [
        model.bound((x[i : i + K], y[i : i + K])) for i in range(0, len(x), K)
    ]
    self.assertAllClose(after['bound'], np.mean(values), rtol=1e-5)
    self.assertAllClose(
        after['bound_stderr'],
        np.std(values, ddof=1) / np.sqrt(len(values)),
        rtol=1e-4,
    )
    self.assertGreater(after['bound'], before['bound'] + 0.3)
    # Of two normal coordinates at a signal of four times the noise.
    self.assertLess(after['bound'], np.log(5) + 4 * after['bound_stderr'])

  @parameterized.parameters('nwj', 'donsker_varadhan', 'jensen_shannon')
  def test_leaves_out_a_last_batch_of_one_pair(self, bound):
    model = _model(bound)
    model.compile(keras.optimizers.SGD(1e-2))
    x, y = _batch(size=2 * K + 1)
    expected = model.evaluate(
        x[:-1], y[:-1], batch_size=K, verbose=0, return_dict=True
    )
    self.assertAllClose(
        model.evaluate(x, y, batch_size=K, verbose=0, return_dict=True),
        expected,
    )
    before = [w.numpy() for w in model.trainable_variables]
    (loss,) = model.fit(x[:1], y[:1], verbose=0).history['loss']
    self.assertEqual(loss, 0)
    for old, new in zip(before, model.trainable_variables, strict=True):
      self.assertAllEqual(old, new)
    (loss,) = model.fit(x, y, batch_size=K, verbose=0).history['loss']
    self.assertTrue(np.isfinite(loss))

  @parameterized.product(bound=(*BOUNDS,), run_eagerly=(False, True))
  def test_one_pair_of_static_size_has_no_loss(self, bound, run_eagerly):
    model = _model(bound)
    x, y = _batch(size=1)
    self.assertAllEqual(model.loss_terms((x, y))['negative_bound'], [0.0])
    model.update_metrics((x, y))
    self.assertEqual(float(model.get_metrics_result()['bound']), 0.0)
    model.compile(keras.optimizers.SGD(1e-2), run_eagerly=run_eagerly)
    before = [w.numpy() for w in model.trainable_variables]
    self.assertEqual(model.train_on_batch(x, y, return_dict=True)['loss'], 0)
    for old, new in zip(before, model.trainable_variables, strict=True):
      self.assertAllEqual(old, new)
    x, y = _batch(size=K + 1)
    (loss,) = model.fit(x, y, batch_size=K, verbose=0).history['loss']
    self.assertNotEqual(loss, 0)

  @parameterized.parameters('interpolated', 'jensen_shannon')
  def test_survives_a_file(self, bound):
    model = _model(bound)
    model.compile(training.FusedAdam(1e-2))
    x, y = _batch()
    model.fit(x, y, verbose=0)
    path = os.path.join(self.get_temp_dir(), f'{bound}.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored.bound((x, y)), model.bound((x, y)))
    self.assertEqual(restored.alpha, model.alpha)

  def test_compiles(self):
    model = _model('interpolated', log_baseline=False)
    batch = _batch()
    compiled = tf.function(model.bound, jit_compile=True)
    self.assertAllClose(compiled(batch), model.bound(batch), atol=1e-5)

  def test_rejects(self):
    for bound, kwargs, message in (
        ('upper', {}, "one of .*'donsker_varadhan'.* received 'upper'"),
        ('nwj', {'alpha': 0.5}, "'interpolated' alone; received 0.5 for 'nwj'"),
        ('interpolated', {}, "'interpolated' alone; received None"),
        ('interpolated', {'alpha': 1.5}, 'from 0 to 1; received 1.5'),
        ('tuba', {}, "`log_baseline` for 'tuba'.*received None"),
        (
            'nwj',
            {'log_baseline': layers.LogBaseline(_dense(1, 0))},
            "`log_baseline` for 'tuba'.*for 'nwj'",
        ),
    ):
      with self.assertRaisesRegex(ValueError, message):
        models.MutualInformation(layers.BilinearCritic(), bound, **kwargs)
    model = _model('nwj')
    with self.assertRaisesRegex(ValueError, 'a pair of shapes, of x and of y'):
      model.build((None, 3))
    with self.assertRaisesRegex(ValueError, r'batch \(x, y\); received'):
      model.loss_terms(_batch()[0])
    model.compile(training.FusedAdam(1e-2))
    x, y = _batch()
    with self.assertRaisesRegex(ValueError, 'without sample weights'):
      model.fit(x, y, sample_weight=np.ones(K), verbose=0)


if __name__ == '__main__':
  tf.test.main()
