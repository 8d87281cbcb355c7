"""The launcher, on programs that stand for workers and need no TensorFlow."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

from absl.testing import absltest
from absl.testing import parameterized

# What each worker writes when it starts: a line for each of its starts.
_PROGRAM = """
import json, os, pathlib, signal, subprocess, sys, time
config = json.loads(os.environ['TF_CONFIG'])
name = '{type}_{index}'.format(**config['task'])
directory = pathlib.Path(sys.argv[1])
with (directory / name).open('a') as file:
  file.write(json.dumps({'pid': os.getpid(), **config}) + '\\n')
num_starts = len((directory / name).read_text().splitlines())
"""


class LaunchLocalTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    directory = tempfile.TemporaryDirectory()
    self.addCleanup(directory.cleanup)
    self.directory = pathlib.Path(directory.name)
    self.starts = self.directory / 'starts'
    self.starts.mkdir()

  def launch(self, program, *flags):
    """Starts the launcher on a program."""
    source = _PROGRAM + textwrap.dedent(program)
    (self.directory / 'worker_program.py').write_text(source)
    root = pathlib.Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(self.directory)])
    process = subprocess.Popen(
        [
            sys.executable,
            *('-m', 'experiments.launch_local'),
            f'--worker_log_dir={self.directory / "logs"}',
            *flags,
            *('--', 'worker_program', str(self.starts)),
        ],
        env={**os.environ, 'PYTHONPATH': path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    self.addCleanup(process.kill)
    return process

  def finish(self, *args):
    """Runs the launcher to its end; returns its status and its two outputs."""
    process = self.launch(*args)
    stdout, stderr = process.communicate(timeout=60)
    self.assert_no_process_is_left()
    return process.returncode, stdout, stderr

  def read_starts(self, name):
    """Returns what a worker wrote, a dict for each of its starts."""
    path = self.starts / name
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]

  def wait_for_starts(self, *names, num_starts=1):
    deadline = time.monotonic() + 60
    while any(len(self.read_starts(name)) < num_starts for name in names):
      self.assertLess(time.monotonic(), deadline, 'A worker did not start.')
      time.sleep(0.05)

  def assert_no_process_is_left(self):
    pids = [
        start['pid']
        for path in self.starts.iterdir()
        for start in self.read_starts(path.name)
    ]
    self.assertNotEmpty(pids)
    deadline = time.monotonic() + 10
    while any(_is_alive(pid) for pid in pids):
      self.assertLess(time.monotonic(), deadline, 'A process is left.')
      time.sleep(0.05)

  def test_tells_each_worker_its_part(self):
    status, stdout, _ = self.finish("print('from', name)", '--num_workers=3')
    self.assertEqual(status, 0)
    # The first alone has the terminal.
    self.assertEqual(stdout, 'from worker_0\n')
    log = (self.directory / 'logs' / 'worker_2.log').read_text()
    self.assertEqual(log, 'from worker_2\n')
    configs = [self.read_starts(f'worker_{i}')[0] for i in range(3)]
    (cluster,) = {json.dumps(config['cluster']) for config in configs}
    self.assertLen(set(json.loads(cluster)['worker']), 3)
    self.assertEqual(
        [config['task'] for config in configs],
        [{'type': 'worker', 'index': i} for i in range(3)],
    )

  def test_ends_all_and_starts_all_again_where_one_fails(self):
    # The other one would wait for it without end.
    program = """
        if num_starts == 1:
          if name == 'worker_1':
            while not (directory / 'worker_0').exists():
              time.sleep(.05)
            os.kill(os.getpid(), signal.SIGKILL)
          signal.signal(signal.SIGTERM, signal.SIG_IGN)
          time.sleep(600)
    """
    status, _, stderr = self.finish(program)
    self.assertEqual(status, 0)
    self.assertIn('Restarting: worker 1 ended by signal 9.', stderr)
    starts = [self.read_starts(f'worker_{i}') for i in range(2)]
    self.assertEqual([len(s) for s in starts], [2, 2])
    # What used the old addresses may linger.
    self.assertNotEqual(starts[0][0]['cluster'], starts[0][1]['cluster'])

  def test_gives_up(self):
    status, _, stderr = self.finish(
        "sys.exit(3 if name == 'worker_0' else 0)", '--max_restarts=1'
    )
    self.assertEqual(status, 1)
    self.assertEqual(stderr.count('ended by status 3'), 2)
    self.assertIn('gave up after 1 restarts', stderr.splitlines()[-1])
    self.assertLen(self.read_starts('worker_0'), 2)

  def test_gives_up_at_once(self):
    status, _, stderr = self.finish('sys.exit(3)', '--max_restarts=0')
    self.assertEqual(status, 1)
    self.assertNotIn('Restarting', stderr)
    self.assertRegex(
        stderr.splitlines()[-1],
        'worker . ended by status 3.*gave up after 0 restarts',
    )

  def test_a_log_dir_that_is_a_file(self):
    path = self.directory / 'logs'
    path.write_text('')
    process = self.launch('')
    _, stderr = process.communicate(timeout=60)
    self.assertEqual(process.returncode, 1)
    self.assertRegex(stderr, f'^Error: .*File exists: .{path}.\n$')

  def test_starts_one_worker_of_a_parameter_server_again(self):
    program = """
        if name == 'worker_1' and num_starts == 1:
          sys.exit(1)
        if name == 'chief_0':
          path = directory / 'worker_1'
          while not path.exists() or path.read_text().count('\\n') < 2:
            time.sleep(.05)
        else:
          signal.signal(signal.SIGTERM, signal.SIG_IGN)
          time.sleep(600)
    """
    status, _, _ = self.finish(program, '--num_parameter_servers=1')
    self.assertEqual(status, 0)
    for name in ('chief_0', 'worker_0', 'ps_0'):
      self.assertLen(self.read_starts(name), 1)
    first, second = self.read_starts('worker_1')
    self.assertEqual(first['cluster'], second['cluster'])
    self.assertEqual(list(first['cluster']), ['chief', 'worker', 'ps'])

  @parameterized.parameters(signal.SIGTERM, signal.SIGINT)
  def test_passes_signals_on(self, number):
    program = """
        def save(signum, frame):
          (directory / f'{name}_saved').write_text('')
          sys.exit(42)
        signal.signal(signal.SIGTERM, save)
        time.sleep(600)
    """
    process = self.launch(program)
    self.wait_for_starts('worker_0', 'worker_1')
    time.sleep(0.5)  # A worker writes its line before it sets the handler.
    process.send_signal(number)
    process.communicate(timeout=60)
    self.assertEqual(process.returncode, 42)
    for i in range(2):
      self.assertTrue((self.starts / f'worker_{i}_saved').exists())
      (self.starts / f'worker_{i}_saved').unlink()
    self.assert_no_process_is_left()

  def test_kills_what_does_not_listen_and_its_children(self):
    program = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(['sleep', '600'])
        with (directory / f'{name}_child').open('a') as file:
          file.write(json.dumps({'pid': child.pid}) + '\\n')
        time.sleep(600)
    """
    process = self.launch(program, '--grace_seconds=0.5')
    self.wait_for_starts('worker_0_child', 'worker_1_child')
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    self.assertEqual(process.returncode, 128 + signal.SIGTERM)
    self.assert_no_process_is_left()

  @absltest.skipUnless(sys.platform == 'linux', 'Elsewhere they go on.')
  def test_leaves_no_orphan_when_it_is_killed(self):
    process = self.launch('time.sleep(600)')
    self.wait_for_starts('worker_0', 'worker_1')
    process.kill()
    process.wait()
    self.assert_no_process_is_left()

  def test_asks_for_a_module(self):
    process = subprocess.run(
        [sys.executable, '-m', 'experiments.launch_local'],
        capture_output=True,
        text=True,
        check=False,
    )
    self.assertEqual(process.returncode, 1)
    self.assertIn('Expected a module to run', process.stderr)


def _is_alive(pid):
  try:
    # A zombie only waits for a parent to ask for its status.
    state = subprocess.check_output(['ps', '-o', 'stat=', '-p', str(pid)])
  except subprocess.CalledProcessError:
    return False
  return not state.strip().startswith(b'Z')


if __name__ == '__main__':
  absltest.main()
