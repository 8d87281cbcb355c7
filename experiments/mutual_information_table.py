"""The tables of bounds of mutual information beside the truth."""

from collections.abc import Mapping
from collections.abc import Sequence
import pathlib
from typing import Any

import numpy as np
import rich.table

from experiments import consoles

# Of a section: name of a bound to the measures of the stairs of each seed.
Section = Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]


def rows_of(section: Section) -> tuple[list[str], list[list[str]]]:
  """Formats the mean and the standard deviation of each bound on each stair.

  Args:
    section: Name of a bound to the measures of the stairs of each seed.

  Returns:
    The headings, of which all but the first are the true nats, and the cells.
  """
  first = next(iter(section.values()))[0]
  headings = ['bound', *(f'{stair["information"]:g}' for stair in first)]
  cells = [
      [name, *(_cell(stairs) for stairs in zip(*runs, strict=True))]
      for name, runs in section.items()
  ]
  return headings, cells


def _cell(stairs):
  mean, spread = (
      np.mean([stair[key] for stair in stairs])
      for key in ('mean', 'standard_deviation')
  )
  if np.isnan(mean):
    return 'diverged'
  return f'{_number(mean)} ({_number(spread)})'


def _number(value):
  # The exponential of an unfit critic knows no bounds.
  return f'{value:.2f}' if abs(value) < 1000 else f'{value:.0e}'


def print_tables(sections: Mapping[str, Section], caption: str) -> None:
  """Prints a table for each section.

  Args:
    sections: Title to section.
    caption: What stands below.
  """
  console = consoles.wide()
  for title, section in sections.items():
    headings, cells = rows_of(section)
    table = rich.table.Table(title=title)
    for i, heading in enumerate(headings):
      table.add_column(heading, justify='right' if i else 'left')
    for row in cells:
      table.add_row(*row)
    console.print(table)
  console.print(caption, markup=False, highlight=False)


def write_markdown(
    path: pathlib.Path, sections: Mapping[str, Section], caption: str
) -> None:
  """Writes the same tables in Markdown.

  Args:
    path: File to write.
    sections: Title to section.
    caption: What stands below.
  """
  lines = []
  for title, section in sections.items():
    headings, cells = rows_of(section)
    lines += [
        f'## {title}\n',
        f'| {" | ".join(headings)} |',
        f'|---|{"---:|" * (len(headings) - 1)}',
        *(f'| {" | ".join(row)} |' for row in cells),
        '',
    ]
  path.write_text('\n'.join([*lines, caption, '']))
