"""How every binary begins and ends."""

from collections.abc import Callable
from collections.abc import Collection
import contextlib
import functools
import re
import sys

from absl import flags
from absl import logging
import keras
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import shared_flags

# Of a run that was stopped and goes on when it is started again: `EX_TEMPFAIL`.
PREEMPTED = 75
# Of one that Ctrl-C ended, as a shell has it: 128 and the number of SIGINT.
_INTERRUPTED = 130
# What a person can mend by another flag or file. Anything else is a fault of
# ours, whose traceback is wanted.
_EXPECTED_ERRORS = (
    ValueError,
    # Of a file, also `dlvm.training.UnreadableDataError`.
    OSError,
    tf.errors.PermissionDeniedError,
    # As of a file where a directory should be.
    tf.errors.FailedPreconditionError,
    # Also `dlvm.training.NonFiniteLossError`.
    FloatingPointError,
)


def _show_in_help(hidden):
  """Has `--help` show the flags of all our modules but some."""
  # So absl names the module that is the program.
  program = sys.argv[0]
  found = flags.FLAGS.flags_by_module_dict()
  for module in [name for name in found if name.startswith('experiments.')]:
    for flag in found[module]:
      if flag.name not in hidden:
        flags.FLAGS.register_key_flag_for_module(program, flag)


@contextlib.contextmanager
def _dtype_policy(name):
  """Makes what is made inside of the policy, which several mains may share."""
  before = keras.config.dtype_policy()
  keras.config.set_dtype_policy(name)
  try:
    yield
  finally:
    keras.config.set_dtype_policy(before)


def one_line_errors(
    main: Callable,
    distributes: bool = True,
    unused: Collection[flags.FlagHolder] = (),
) -> Callable:
  """Makes errors of flags and data end a binary in one line, with status 1.

  It also enters the strategy that the flags ask for, before anything else of
  TensorFlow; in a process that serves others `main` never begins. And it runs
  `main` with the dtype policy that `--precision` asks for.

  Args:
    main: The function that `absl.app.run` will call.
    distributes: Whether `main` trains by `training.Trainer`, which takes any
      `--strategy`. Else all but the default are refused: each worker would do
      everything, and all would write to the same files.
    unused: Flags that say nothing to `main`, mostly of `shared_flags`, and are
      refused where they are given.

  Returns:
    A function like `main` that writes the message of a `ValueError`, of an
    error of a file (an `OSError`, such as `training.UnreadableDataError`, or
    those of TensorFlow for a permission, or a file where a directory should be)
    or of a `FloatingPointError` (such as `training.NonFiniteLossError`) to
    stderr, on one line, and exits with status 1. The flag `--verbosity=1` shows
    the traceback. Arguments that are no flags are refused likewise. A run that
    SIGTERM stopped exits with status `PREEMPTED`, and one that Ctrl-C stopped
    with 130. Flags of our modules that `main` does not refuse are shown by
    `--help`.
  """
  if main.__module__ == '__main__':
    hidden = [flag.name for flag in unused]
    if not distributes:
      hidden.append(shared_flags.STRATEGY.name)
    _show_in_help(hidden)

  @functools.wraps(main)
  def wrapped(argv):
    # absl itself would show every message that a library takes for information.
    if not flags.FLAGS['verbosity'].present:
      logging.set_verbosity(logging.WARNING)
      # Each model of a sweep has functions of its own to trace, which
      # TensorFlow takes for one that is traced again and again.
      tf.get_logger().setLevel('ERROR')
    try:
      if len(argv) > 1:
        raise ValueError(f'Expected flags only; received {argv[1:]}.')
      lost = [f'--{flag.name}' for flag in unused if flag.present]
      if lost:
        raise ValueError(
            'Expected flags that this binary uses; received '
            f'{", ".join(lost)}, which it does not.'
        )
      if not distributes and shared_flags.STRATEGY.value != 'default':
        raise ValueError(
            'Expected --strategy=default, since this binary runs on one device '
            f'alone; received {shared_flags.STRATEGY.value!r}. Leave it out: '
            'it is for the binaries that train a model.'
        )
      strategy = dlvm.training.get_strategy(
          shared_flags.STRATEGY.value,
          num_replicas=shared_flags.NUM_REPLICAS.value,
          tpu=shared_flags.TPU.value,
      )
      policy = _dtype_policy(shared_flags.PRECISION.value)
      with strategy.scope(), policy:
        return main(argv)
    except dlvm.training.PreemptionError as error:
      print(error, file=sys.stderr)
      sys.exit(PREEMPTED)
    except KeyboardInterrupt:
      print(
          'Interrupted; the same command goes on from the last checkpoint, if '
          'there is one.',
          file=sys.stderr,
      )
      sys.exit(_INTERRUPTED)
    except _EXPECTED_ERRORS as error:
      logging.debug('Traceback of the error:', exc_info=True)
      # Keras writes part of what it says in bold.
      message = re.sub(r'\x1b\[\d*m', '', str(error))
      print('Error:', ' '.join(message.split()), file=sys.stderr)
      sys.exit(1)

  return wrapped
