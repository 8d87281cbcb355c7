"""Runs a binary of discrete flows inside the process of a test."""

import contextlib
import io
import json
import os
import pathlib
from unittest import mock

from absl import flags
from absl.testing import flagsaver
import tensorflow as tf

_TINY = {
    'batch_size': 8,
    'causal_network': 'made',
    'bipartite_network': 'dense',
    'eval_every': 2,
    'gradient': 'softmax',
    'learning_rate': '1e-2',
    'masks': 'alternating',
    'num_events': 50,
    'num_seeds': 1,
    'num_steps': 4,
    'temperature_schedule': '0.5',
    'units': 16,
}


class FlowBinaryTestCase(tf.test.TestCase):
  """A test of a module with a `main`, at tiny flags.

  Attributes:
    output_dir: Directory of the run, one for each test.
  """

  def setUp(self):
    super().setUp()
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()
    self.output_dir = pathlib.Path(self.get_temp_dir()) / self.id()

  def run_main(self, module, **flag_values):
    """Runs the binary; returns what it printed."""
    flag_values = {**_TINY, 'output_dir': str(self.output_dir), **flag_values}
    stdout = io.StringIO()
    wide = mock.patch.dict(os.environ, {'COLUMNS': '120'})
    with wide, contextlib.redirect_stdout(stdout):
      with flagsaver.flagsaver(**flag_values):
        module.main([module.__name__])
    return stdout.getvalue()

  def run_failing(self, module, **flag_values):
    """Runs a binary that must end with status 1; returns its one line."""
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
      with self.assertRaises(SystemExit) as exit_error:
        self.run_main(module, **flag_values)
    self.assertEqual(exit_error.exception.code, 1)
    self.assertEqual(stderr.getvalue().count('\n'), 1)
    self.assertStartsWith(stderr.getvalue(), 'Error: ')
    return stderr.getvalue()

  def results(self, model, seed=0):
    path = self.output_dir / model / f'seed_{seed}' / 'results.json'
    return json.loads(path.read_text())

  def picture(self):
    """Returns the picture of all models, `[height, width, channels]`."""
    png = tf.io.read_file(str(self.output_dir / 'models.png'))
    return tf.io.decode_png(png).numpy()
