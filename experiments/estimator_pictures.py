"""Pictures of gradient estimators: bias and variance, bounds over time."""

from collections.abc import Mapping
from collections.abc import Sequence
import pathlib
import textwrap
from typing import Any

from matplotlib import colormaps
import numpy as np

from experiments import estimator_table
from experiments import pictures

_GREY = '#555555'
# Standard errors from which a bias counts as one.
_SIGMA = 3
# Inches from one label to the next.
_LINE = 0.16


def draw(
    path: pathlib.Path,
    objectives: Mapping[str, Sequence[Mapping[str, Any]]],
    title: str,
) -> None:
  """Draws variance against bias, and both against the temperature.

  An estimator with a temperature is a line through its temperatures. A bias
  within three standard errors is a hollow mark. What has no variance at all but
  for rounding is named in the title instead.

  Args:
    path: File to write.
    objectives: Names to the results of each objective.
    title: Title of the picture.
  """
  figure = pictures.make_figure(6.6 * len(objectives), 14.5)
  all_axes = figure.subplots(
      3, len(objectives), squeeze=False, height_ratios=[2, 1, 1]
  )
  for column, (name, rows) in zip(all_axes.T, objectives.items(), strict=True):
    lines, silent = _lines(rows)
    tempered = [line for line in lines if line[0]['temperature'] is not None]
    colors = colormaps['tab10'](np.arange(10))
    colors = {
        line[0]['estimator']: color
        for line, color in zip(tempered, np.tile(colors, [9, 1]), strict=False)
    }
    text = f'without variance: {", ".join(silent)}' if silent else ''
    column[0].set_title(
        '\n'.join([name, *textwrap.wrap(text, 60)]), fontsize=9, loc='left'
    )
    for axes, shown, x, y in zip(
        column,
        (lines, tempered, tempered),
        ('bias', 'temperature', 'temperature'),
        ('variance', 'bias', 'variance'),
        strict=True,
    ):
      if y == 'variance':
        shown = [line for line in shown if line[0]['estimator'] not in silent]
      _draw_lines(axes, shown, colors, x, y)
    for axes in column[1:]:
      ticks = sorted({row['temperature'] for line in tempered for row in line})
      axes.set_xticks(ticks, [f'{tick:g}' for tick in ticks])
      axes.set_xticks([], minor=True)
  figure.suptitle(
      f'{title}\nhollow: within {_SIGMA} standard errors of no bias'
  )
  figure.savefig(path)


def draw_bounds(
    path: pathlib.Path,
    panels: Mapping[str, Mapping[str, Sequence[Sequence[tuple[float, float]]]]],
    title: str,
) -> None:
  """Draws bounds against the time of training.

  Args:
    path: File to write.
    panels: Titles to the names of estimators, and these to a curve for each of
      their seeds: pairs of seconds and nats.
    title: Title of the picture.
  """
  figure = pictures.make_figure(7.5 * len(panels), 6.5)
  all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
  colors = colormaps['tab20'](np.arange(20))
  for axes, (name, curves) in zip(all_axes, panels.items(), strict=True):
    labels = []
    for i, (estimator, seeds) in enumerate(curves.items()):
      for curve in seeds:
        xs, ys = zip(*curve, strict=True)
        axes.plot(xs, ys, color=colors[i % 20], linewidth=1)
      if seeds:
        labels.append((xs[-1], ys[-1], estimator, colors[i % 20]))
    axes.set(xlabel='seconds of training', ylabel='negative ELBO [nats]')
    axes.set_xscale('symlog')
    axes.set_yscale('log')
    axes.set_title(name, fontsize=9, loc='left')
    axes.grid(color='#e5e5e5', linewidth=0.7)
    axes.spines[['top', 'right']].set_visible(False)
    _label(axes, labels)
  figure.suptitle(title)
  figure.savefig(path)


def _lines(rows):
  """Groups results by the estimator; names those without variance."""
  lines: dict[str, list] = {}
  for row in rows:
    lines.setdefault(row['estimator'], []).append(row)
  # Rounding is far below what any draw adds.
  floor = 1e-9 * max((row['variance'] for row in rows), default=0.0)
  silent = [
      name
      for name, line in lines.items()
      if all(row['variance'] <= floor for row in line)
  ]
  return [*lines.values()], silent


def _draw_lines(axes, lines, colors, x, y):
  labels = []
  for line in lines:
    line = sorted(line, key=lambda row: row['temperature'] or 0)
    color = colors.get(line[0]['estimator'], _GREY)
    xs, ys = ([row[key] for row in line] for key in (x, y))
    axes.plot(xs, ys, color=color, linewidth=1)
    for row in line:
      hollow = row['bias'] < _SIGMA * row['bias_stderr']
      axes.plot(
          row[x],
          row[y],
          'o',
          color=color,
          markersize=5,
          markerfacecolor='white' if hollow else color,
      )
    labels.append((xs[-1], ys[-1], estimator_table.label(line[0]), color))
  axes.set(xscale='log', yscale='log', xlabel=x, ylabel=y)
  axes.grid(color='#e5e5e5', linewidth=0.7)
  axes.spines[['top', 'right']].set_visible(False)
  _label(axes, labels)


def _label(axes, labels):
  """Writes labels in a column on the right, each with a thin line to it."""
  labels = sorted(labels, key=lambda label: label[1])
  if not labels:
    return
  low, high = np.log(axes.get_ylim())
  wanted = [(np.log(y) - low) / (high - low) for _, y, _, _ in labels]
  gap = _LINE / axes.get_subplotspec().get_position(axes.figure).height
  gap /= axes.figure.get_figheight()
  heights = _spread(wanted, min(gap, 1 / len(labels)))
  for (x, y, text, color), height in zip(labels, heights, strict=True):
    axes.annotate(
        text,
        (x, y),
        xytext=(1.04, height),
        textcoords='axes fraction',
        fontsize=7.5,
        color=color,
        va='center',
        arrowprops={'arrowstyle': '-', 'color': color, 'linewidth': 0.4},
    )


def _spread(wanted, gap):
  """Moves sorted positions apart, within [0, 1]."""
  heights = np.clip(wanted, 0, 1)
  for i in range(1, len(heights)):
    heights[i] = max(heights[i], heights[i - 1] + gap)
  heights[-1] = min(heights[-1], 1)
  for i in reversed(range(len(heights) - 1)):
    heights[i] = min(heights[i], heights[i + 1] - gap)
  return heights
