"""The tables that compare gradient estimators, one an objective."""

from collections.abc import Mapping
from collections.abc import Sequence
import pathlib
from typing import Any

import rich.table

from experiments import consoles

_BASELINE = 'score_function'
_HEADINGS = (
    'estimator',
    'temperature',
    'bias',
    'error',
    'relative bias',
    'error',
    'variance',
    'error',
    'evaluations',
    'us',
    'least to most',
    'ratio',
)


def rows_of(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
  """Formats the results of an objective, sorted by the variance.

  Args:
    rows: Results, as `results.json` holds them.

  Returns:
    The cells of each row.
  """
  times = {row['estimator']: row['microseconds'] for row in rows}
  return [
      _cells(row, times) for row in sorted(rows, key=lambda r: r['variance'])
  ]


def label(row: Mapping[str, Any]) -> str:
  """Names an estimator, and what it estimates if that is another thing.

  Args:
    row: A result.

  Returns:
    The label.
  """
  if row['bound_of'] == 1:
    return row['estimator']
  return f'{row["estimator"]} (bound of {row["bound_of"]})'


def print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
  """Prints the table of an objective.

  Args:
    title: Title of the table.
    rows: Results of the objective.
  """
  table = rich.table.Table(title=title)
  for i, heading in enumerate(_HEADINGS):
    table.add_column(heading, justify='right' if i else 'left')
  for cells in rows_of(rows):
    table.add_row(*cells)
  consoles.wide().print(table)


def write_markdown(
    path: pathlib.Path,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    caption: str,
) -> None:
  """Writes all tables in Markdown.

  Args:
    path: File to write.
    tables: Titles to the results of an objective.
    caption: What stands below them.
  """
  lines = []
  for title, rows in tables.items():
    lines += [
        f'## {title}\n',
        f'| {" | ".join(_HEADINGS)} |',
        f'|---|{"---:|" * (len(_HEADINGS) - 1)}',
        *(f'| {" | ".join(cells)} |' for cells in rows_of(rows)),
        '',
    ]
  path.write_text('\n'.join([*lines, caption, '']))


def _cells(row, times):
  temperature = row['temperature']
  ratio = ''
  if _BASELINE in times:
    ratio = f'{row["microseconds"] / times[_BASELINE]:.2f}'
  return [
      label(row),
      '' if temperature is None else f'{temperature:g}',
      f'{row["bias"]:.2g}',
      f'{row["bias_stderr"]:.1g}',
      f'{100 * row["relative_bias"]:.1f} %',
      f'{100 * row["relative_bias_stderr"]:.1f} %',
      f'{row["variance"]:.3g}',
      f'{row["variance_stderr"]:.1g}',
      f'{row["evaluations"]:,}',
      f'{row["microseconds"]:.0f}',
      f'{row["least"]:.0f} to {row["most"]:.0f}',
      ratio,
  ]
