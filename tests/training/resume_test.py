"""A run that was killed and resumed ends as one that was not."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
from unittest import mock

from absl.testing import parameterized
import keras
import pytest
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import models
from discrete_lvm import training
from tests.training import toy

_NUM_STEPS = 13

_KILLED = """
import os, signal, sys
from tests.training import toy

def kill_at(step):
  if step == int(sys.argv[2]):
    os.kill(os.getpid(), signal.SIGKILL)

toy.fit(toy.make_trainer(sys.argv[1], [toy.Recorder(kill_at)]))
"""


def _batches_of_file(path):
  """Reads the file anew in every epoch."""

  def from_step(step):
    records = tf.data.FixedLengthRecordDataset([str(path)], 4 * 4)
    rows = records.map(lambda record: tf.io.decode_raw(record, tf.float32))
    rows = rows.map(lambda row: tf.ensure_shape(row, [4]))
    return rows.repeat().skip(4 * step).batch(4, True)

  return from_step


class ResumeTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self._dir = pathlib.Path(self.get_temp_dir())

  def _metrics(self, name):
    return (self._dir / name / 'metrics.jsonl').read_text()

  def _resume(self, name, num_steps=_NUM_STEPS, **kwargs):
    trainer = toy.make_trainer(self._dir / name)
    if list((self._dir / name).glob('checkpoints/*.index')):
      # Whatever is not restored differs from here on.
      for variable in trainer.model.trainable_variables:
        variable.assign(variable + 1)
    toy.fit(trainer, num_steps, **kwargs)
    return trainer

  def _corrupt(self, name, step, suffix, keep):
    path = self._dir / name / 'checkpoints' / f'ckpt-{step}{suffix}'
    path.write_bytes(path.read_bytes()[:keep])

  @pytest.mark.slow
  def test_killed_after_every_step(self):
    def copy_files(step):
      shutil.copytree(self._dir / 'whole', self._dir / f'killed_{step}')

    whole = toy.make_trainer(
        self._dir / 'whole', [toy.Recorder(copy_files)], steps_per_call=1
    )
    toy.fit(whole, 9)
    for step in range(1, 10):
      resumed = self._resume(f'killed_{step}', 9)
      self.assertEqual(toy.state(resumed), toy.state(whole), step)
      self.assertEqual(
          self._metrics(f'killed_{step}'), self._metrics('whole'), step
      )

  def test_asked_to_stop(self):
    def ask(step):
      if step == 7:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    stopped = toy.make_trainer(
        self._dir / 'stopped', [toy.Recorder(ask)], steps_per_call=1
    )
    with self.assertRaisesRegex(
        training.PreemptionError, r'after step 7; .*/ckpt-7\.$'
    ) as caught:
      toy.fit(stopped)
    self.assertEqual(caught.exception.step, 7)
    self.assertIs(signal.getsignal(signal.SIGTERM), before)
    resumed = self._resume('stopped')
    whole = toy.make_trainer(self._dir / 'whole')
    toy.fit(whole)
    self.assertEqual(toy.state(resumed), toy.state(whole))
    self.assertEqual(self._metrics('stopped'), self._metrics('whole'))

  def test_killed_by_the_system(self):
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    killed = subprocess.run(
        [sys.executable, '-c', _KILLED, str(self._dir / 'killed'), '9'],
        env=env,
        stderr=subprocess.DEVNULL,
    )
    self.assertEqual(killed.returncode, -signal.SIGKILL)
    # It dies with the metrics of step 5 written and the checkpoint of step 6.
    self.assertIn('"step": 5,', self._metrics('killed'))
    resumed = self._resume('killed')
    whole = toy.make_trainer(self._dir / 'whole')
    toy.fit(whole)
    self.assertEqual(toy.state(resumed), toy.state(whole))
    self.assertEqual(self._metrics('killed'), self._metrics('whole'))

  @parameterized.parameters(1, 2)
  def test_data_that_vanish(self, accumulate_steps):
    path = self._dir / 'examples'
    path.write_bytes(toy.examples().tobytes())
    data = path.read_bytes()

    def remove_at_step_7(step):
      if step == 7:
        path.unlink()

    def make_trainer(name, *callbacks):
      return toy.make_trainer(
          self._dir / name,
          callbacks,
          steps_per_call=1,
          accumulate_steps=accumulate_steps,
      )

    kwargs = {'eval_batches': None, 'checkpoint_every': 3}
    trainer = make_trainer('vanished', toy.Recorder(remove_at_step_7))
    with self.assertRaisesRegex(
        training.UnreadableDataError, f'"{path}; No such file.*ckpt-'
    ) as caught:
      trainer.fit(_batches_of_file(path), _NUM_STEPS, **kwargs)
    # What had been read ahead was still trained on.
    self.assertEqual(caught.exception.step, trainer.step)
    self.assertBetween(trainer.step, 7, _NUM_STEPS - 1)
    path.write_bytes(data)
    resumed, whole = make_trainer('vanished'), make_trainer('whole')
    resumed.fit(_batches_of_file(path), _NUM_STEPS, **kwargs)
    whole.fit(_batches_of_file(path), _NUM_STEPS, **kwargs)
    self.assertEqual(toy.state(resumed), toy.state(whole))

  @parameterized.parameters((1, 7), (2, 3))
  def test_no_step_is_counted_without_its_batches(self, accumulate_steps, step):
    paths = [str(self._dir / f'{i}') for i in range(20)]
    for i, path in enumerate(paths):
      if i != 7:
        pathlib.Path(path).write_bytes(toy.examples(4).tobytes())

    def from_step(start):
      files = tf.data.Dataset.from_tensor_slices(paths).skip(start).repeat()
      data = files.map(lambda p: tf.io.decode_raw(tf.io.read_file(p), 'float'))
      return data.map(lambda x: tf.reshape(x, [4, 4]))

    trainer = toy.make_trainer(
        self._dir / 'a', steps_per_call=10, accumulate_steps=accumulate_steps
    )
    with self.assertRaisesRegex(
        training.UnreadableDataError, f'after step {step}\\.'
    ):
      trainer.fit(from_step, 10)
    self.assertEqual(trainer.step, step)
    self.assertEqual(int(trainer.optimizer.iterations.numpy()), step)

  def test_data_to_evaluate_on_that_vanish(self):
    path = self._dir / 'examples'
    trainer = toy.make_trainer(self._dir / 'a')
    with self.assertRaisesRegex(
        training.UnreadableDataError, f'"{path}; No such file.*after step 10'
    ):
      toy.fit(trainer, eval_batches=_batches_of_file(path)(0).take(2))

  def test_other_errors_of_a_step_keep_their_class(self):
    def fail(unused_step):
      raise tf.errors.NotFoundError(None, None, 'No registered kernel.')

    trainer = toy.make_trainer(self._dir / 'a', [toy.Recorder(fail)])
    with self.assertRaisesRegex(tf.errors.NotFoundError, 'kernel'):
      toy.fit(trainer)

  def test_seed_generator_and_schedule_are_restored(self):
    trainer = toy.make_trainer(self._dir / 'a')
    toy.fit(trainer)
    again = toy.make_trainer(self._dir / 'a')
    self.assertEqual(again.restore(), _NUM_STEPS)
    self.assertAllEqual(again.model.generator.state, [1, _NUM_STEPS])
    self.assertAllClose(again.model.temperature, 1 - (_NUM_STEPS - 1) / 20)
    self.assertAllEqual(
        toy.state(again)[: len(again.model.variables)],
        toy.state(trainer)[: len(again.model.variables)],
    )

  def test_longer_run_continues(self):
    trainer = toy.make_trainer(self._dir / 'a')
    toy.fit(trainer, 10)
    toy.fit(trainer, 20)
    whole = toy.make_trainer(self._dir / 'b')
    toy.fit(whole, 20)
    self.assertEqual(toy.state(trainer), toy.state(whole))
    self.assertEqual(self._metrics('a'), self._metrics('b'))

  def test_shorter_run_is_refused(self):
    self._resume('run', 9)
    before = self._metrics('run')
    with self.assertRaisesRegex(
        ValueError, '`num_steps` of at least 9, the step .*; received 5'
    ):
      self._resume('run', 5)
    self.assertEqual(self._metrics('run'), before)

  def test_finished_run_does_nothing(self):
    trainer = toy.make_trainer(self._dir / 'a')
    toy.fit(trainer)
    before = toy.state(trainer), self._metrics('a')
    again = self._resume('a')
    self.assertEqual((toy.state(again), self._metrics('a')), before)

  # A shard that is cut, and an empty index; then the other way round.
  @parameterized.parameters(('.data-00000-of-00001', 300), ('.index', 0))
  def test_damaged_checkpoint_is_skipped(self, suffix, keep):
    self.check_damaged_checkpoint_is_skipped(suffix, keep)

  @parameterized.parameters(('.data-00000-of-00001', 0), ('.index', 100))
  @pytest.mark.slow
  def test_damaged_checkpoint_is_skipped_slow(self, suffix, keep):
    self.check_damaged_checkpoint_is_skipped(suffix, keep)

  def check_damaged_checkpoint_is_skipped(self, suffix, keep):
    whole = toy.make_trainer(self._dir / 'a')
    toy.fit(whole, 12)
    self._corrupt('a', 12, suffix, keep)
    with self.assertLogs(level='WARNING') as logs:
      resumed = self._resume('a', 12)
    self.assertRegex(
        '\n'.join(logs.output),
        r'corrupt checkpoint: \S*/ckpt-12 .*restored \S*/ckpt-9',
    )
    self.assertEqual(toy.state(resumed), toy.state(whole))
    self.assertEqual(
        {p.stem for p in (self._dir / 'a/checkpoints').glob('*.index')},
        {'ckpt-6', 'ckpt-9', 'ckpt-12'},
    )

  def test_flipped_bit_is_found(self):
    toy.fit(toy.make_trainer(self._dir / 'a'), 6)
    path = self._dir / 'a/checkpoints/ckpt-6.data-00000-of-00001'
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    trainer = toy.make_trainer(self._dir / 'a')
    with self.assertLogs(level='WARNING'):
      self.assertEqual(trainer.restore(), 3)

  def test_restores_the_checkpoint_that_is_asked_for(self):
    def copy_weights(step):
      if step == 6:
        weights.extend(trainer.model.get_weights())

    weights = []
    trainer = toy.make_trainer(
        self._dir / 'a', [toy.Recorder(copy_weights)], steps_per_call=1
    )
    toy.fit(trainer, 12)
    again = toy.make_trainer(self._dir / 'a')
    self.assertEqual(again.restore(step=6), 6)
    self.assertAllEqual(
        [w.tolist() for w in again.model.get_weights()],
        [w.tolist() for w in weights],
    )
    with self.assertRaisesRegex(ValueError, r'\[6, 9, 12\]; received 3'):
      again.restore(step=3)
    self._corrupt('a', 9, '.data-00000-of-00001', 300)
    with self.assertRaisesRegex(ValueError, 'received .*ckpt-9, truncated'):
      again.restore(step=9)

  def test_list_of_checkpoints_is_lost(self):
    toy.fit(toy.make_trainer(self._dir / 'a'), 6)
    (self._dir / 'a/checkpoints/checkpoint').write_text('model_chec')
    self.assertEqual(toy.make_trainer(self._dir / 'a').restore(), 6)

  def test_all_checkpoints_damaged(self):
    toy.fit(toy.make_trainer(self._dir / 'a'), 6)
    for step in (3, 6):
      self._corrupt('a', step, '.index', 0)
    trainer = toy.make_trainer(self._dir / 'a')
    before = [v.numpy() for v in trainer.model.variables]
    for method in (trainer.restore, lambda: toy.fit(trainer)):
      with self.assertRaisesRegex(ValueError, 'Expected an intact checkpoint'):
        method()
    for value, variable in zip(before, trainer.model.variables, strict=True):
      self.assertAllEqual(value, variable)

  def test_checkpoint_of_another_model(self):
    toy.fit(toy.make_trainer(self._dir / 'a'), 3)

    class Wider(toy.ToyModel):

      def __init__(self):
        super().__init__()
        self.decoder = keras.layers.Dense(4, use_bias=False)
        self.decoder.build((None, 8))

    trainer = toy.make_trainer(self._dir / 'a', model=Wider())
    with self.assertRaisesRegex(ValueError, 'Expected the variables of this'):
      toy.fit(trainer)

  def test_says_where_a_checkpoint_cannot_be_written(self):
    trainer = toy.make_trainer(self._dir / 'a')
    toy.fit(trainer, 3)
    full = tf.errors.ResourceExhaustedError(None, None, 'No space left')
    with mock.patch.object(
        tf.train.CheckpointManager, 'save', side_effect=full
    ):
      with self.assertRaisesRegex(ValueError, 'No space left.*ckpt-3'):
        toy.fit(trainer, 6)

  def test_only_three_checkpoints_are_kept(self):
    toy.fit(toy.make_trainer(self._dir / 'a'), 12)
    toy.fit(toy.make_trainer(self._dir / 'a'), 18)
    names = {p.stem for p in (self._dir / 'a/checkpoints').glob('*.index')}
    self.assertEqual(names, {'ckpt-12', 'ckpt-15', 'ckpt-18'})

  def test_model_that_is_not_built_is_not_restored(self):
    def make_trainer():
      # It has variables from the first, those of its seed generator.
      model = models.DiscreteVAE(
          keras.layers.Dense(6),
          keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)]),
          num_latents=2,
          num_classes=3,
          estimator=estimators.Exact(),
      )
      return training.Trainer(model, training.FusedAdam(0.1), self._dir / 'a')

    trainer = make_trainer()
    trainer.fit(toy.batches(), 3)
    restored = make_trainer()
    with self.assertRaisesRegex(ValueError, 'a model that is built; rec'):
      restored.restore()
    restored.model.build([None, 4])
    self.assertEqual(restored.restore(), 3)
    for a, b in zip(
        restored.model.get_weights(), trainer.model.get_weights(), strict=True
    ):
      self.assertAllEqual(a, b)

  def test_step_that_failed_between_its_batches_leaves_no_gradients(self):
    def make_trainer(name):
      return toy.make_trainer(
          self._dir / name,
          optimizer=keras.optimizers.SGD(0.1),
          accumulate_steps=3,
      )

    def ending(step):
      # In the middle of the second step.
      return toy.batches()(step).take(5).filter(lambda x: True)

    kwargs = {'eval_batches': None, 'checkpoint_every': 1}
    failed, whole = make_trainer('failed'), make_trainer('whole')
    with self.assertRaisesRegex(ValueError, 'ended at step 1'):
      failed.fit(ending, 4, **kwargs)
    failed.fit(toy.batches(), 4, **kwargs)
    whole.fit(toy.batches(), 4, **kwargs)
    self.assertEqual(toy.state(failed), toy.state(whole))


class JsonLinesTest(tf.test.TestCase):

  def test_incomplete_and_later_lines_are_dropped(self):
    path = pathlib.Path(self.get_temp_dir()) / 'metrics.jsonl'
    path.write_text('{"step": 2}\n{"step": 4}\n{"step": 6}\n{"st')
    callback = training.JsonLines(path)
    callback.on_train_begin({'step': 4})
    callback.on_epoch_end(0, {'step': 5.0, 'loss': 0.5})
    self.assertEqual(
        path.read_text(),
        '{"step": 2}\n{"step": 4}\n{"step": 5, "loss": 0.5}\n',
    )

  def test_line_that_lost_its_end_is_dropped(self):
    path = pathlib.Path(self.get_temp_dir()) / 'metrics.jsonl'
    path.write_text('{"step": 2}\n{"step": 4}')
    callback = training.JsonLines(path)
    callback.on_train_begin({'step': 4})
    callback.on_epoch_end(0, {'step': 6})
    self.assertEqual(path.read_text(), '{"step": 2}\n{"step": 6}\n')


if __name__ == '__main__':
  tf.test.main()
