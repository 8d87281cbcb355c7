import contextlib
import io

from absl import flags
from absl.testing import absltest
from absl.testing import parameterized
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import launch


class OneLineErrorsTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()

  @parameterized.parameters(
      (ValueError('Expected a\n  positive number.'),),
      (FileNotFoundError('Expected a positive number.'),),
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

  def test_keeps_the_traceback_of_our_own_faults(self):
    @launch.one_line_errors
    def main(argv):
      del argv
      raise TypeError('A fault.')

    with self.assertRaisesRegex(TypeError, 'A fault.'):
      main(['binary'])

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
