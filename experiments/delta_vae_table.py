"""The table that compares ways to keep a latent in use."""

from collections.abc import Mapping
from collections.abc import Sequence
import pathlib
from typing import Any

import numpy as np
import rich.console
import rich.table

# Key of a result, heading, sign of what is shown, decimals. A bound is shown as
# that of -log p(x), so that lower is better in all columns of nats.
_COLUMNS = (
    ('committed_rate', 'committed', 1, 2),
    ('rate', 'rate', 1, 3),
    ('distortion', 'distortion', 1, 2),
    ('elbo', 'bound', -1, 2),
    ('auxiliary_elbo', 'auxiliary bound', -1, 2),
    ('auxiliary_importance_weighted_bound', 'weighted bound', -1, 2),
    ('bits_per_element', 'bits', 1, 3),
    ('active_units', 'active', 1, 0),
    ('information', 'information', 1, 2),
    ('probe_samples', 'probe, samples', 1, 1),
    ('probe_means', 'probe, means', 1, 1),
)


def rows_of(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[list[str], list[list[str]]]:
  """Formats results: mean, and least to most where there are several seeds.

  Args:
    rows: Name of a method to the results of its runs, one of each seed.

  Returns:
    The headings and, for each method, the cells.
  """
  shown = [
      column
      for column in _COLUMNS
      if any(column[0] in found for runs in rows.values() for found in runs)
  ]
  headings = ['method', *(heading for _, heading, _, _ in shown)]
  cells = [
      [name, *(_cell(runs, key, *rest) for key, _, *rest in shown)]
      for name, runs in rows.items()
  ]
  return headings, cells


def _cell(runs, key, sign, decimals):
  values = [sign * found[key] for found in runs if key in found]
  if not values:
    return ''
  text = f'{np.mean(values):.{decimals}f}'
  if len(values) > 1 and min(values) < max(values):
    text += f' ({min(values):.{decimals}f} to {max(values):.{decimals}f})'
  return text


def print_table(
    title: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], caption: str
) -> None:
  """Prints the table.

  Args:
    title: Title of the table.
    rows: Name of a method to the results of its runs, one of each seed.
    caption: What stands below.
  """
  headings, cells = rows_of(rows)
  table = rich.table.Table(title=title, caption=caption)
  for heading in headings:
    table.add_column(
        heading, justify='left' if heading == 'method' else 'right'
    )
  for row in cells:
    table.add_row(*row)
  rich.console.Console().print(table)


def write_markdown(
    path: pathlib.Path,
    title: str,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    caption: str,
) -> None:
  """Writes the same table in Markdown.

  Args:
    path: File to write.
    title: Title of the table.
    rows: Name of a method to the results of its runs, one of each seed.
    caption: What stands below.
  """
  headings, cells = rows_of(rows)
  lines = [
      f'{title}\n',
      f'| {" | ".join(headings)} |',
      f'|---|{"---:|" * (len(headings) - 1)}',
      *(f'| {" | ".join(row)} |' for row in cells),
      f'\n{caption}\n',
  ]
  path.write_text('\n'.join(lines))
