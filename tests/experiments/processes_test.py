import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from absl.testing import absltest
from absl.testing import parameterized

from experiments import processes

_ROOT = pathlib.Path(__file__).parents[2]
_HANG = (sys.executable, str(_ROOT / 'tests/experiments/sweep_binary.py'))


class ProcessesTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.directory = pathlib.Path(
        self.enter_context(tempfile.TemporaryDirectory())
    )

  def python(self, name, code):
    return processes.Job(
        [sys.executable, '-c', code], self.directory / name / 'log'
    )

  def wait_for_pids(self, *names):
    """Returns the process ids that hanging jobs write, two each."""
    paths = [self.directory / name / 'pids' for name in names]
    end = time.monotonic() + 60
    while not all(path.exists() and path.read_text() for path in paths):
      self.assertLess(time.monotonic(), end)
      time.sleep(0.05)
    return [int(pid) for path in paths for pid in path.read_text().split()]

  def assert_gone(self, pids):
    end = time.monotonic() + 20
    while any(_is_alive(pid) for pid in pids):
      self.assertLess(time.monotonic(), end)
      time.sleep(0.05)

  def hang(self, name):
    (self.directory / name).mkdir()
    flags = ('--hang', f'--output_dir={self.directory / name}')
    return processes.Job([*_HANG, *flags], self.directory / name / 'log')

  def test_runs_all_and_some_at_a_time(self):
    # Each lists who is at work while it is.
    code = (
        'import os, pathlib, time; d = pathlib.Path({0!r}); '
        '(d / {1!r}).touch(); time.sleep(.3); print(len(list(d.iterdir()))); '
        '(d / {1!r}).unlink(); raise SystemExit({2})'
    )
    at_work = self.directory / 'at_work'
    at_work.mkdir()
    jobs = {
        str(i): self.python(str(i), code.format(str(at_work), str(i), i))
        for i in range(4)
    }
    ended = {}
    processes.run(
        jobs, 2, lambda name, status, seconds: ended.update({name: status})
    )
    self.assertEqual(ended, {'0': 0, '1': 1, '2': 2, '3': 3})
    most = max(int(processes.last_line(job.log)) for job in jobs.values())
    self.assertBetween(most, 1, 2)

  def test_keeps_what_was_printed(self):
    job = self.python('a', 'import sys; print(1); sys.exit("Error: why")')
    processes.run({'a': job}, 1, lambda *_: None)
    self.assertEqual(job.log.read_text(), '1\nError: why\n')
    self.assertEqual(processes.last_line(job.log), 'Error: why')
    self.assertEqual(processes.last_line(self.directory / 'none'), '')

  def test_last_line_is_the_reason_why_a_flag_is_refused(self):
    code = (
        'from absl import app, flags; '
        'flags.DEFINE_integer("x", 1, "", lower_bound=1); app.run(print)'
    )
    job = self.python('a', code)
    processes.run(
        {'a': job._replace(command=[*job.command, '--x=0'])}, 1, lambda *_: None
    )
    self.assertIn('--x=0', processes.last_line(job.log))

  def test_an_error_stops_the_others(self):
    jobs = {'hang': self.hang('hang'), 'short': self.python('short', '')}

    def on_end(name, status, seconds):
      del status, seconds
      self.wait_for_pids('hang')
      raise KeyboardInterrupt(name)

    with self.assertRaisesRegex(KeyboardInterrupt, 'short'):
      processes.run(jobs, 2, on_end)
    self.assert_gone(self.wait_for_pids('hang'))

  @parameterized.parameters(signal.SIGTERM, signal.SIGINT)
  def test_a_signal_leaves_no_process(self, signum):
    jobs = {name: self.hang(name) for name in ('a', 'b')}
    # A shell starts what runs in its background with SIGINT ignored, and all
    # that this starts inherits it.
    code = (
        'import pathlib, signal; from experiments import processes as p; '
        'signal.signal(signal.SIGINT, signal.default_int_handler); '
        f'p.run({{n: p.Job(c, pathlib.Path(l)) for n, (c, l) in '
        f'{ {n: (j.command, str(j.log)) for n, j in jobs.items()} }.items()}}, '
        '2, lambda *_: None)'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', code], cwd=_ROOT, stderr=subprocess.DEVNULL
    )
    pids = self.wait_for_pids('a', 'b')
    process.send_signal(signum)
    self.assertNotEqual(process.wait(30), 0)
    self.assert_gone(pids)


def _is_alive(pid):
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return False
  # One whose parent is gone may wait to be reaped.
  stat = pathlib.Path(f'/proc/{pid}/stat')
  return (
      not stat.exists() or stat.read_text().rpartition(')')[2].split()[0] != 'Z'
  )


if __name__ == '__main__':
  absltest.main()
