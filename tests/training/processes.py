"""Local clusters of processes, which always end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

# What a loaded machine may take to import TensorFlow and trace a model.
_TIMEOUT = 300


def cluster_env(jobs, job, index):
  """Returns the environment of one task; `jobs` is from jobs to addresses."""
  config = {'cluster': jobs, 'task': {'type': job, 'index': index}}
  return {
      **os.environ,
      'PYTHONPATH': os.pathsep.join(sys.path),
      'TF_CONFIG': json.dumps(config),
      'TF_NUM_INTRAOP_THREADS': '1',
      'TF_NUM_INTEROP_THREADS': '2',
      'CUDA_VISIBLE_DEVICES': '-1',
  }


def addresses(num):
  """Returns addresses of free ports of this machine."""
  sockets = [socket.socket() for _ in range(num)]
  try:
    for s in sockets:
      s.bind(('127.0.0.1', 0))
    return [f'127.0.0.1:{s.getsockname()[1]}' for s in sockets]
  finally:
    for s in sockets:
      s.close()


class Cluster:
  """A context in which a command runs once for each task.

  At its end, whatever has happened, none of its processes is left.
  """

  def __init__(self, command, directory, **jobs):
    self._jobs = {job: addresses(num) for job, num in jobs.items()}
    self._command, self._directory = command, directory
    self.processes = {}

  def __enter__(self):
    self._directory.mkdir(parents=True, exist_ok=True)
    for job, tasks in self._jobs.items():
      for index in range(len(tasks)):
        name = f'{job}_{index}'
        with open(self._directory / f'{name}.log', 'w') as log:
          self.processes[name] = subprocess.Popen(
              [sys.executable, *self._command],
              env=cluster_env(self._jobs, job, index),
              stdout=log,
              stderr=subprocess.STDOUT,
              # So that all of its children end with it.
              start_new_session=True,
          )
    return self

  def __exit__(self, *error):
    for process in self.processes.values():
      try:
        # TensorFlow's runtime may catch any other signal.
        os.killpg(process.pid, signal.SIGKILL)
      except ProcessLookupError:
        pass
      process.wait()

  def wait(self, *names):
    """Waits for tasks, by default all; returns their exit statuses."""
    end = time.monotonic() + _TIMEOUT
    names = names or tuple(self.processes)
    statuses = {}
    for name in names:
      left = max(0.1, end - time.monotonic())
      statuses[name] = self.processes[name].wait(timeout=left)
    return statuses

  def wait_for(self, name, text):
    """Waits until a task has written a text."""
    end = time.monotonic() + _TIMEOUT
    while text not in self.log(name):
      if time.monotonic() > end or self.processes[name].poll() is not None:
        raise TimeoutError(f'{name} did not write {text!r}:\n{self.log(name)}')
      time.sleep(0.1)

  def log(self, name):
    """Returns what a task has written."""
    return (self._directory / f'{name}.log').read_text()
