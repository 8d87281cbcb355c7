"""Runs a binary in processes of its own, under any strategy."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

from absl.testing import parameterized

# Flags of the launcher, none where one process trains alone; and of the binary.
STRATEGIES = {
    'default': ((), ()),
    'mirrored': ((), ('--num_replicas=2',)),
    'multi_worker': (('--num_workers=2',), ()),
    'parameter_server': (('--num_workers=2', '--num_parameter_servers=1'), ()),
}
_TIMEOUT_SECONDS = 900


class LaunchedBinaryTestCase(parameterized.TestCase):
  """A test of binaries as they are started from a terminal.

  Attributes:
    directory: Of the test; runs are in it.
  """

  def setUp(self):
    super().setUp()
    directory = tempfile.TemporaryDirectory()
    self.addCleanup(directory.cleanup)
    self.directory = pathlib.Path(directory.name)

  def run_binary(self, name, strategy, *flags, output_dir='run'):
    """Runs a binary to its end.

    Args:
      name: Name of its module in `experiments`.
      strategy: A key of `STRATEGIES`.
      *flags: Its flags.
      output_dir: Directory of the run, in that of the test.

    Returns:
      The exit status, and all that its processes wrote to stderr, or logged.
    """
    launcher_flags, strategy_flags = STRATEGIES[strategy]
    output_dir = self.directory / output_dir
    command = [f'experiments.{name}', f'--output_dir={output_dir}', *flags]
    command += [f'--strategy={strategy}', *strategy_flags]
    log_dir = self.directory / f'logs_{output_dir.name}'
    if launcher_flags:
      command = [
          'experiments.launch_local',
          '--max_restarts=0',
          f'--worker_log_dir={log_dir}',
          *launcher_flags,
          *('--', *command),
      ]
    finished = subprocess.run(
        [sys.executable, '-m', *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            'TF_CPP_MIN_LOG_LEVEL': '3',
            # Several processes share the machine.
            'TF_NUM_INTRAOP_THREADS': '1',
            'TF_NUM_INTEROP_THREADS': '2',
        },
        cwd=pathlib.Path(__file__).parents[2],
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    self.assert_no_process_is_left()
    logs = [path.read_text() for path in sorted(log_dir.glob('*.log'))]
    return finished.returncode, '\n'.join([finished.stderr, *logs])

  def assert_no_process_is_left(self):
    """Fails if a process that was told of the directory goes on."""
    deadline = time.monotonic() + 10
    while True:
      table = subprocess.check_output(['ps', '-eo', 'stat,args'], text=True)
      # A zombie only waits for a parent to ask for its status.
      left = [
          line
          for line in table.splitlines()
          if str(self.directory) in line and not line.startswith('Z')
      ]
      if not left:
        return
      self.assertLess(time.monotonic(), deadline, left)
      time.sleep(0.2)
