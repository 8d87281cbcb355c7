import json
import pathlib

from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm import training
from tests.training import toy


class _BadModel(toy.ToyModel):
  """Its `rate` is `value` from the batch of step `bad_step` on."""

  def __init__(self, value, bad_step):
    super().__init__()
    self._value, self._bad_step = value, bad_step
    self.count = self.add_weight(
        shape=(), dtype='int32', initializer='zeros', trainable=False
    )

  def loss_terms(self, batch, *, training=True, seed=None):
    terms = super().loss_terms(batch, training=training, seed=seed)
    bad = self.count.value >= self._bad_step
    self.count.assign_add(1)
    terms['rate'] = tf.where(bad, self._value, terms['rate'])
    return terms


class TrainerTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self._dir = pathlib.Path(self.get_temp_dir())

  def _lines(self, name='a'):
    text = (self._dir / name / 'metrics.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]

  def test_learns_and_logs(self):
    trainer = toy.make_trainer(self._dir / 'a')
    history = toy.fit(trainer, 300, log_every=50, eval_every=100)
    self.assertLess(history.history['loss'][-1], history.history['loss'][0] / 2)
    self.assertEqual(history.epoch, list(range(6)))
    lines = self._lines()
    self.assertEqual([line['step'] for line in lines], [*range(50, 301, 50)])
    self.assertEqual(
        [line['step'] for line in lines if 'val_distortion' in line],
        [100, 200, 300],
    )
    for line in lines:
      self.assertAllClose(line['loss'], line['distortion'] + line['rate'])

  def test_step_is_that_of_a_plain_loop(self):
    trainer = toy.make_trainer(self._dir / 'a', steps_per_call=3)
    toy.fit(trainer, 7, log_every=7)

    keras.utils.set_random_seed(1)
    model, optimizer = toy.ToyModel(), training.FusedAdam(1e-2)
    losses = []
    for step, batch in enumerate(toy.batches()(0).take(7)):
      model.temperature.assign(1 - step / 20)
      seed = ops.fold_in(0, 'train', step, 0)
      with tf.GradientTape() as tape:
        terms = model.loss_terms(batch, seed=seed)
        loss = tf.reduce_mean(terms['distortion'] + terms['rate'])
      gradients = tape.gradient(loss, model.trainable_variables)
      optimizer.apply(gradients, model.trainable_variables)
      losses.append(loss)
    for a, b in zip(trainer.model.variables, model.variables, strict=True):
      self.assertAllClose(a.numpy(), b.numpy(), atol=1e-6, rtol=1e-6)
    self.assertAllClose(self._lines()[0]['loss'], np.mean(losses), rtol=1e-5)

  def test_one_trace_over_uneven_chunks(self):
    model = toy.ToyModel()
    trainer = toy.make_trainer(self._dir / 'a', model=model, steps_per_call=4)
    # Calls of 4, 2 (checkpoint), 3 (log), ..., and of 1 step at the end.
    toy.fit(trainer, 31, log_every=9, checkpoint_every=6)
    toy.fit(trainer, 33)
    self.assertEqual(model.num_traces, 1)
    # The loop around the step, too, which the model does not see.
    loop = trainer._steps._steps
    self.assertEqual(loop.experimental_get_tracing_count(), 1)

  def test_steps_per_call_changes_no_bit(self):
    self.check_steps_per_call_changes_no_bit(3)

  @parameterized.parameters(1, 10)
  @pytest.mark.slow
  def test_steps_per_call_changes_no_bit_slow(self, steps_per_call):
    self.check_steps_per_call_changes_no_bit(steps_per_call)

  def check_steps_per_call_changes_no_bit(self, steps_per_call):
    one = toy.make_trainer(self._dir / 'a', steps_per_call=1)
    toy.fit(one)
    many = toy.make_trainer(self._dir / 'b', steps_per_call=steps_per_call)
    toy.fit(many, checkpoint_every=100)
    self.assertEqual(toy.state(one), toy.state(many))
    self.assertEqual(self._lines('a'), self._lines('b'))

  @pytest.mark.slow
  def test_jit_compile_trains_and_resumes(self):
    def run(name, *num_steps):
      for n in num_steps:
        trainer = toy.make_trainer(self._dir / name, jit_compile=True)
        toy.fit(trainer, n, eval_batches=None, log_every=6)
      return trainer

    whole = run('a', 12)
    self.assertEqual(toy.state(whole), toy.state(run('b', 6, 12)))
    graph = toy.make_trainer(self._dir / 'c')
    toy.fit(graph, 12, eval_batches=None, log_every=6)
    # XLA draws other noise from the same seed.
    self.assertAllClose(
        self._lines('a')[0]['distortion'],
        self._lines('c')[0]['distortion'],
        rtol=0.2,
    )

  def test_model_that_is_not_built(self):
    class Unbuilt(keras.Model):

      def __init__(self):
        super().__init__()
        self.encoder = keras.layers.Dense(8)
        self.decoder = keras.layers.Dense(4)
        self.temperature = keras.Variable(1.0, trainable=False)

      def loss_terms(self, batch, *, training=True, seed=None):
        y = self.decoder(self.encoder(batch))
        return {'distortion': tf.reduce_sum((y - batch) ** 2, -1)}

    def run(name, *num_steps):
      for n in num_steps:
        keras.utils.set_random_seed(1)
        trainer = toy.make_trainer(self._dir / name, model=Unbuilt())
        toy.fit(trainer, n, eval_batches=None, log_every=6)
      return trainer

    whole = run('a', 12)
    self.assertEqual(toy.state(whole), toy.state(run('b', 6, 12)))
    self.assertLen(whole.optimizer.variables, 2 + 2 * 4)

  def test_evaluation_is_exact_and_repeatable(self):
    trainer = toy.make_trainer(self._dir / 'a')
    x = toy.examples(13)
    data = tf.data.Dataset.from_tensor_slices(x)
    expected = np.mean(
        [np.sum((trainer.model.decoder(trainer.model.encoder(x)) - x) ** 2, -1)]
    )
    for batch_size in (13, 5, 4):  # The last batches hold 13, 3 and 1.
      results = trainer.evaluate(data.batch(batch_size))
      self.assertAllClose(results['distortion'], expected, rtol=1e-6)
    self.assertEqual(trainer.evaluate(data.batch(4)), results)
    toy.fit(trainer)
    again = trainer.evaluate(data.batch(4))
    self.assertEqual(again['noise'], results['noise'])
    self.assertNotEqual(again['distortion'], results['distortion'])

  def test_noise_differs_between_batches_of_an_evaluation(self):
    trainer = toy.make_trainer(self._dir / 'a')
    data = tf.data.Dataset.from_tensor_slices(toy.examples(8))
    one = trainer.evaluate(data.take(4).batch(4))['noise']
    self.assertNotAlmostEqual(one, trainer.evaluate(data.batch(4))['noise'])

  def test_keras_callback_stops_training(self):
    stopper = toy.Recorder(
        lambda step: setattr(trainer.model, 'stop_training', step >= 4)
    )
    trainer = toy.make_trainer(
        self._dir / 'a', callbacks=[stopper], steps_per_call=2
    )
    toy.fit(trainer, 100, checkpoint_every=100)
    self.assertEqual(trainer.step, 4)
    self.assertEqual(self._lines()[-1]['step'], 4)
    again = toy.make_trainer(self._dir / 'a')
    self.assertEqual(again.restore(), 4)

  def test_early_stopping(self):
    stopping = keras.callbacks.EarlyStopping(
        monitor='val_noise', mode='max', patience=2
    )
    trainer = toy.make_trainer(self._dir / 'a', callbacks=[stopping])
    # `noise` never changes: the first is the best, two more are waited for.
    toy.fit(trainer, 100, eval_every=5)
    self.assertEqual(trainer.step, 15)

  def test_best_weights_are_those_of_the_model_but_not_of_the_checkpoint(self):
    stopping = keras.callbacks.EarlyStopping(
        monitor='val_noise',
        mode='max',
        patience=2,
        restore_best_weights=True,
    )
    weights = {}
    recorder = toy.Recorder(
        lambda step: weights.update({step: trainer.model.get_weights()})
    )
    trainer = toy.make_trainer(self._dir / 'a', callbacks=[stopping, recorder])
    toy.fit(trainer, 100, eval_every=5)
    for w, best in zip(trainer.model.get_weights(), weights[5], strict=True):
      self.assertAllEqual(w, best)
    self.assertEqual(trainer.restore(), 15)
    for w, last in zip(trainer.model.get_weights(), weights[15], strict=True):
      self.assertAllEqual(w, last)

  def test_loss_scale_optimizer(self):
    model = toy.ToyModel()
    inner = training.FusedAdam(1e-2)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=1024.0)
    trainer = training.Trainer(model, optimizer, self._dir / 'a')
    scaled = toy.fit(trainer, 40, log_every=20).history['loss']
    keras.utils.set_random_seed(1)
    self.assertLess(scaled[1], scaled[0])
    self.assertEqual(int(inner.iterations.numpy()), 40)

  # The bad step is the first, inside and the last of a call of 4 steps, and a
  # call with it ends at the checkpoint of step 9.
  @parameterized.parameters(
      (np.nan, 4, 3), (np.inf, 5, 3), (-np.inf, 7, 6), (np.nan, 8, 6)
  )
  def test_non_finite_loss(self, value, bad_step, last_checkpoint):
    model = _BadModel(value, bad_step)
    trainer = toy.make_trainer(self._dir / 'a', model=model, steps_per_call=4)
    with self.assertRaisesRegex(
        training.NonFiniteLossError,
        f"non-finite 'rate' at step {bad_step}; the last good checkpoint is "
        rf'\S*/a/checkpoints/ckpt-{last_checkpoint}\.$',
    ) as caught:
      toy.fit(trainer, 20, log_every=8, checkpoint_every=3)
    self.assertNotIn('\n', str(caught.exception))
    self.assertEqual(caught.exception.step, bad_step)
    names = [p.stem for p in self._dir.glob('a/checkpoints/*.index')]
    self.assertEqual(max(names), f'ckpt-{last_checkpoint}')
    for line in self._lines() if last_checkpoint > 8 else []:
      self.assertLessEqual(line['step'], bad_step)

  def test_non_finite_loss_before_any_checkpoint(self):
    trainer = toy.make_trainer(self._dir / 'a', model=_BadModel(np.nan, 0))
    with self.assertRaisesRegex(FloatingPointError, 'step 0; .*does not exist'):
      toy.fit(trainer)

  def test_weights_that_became_non_finite_are_not_saved(self):
    class NanGradient(toy.ToyModel):

      def loss_terms(self, batch, *, training=True, seed=None):
        terms = super().loss_terms(batch, training=training, seed=seed)
        bias = self.decoder.bias
        # The value is 0, its gradient 0 / 0.
        zero = tf.where(
            self.temperature.value < 0.86, tf.norm(bias - bias), 0.0
        )
        return {**terms, 'zero': 0.0 * terms['rate'] + zero}

    trainer = toy.make_trainer(self._dir / 'a', model=NanGradient())
    with self.assertRaisesRegex(
        training.NonFiniteLossError, r"'.*bias' at step 3; .*/ckpt-3\.$"
    ):
      toy.fit(trainer, 20, checkpoint_every=1, log_every=20, eval_every=20)

  def test_callbacks_know_the_number_of_epochs(self):
    epochs = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epochs.append(epoch)
    )
    trainer = toy.make_trainer(self._dir / 'a', callbacks=[callback])
    toy.fit(trainer, num_steps=5, log_every=2)
    self.assertLen(epochs, callback.params['epochs'])

  def test_callbacks_end_after_an_error(self):
    ended = []
    callback = keras.callbacks.LambdaCallback(on_train_end=ended.append)
    trainer = toy.make_trainer(
        self._dir / 'a', callbacks=[callback], model=_BadModel(np.nan, 2)
    )
    with self.assertRaises(FloatingPointError):
      toy.fit(trainer)
    self.assertLen(ended, 1)

  def test_callbacks_that_have_begun_end_where_another_cannot_begin(self):
    class Open(keras.callbacks.Callback):

      def on_train_begin(self, logs=None):
        begun.append(self)

      def on_train_end(self, logs=None):
        ended.append(self)

    class Bad(keras.callbacks.Callback):

      def on_train_begin(self, logs=None):
        raise OSError('no space')

    begun, ended = [], []
    first = Open()
    trainer = toy.make_trainer(
        self._dir / 'a', callbacks=[first, Bad(), Open()]
    )
    with self.assertRaisesRegex(OSError, 'no space'):
      toy.fit(trainer)
    self.assertEqual(begun, [first])
    self.assertEqual(ended, [first])

  def test_progress_bar_of_keras(self):
    trainer = toy.make_trainer(
        self._dir / 'a', callbacks=[keras.callbacks.ProgbarLogger()]
    )
    toy.fit(trainer, 10)
    self.assertEqual(trainer.step, 10)

  def test_bad_arguments(self):
    trainer = toy.make_trainer(self._dir / 'a')
    data = tf.data.Dataset.from_tensor_slices(toy.examples()).batch(4)
    with self.assertRaisesRegex(ValueError, '`log_every` of at least 1'):
      toy.fit(trainer, log_every=0)
    with self.assertRaisesRegex(ValueError, 'a function of the first step'):
      trainer.fit(data.repeat(), 10)
    with self.assertRaisesRegex(ValueError, 'received one of 5 batches'):
      trainer.fit(lambda step: data, 10)
    # Of these nothing is known before they end.
    with self.assertRaisesRegex(
        ValueError, 'received one that ended at step 5'
    ):
      trainer.fit(lambda step: data.filter(lambda x: True), 10)
    with self.assertRaisesRegex(ValueError, 'finite data set; received an inf'):
      trainer.evaluate(data.repeat())
    with self.assertRaisesRegex(ValueError, 'at least one batch'):
      trainer.evaluate(data.take(0))
    with self.assertRaisesRegex(ValueError, '`steps_per_call` of at least 1'):
      toy.make_trainer(self._dir / 'a', steps_per_call=0)
    with self.assertRaisesRegex(ValueError, 'Expected a checkpoint in'):
      trainer.restore()

  def test_term_that_is_not_per_example(self):
    class Reduced(toy.ToyModel):

      def loss_terms(self, batch, *, training=True, seed=None):
        terms = super().loss_terms(batch, training=training, seed=seed)
        return {'distortion': tf.reduce_mean(terms['distortion'])}

    trainer = toy.make_trainer(self._dir / 'a', model=Reduced())
    with self.assertRaisesRegex(
        ValueError, r"'distortion' to have shape \[batch\]; received shape \(\)"
    ):
      toy.fit(trainer)

  def test_output_dir_that_cannot_be_written(self):
    (self._dir / 'file').write_text('')
    model = toy.ToyModel()
    trainer = training.Trainer(
        model, training.FusedAdam(), self._dir / 'file' / 'a'
    )
    with self.assertRaisesRegex(ValueError, 'can be written; received .*file'):
      toy.fit(trainer)

  @parameterized.parameters('run[1]', r'run\1')
  def test_output_dir_that_tensorflow_does_not_find(self, name):
    trainer = toy.make_trainer(self._dir / name)
    with self.assertRaisesRegex(
        ValueError, r'without \[ and backslash; received .*run.1.*checkpoints'
    ):
      toy.fit(trainer)
    self.assertEqual(trainer.step, 0)
    # Of other patterns a name is one that it matches itself.
    toy.fit(toy.make_trainer(self._dir / 'a*b?'), 3)
    again = toy.make_trainer(self._dir / 'a*b?')
    self.assertEqual(again.restore(), 3)

  def test_bad_data_sets_show_before_the_first_step(self):
    trainer = toy.make_trainer(self._dir / 'a')
    with self.assertRaisesRegex(ValueError, 'finite data set; received an inf'):
      toy.fit(trainer, eval_batches=toy.batches()(0))
    not_a_data_set = 'Expected a `tf.data.Dataset`.*; received ndarray'
    with self.assertRaisesRegex(ValueError, not_a_data_set):
      toy.fit(trainer, eval_batches=toy.examples())
    with self.assertRaisesRegex(ValueError, not_a_data_set):
      trainer.evaluate(toy.examples())
    with self.assertRaisesRegex(ValueError, f'{not_a_data_set[:-8]} list'):
      trainer.fit(lambda step: [toy.examples()], 10)
    self.assertEqual(trainer.step, 0)

  def test_term_of_one_example_for_all(self):
    class Mean(toy.ToyModel):

      def loss_terms(self, batch, *, training=True, seed=None):
        terms = super().loss_terms(batch, training=training, seed=seed)
        mean = tf.reduce_mean(terms['rate'], keepdims=True)
        return {**terms, 'rate': mean}

    trainer = toy.make_trainer(self._dir / 'a', model=Mean())
    with self.assertRaisesRegex(
        ValueError, r'`rate` with 4 examples.* received shape \(1,\)'
    ):
      toy.fit(trainer)
    ragged = tf.data.Dataset.from_tensors(toy.examples(4)).repeat()
    ragged = ragged.map(lambda x: x[: tf.random.uniform([], 4, 5, tf.int32)])
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, '`rate` of each example'
    ):
      trainer.fit(lambda step: ragged, 10)


if __name__ == '__main__':
  tf.test.main()
