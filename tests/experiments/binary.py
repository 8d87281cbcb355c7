"""Runs a binary inside the process of a test."""

from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import io
import json
import os
import pathlib
from typing import Any
from unittest import mock

from absl import flags
from absl.testing import flagsaver
import numpy as np
import tensorflow as tf

from experiments import text


def write_text(
    path: pathlib.Path,
    classes: Sequence[int] = (1, 5, 20, 0),
    size: int = 4000,
) -> str:
  """Writes a text of random characters, by default 'a', 'e', 't' and spaces.

  Args:
    path: File to write.
    classes: The codes of its characters.
    size: How many.

  Returns:
    The path, as a flag takes it.
  """
  codes = np.random.default_rng(0).choice(classes, size)
  path.write_text(text.decode(codes), encoding='ascii')
  return str(path)


class BinaryTestCase(tf.test.TestCase):
  """A test of a module with a `main`, at tiny flags.

  Attributes:
    tiny: Flags of every run; those of `run_main` go before.
    output_dir: Directory of the run, one for each test.
  """

  tiny: Mapping[str, Any] = {}

  def setUp(self):
    super().setUp()
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()
    self.output_dir = pathlib.Path(self.get_temp_dir()) / self.id()

  def run_main(self, module, **flag_values):
    """Runs the binary; returns what it printed."""
    flag_values = {
        **self.tiny,
        'output_dir': str(self.output_dir),
        **flag_values,
    }
    stdout = io.StringIO()
    wide = mock.patch.dict(os.environ, {'COLUMNS': '160'})
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
    """Returns what a run found."""
    path = self.output_dir / model / f'seed_{seed}' / 'results.json'
    return json.loads(path.read_text())

  def picture(self, name):
    """Returns a picture, `[height, width, channels]`."""
    png = tf.io.read_file(str(self.output_dir / name))
    return tf.io.decode_png(png).numpy()
