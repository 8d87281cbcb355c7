"""Tables of results, on the terminal and in Markdown."""

from collections.abc import Sequence
import pathlib

import numpy as np
import rich.markup
import rich.table

from experiments import consoles


def cell(values: Sequence[float], decimals: int) -> str:
  """Formats the values of several seeds.

  Args:
    values: Numbers.
    decimals: Digits after the point.

  Returns:
    The mean, and least to most where they differ; nothing for no values.

  Example:
    >>> cell([1., 2.], decimals=1), cell([2.], decimals=0), cell([], decimals=1)
    ('1.5 (1.0 to 2.0)', '2', '')
  """
  if not values:
    return ''
  mean, least, most = (
      f'{value:.{decimals}f}'
      for value in (np.mean(values), min(values), max(values))
  )
  return mean if least == most else f'{mean} ({least} to {most})'


def print_table(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
) -> None:
  """Prints a table; all but its first column are flush right.

  Args:
    title: Title of the table.
    headings: Headings of the columns.
    rows: The cells of each row.
    caption: What stands below.
  """
  table = rich.table.Table(title=title, caption=caption)
  for i, heading in enumerate(headings):
    table.add_column(
        rich.markup.escape(heading), justify='right' if i else 'left'
    )
  for row in rows:
    table.add_row(*(rich.markup.escape(value) for value in row))
  consoles.wide().print(table)


def markdown(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
) -> str:
  r"""Writes the same table in Markdown.

  Args:
    title: Title of the table.
    headings: Headings of the columns.
    rows: The cells of each row.
    caption: What stands below.

  Returns:
    The text.

  Example:
    >>> print(markdown('Speed', ['name', 'ms'], [['a|b', '2']], 'One run.'))
    Speed
    <BLANKLINE>
    | name | ms |
    |---|---:|
    | a\|b | 2 |
    <BLANKLINE>
    One run.
    <BLANKLINE>
  """
  # A bar would end the cell.
  escaped = [[value.replace('|', r'\|') for value in row] for row in rows]
  lines = [
      f'{title}\n',
      f'| {" | ".join(headings)} |',
      f'|---|{"---:|" * (len(headings) - 1)}',
      *(f'| {" | ".join(row)} |' for row in escaped),
      f'\n{caption}\n',
  ]
  return '\n'.join(lines)


def write_markdown(path: pathlib.Path, *args, **kwargs) -> None:
  """Writes a table to a file.

  Args:
    path: File to write.
    *args: Arguments of `markdown`.
    **kwargs: Arguments of `markdown`.
  """
  path.write_text(markdown(*args, **kwargs))
