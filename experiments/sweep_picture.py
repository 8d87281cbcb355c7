"""The picture of a sweep: its selection metric against a flag."""

from collections.abc import Sequence
import math
import pathlib
import re

import numpy as np

from experiments import pictures
from experiments import sweep_table


def draw(
    path: pathlib.Path,
    runs: Sequence[sweep_table.Run],
    rows: Sequence[str],
    tuned: str | None,
    selection: str,
    maximize: bool,
    title: str,
) -> None:
  """Draws the mean of the metric over the seeds, and least to most.

  Against the values of a tuned flag, a line for each row of the table: at each
  value the best of all other tuned flags. Without one, a point for each row.

  Args:
    path: File to write.
    runs: All runs; those that failed leave a gap.
    rows: Flags whose values are compared.
    tuned: The flag of the x axis, or None.
    selection: Name of the metric.
    maximize: Whether higher is better.
    title: Title of the picture.
  """
  others = [
      flag
      for flag in (runs[0].point if runs else {})
      if flag not in (*rows, tuned, 'seed')
  ]
  axis = [tuned] if tuned else []
  choices = sweep_table.choose(runs, [*rows, *axis], others, maximize)
  lines: dict[str, dict[str, list[float]]] = {}
  for choice in choices:
    row, value = choice.row[: len(rows)], choice.row[len(rows) :]
    label = ', '.join(row) or 'all'
    line, x = (label, value[0]) if tuned else ('', label)
    lines.setdefault(line, {})[x] = [run.selection for run in choice.runs]
  names = list(dict.fromkeys(x for line in lines.values() for x in line))
  figure = pictures.make_figure(max(6.4, 1.1 * len(names) + 1.5), 4.6)
  axes = figure.add_subplot()
  positions = _positions(names)
  if positions is None:
    positions = {name: float(i) for i, name in enumerate(names)}
  else:
    axes.set_xscale('log')
  num_colors = len(pictures.COLORS)
  for i, (label, line) in enumerate(lines.items()):
    shown = {x: values for x, values in line.items() if values}
    means = np.array([np.mean(values) for values in shown.values()])
    axes.errorbar(
        [positions[x] for x in shown],
        means,
        yerr=[
            means - [min(values) for values in shown.values()],
            [max(values) for values in shown.values()] - means,
        ],
        label=label,
        marker='o',
        markersize=4,
        capsize=3,
        linewidth=1.4,
        # More lines than colours are told apart by their dashes.
        linestyle=('-', '--', ':')[i // num_colors % 3] if tuned else 'none',
        color=pictures.COLORS[i % num_colors],
    )
  # A schedule is long, and reads as well in lines.
  labels = [re.sub('([:,])', r'\1\n', name) for name in names]
  axes.set_xticks([positions[name] for name in names], labels)
  axes.minorticks_off()
  axes.set(xlabel=tuned or ', '.join(rows), ylabel=selection)
  axes.grid(color='#e5e5e5', linewidth=0.7)
  axes.spines[['top', 'right']].set_visible(False)
  if len(lines) > 1:
    axes.legend(frameon=False)
  figure.suptitle(title)
  figure.savefig(path)


def _positions(names):
  """Returns names to numbers, or None if one of them is no positive number."""
  try:
    numbers = {name: float(name) for name in names}
  except ValueError:
    return None
  if not all(0 < x < math.inf for x in numbers.values()):
    return None
  return numbers
