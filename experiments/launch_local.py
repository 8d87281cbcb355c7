"""Trains on several workers of this machine, and starts dead ones again.

Any binary that trains can be launched; its own flags come after `--`:

  python -m experiments.launch_local --num_workers=2 -- \
      experiments.gumbel_softmax_vae --strategy=multi_worker \
      --output_dir=runs/two_workers
  python -m experiments.launch_local --num_workers=2 \
      --num_parameter_servers=1 -- experiments.gumbel_softmax_vae \
      --strategy=parameter_server --output_dir=runs/parameter_server

Each worker is a process that `TF_CONFIG` tells its part. The first one has the
terminal; what the others print is in --worker_log_dir.

Workers that train together die together: if one fails, the others are ended,
and all start again, from the last checkpoint. Under parameter servers a worker
that fails is started again by itself. After --max_restarts the launcher gives
up, and exits with status 1.

SIGTERM and Ctrl-C are passed on as SIGTERM, upon which workers save a
checkpoint and end; the launcher exits with the status that they end with.
No process is left behind, even if the launcher itself is killed (on Linux).
"""

from collections.abc import Sequence
import pathlib
import signal
import sys
import tempfile
import time

from absl import app
from absl import flags

from experiments import local_cluster

_NUM_WORKERS = flags.DEFINE_integer(
    'num_workers', 2, 'Number of worker processes.', lower_bound=1
)
_NUM_PARAMETER_SERVERS = flags.DEFINE_integer(
    'num_parameter_servers',
    0,
    'Number of parameter servers; with any, a chief is started, too.',
    lower_bound=0,
)
_MAX_RESTARTS = flags.DEFINE_integer(
    'max_restarts', 3, 'How often workers are started again.', lower_bound=0
)
_GRACE_SECONDS = flags.DEFINE_float(
    'grace_seconds',
    30.0,
    'What a worker has to save a checkpoint in before it is killed.',
    lower_bound=0.0,
)
_WORKER_LOG_DIR = flags.DEFINE_string(
    'worker_log_dir',
    None,
    'Directory of the logs of all workers but the first; a new one of the'
    " system's temporary directory if not given.",
)

_POLL_SECONDS = 0.2


def run(
    cluster: local_cluster.LocalCluster,
    max_restarts: int,
    grace_seconds: float,
    received: Sequence[int],
) -> int:
  """Starts a cluster and sees it through.

  Args:
    cluster: The cluster, entered.
    max_restarts: How often to start again.
    grace_seconds: What processes have to end by themselves when they are told.
    received: The signals received so far, to which a handler appends.

  Returns:
    Exit status: 0 if the binary came to its end.
  """
  cluster.start()
  first = cluster.tasks[0]
  has_servers = any(task.job == 'ps' for task in cluster.tasks)
  num_restarts = 0
  while not received:
    statuses = cluster.statuses()
    if statuses.get(first) == 0 and has_servers:
      return 0  # The others serve without end.
    if len(statuses) == len(cluster.tasks) and not any(statuses.values()):
      return 0
    failed = {task: s for task, s in statuses.items() if s}
    if not failed:
      time.sleep(_POLL_SECONDS)
      continue
    how = ' and '.join(f'{t} ended by {_end(s)}' for t, s in failed.items())
    if num_restarts == max_restarts:
      print(
          f'Error: Expected workers that come to their end; {how}; gave up '
          f'after {max_restarts} restarts.',
          file=sys.stderr,
      )
      return 1
    print(f'Restarting: {how}.', file=sys.stderr)
    num_restarts += 1
    if has_servers and all(task.job == 'worker' for task in failed):
      for task in failed:
        cluster.start_task(task)
    else:
      # At once: without the others they can do nothing but wait.
      cluster.kill()
      cluster.start()
  cluster.terminate(grace_seconds)
  statuses = cluster.statuses()
  return next((s for s in statuses.values() if s > 0), 128 + received[0])


def _end(status):
  return f'signal {-status}' if status < 0 else f'status {status}'


def main(argv: Sequence[str]) -> int:
  """Launches the binary that the command line names.

  Args:
    argv: The command line but for the flags above.

  Returns:
    Exit status.
  """
  if len(argv) < 2:
    raise app.UsageError('Expected a module to run, after --; received none.')
  received: list[int] = []
  for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda signum, frame: received.append(signum))
  num_tasks = {'worker': _NUM_WORKERS.value}
  if _NUM_PARAMETER_SERVERS.value:
    num_tasks = {
        'chief': 1,
        **num_tasks,
        'ps': _NUM_PARAMETER_SERVERS.value,
    }
  command = [sys.executable, '-m', *argv[1:]]
  try:
    log_dir = pathlib.Path(
        _WORKER_LOG_DIR.value or tempfile.mkdtemp(prefix='workers_')
    )
    with local_cluster.LocalCluster(command, num_tasks, log_dir) as cluster:
      print(f'What other workers print: {log_dir}', file=sys.stderr)
      return run(cluster, _MAX_RESTARTS.value, _GRACE_SECONDS.value, received)
  except OSError as error:  # Of --worker_log_dir.
    print(f'Error: {error}', file=sys.stderr)
    return 1


if __name__ == '__main__':
  app.run(main)
