"""The table of a sweep: a row for each name, mean and range over its seeds."""

from collections.abc import Mapping
from collections.abc import Sequence
import pathlib
from typing import Any

import numpy as np
import rich.table

from experiments import consoles

# Key of a result, heading, sign of what is shown, decimals.
Column = tuple[str, str, int, int]
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def rows_of(
    rows: Rows, columns: Sequence[Column], kind: str
) -> tuple[list[str], list[list[str]]]:
  """Formats results: mean, and least to most where there are several seeds.

  A cell of which some seed has no result is empty.

  Args:
    rows: Name to the results of its runs, one of each seed.
    columns: Columns; those of which no run has a result are left out.
    kind: Heading of the names.

  Returns:
    The headings and, for each name, the cells.
  """
  shown = [
      column
      for column in columns
      if any(column[0] in found for runs in rows.values() for found in runs)
  ]
  headings = [kind, *(heading for _, heading, _, _ in shown)]
  cells = [
      [name, *(_cell(runs, key, *rest) for key, _, *rest in shown)]
      for name, runs in rows.items()
  ]
  return headings, cells


def _cell(runs, key, sign, decimals):
  # A mean over some of the seeds would not say so.
  if not all(key in found for found in runs):
    return ''
  values = [sign * found[key] for found in runs]
  text = f'{np.mean(values):.{decimals}f}'
  if len(values) > 1 and min(values) < max(values):
    text += f' ({min(values):.{decimals}f} to {max(values):.{decimals}f})'
  return text


def print_table(
    title: str,
    rows: Rows,
    columns: Sequence[Column],
    kind: str,
    caption: str,
) -> None:
  """Prints the table.

  Args:
    title: Title of the table.
    rows: As for `rows_of`.
    columns: As for `rows_of`.
    kind: As for `rows_of`.
    caption: What stands below.
  """
  headings, cells = rows_of(rows, columns, kind)
  table = rich.table.Table(title=title, caption=caption)
  for i, heading in enumerate(headings):
    table.add_column(heading, justify='right' if i else 'left')
  for row in cells:
    table.add_row(*row)
  consoles.wide().print(table)


def write_markdown(
    path: pathlib.Path,
    tables: Mapping[str, Rows],
    columns: Sequence[Column],
    kind: str,
    caption: str,
) -> None:
  """Writes tables in Markdown.

  Args:
    path: File to write.
    tables: Titles to rows, as for `rows_of`.
    columns: As for `rows_of`.
    kind: As for `rows_of`.
    caption: What stands below them all.
  """
  lines = []
  for title, rows in tables.items():
    headings, cells = rows_of(rows, columns, kind)
    lines += [
        f'{title}\n',
        f'| {" | ".join(headings)} |',
        f'|---|{"---:|" * (len(headings) - 1)}',
        *(f'| {" | ".join(row)} |' for row in cells),
        '',
    ]
  path.write_text('\n'.join([*lines, caption, '']))
