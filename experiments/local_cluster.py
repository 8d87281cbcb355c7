"""Processes of one command that form a cluster on this machine."""

from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import ctypes
import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from typing import NamedTuple

_HOST = '127.0.0.1'
_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1  # Of Linux's prctl.h.


class Task(NamedTuple):
  """A part in the cluster.

  Attributes:
    job: 'chief', 'worker' or 'ps'.
    index: Its number within the job.
  """

  job: str
  index: int

  def __str__(self):
    return f'{self.job} {self.index}'


class LocalCluster:
  """Starts a process for each task, told its part by `TF_CONFIG`, and ends it.

  Within its context; at the end of the context no process is left, whatever the
  end was. Should this process be killed outright, Linux kills the others; on
  another system they would go on.

  The first task has the terminal. Each other one writes to `JOB_INDEX.log`.

  Args:
    command: The command, as for `subprocess.Popen`.
    num_tasks: Number of tasks of each job, in the order in which they start.
    log_dir: Directory of the logs.

  Attributes:
    tasks: The tasks, in the order in which they start.
  """

  def __init__(
      self,
      command: Sequence[str],
      num_tasks: Mapping[str, int],
      log_dir: pathlib.Path,
  ):
    self._command, self._log_dir = list(command), log_dir
    self.tasks = [
        Task(job, i) for job, n in num_tasks.items() for i in range(n)
    ]
    self._addresses: dict[str, list[str]] = {}
    self._processes: dict[Task, subprocess.Popen] = {}

  def __enter__(self):
    self._log_dir.mkdir(parents=True, exist_ok=True)
    return self

  def __exit__(self, *error):
    self.kill()

  def start(self) -> None:
    """Starts a process for each task, at addresses not used before."""
    self._addresses = {}
    for task, port in zip(
        self.tasks, _free_ports(len(self.tasks)), strict=True
    ):
      self._addresses.setdefault(task.job, []).append(f'{_HOST}:{port}')
    for task in self.tasks:
      self.start_task(task)

  def start_task(self, task: Task) -> None:
    """Starts the process of one task, at the address that it has.

    Args:
      task: The task, whose process has not started or has ended.
    """
    part = {'type': task.job, 'index': task.index}
    config = json.dumps({'cluster': self._addresses, 'task': part})
    with contextlib.ExitStack() as stack:
      log = None
      if task != self.tasks[0]:
        path = self._log_dir / f'{task.job}_{task.index}.log'
        log = stack.enter_context(path.open('ab'))
      self._processes[task] = subprocess.Popen(
          self._command,
          env={**os.environ, 'TF_CONFIG': config},
          stdin=subprocess.DEVNULL,
          stdout=log,
          stderr=log,
          # A group of its own, so that Ctrl-C reaches it by way of us alone.
          start_new_session=True,
          preexec_fn=_die_with_parent(),
      )

  def pid(self, task: Task) -> int:
    """Returns the process id of a task."""
    return self._processes[task].pid

  def statuses(self) -> dict[Task, int]:
    """Returns the exit status of each task that has ended, -N for signal N."""
    polled = {task: p.poll() for task, p in self._processes.items()}
    return {task: s for task, s in polled.items() if s is not None}

  def terminate(self, grace_seconds: float) -> None:
    """Asks all processes to end, and waits for them.

    Args:
      grace_seconds: For how long.
    """
    self._signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while len(self.statuses()) < len(self._processes):
      if time.monotonic() > deadline:
        break
      time.sleep(_POLL_SECONDS)

  def kill(self) -> None:
    """Ends all processes at once, and all that they have started."""
    # Also groups whose first process has ended: it may have left others.
    self._signal(signal.SIGKILL)
    for process in self._processes.values():
      process.wait()

  def _signal(self, number):
    for process in self._processes.values():
      with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _free_ports(num):
  """Returns ports that nothing listens on, different from each other."""
  with contextlib.ExitStack() as stack:
    sockets = [stack.enter_context(socket.socket()) for _ in range(num)]
    for s in sockets:
      s.bind((_HOST, 0))
    return [s.getsockname()[1] for s in sockets]


@functools.cache
def _die_with_parent():
  """Returns what a child calls so that it is killed when its parent dies."""
  if sys.platform != 'linux':
    return None
  # Loaded here, for a child between fork and exec must not allocate.
  prctl = ctypes.CDLL(None).prctl
  return functools.partial(prctl, _PR_SET_PDEATHSIG, int(signal.SIGKILL))
