import importlib.util
import io
import json
import pathlib
from unittest import mock

from absl.testing import parameterized
import keras
import numpy as np
import rich.console
import tensorflow as tf
from tensorflow.core.util import event_pb2

from discrete_lvm import training
from tests.training import toy


def _keras_fit(callbacks, initial=0):
  model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
  model.compile('sgd', 'mse')
  model.optimizer.iterations.assign(initial)
  x = toy.examples()
  model.fit(x, x, batch_size=4, epochs=3, verbose=0, callbacks=callbacks)


def _trainer_fit(callbacks):
  directory = callbacks[0].directory
  toy.fit(toy.make_trainer(directory, callbacks), 15, eval_batches=None)


class _Here(keras.callbacks.Callback):

  def __init__(self, directory):
    super().__init__()
    self.directory = directory


def _read_events(directory):
  """Returns tag -> list of (step, value)."""
  events = {}
  for path in sorted(directory.glob('events.*')):
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
      event = event_pb2.Event.FromString(record)
      for value in event.summary.value:
        events.setdefault(value.tag, []).append((event.step, value.tensor))
  return events


# Either loop does 15 steps and logs after every 5.
_LOOPS = (_keras_fit, _trainer_fit)


class CallbacksTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self._dir = pathlib.Path(self.get_temp_dir())

  @parameterized.parameters(*_LOOPS)
  def test_json_lines(self, loop):
    path = self._dir / 'logs' / 'lines.jsonl'
    loop([_Here(self._dir), training.JsonLines(path)])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    self.assertEqual([line['step'] for line in lines], [5, 10, 15])
    self.assertGreater(lines[0]['loss'], lines[2]['loss'])

  def test_json_lines_of_keras_drops_what_is_beyond_its_step(self):
    path = self._dir / 'lines.jsonl'
    path.write_text('{"step": 5}\n{"step": 10}\n')
    _keras_fit([training.JsonLines(path)], initial=7)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    self.assertEqual([line['step'] for line in lines], [5, 12, 17, 22])

  @parameterized.parameters(False, True)
  def test_json_lines_beside_a_backup_of_keras(self, is_before):
    path = self._dir / 'lines.jsonl'

    def stop(epoch, logs):
      if epoch == 2 and not path.with_suffix('.stopped').exists():
        path.with_suffix('.stopped').touch()
        raise KeyboardInterrupt()

    def callbacks():
      backup = keras.callbacks.BackupAndRestore(self._dir / 'backup')
      lines = training.JsonLines(path)
      pair = [lines, backup] if is_before else [backup, lines]
      return [*pair, keras.callbacks.LambdaCallback(on_epoch_begin=stop)]

    with self.assertRaises(KeyboardInterrupt):
      _keras_fit(callbacks())
    _keras_fit(callbacks())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    self.assertEqual([line['step'] for line in lines], [5, 10, 15])

  def test_json_lines_are_json(self):
    def fail(constant):
      raise ValueError(f'Expected JSON; received {constant}.')

    path = self._dir / 'lines.jsonl'
    lines = training.JsonLines(path)
    lines.on_train_begin({'step': 0})
    lines.on_epoch_end(
        0,
        {
            'step': np.int64(5),
            'loss': float('nan'),
            'val_elbo': np.float32(-np.inf),
            'rate': np.float32(0.5),
            'count': np.int64(3),
            'scale': tf.constant(2.0),
            'temperature': keras.Variable(0.25),
            'gains': np.array([1.0, np.inf]),
            'note': 'a',
        },
    )
    self.assertEqual(
        json.loads(path.read_text(), parse_constant=fail),
        {
            'step': 5,
            'loss': None,
            'val_elbo': None,
            'rate': 0.5,
            'count': 3,
            'scale': 2.0,
            'temperature': 0.25,
            'gains': [1.0, None],
            'note': 'a',
        },
    )

  @parameterized.parameters(*_LOOPS)
  def test_tensorboard(self, loop):
    images = np.full([2, 3, 3, 1], 0.5)
    loop(
        [
            _Here(self._dir),
            training.TensorBoardScalars(self._dir),
            training.ImageGrid(self._dir, 'samples', lambda: images, every=7),
        ]
    )
    events = _read_events(self._dir)
    self.assertEqual([step for step, _ in events['loss']], [5, 10, 15])
    self.assertNotIn('step', events)
    # The intervals that reach 7 and 14 end at 10 and 15.
    self.assertEqual([step for step, _ in events['samples']], [10, 15])
    width, height, png = events['samples'][0][1].string_val
    self.assertEqual((width, height), (b'6', b'3'))
    self.assertAllInRange(tf.io.decode_png(png), 127, 128)

  def test_tensorboard_is_not_installed(self):
    def find_spec(name):
      return None

    with mock.patch.object(importlib.util, 'find_spec', find_spec):
      with self.assertRaisesRegex(ValueError, r'discrete_lvm\[experiments\]'):
        training.TensorBoardScalars(self._dir)
      with self.assertRaisesRegex(ValueError, "'tensorboard' to be installed"):
        training.ImageGrid(self._dir, 'samples', lambda: None, every=1)

  def test_tile_images(self):
    images = tf.reshape(tf.range(5.0), [5, 1, 1, 1])
    grid = training.tile_images(images)
    self.assertAllEqual(grid[..., 0], [[0, 1, 2], [3, 4, 0]])
    self.assertAllEqual(
        training.tile_images(np.arange(4.0).reshape([1, 2, 2, 1]))[..., 0],
        [[0, 1], [2, 3]],
    )

  def test_bad_images(self):
    with self.assertRaisesRegex(ValueError, r'received shape \(5, 2, 2\)'):
      training.tile_images(tf.zeros([5, 2, 2]))
    with self.assertRaisesRegex(ValueError, r'one .*received shape \(0, 2, 2'):
      training.tile_images(tf.zeros([0, 2, 2, 1]))
    with self.assertRaisesRegex(ValueError, '`every` of at least 1'):
      training.ImageGrid(self._dir, 'samples', lambda: None, every=0)

  @parameterized.parameters(*_LOOPS)
  def test_progress_bar(self, loop):
    screen = io.StringIO()
    console = rich.console.Console(
        file=screen, force_terminal=True, width=160, _environ={}
    )
    loop([_Here(self._dir), training.ProgressBar(console)])
    self.assertIn('15/15', screen.getvalue())
    self.assertIn('loss ', screen.getvalue())
    self.assertIn('steps/s', screen.getvalue())
    # The cursor is shown again.
    self.assertIn('\x1b[?25h', screen.getvalue())

  def test_progress_bar_leaves_out_the_metrics_of_an_evaluation(self):
    screen = io.StringIO()
    console = rich.console.Console(
        file=screen, force_terminal=True, width=160, _environ={}
    )
    progress_bar = training.ProgressBar(console)
    progress_bar.set_model(keras.Sequential())
    progress_bar.set_params({'num_steps': 15})
    progress_bar.on_train_begin({'step': 0})
    progress_bar.on_epoch_end(0, {'step': 5, 'loss': 1.0, 'val_elbo': -2.0})
    progress_bar.on_train_end()
    self.assertIn('loss 1', screen.getvalue())
    self.assertNotIn('val_elbo', screen.getvalue())

  @parameterized.parameters(*_LOOPS)
  def test_progress_bar_is_silent_without_a_terminal(self, loop):
    screen = io.StringIO()
    console = rich.console.Console(file=screen, _environ={})
    loop([_Here(self._dir), training.ProgressBar(console)])
    self.assertEmpty(screen.getvalue())


if __name__ == '__main__':
  tf.test.main()
