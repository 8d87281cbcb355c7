"""Pictures that an experiment leaves behind: arrays in, PNG files out."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib import ticker
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure
import numpy as np

# Okabe and Ito's colours, which the colour-blind tell apart.
COLORS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00')
_DPI = 110
# Above this many cells in a row the numbers no longer fit in them.
_MAX_NUMBERED = 16


def samples(path: str, images: np.ndarray, title: str) -> None:
  """Draws images in a grid as square as it can be.

  Args:
    path: File to write.
    images: Array in [0, 1], shape `[size, height, width, 1]`.
    title: Title of the picture.
  """
  figure = make_figure(6.4, 6.8)
  axes = figure.add_subplot()
  axes.imshow(_grid(images), cmap='gray_r', vmin=0, vmax=1)
  axes.set_axis_off()
  figure.suptitle(title)
  figure.savefig(path)


def rows_and_columns(
    path: str,
    images: np.ndarray,
    title: str,
    row_label: str,
    column_label: str,
) -> None:
  """Draws a table of images, whose columns are numbered from 0 on.

  Args:
    path: File to write.
    images: Array in [0, 1], shape `[rows, columns, height, width, 1]`.
    title: Title of the picture.
    row_label: What a row has in common.
    column_label: What a column has in common.
  """
  num_rows, num_columns, height, width, _ = images.shape
  figure = make_figure(1.0 + 0.6 * num_columns, 1.4 + 0.6 * num_rows)
  axes = figure.add_subplot()
  flat = images.reshape([num_rows * num_columns, height, width, 1])
  axes.imshow(_grid(flat, num_columns), cmap='gray_r', vmin=0, vmax=1)
  step = width + _gap(height)
  axes.set(
      xticks=np.arange(num_columns) * step + (width - 1) / 2,
      xticklabels=range(num_columns),
      yticks=[],
      xlabel=column_label,
      ylabel=row_label,
  )
  axes.spines[:].set_visible(False)
  axes.tick_params(length=0)
  figure.suptitle(title)
  figure.savefig(path)


def reconstructions(
    path: str,
    originals: np.ndarray,
    means: np.ndarray,
    codes: np.ndarray,
    num_classes: int,
    title: str,
) -> None:
  """Draws originals, their reconstructions, and the codes in between.

  Args:
    path: File to write.
    originals: Array in [0, 1], shape `[size, height, width, 1]`.
    means: Reconstructions, an array like `originals`.
    codes: Integers, shape `[size, N]`.
    num_classes: Number of classes K.
    title: Title of the picture.
  """
  size, num_latents = codes.shape
  rows = -(-size // 2)
  figure = make_figure(10.6, 1.0 + 0.95 * rows)
  cells = figure.add_gridspec(
      rows, 7, width_ratios=[1, 1, 3.4, 0.25, 1, 1, 3.4]
  )
  for i in range(size):
    row, offset = i // 2, 4 * (i % 2)
    original, mean, code = (
        figure.add_subplot(cells[row, offset + column]) for column in range(3)
    )
    for axes, image in ((original, originals[i]), (mean, means[i])):
      axes.imshow(image[..., 0], cmap='gray_r', vmin=0, vmax=1)
      axes.set(xticks=[], yticks=[])
      axes.spines[:].set_color('#cccccc')
    _draw_code(code, codes[i], num_classes)
    if row == 0:
      original.set_title('original', fontsize=9)
      mean.set_title('decoded', fontsize=9)
      code.set_title(
          f'code: {num_latents} latents, classes 0 to {num_classes - 1}',
          fontsize=9,
      )
  figure.suptitle(title)
  figure.savefig(path)


def curves(
    path: str,
    panels: Mapping[str, Mapping[str, Sequence]],
    title: str,
    zoomed: Collection[str] = (),
) -> None:
  """Draws values against the step, one panel below the other.

  Args:
    path: File to write.
    panels: Label of the y axis, with its unit, to the series of that panel:
      name to a pair of steps and values.
    title: Title of the picture.
    zoomed: Labels of panels that the first tenth of the steps may leave at the
      top, if it would flatten all that follows.
  """
  figure = make_figure(8.4, 0.8 + 2.4 * len(panels))
  all_axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
  for axes, (label, series) in zip(all_axes, panels.items(), strict=True):
    axes.set_prop_cycle(color=COLORS)
    for name, (steps, values) in series.items():
      # A single point would be an invisible line.
      marker = 'o' if len(steps) <= 30 else None
      axes.plot(
          steps,
          values,
          label=name,
          linewidth=1.4,
          marker=marker,
          markersize=3.5,
      )
    if label in zoomed:
      _zoom(axes, series)
    axes.set_ylabel(label)
    axes.grid(color='#e5e5e5', linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    if len(series) > 1:
      axes.legend(frameon=False)
  all_axes[-1].set_xlabel('step')
  all_axes[-1].xaxis.set_major_formatter(
      ticker.FuncFormatter(lambda step, _: f'{step:,.0f}')
  )
  figure.suptitle(title)
  figure.savefig(path)


def code_usage(path: str, probs: np.ndarray, title: str) -> None:
  """Draws how often each latent takes each class, and what it tells.

  A latent that ignores its example is as evenly used as one that tells all of
  it; hence, beside the perplexity of its marginal, its mutual information with
  the examples shown, exact for them.

  Args:
    path: File to write.
    probs: Posterior of each example, shape `[size, N, K]`; sums to one over the
      last axis.
    title: Title of the picture.
  """
  _, num_latents, num_classes = probs.shape
  marginal = np.mean(probs, axis=0, dtype=np.float64)
  information = _entropy(marginal) - np.mean(
      _entropy(probs), axis=0, dtype=np.float64
  )
  figure = make_figure(11.0, min(10.0, 1.9 + 0.24 * num_latents))
  left, middle, right = figure.subplots(
      1, 3, sharey=True, gridspec_kw={'width_ratios': [2.4, 1, 1]}
  )
  image = left.imshow(
      marginal, aspect='auto', cmap='viridis', vmin=0, interpolation='none'
  )
  left.set(xlabel='class', ylabel='latent')
  for axis in (left.xaxis, left.yaxis):
    axis.set_major_locator(ticker.MaxNLocator(20, integer=True))
  figure.colorbar(image, ax=left, pad=0.02, label='share of the examples')
  perplexity = np.exp(_entropy(marginal))
  middle.set(xlim=(1, num_classes), xlabel='perplexity of the marginal')
  middle.set_title(
      f'mean {perplexity.mean():.2f} of {num_classes}', fontsize=10
  )
  right.set(xlabel='information [nats]')
  right.set_title(f'sum {information.sum():.2f} nats', fontsize=10)
  for axes, values in ((middle, perplexity), (right, information)):
    axes.barh(np.arange(num_latents), values, color=COLORS[0], height=0.75)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(5))
    axes.tick_params(axis='y', left=False, labelleft=False)
    axes.spines[['top', 'right']].set_visible(False)
  right.set_xlim(left=0)
  figure.suptitle(title)
  figure.savefig(path)


def make_figure(width: float, height: float) -> Figure:
  """Makes an empty figure.

  Args:
    width: In inches.
    height: In inches.

  Returns:
    The figure, which arranges its parts by itself.
  """
  # Not by way of pyplot, which keeps every figure and asks for a display.
  figure = Figure(figsize=(width, height), dpi=_DPI, layout='constrained')
  backend_agg.FigureCanvasAgg(figure)
  return figure


def _entropy(probs):
  # 0 log 0 = 0.
  return -np.sum(probs * np.log(np.where(probs > 0, probs, 1)), axis=-1)


def _zoom(axes, series):
  pairs = np.concatenate(
      [np.stack(pair, axis=-1) for pair in series.values()], dtype=np.float64
  )
  rest = pairs[pairs[:, 0] > 0.1 * pairs[:, 0].max(), 1]
  low, high = rest.min(), rest.max()
  span = high - low
  if pairs[:, 1].max() > high + span:
    axes.set_ylim(low - 0.05 * span, high + 0.5 * span)


def _draw_code(axes, code, num_classes):
  num_latents = len(code)
  columns = min(num_latents, max(10, int(np.ceil(np.sqrt(4 * num_latents)))))
  rows = -(-num_latents // columns)
  padded = np.full([rows * columns], -1)
  padded[:num_latents] = code
  padded = padded.reshape([rows, columns])
  colors = _class_colors(num_classes)[padded]
  colors[padded < 0] = 1
  axes.pcolormesh(colors, edgecolors='white', linewidth=1)
  axes.invert_yaxis()
  axes.set_axis_off()
  if columns <= _MAX_NUMBERED:
    for (y, x), value in np.ndenumerate(padded):
      if value >= 0:
        axes.text(x + 0.5, y + 0.5, value, ha='center', va='center', fontsize=8)


def _grid(images, columns=None):
  size, height, width, _ = images.shape
  columns = columns or int(np.ceil(np.sqrt(size)))
  rows = -(-size // columns)
  gap = _gap(height)
  canvas = np.zeros(
      [rows * (height + gap) - gap, columns * (width + gap) - gap]
  )
  for i, image in enumerate(images[..., 0]):
    y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
    canvas[y : y + height, x : x + width] = image
  return canvas


def _gap(height):
  """Returns the pixels between images, by their size."""
  return max(1, height // 14)


def _class_colors(num_classes):
  if num_classes <= 20:
    name = 'tab10' if num_classes <= 10 else 'tab20'
    colors = colormaps[name](np.arange(num_classes))[:, :3]
  else:
    scale = np.linspace(0.1, 1, num_classes)
    colors = colormaps['viridis'](scale)[:, :3]
  # Lightened, so that black digits read on each of them.
  return 0.45 + 0.55 * colors
