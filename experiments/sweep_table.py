"""Chooses among the runs of a sweep, and tabulates what was chosen."""

from collections.abc import Mapping
from collections.abc import Sequence
import math
import pathlib
from typing import Any
from typing import NamedTuple

import numpy as np

from experiments import results
from experiments import tabulate

Values = tuple[str, ...]


class Run(NamedTuple):
  """A run of a sweep.

  Attributes:
    point: Flag to value, of the whole grid.
    selection: The metric by which it is chosen; None if the run failed.
    reported: Metrics to report; empty if the run failed.
  """

  point: Mapping[str, str]
  selection: float | None
  reported: Sequence[float]


class Choice(NamedTuple):
  """What was chosen for a row of the table.

  Attributes:
    row: Values of the flags that are compared.
    tuned: Values of the flags that were tuned; None if none has all its runs.
    runs: The runs of these values, one of each seed.
    num_failed: Failed runs of the row, of any values.
    num_runs: Runs of the row.
  """

  row: Values
  tuned: Values | None
  runs: Sequence[Run]
  num_failed: int
  num_runs: int


def metric(run_dir: pathlib.Path, name: str) -> float:
  """Reads a metric that a run left behind.

  Args:
    run_dir: Directory of the run. Where it has no `results.json`, that of the
      only one below it.
    name: A key of `results.json`, with a dot before each key of a level below;
      or of `metrics.jsonl`, of which the last value counts.

  Returns:
    Its value.

  Raises:
    ValueError: If there is no such number, or there are several results.
  """
  run_dir = _results_dir(run_dir)
  found: Any = _read_json(run_dir / 'results.json')
  known = _names(found)
  for key in name.split('.'):
    found = found.get(key) if isinstance(found, dict) else None
  if found is None:
    for row in results.read_metrics(run_dir):
      known |= set(row)
      found = row.get(name, found)
  if isinstance(found, bool) or not isinstance(found, int | float):
    raise ValueError(
        f'Expected a number {name!r} among the results in {run_dir}; received '
        f'{", ".join(sorted(known)) or "none"}.'
    )
  return float(found)


def choose(
    runs: Sequence[Run],
    rows: Sequence[str],
    tuned: Sequence[str],
    maximize: bool,
) -> list[Choice]:
  """Chooses the values of the tuned flags for each row.

  By the mean of the selection metric over the seeds. Values of which a run
  failed, or ended in no number, are not chosen: a mean over the others would
  flatter them.

  Args:
    runs: All runs.
    rows: Flags whose values are compared.
    tuned: Flags whose values are chosen.
    maximize: Whether higher is better.

  Returns:
    The choice for each combination of values of `rows`, in the order of the
    runs.
  """
  groups: dict[Values, dict[Values, list[Run]]] = {}
  for run in runs:
    row, candidate = (
        tuple(run.point[flag] for flag in flags) for flags in (rows, tuned)
    )
    groups.setdefault(row, {}).setdefault(candidate, []).append(run)
  choices = []
  for row, candidates in groups.items():
    members = [run for group in candidates.values() for run in group]
    whole = {
        candidate: mean_selection(group)
        for candidate, group in candidates.items()
        if all(_is_number(run.selection) for run in group)
    }
    best: Values | None = None
    if whole:
      best = (max if maximize else min)(whole, key=lambda c: whole[c])
    choices.append(
        Choice(
            row,
            best,
            [] if best is None else candidates[best],
            sum(run.selection is None for run in members),
            len(members),
        )
    )
  return choices


def mean_selection(runs: Sequence[Run]) -> float:
  """Returns the mean of the selection metric over runs that have one."""
  return float(np.mean([run.selection for run in runs]))


def cells(
    choices: Sequence[Choice],
    rows: Sequence[str],
    tuned: Sequence[str],
    selection: str,
    reported: Sequence[str],
    decimals: int,
) -> tuple[list[str], list[list[str]]]:
  """Formats choices.

  Args:
    choices: What `choose` returned.
    rows: Flags whose values are compared.
    tuned: Flags whose values were chosen.
    selection: Name of the metric by which.
    reported: Names of the reported metrics.
    decimals: Digits after the point.

  Returns:
    The headings and the cells of each row.
  """
  headings = [*rows, *tuned, selection, *reported, 'runs', 'failed']
  table = []
  for choice in choices:
    columns = [
        [run.selection for run in choice.runs],
        *(
            [run.reported[i] for run in choice.runs]
            for i in range(len(reported))
        ),
    ]
    table.append(
        [
            *choice.row,
            *(choice.tuned or [''] * len(tuned)),
            *(tabulate.cell(values, decimals) for values in columns),
            str(choice.num_runs),
            str(choice.num_failed),
        ]
    )
  return headings, table


def _is_number(value):
  return value is not None and math.isfinite(value)


def _results_dir(run_dir):
  """Returns the directory of the only results, the given one if it has them."""
  if (run_dir / 'results.json').exists():
    return run_dir
  found = sorted(path.parent for path in run_dir.glob('**/results.json'))
  if len(found) > 1:
    raise ValueError(
        f'Expected the results of one run in {run_dir}; received those of '
        f'{len(found)}, such as {found[0]} and {found[1]}.'
    )
  return found[0] if found else run_dir


def _read_json(path):
  return results.read_json(path) if path.exists() else {}


def _names(found, prefix=''):
  if not isinstance(found, dict):
    return {prefix}
  names = set()
  for key, value in found.items():
    names |= _names(value, f'{prefix}.{key}' if prefix else key)
  return names
