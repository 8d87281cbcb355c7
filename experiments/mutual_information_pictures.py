"""Pictures of bounds of mutual information: arrays in, PNG files out."""

from collections.abc import Mapping
from collections.abc import Sequence
import math
import pathlib
from typing import Any

from matplotlib import colormaps
import numpy as np

from experiments import pictures

_BLUE, _ORANGE, _GREY = '#0072B2', '#D55E00', '#555555'
# Logged points of the running median of a curve.
_SPAN = 20
_MOST_BIAS = 12


def staircase(
    path: pathlib.Path,
    curves: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
    stairs: Mapping[int, float],
    batch_size: int,
    title: str,
) -> None:
  """Draws each bound over training beside the truth, one row a task.

  Args:
    path: File to write.
    curves: Task to the name of a bound to steps and nats.
    stairs: Step at which a stair ends to its information, in nats.
    batch_size: K, whose logarithm is drawn.
    title: Title of the picture.
  """
  columns = len(next(iter(curves.values())))
  figure = pictures.make_figure(
      max(6.0, 2.2 * columns), 0.7 + 2.3 * len(curves)
  )
  all_axes = figure.subplots(
      len(curves), columns, squeeze=False, sharex=True, sharey=True
  )
  begins, truth = [0, *stairs][:-1], [*stairs.values()]
  for row, (task, of_task) in zip(all_axes, curves.items(), strict=True):
    for axes, (name, (steps, nats)) in zip(row, of_task.items(), strict=True):
      axes.plot(steps, nats, color=_BLUE, alpha=0.3, linewidth=0.6)
      axes.plot(steps, _smooth(nats), color=_BLUE, linewidth=1.3)
      axes.step([*begins, max(stairs)], [truth[0], *truth], color='black')
      axes.axhline(math.log(batch_size), color=_ORANGE, linewidth=0.8, ls='--')
      axes.set_title(name, fontsize=9)
      axes.grid(color='#e5e5e5', linewidth=0.7)
      axes.spines[['top', 'right']].set_visible(False)
    row[0].set_ylabel(f'{task} [nats]')
    # A burst of one bound would flatten all others.
    row[0].set_ylim(-1, 1.5 * max(truth))
  figure.supxlabel('step', fontsize=10)
  figure.suptitle(f'{title}\ndark: running median; black: truth; dashed: log K')
  figure.savefig(path)


def bias_variance(
    path: pathlib.Path,
    sections: Mapping[str, Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]],
    title: str,
) -> None:
  """Draws bias, variance and squared error over the information.

  Args:
    path: File to write.
    sections: Title to the name of a bound to the measures of the stairs of each
      seed.
    title: Title of the picture.
  """
  figure = pictures.make_figure(10.5, 0.8 + 2.6 * len(sections))
  all_axes = figure.subplots(len(sections), 3, squeeze=False)
  names = list(dict.fromkeys(n for s in sections.values() for n in s))
  colors = {name: colormaps['tab10'](i % 10) for i, name in enumerate(names)}
  for row, (section, bounds) in zip(all_axes, sections.items(), strict=True):
    lines = {
        name: (
            [stair['information'] for stair in runs[0]],
            *_bias_and_variance(runs),
        )
        for name, runs in bounds.items()
    }
    _draw_panels(row, lines, colors, 'information [nats]')
    for axes in row:
      axes.set_xticks(next(iter(lines.values()))[0])
    # What a burst of one bound costs would flatten all others.
    low, high = row[0].get_ylim()
    row[0].set_ylim(max(low, -_MOST_BIAS), min(high, _MOST_BIAS))
    row[0].set_title(section, fontsize=10, loc='left')
  handles = [
      all_axes[-1][0].plot([], [], color=colors[name], label=name)[0]
      for name in names
  ]
  figure.legend(
      handles=handles, loc='outside right upper', frameon=False, fontsize=8
  )
  figure.suptitle(title)
  figure.savefig(path)


def alpha_curve(
    path: pathlib.Path,
    curve: Mapping[float, Sequence[Mapping[str, Any]]],
    title: str,
) -> None:
  """Draws bias, variance and squared error over alpha.

  Args:
    path: File to write.
    curve: Alpha to the measures of each information.
    title: Title of the picture.
  """
  figure = pictures.make_figure(10.5, 3.6)
  axes = figure.subplots(1, 3)
  alphas = sorted(curve)
  lines = {}
  for i, stair in enumerate(curve[alphas[0]]):
    bias, variance = _bias_and_variance([[curve[a][i] for a in alphas]])
    lines[f'{stair["information"]:g} nats'] = (alphas, bias, variance)
  shades = colormaps['viridis'](np.linspace(0, 0.85, len(lines)))
  _draw_panels(axes, lines, dict(zip(lines, shades, strict=True)), 'alpha')
  positive = [alpha for alpha in alphas if alpha > 0]
  for panel in axes:
    if positive:
      panel.set_xscale('symlog', linthresh=min(positive))
    ticks = [0, *(10.0**i for i in range(-3, 1))]
    panel.set_xticks(ticks, [f'{tick:g}' for tick in ticks])
    if len(alphas) > 1:
      panel.set_xlim(min(alphas), max(alphas))
  axes[0].legend(frameon=False, fontsize=8)
  figure.suptitle(title)
  figure.savefig(path)


def _bias_and_variance(runs):
  """Returns the means over the seeds, one of each stair."""
  bias = [[s['mean'] - s['information'] for s in stairs] for stairs in runs]
  variance = [[s['standard_deviation'] ** 2 for s in stairs] for stairs in runs]
  return np.mean(bias, axis=0), np.mean(variance, axis=0)


def _draw_panels(axes, lines, colors, label):
  for name, (xs, bias, variance) in lines.items():
    for panel, values in zip(
        axes, (bias, variance, bias**2 + variance), strict=True
    ):
      panel.plot(
          xs,
          values,
          color=colors[name],
          label=name,
          marker='o',
          markersize=3,
          linewidth=1.2,
      )
  for panel, text in zip(
      axes, ('bias [nats]', 'variance', 'squared error'), strict=True
  ):
    panel.set_xlabel(label)
    panel.set_ylabel(text)
    panel.grid(color='#e5e5e5', linewidth=0.7)
    panel.spines[['top', 'right']].set_visible(False)
  axes[0].axhline(0, color=_GREY, linewidth=0.8)
  for panel in axes[1:]:
    panel.set_yscale('log')


def _smooth(values):
  """Returns the running median, which no burst moves."""
  return np.array(
      [np.median(values[max(0, i - _SPAN) : i + 1]) for i in range(len(values))]
  )
