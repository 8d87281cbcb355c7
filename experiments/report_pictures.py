"""The page of a trained model: arrays in, a PNG file out."""

from collections.abc import Mapping
from collections.abc import Sequence
import pathlib

import numpy as np

from experiments import pictures


def page(
    path: pathlib.Path,
    title: str,
    lines: Sequence[str],
    originals: np.ndarray,
    decoded: np.ndarray,
    usage: np.ndarray | None = None,
    curve: Sequence[Mapping[str, float]] = (),
    traversals: np.ndarray | None = None,
    latents: Sequence[int] = (),
) -> None:
  """Draws figures, reconstructions, and of codes all that there is.

  Args:
    path: File to write.
    title: Title of the page.
    lines: The figures as text, a line each.
    originals: Array in [0, 1], shape `[size, height, width, 1]`.
    decoded: Their reconstructions, an array like `originals`.
    usage: Aggregate posterior of each latent, shape `[N, K]`; None without
      codes, as the rest.
    curve: Points of 'power', 'rate' and 'distortion' in nats.
    traversals: Array in [0, 1], shape `[L, K, height, width, 1]`.
    latents: Index of the latent of each row of `traversals`.
  """
  has_codes = usage is not None
  figure = pictures.make_figure(11.0, 10.4 if has_codes else 5.6)
  cells = figure.add_gridspec(2 if has_codes else 1, 2)
  text = figure.add_subplot(cells[0, 0])
  text.set_axis_off()
  text.text(0, 1, '\n'.join(lines), va='top', family='monospace', fontsize=8)
  pairs = np.stack([originals, decoded], axis=1)
  _draw_rows(
      figure.add_subplot(cells[0, 1]),
      pairs.reshape([-1, 8, *originals.shape[1:]]),
      'Test images, each beside its reconstruction',
  )
  if has_codes:
    below = cells[1, 0].subgridspec(2, 1)
    _draw_curve(figure.add_subplot(below[0]), curve)
    axes = figure.add_subplot(below[1])
    image = axes.imshow(usage, aspect='auto', vmin=0, interpolation='none')
    axes.set(xlabel='class', ylabel='latent', title='aggregate posterior')
    figure.colorbar(image, ax=axes)
    _draw_rows(
        figure.add_subplot(cells[1, 1]),
        traversals,
        f'The first image with each class of latents {list(latents)}',
    )
  figure.suptitle(title)
  figure.savefig(path)


def _draw_rows(axes, images, title):
  """Draws images `[rows, columns, height, width, 1]`."""
  gap = ((0, 0), (0, 0), (0, 1), (0, 1))
  rows = np.pad(images[..., 0], gap, constant_values=0.5)
  rows = np.concatenate(rows.swapaxes(1, 2), axis=0)
  axes.imshow(rows.reshape([len(rows), -1]), cmap='gray_r', vmin=0, vmax=1)
  axes.set_title(title, fontsize=10)
  axes.set_axis_off()


def _draw_curve(axes, curve):
  rates = [point['rate'] for point in curve]
  distortions = [point['distortion'] for point in curve]
  axes.plot(rates, distortions, marker='.')
  for point in curve:
    if point['power'] == 1:
      axes.plot(point['rate'], point['distortion'], 'o', label='the model')
      axes.legend()
  axes.set(xlabel='rate [nats]', ylabel='distortion [nats]')
  axes.spines[['top', 'right']].set_visible(False)
