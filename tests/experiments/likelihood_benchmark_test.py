import pathlib
import subprocess
import sys

from absl import flags
from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

from experiments.benchmarks import likelihood

_MEASURE = """
import resource

from experiments.benchmarks import likelihood

print(likelihood.prepare(10_000, 1000)())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

_FAIL = """
from absl import app
from absl.testing import flagsaver

from experiments.benchmarks import trainer

def main(argv):
  for flags in ({'steps': '150'}, {'batch_size': '7', 'num_steps': '3'}):
    with flagsaver.as_parsed(**flags):
      try:
        trainer.main(argv)
      except SystemExit as error:
        print(error.code)

app.run(main)
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
        [sys.executable, '-c', _MEASURE],
        check=True,
        capture_output=True,
        text=True,
    )
    bound, kilobytes = process.stdout.split()
    self.assertTrue(np.isfinite(float(bound)))
    self.assertLess(int(kilobytes), 2 * 2**20)


class BenchmarkFlagsTest(tf.test.TestCase, parameterized.TestCase):

  def test_rounds_are_at_least_one(self):
    flag = flags.FLAGS['rounds']
    with self.assertRaisesRegex(ValueError, '0 is not a positive integer'):
      flag.parser.parse('0')
    self.assertEqual(flag.parser.parse('1'), 1)

  def test_examples_are_not_negative(self):
    flag = flags.FLAGS['examples']
    with self.assertRaisesRegex(ValueError, '-5 is not a non-negative integer'):
      flag.parser.parse('-5')
    self.assertEqual(flag.parser.parse('0'), 0)

  @parameterized.parameters(
      ('gumbel_softmax', 'digits', "Expected flags only; received ['digits']"),
      ('gumbel_softmax', '--draws=0', '0 is not a positive integer'),
      ('gumbel_softmax', '--seed=1', 'received --seed, which it does not'),
      ('step_estimate', 'digits', "Expected flags only; received ['digits']"),
      ('step_estimate', '--utilization=0', 'Expected a number in (0, 1]'),
      ('vae_step', 'digits', "Expected flags only; received ['digits']"),
      (
          'vae_step',
          '--steps=200',
          '200 is not an integer in the range [1, 100]',
      ),
      ('vae_step', '--steps=0', '0 is not an integer in the range [1, 100]'),
  )
  @pytest.mark.slow
  def test_bad_flags_end_in_one_line(self, name, argument, message):
    process = subprocess.run(
        [sys.executable, '-m', f'experiments.benchmarks.{name}', argument],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    self.assertEqual(process.returncode, 1)
    self.assertIn(message, process.stderr)
    self.assertNotIn('Traceback', process.stderr)

  @pytest.mark.slow
  def test_bad_flags_of_the_trainer(self):
    # In a process of its own, since the benchmarks share names of flags.
    process = subprocess.run(
        [sys.executable, '-c', _FAIL],
        capture_output=True,
        text=True,
        check=True,
    )
    self.assertEqual(process.stdout.split(), ['1', '1'])
    self.assertIn(
        'multiple of 100, the most in a call; received 150', process.stderr
    )
    self.assertIn('--num_steps, --batch_size, wh', process.stderr)


if __name__ == '__main__':
  tf.test.main()
