import contextlib
import importlib
import io
import subprocess
import sys
from unittest import mock

from absl import flags
from absl.testing import flagsaver
from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

from experiments.benchmarks import likelihood

_SCRIPT = """
import resource

from experiments.benchmarks import likelihood

print(likelihood.prepare(10_000, 1000)())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class LikelihoodBenchmarkTest(tf.test.TestCase):

  def test_bound_of_a_data_set(self):
    bound = likelihood.prepare(150, 3)()
    self.assertAllInRange([bound], -1.2 * 784 * np.log(2), -0.5 * 784)

  # All that the process has, TensorFlow and the data too. It takes minutes.
  @pytest.mark.slow
  def test_thousand_samples_of_ten_thousand_examples_fit_in_two_gigabytes(self):
    if sys.platform != 'linux':
      self.skipTest('Elsewhere the unit of the peak is another.')
    process = subprocess.run(
        [sys.executable, '-c', _SCRIPT],
        check=True,
        capture_output=True,
        text=True,
    )
    bound, kilobytes = process.stdout.split()
    self.assertTrue(np.isfinite(float(bound)))
    self.assertLess(int(kilobytes), 2 * 2**20)


class BenchmarkFlagsTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()
    # All of them have flags of these names.
    self.enter_context(flagsaver.flagsaver())
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
      if module.startswith('experiments.benchmarks.'):
        for flag in list(defined):
          delattr(flags.FLAGS, flag.name)
    self.enter_context(mock.patch.dict(sys.modules))

  @parameterized.parameters(
      'estimators',
      'gaussian_ar1',
      'gumbel_softmax',
      'likelihood',
      'modular',
      'sampling',
      'semisupervised',
      'trainer',
      'vae_step',
  )
  def test_rounds_are_at_least_one(self, name):
    sys.modules.pop(likelihood.__name__)
    importlib.import_module(f'experiments.benchmarks.{name}')
    with self.assertRaises(flags.IllegalFlagValueError):
      flags.FLAGS['rounds'].parse('0')
    flags.FLAGS['rounds'].parse('1')

  def test_bad_flags_of_the_trainer(self):
    trainer = importlib.import_module('experiments.benchmarks.trainer')
    for flag_values, message in (
        ({'steps': '150'}, 'multiple of 100, the most in a call; received 150'),
        (
            {'batch_size': '7', 'num_steps': '3'},
            '--num_steps, --batch_size, wh',
        ),
    ):
      stderr = io.StringIO()
      with (
          flagsaver.as_parsed(**flag_values),
          contextlib.redirect_stderr(stderr),
          self.assertRaises(SystemExit),
      ):
        trainer.main(['trainer'])
      self.assertIn(message, stderr.getvalue())


if __name__ == '__main__':
  tf.test.main()
