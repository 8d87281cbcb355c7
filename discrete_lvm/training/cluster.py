"""The processes that `TF_CONFIG` names."""

from collections.abc import Collection
import json
import os
from typing import Any

_VARIABLE = 'TF_CONFIG'


def num_tasks() -> int:
  """Returns the number of processes that `TF_CONFIG` names; 0 if it is not set.

  Raises:
    ValueError: If `TF_CONFIG` cannot be read.
  """
  jobs = _read()[0]
  return sum(len(addresses) for addresses in jobs.values())


def check_roles(name: str, roles: Collection[str], instead: str) -> None:
  """Checks that `TF_CONFIG` is there and all its jobs are known.

  Args:
    name: Name of the strategy.
    roles: Jobs that it has a part for.
    instead: The strategy to use for other jobs.

  Raises:
    ValueError: If not.
  """
  jobs, (job, _) = _read()
  if not jobs:
    raise ValueError(
        f'Expected {_VARIABLE} with the addresses of all workers and the part '
        f'of this process for the strategy {name!r}; received none. On one '
        "machine 'mirrored' needs none."
    )
  unknown = sorted({*jobs, job} - set(roles))
  if unknown == ['evaluator']:
    raise ValueError(
        f"Expected no 'evaluator' in {_VARIABLE}: the workers evaluate what "
        'they train; received one.'
    )
  if unknown:
    raise ValueError(
        f'Expected tasks of {sorted(roles)} in {_VARIABLE} for the strategy '
        f'{name!r}; received {unknown}. Use {instead!r} for them.'
    )


def check_has(name: str, *roles: str) -> None:
  """Checks that `TF_CONFIG` names a process of each kind.

  Args:
    name: Name of the strategy.
    *roles: The jobs it needs.

  Raises:
    ValueError: If not.
  """
  missing = [role for role in roles if not _read()[0].get(role)]
  if missing:
    raise ValueError(
        f'Expected tasks of {list(roles)} in {_VARIABLE} for the strategy '
        f"{name!r}; received none of {missing}. Use 'multi_worker' for workers "
        'alone.'
    )


def _read() -> tuple[dict[str, Any], tuple[str, int]]:
  """Returns the jobs of the cluster, and the job and index of this process."""
  text = os.environ.get(_VARIABLE, '').strip()
  if not text or text == '{}':
    return {}, ('', 0)
  try:
    config = json.loads(text)
    task = config['task']
    job, index = task['type'], int(task['index'])
    jobs = {
        name: list(addresses) for name, addresses in config['cluster'].items()
    }
    if job != 'evaluator':
      jobs[job][index]
  except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
    raise ValueError(
        f'Expected {_VARIABLE} to be JSON such as {{"cluster": {{"worker": '
        '["host:port", ...]}, "task": {"type": "worker", "index": 0}}; '
        f'received {text!r} ({type(error).__name__}: {error}).'
    ) from error
  return jobs, (job, index)
