"""Runs commands as processes, and leaves none behind."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import NamedTuple

_POLL_SECONDS = 0.1
# What a process gets to end by itself, before it is killed.
_GRACE_SECONDS = 10.0
# What absl writes below the reason why a flag is refused.
_HINT = 'Pass --helpshort or --helpfull'
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Job(NamedTuple):
  """A command, and where its output goes.

  Attributes:
    command: The words of the command.
    log: The file that gets its stdout and stderr.
  """

  command: Sequence[str]
  log: pathlib.Path


def run(
    jobs: Mapping[str, Job],
    num_processes: int,
    on_end: Callable[[str, int, float], None],
) -> None:
  """Runs jobs, some at a time.

  Each is the first of a process group, which also holds what it starts. If this
  function ends early, by an exception, an interrupt, or a SIGTERM or SIGHUP,
  which it turns into `SystemExit`, all groups get a SIGTERM and then a SIGKILL.
  (A SIGKILL of this process leaves it no time for that.)

  Args:
    jobs: Name to job, in the order in which they start.
    num_processes: Most jobs at a time.
    on_end: `on_end(name, status, seconds)` is called where a job has ended, of
      its own accord or by a signal, which is a negative status.
  """
  waiting = list(jobs.items())
  running: dict[str, tuple[subprocess.Popen, float]] = {}
  environment = _environment(num_processes)
  with _signals_as_exit():
    try:
      while waiting or running:
        while waiting and len(running) < num_processes:
          name, job = waiting.pop(0)
          running[name] = _start(job, environment), time.monotonic()
        time.sleep(_POLL_SECONDS)
        for name, (process, begin) in list(running.items()):
          if process.poll() is not None:
            del running[name]
            on_end(name, process.returncode, time.monotonic() - begin)
    finally:
      _stop([process for process, _ in running.values()])


def last_line(log: pathlib.Path) -> str:
  """Returns the last line of a log that says something, or nothing."""
  text = log.read_text(errors='replace') if log.exists() else ''
  lines = [line.strip() for line in text.split('\n')]
  return next((x for x in reversed(lines) if x and not x.startswith(_HINT)), '')


def _start(job, environment):
  job.log.parent.mkdir(parents=True, exist_ok=True)
  with open(job.log, 'wb') as log:
    return subprocess.Popen(
        job.command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )


def _environment(num_processes):
  """Shares the cores, which else each process would take for its own."""
  threads = max(1, (os.cpu_count() or 1) // num_processes)
  return {
      'TF_NUM_INTRAOP_THREADS': str(threads),
      'OMP_NUM_THREADS': str(threads),
      **os.environ,
  }


def _stop(processes):
  for signum in (signal.SIGTERM, signal.SIGKILL):
    for process in processes:
      # The group may outlive its first process.
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signum)
    end = time.monotonic() + _GRACE_SECONDS
    for process in processes:
      with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, end - time.monotonic()))


@contextlib.contextmanager
def _signals_as_exit() -> Iterator[None]:
  """Makes signals that end a process at once end it by way of `finally`."""

  def leave(signum, frame):
    del frame
    # Another one must not cut the clean-up short.
    for other in (*_SIGNALS, signal.SIGINT):
      signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + signum)

  previous = {s: signal.signal(s, leave) for s in _SIGNALS}
  interrupt = signal.getsignal(signal.SIGINT)
  try:
    yield
  finally:
    for signum, handler in [*previous.items(), (signal.SIGINT, interrupt)]:
      signal.signal(signum, handler)
