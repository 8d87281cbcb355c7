import contextlib
import functools
import io
import pathlib
import subprocess
import sys

from absl import flags
from absl.testing import absltest
from absl.testing import flagsaver
from absl.testing import parameterized
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import launch
from experiments import shared_flags


class OneLineErrorsTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()

  @parameterized.parameters(
      (ValueError('Expected a\n  positive number.'),),
      (ValueError('\x1b[1mExpected a positive number.\x1b[0m'),),
      (FileNotFoundError('Expected a positive number.'),),
      (PermissionError('Expected a positive number.'),),
      (
          tf.errors.PermissionDeniedError(
              None, None, 'Expected a positive number.'
          ),
      ),
      (
          tf.errors.FailedPreconditionError(
              None, None, 'Expected a positive number.'
          ),
      ),
  )
  def test_ends_in_one_line(self, error):
    @launch.one_line_errors
    def main(argv):
      del argv
      raise error

    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
      with self.assertRaises(SystemExit) as exit_error:
        main(['binary'])
    self.assertEqual(exit_error.exception.code, 1)
    self.assertEqual(stderr.getvalue(), 'Error: Expected a positive number.\n')

  def test_names_the_step_of_a_loss_that_is_no_number(self):
    @launch.one_line_errors
    def main(argv):
      del argv
      raise dlvm.training.NonFiniteLossError(7, 'rate', None)

    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit):
      main(['binary'])
    self.assertRegex(stderr.getvalue(), "Error: .*'rate' at step 7.*\n$")

  def test_names_the_checkpoint_where_the_data_have_vanished(self):
    @launch.one_line_errors
    def main(argv):
      del argv
      raise dlvm.training.UnreadableDataError(
          7, '/data; No such file', 'ckpt-5'
      )

    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit):
      main(['binary'])
    self.assertRegex(
        stderr.getvalue(), 'Error: .*/data; No such file.*step 7.*ckpt-5.\n$'
    )

  def test_refuses_strategies_of_what_does_not_train(self):
    main = functools.partial(launch.one_line_errors, distributes=False)(
        lambda argv: 0
    )
    self.assertEqual(main(['binary']), 0)
    for strategy in ('mirrored', 'multi_worker', 'parameter_server', 'tpu'):
      stderr = io.StringIO()
      with (
          flagsaver.flagsaver(strategy=strategy),
          contextlib.redirect_stderr(stderr),
          self.assertRaises(SystemExit) as exit_error,
      ):
        main(['binary'])
      self.assertEqual(exit_error.exception.code, 1)
      self.assertRegex(
          stderr.getvalue(), f'^Error: Expected --strategy=default.*{strategy}'
      )
      self.assertEqual(stderr.getvalue().count('\n'), 1)

  def test_refuses_flags_that_say_nothing(self):
    main = launch.one_line_errors(
        lambda argv: 0, unused=(shared_flags.NUM_SEEDS, shared_flags.UNITS)
    )
    with flagsaver.as_parsed(num_steps='3'):
      self.assertEqual(main(['binary']), 0)
    stderr = io.StringIO()
    with (
        flagsaver.as_parsed(num_seeds='1', units='4'),
        contextlib.redirect_stderr(stderr),
        self.assertRaises(SystemExit),
    ):
      main(['binary'])
    self.assertEqual(
        stderr.getvalue(),
        'Error: Expected flags that this binary uses; received --num_seeds, '
        '--units, which it does not.\n',
    )

  def test_seeds_are_not_negative(self):
    for name in ('seed', 'data_seed'):
      with self.assertRaises(flags.IllegalFlagValueError):
        flags.FLAGS[name].parse('-1')

  def test_keeps_the_traceback_of_our_own_faults(self):
    @launch.one_line_errors
    def main(argv):
      del argv
      raise TypeError('A fault.')

    with self.assertRaisesRegex(TypeError, 'A fault.'):
      main(['binary'])

  def test_status_of_a_run_that_was_asked_to_stop(self):
    @launch.one_line_errors
    def main(argv):
      del argv
      raise dlvm.training.PreemptionError(7, '/tmp/run/checkpoints/ckpt-7')

    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
      with self.assertRaises(SystemExit) as exit_error:
        main(['binary'])
    self.assertEqual(exit_error.exception.code, launch.PREEMPTED)
    self.assertRegex(stderr.getvalue(), 'after step 7; start again .*ckpt-7')

  def test_an_interrupt_ends_in_one_line(self):
    @launch.one_line_errors
    def main(argv):
      del argv
      raise KeyboardInterrupt()

    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
      with self.assertRaises(SystemExit) as exit_error:
        main(['binary'])
    self.assertEqual(exit_error.exception.code, 130)
    self.assertRegex(stderr.getvalue(), '^Interrupted; .*checkpoint.*\n$')

  def test_help_shows_what_is_used(self):
    shown = subprocess.run(
        [sys.executable, '-m', 'experiments.evaluate', '--help'],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,  # absl ends with status 1.
    ).stdout
    for name in ('checkpoint', 'output_dir', 'annealing_steps'):
      self.assertIn(f'--{name}:', shown)
    for name in ('num_steps', 'strategy'):
      self.assertNotIn(f'--{name}:', shown)

  def test_enters_the_strategy(self):
    @launch.one_line_errors
    def main(argv):
      del argv
      return tf.distribute.get_strategy().num_replicas_in_sync

    self.assertEqual(main(['binary']), 1)
    with flagsaver.flagsaver(strategy='mirrored', num_replicas=2):
      self.assertEqual(main(['binary']), 2)
    stderr = io.StringIO()
    with flagsaver.flagsaver(strategy='multi_worker'):
      with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit):
        main(['binary'])
    self.assertStartsWith(stderr.getvalue(), 'Error: Expected TF_CONFIG with')

  def test_passes_through_what_main_returns(self):
    main = launch.one_line_errors(lambda argv: len(argv))
    self.assertEqual(main(['binary']), 1)

  def test_refuses_arguments_that_are_no_flags(self):
    main = launch.one_line_errors(lambda argv: None)
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit):
      main(['binary', 'digits'])
    self.assertEqual(
        stderr.getvalue(), "Error: Expected flags only; received ['digits'].\n"
    )


if __name__ == '__main__':
  absltest.main()
