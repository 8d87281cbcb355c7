"""Any number of replicas trains as one does."""

import pathlib

from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import training
from tests.training import families


class ReplicasTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self._dir = pathlib.Path(self.get_temp_dir()) / self.id()

  def _train(self, family, num_replicas, **options):
    directory = self._dir / '_'.join([str(num_replicas), *sorted(options)])
    with families.shared_noise():
      trainer, losses = families.train(
          family, directory, num_replicas, **options
      )
    return trainer, losses

  def _assert_same(self, a, b):
    trainers, losses = zip(a, b, strict=True)
    variables = map(families.weights, trainers)
    for x, y in zip(*variables, strict=True):
      self.assertAllClose(x, y, atol=1e-6, rtol=0)
    self.assertEqual(set(losses[0]), set(losses[1]))
    for name, values in losses[0].items():
      self.assertAllClose(values, losses[1][name], rtol=1e-5, atol=1e-6)

  def _assert_independent(self, family, num_replicas, options):
    self._assert_same(
        self._train(family, None, **options),
        self._train(family, num_replicas, **options),
    )

  @parameterized.product(
      family=families.FAMILIES,
      num_replicas=(1, 2, 4),
      options=(
          {},
          {'clip_norm': 0.3},
          {'accumulate_steps': 2},
          {'clip_norm': 0.3, 'accumulate_steps': 2},
      ),
  )
  @pytest.mark.slow
  def test_all(self, family, num_replicas, options):
    self._assert_independent(family, num_replicas, options)

  # One with the mean over a batch in its loss, one without.
  @parameterized.parameters(
      ('delta_vae', 4, {'clip_norm': 0.3}),
      ('discrete_flow', 2, {'clip_norm': 0.3, 'accumulate_steps': 2}),
  )
  def test_some(self, family, num_replicas, options):
    self._assert_independent(family, num_replicas, options)

  def test_accumulation_is_a_larger_batch(self):
    options = {'num_steps': 10}
    self._assert_same(
        self._train('discrete_flow', None, **options),
        self._train('discrete_flow', 2, accumulate_steps=4, **options),
    )

  def test_accumulation_resumes_at_its_batch(self):
    options = {'accumulate_steps': 2, 'num_steps': 6}
    whole = self._train('discrete_flow', None, **options)
    with families.shared_noise():
      for num_steps in (3, 6):
        trainer, _ = families.train(
            'discrete_flow',
            self._dir / 'resumed',
            accumulate_steps=2,
            num_steps=num_steps,
        )
    for a, b in zip(
        families.weights(whole[0]), families.weights(trainer), strict=True
    ):
      self.assertAllEqual(a, b)

  def test_uneven_and_empty_parts_weigh_by_their_examples(self):
    # The last batch of each epoch has one example, of four replicas' one.
    x = np.linspace(-1, 1, 9, dtype='float32')
    batches = tf.data.Dataset.from_tensor_slices(x).batch(4).repeat()

    def run(name, **kwargs):
      strategy = training.get_strategy(name, **kwargs)
      with strategy.scope():
        model = _Mean()
        trainer = training.Trainer(
            model, keras.optimizers.SGD(0.5), self._dir / name
        )
      trainer.fit(lambda step: batches, 6, log_every=1)
      dataset = tf.data.Dataset.from_tensor_slices(x).batch(4)
      return float(model.weight.numpy()), trainer.evaluate(dataset)

    expected = 0.0
    for batch in [x[:4], x[4:8], x[8:]] * 2:
      expected -= 0.5 * 2 * (expected - batch.mean())
    for weight, metrics in (
        run('default'),
        run('mirrored', num_replicas=2),
        run('mirrored', num_replicas=4),
    ):
      self.assertAllClose(weight, expected, atol=1e-6)
      self.assertAllClose(metrics['x'], x.mean(), atol=1e-6)

  def test_accumulated_batches_weigh_by_their_examples(self):
    x = np.linspace(-1, 1, 9, dtype='float32') ** 2
    batches = tf.data.Dataset.from_tensor_slices(x).batch(4).repeat()
    with training.get_strategy('mirrored', num_replicas=2).scope():
      model = _Mean()
      trainer = training.Trainer(
          model,
          keras.optimizers.SGD(0.25),
          self._dir,
          accumulate_steps=3,
      )
    history = trainer.fit(lambda step: batches, 2, log_every=1).history
    # Each step has all 9, and goes half of the way to their mean.
    self.assertAllClose(model.weight.numpy(), 0.75 * x.mean(), atol=1e-6)
    self.assertAllClose(history['loss'][0], (x**2).mean(), rtol=1e-6)

  def test_noise_is_of_the_replica_and_repeatable(self):
    def draws(num_replicas, name):
      strategy = training.get_strategy('mirrored', num_replicas=num_replicas)
      with strategy.scope():
        model = _Noise()
        trainer = training.Trainer(
            model, keras.optimizers.SGD(0.0), self._dir / name, seed=3
        )
      data = tf.data.Dataset.from_tensors(tf.zeros([4])).repeat()
      trainer.fit(lambda step: data, 3, log_every=1)
      return np.stack(
          [
              v.numpy().ravel()
              for v in strategy.experimental_local_results(model.drawn.value)
          ]
      )

    first = draws(4, 'a')
    self.assertLen(np.unique(first), first.size)
    self.assertAllEqual(first, draws(4, 'b'))

  def test_refusals(self):
    with training.get_strategy('mirrored', num_replicas=2).scope():
      model = _Mean()
      for optimizer in (
          keras.optimizers.SGD(clipnorm=1.0),
          keras.optimizers.LossScaleOptimizer(
              keras.optimizers.SGD(gradient_accumulation_steps=2)
          ),
      ):
        with self.assertRaisesRegex(ValueError, 'Expected an optimizer withou'):
          training.Trainer(model, optimizer, self._dir)
      sgd = keras.optimizers.SGD()
      with self.assertRaisesRegex(ValueError, 'positive `clip_norm`; rec'):
        training.Trainer(model, sgd, self._dir, clip_norm=0.0)
      with self.assertRaisesRegex(ValueError, '`accumulate_steps` of at least'):
        training.Trainer(model, sgd, self._dir, accumulate_steps=0)
      model, data = families.make('delta_vae')
      trainer = training.Trainer(model, sgd, self._dir, jit_compile=True)
      with self.assertRaisesRegex(ValueError, 'replicas do not meet'):
        trainer.fit(training.ShuffledBatches(data, 8, seed=0), 1)
      model.built = False
      trainer = training.Trainer(model, sgd, self._dir, accumulate_steps=2)
      with self.assertRaisesRegex(ValueError, 'Expected a model that is built'):
        trainer.fit(training.ShuffledBatches(data, 8, seed=0), 1)

  @parameterized.parameters(None, 1.0)
  def test_loss_scale_takes_note_of_any_replica(self, clip_norm):
    with training.get_strategy('mirrored', num_replicas=2).scope():
      model = _Mean()
      optimizer = keras.optimizers.LossScaleOptimizer(
          keras.optimizers.SGD(0.1), initial_scale=1e37
      )
      trainer = training.Trainer(
          model, optimizer, self._dir / 'a', clip_norm=clip_norm
      )
    # Only the scaled gradient of the second replica overflows.
    x = tf.constant([0.0, 1e3])
    trainer.fit(lambda _: tf.data.Dataset.from_tensors(x).repeat(), 1)
    self.assertEqual(float(model.weight.numpy()), 0)
    self.assertAllClose(optimizer.dynamic_scale.numpy(), 5e36)


class _Mean(keras.Model):
  """A weight that becomes the mean of its data."""

  def __init__(self):
    super().__init__()
    self.weight = self.add_weight(shape=(), initializer='zeros')
    self.mean = keras.metrics.Mean(name='x')
    self.built = True

  def loss_terms(self, batch, *, training=True, seed=None):
    del training, seed
    return {'distortion': (self.weight - batch) ** 2}

  def update_metrics(self, batch, *, seed=None):
    del seed
    self.mean.update_state(batch)


class _Noise(_Mean):
  """Keeps what each replica drew at each step."""

  def __init__(self):
    super().__init__()
    # Each replica sets its own.
    self.drawn = self.add_weight(
        shape=(3,), initializer='zeros', trainable=False
    )
    self.index = self.add_weight(
        shape=(), dtype='int32', initializer='zeros', trainable=False
    )

  def loss_terms(self, batch, *, training=True, seed=None):
    one_hot = tf.one_hot(self.index.value, 3)
    self.drawn.assign(
        self.drawn.value + one_hot * tf.random.stateless_normal([], seed)
    )
    self.index.assign(self.index.value + 1)
    return super().loss_terms(batch, training=training, seed=seed)


if __name__ == '__main__':
  tf.test.main()
