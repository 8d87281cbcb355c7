r"""Runs a binary over a grid of flags, chooses on validation, reports on test.

  python -m experiments.sweep --binary=experiments.gumbel_softmax_vae \
      --fixed='--dataset=mnist --binarization=fixed --num_steps=40000' \
      --grid='estimator gumbel_softmax straight_through reinmax' \
      --grid='learning_rate 1e-4 3e-4 1e-3' --grid='seed 0 1 2' \
      --tune=learning_rate --num_processes=2 --output_dir=runs/vae_table

It works for binaries that leave one results.json in their output directory: at
its top, or below it for those of several runs, asked for one run alone.

Each run is a process of its own. A flag of the grid is one of three kinds: the
seeds, over which results are averaged; those of --tune, whose values are chosen
by the mean of --select; and the others, each combination of which is a row of
the table. The metrics of --report are those of the chosen values alone.

A run that ended is not run again by the same command, and one that was killed
goes on where the binary itself does. One that failed is reported, and tried
again by the next call, which ends with status 1 as long as there is one.

It leaves in the output directory: results.md, sweep.png, and what each run
leaves in FLAG_VALUE/FLAG_VALUE/..., with sweep.json, its command and its
status, and sweep.log, its output.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
import itertools
import pathlib
import re
import shlex
import sys
from typing import Any

from absl import app
from absl import flags
import rich.console

from experiments import launch
from experiments import processes
from experiments import results
from experiments import shared_flags
from experiments import sweep_picture
from experiments import sweep_table
from experiments import tabulate

_BINARY = flags.DEFINE_string(
    'binary', None, 'The module to run, such as experiments.gumbel_softmax_vae.'
)
_GRID = flags.DEFINE_multi_string(
    'grid',
    [],
    'A flag of the binary and its values, by spaces; once for each flag.',
)
_FIXED = flags.DEFINE_string(
    'fixed', '', 'Flags of the binary that are the same in all runs.'
)
_TUNE = flags.DEFINE_list(
    'tune', [], 'Flags of the grid whose values are chosen, by commas.'
)
_SELECT = flags.DEFINE_string(
    'select',
    'val_importance_weighted_bound',
    'Metric by which they are chosen: a key of results.json, with dots between'
    ' levels, or of the last line of metrics.jsonl that has it.',
)
_MINIMIZE = flags.DEFINE_boolean(
    'minimize', False, 'Whether lower is better in the metric of --select.'
)
_REPORT = flags.DEFINE_list(
    'report',
    ['test.importance_weighted_bound'],
    'Metrics to report, by commas, named as in --select.',
)
_DECIMALS = flags.DEFINE_integer(
    'decimals', 2, 'Digits after the point in the table.', lower_bound=0
)
_NUM_PROCESSES = flags.DEFINE_integer(
    'num_processes', 1, 'Most runs at a time.', lower_bound=1
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/sweep')

_SEED = 'seed'
# Beside the `results.json` of the binary itself.
_RECORD = 'sweep.json'


def parse_grid(texts: Sequence[str]) -> dict[str, list[str]]:
  """Reads a grid as the flags write it.

  Args:
    texts: `'FLAG VALUE VALUE ...'`, quoted as in a shell.

  Returns:
    Flag to values.

  Raises:
    ValueError: If a flag has no values or one twice, or stands there twice.

  Example:
    >>> parse_grid(['seed 0 1', 'learning_rate 1e-3'])
    {'seed': ['0', '1'], 'learning_rate': ['1e-3']}
  """
  grid: dict[str, list[str]] = {}
  for text in texts:
    flag, *values = shlex.split(text) or ['']
    flag = flag.lstrip('-')
    if not values or len(set(values)) < len(values) or flag in grid:
      raise ValueError(
          'Expected a flag and distinct values by spaces, each flag once; '
          f'received {text!r}.'
      )
    grid[flag] = values
  return grid


def points(grid: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
  """Lists all points of a grid, the last flag fastest.

  Args:
    grid: Flag to values.

  Returns:
    Flag to value, of each point.
  """
  return [
      dict(zip(grid, values, strict=True))
      for values in itertools.product(*grid.values())
  ]


def run_name(point: Mapping[str, str]) -> str:
  """Returns the directory of a run in that of the sweep.

  Args:
    point: Flag to value.

  Returns:
    A relative path.

  Example:
    >>> run_name({'estimator': 'reinmax', 'temperature_schedule': 'a:b=1'})
    'estimator_reinmax/temperature_schedule_a_b_1'
  """
  parts = (f'{flag}_{value}' for flag, value in point.items())
  return '/'.join(re.sub(r'[^\w.+-]', '_', part) for part in parts)


@functools.partial(
    launch.one_line_errors,
    unused=shared_flags.all_but(shared_flags.OUTPUT_DIR),
)
def main(argv: Sequence[str]) -> None:
  """Runs what is left to run, and tabulates.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  if not _BINARY.value:
    raise ValueError('Expected a module in --binary; received none.')
  grid = parse_grid(_GRID.value)
  unknown = set(_TUNE.value) - set(grid)
  if unknown or _SEED in _TUNE.value:
    raise ValueError(
        'Expected --tune to name flags of --grid other than the seed; received '
        f'{_TUNE.value}.'
    )
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  if output_dir.exists() and not output_dir.is_dir():
    raise ValueError(
        f'Expected a directory in --output_dir; received the file {output_dir}.'
    )
  named = {run_name(point): point for point in points(grid)}
  if len(named) < len(points(grid)):
    raise ValueError(
        'Expected values that differ by more than punctuation, as they name '
        f'directories; received {_GRID.value}.'
    )
  console = rich.console.Console(highlight=False)
  _run_all(named, output_dir, console)
  runs, failures = _collect(named, output_dir)
  _report(grid, runs, failures, output_dir)
  for failure in failures:
    console.print(failure, markup=False, soft_wrap=True)
  console.print(f'Wrote {output_dir}', markup=False)
  if failures:
    sys.exit(1)


def _run_all(named, output_dir, console):
  jobs = {}
  for name, point in named.items():
    directory = output_dir / name
    words = _command(directory, point)
    found = results.read(directory, {'command': words, 'status': 0}, _RECORD)
    if found is None:
      jobs[name] = processes.Job(
          [sys.executable, '-m', *words], directory / 'sweep.log'
      )
  total = len(jobs)
  console.print(f'{len(named) - total} runs are there, {total} to do')
  ended: list[str] = []

  def on_end(name, status, seconds):
    ended.append(name)
    directory = output_dir / name
    record = {
        'command': _command(directory, named[name]),
        'status': status,
        'seconds': seconds,
    }
    results.write(directory, record, _RECORD)
    outcome = f'failed with status {status}' if status else 'done'
    console.print(
        f'{len(ended)} of {total}: {name}: {outcome} in {seconds:.0f} s',
        markup=False,
        soft_wrap=True,
    )

  processes.run(jobs, _NUM_PROCESSES.value, on_end)


def _command(directory, point):
  return [
      _BINARY.value,
      *shlex.split(_FIXED.value),
      *(f'--{flag}={value}' for flag, value in point.items()),
      f'--output_dir={directory}',
  ]


def _collect(named, output_dir):
  """Returns the runs, and a line for each that failed."""
  runs, failures = [], []
  for name, point in named.items():
    directory = output_dir / name
    status = results.read_json(directory / _RECORD)['status']
    if status:
      log = directory / 'sweep.log'
      failures.append(
          f'{name} failed with status {status}: {processes.last_line(log)} '
          f'(all of it in {log})'
      )
      runs.append(sweep_table.Run(point, None, []))
      continue
    selection, *reported = (
        sweep_table.metric(directory, key)
        for key in (_SELECT.value, *_REPORT.value)
    )
    runs.append(sweep_table.Run(point, selection, reported))
  return runs, failures


def _report(grid, runs, failures, output_dir):
  rows = [flag for flag in grid if flag not in (*_TUNE.value, _SEED)]
  choices = sweep_table.choose(runs, rows, _TUNE.value, not _MINIMIZE.value)
  table: Any = (
      _BINARY.value,
      *sweep_table.cells(
          choices,
          rows,
          _TUNE.value,
          _SELECT.value,
          _REPORT.value,
          _DECIMALS.value,
      ),
      f'Mean (least to most) over {len(grid.get(_SEED, [""]))} seeds. The same '
      f'in all runs: {_FIXED.value or "nothing"}.',
  )
  tabulate.print_table(*table)
  text = tabulate.markdown(*table)
  if failures:
    text += '\n' + ''.join(f'- {failure}\n' for failure in failures)
  (output_dir / 'results.md').write_text(text)
  sweep_picture.draw(
      output_dir / 'sweep.png',
      runs,
      rows,
      _TUNE.value[0] if _TUNE.value else None,
      _SELECT.value,
      not _MINIMIZE.value,
      _BINARY.value,
  )


if __name__ == '__main__':
  app.run(main)
