"""The table that ends a sweep over models and seeds."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import rich.console
import rich.table

# Nats: below it, shares are of rounding alone.
_LEAST_GAP = 1e-9


def print_table(
    title: str,
    known: Mapping[str, float],
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
  """Prints nats above the entropy, over seeds, and the share of the gap closed.

  Args:
    title: Title of the table.
    known: Label to nats of what is known exactly: the entropy first, then the
      least that a factorised model can reach.
    rows: Name of a model to the results of its runs, one of each seed.
  """
  table = rich.table.Table(title=title)
  table.add_column('model', overflow='fold')
  for name in ('nats', 'above', 'least', 'most', 'error', 'closed'):
    table.add_column(name, justify='right', min_width=6)
  entropy, factorized, *_ = known.values()
  gap = factorized - entropy
  for label, nats in known.items():
    table.add_row(label, f'{nats:.3f}', f'{nats - entropy:.3f}')
  table.add_section()
  for name, found in rows.items():
    above = [row['nats_above_entropy'] for row in found]
    errors = [row.get('nats_above_entropy_stderr', 0) for row in found]
    mean = np.mean(above)
    table.add_row(
        name,
        f'{entropy + mean:.3f}',
        *(f'{value:.3f}' for value in (mean, min(above), max(above))),
        f'{max(errors):.3f}' if any(errors) else 'exact',
        f'{round(100 * (1 - mean / gap))}%' if gap > _LEAST_GAP else '',
    )
  every = [row for found in rows.values() for row in found]
  times = ''
  if all('seconds' in row for row in every):
    seconds = [row['seconds'] for row in every]
    times = f', {min(seconds):.0f} to {max(seconds):.0f} seconds a run'
  table.caption = (
      'above: nats above the entropy, mean, least and most of '
      f'{len(found)} seeds; error: standard error of the evaluation; closed: '
      'share of the gap between the best factorised model and the entropy; '
      f'{every[0]["step"]:,} steps{times}'
  )
  rich.console.Console().print(table)
