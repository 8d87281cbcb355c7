"""The page of a trained model: panels in, a PNG file out."""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
import pathlib
import textwrap

from matplotlib import ticker
import numpy as np

from experiments import pictures
from experiments import reports

_CHARACTERS = 64


def page(
    path: pathlib.Path,
    title: str,
    lines: Sequence[str],
    panels: Sequence[reports.Panel],
) -> None:
  """Draws figures and panels, two beside each other.

  Args:
    path: File to write.
    title: Title of the page.
    lines: The figures as text, a line each.
    panels: The panels.
  """
  panels = [text(lines), *panels]
  num_rows = -(-len(panels) // 2)
  figure = pictures.make_figure(11.0, 0.4 + 5.0 * num_rows)
  cells = figure.add_gridspec(num_rows, 2)
  for index, draw in enumerate(panels):
    draw(figure.add_subplot(cells[index // 2, index % 2]))
  figure.suptitle(title)
  figure.savefig(path)


def _panel(draw):
  """Makes of `draw(axes, ...)` a function that returns a panel."""

  @functools.wraps(draw)
  def make(*args, **kwargs):
    return lambda axes: draw(axes, *args, **kwargs)

  return make


@_panel
def text(axes, lines: Sequence[str], title: str = ''):
  """Writes lines, those that are too long on several."""
  wrapped = [
      part
      for line in lines
      for part in textwrap.wrap(line, _CHARACTERS) or ['']
  ]
  axes.set_axis_off()
  axes.text(0, 1, '\n'.join(wrapped), va='top', family='monospace', fontsize=8)
  axes.set_title(title, fontsize=10)


def texts(samples: Sequence[str], title: str):
  """Writes texts of any length, with a blank line after each."""
  return text([line for sample in samples for line in (sample, '')], title)


@_panel
def images(axes, rows: np.ndarray, title: str):
  """Draws images in [0, 1], shape `[rows, columns, height, width, 1]`."""
  gap = ((0, 0), (0, 0), (0, 1), (0, 1))
  padded = np.pad(rows[..., 0], gap, constant_values=0.5)
  joined = np.concatenate(padded.swapaxes(1, 2), axis=0)
  axes.imshow(joined.reshape([len(joined), -1]), cmap='gray_r', vmin=0, vmax=1)
  axes.set_title(title, fontsize=10)
  axes.set_axis_off()


def pairs(originals: np.ndarray, decoded: np.ndarray, title: str):
  """Draws images, shape `[size, height, width, 1]`, each beside its own."""
  both = np.stack([originals, decoded], axis=1)
  return images(both.reshape([-1, 8, *originals.shape[1:]]), title)


@_panel
def curve(axes, points: Sequence[Mapping[str, float]]):
  """Draws points of 'power', 'rate' and 'distortion' in nats."""
  axes.plot(
      [point['rate'] for point in points],
      [point['distortion'] for point in points],
      marker='.',
  )
  for point in points:
    if point['power'] == 1:
      axes.plot(point['rate'], point['distortion'], 'o', label='the model')
      axes.legend()
  axes.set(xlabel='rate [nats]', ylabel='distortion [nats]')
  axes.spines[['top', 'right']].set_visible(False)


@_panel
def usage(axes, probs: np.ndarray, title: str, ylabel: str = 'latent'):
  """Draws the share of each class, shape `[N, K]`."""
  image = axes.imshow(probs, aspect='auto', vmin=0, interpolation='none')
  axes.set(xlabel='class', ylabel=ylabel)
  for axis in (axes.xaxis, axes.yaxis):
    axis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
  axes.set_title(title, fontsize=10)
  axes.figure.colorbar(image, ax=axes)


@_panel
def log_probs(axes, true: np.ndarray, model: np.ndarray):
  """Draws the model's log-probabilities of events against the true ones."""
  axes.hexbin(true, model, gridsize=50, bins='log', cmap='viridis', mincnt=1)
  ends = np.percentile(true, [0.5, 100])
  axes.plot(ends, ends, color='#D55E00', linewidth=1)
  axes.set(xlabel='log p of the truth [nats]', ylabel='of the model [nats]')
  if ends[0] < ends[1]:
    axes.set_xlim(ends)


@_panel
def shares(axes, values: np.ndarray, title: str):
  """Draws a share of each position, shape `[length]`."""
  axes.bar(np.arange(len(values)), values)
  axes.set(xlabel='position', ylim=(0, 1))
  axes.set_title(title, fontsize=10)
  axes.spines[['top', 'right']].set_visible(False)
