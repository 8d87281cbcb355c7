"""Pictures of delta-VAEs: arrays in, PNG files out."""

from collections.abc import Mapping
from collections.abc import Sequence
import pathlib
from typing import Any

import numpy as np

from experiments import pictures

# Key of a result, label of the axis, sign, scale. A rate may be 0, or run away.
_PANELS = (
    ('rate', 'rate [nats]', 1, 'symlog'),
    ('auxiliary_elbo', 'bound with\nauxiliary prior [nats]', -1, 'log'),
    ('information', 'information [nats]', 1, 'linear'),
    ('probe_samples', 'probe of samples [%]', 1, 'linear'),
)


def methods(
    path: pathlib.Path,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    title: str,
) -> None:
  """Draws rate, bound, information and probe of each method, a dot a seed.

  The rates that a delta commits, and the bound of the decoder without latents,
  are drawn as lines.

  Args:
    path: File to write.
    rows: Name of a method to the results of its runs, one of each seed.
    title: Title of the picture.
  """
  panels = [
      panel
      for panel in _PANELS
      if any(panel[0] in found for runs in rows.values() for found in runs)
  ] or _PANELS[:1]
  figure = pictures.make_figure(1.5 + 0.75 * len(rows), 2.6 * len(panels))
  all_axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
  for axes, (key, label, sign, scale) in zip(all_axes, panels, strict=True):
    for x, runs in enumerate(rows.values()):
      values = [sign * found[key] for found in runs if key in found]
      axes.plot([x] * len(values), values, 'o', color='#0072B2', alpha=0.7)
      if key == 'rate' and runs[0]['committed_rate'] > 0:
        committed = runs[0]['committed_rate']
        axes.hlines(committed, x - 0.3, x + 0.3, color='#D55E00')
    if key == 'auxiliary_elbo' and 'none' in rows:
      alone = np.mean([-found['elbo'] for found in rows['none']])
      axes.axhline(alone, color='#D55E00', linewidth=1)
    axes.set_yscale(scale)
    axes.set_ylabel(label)
    axes.grid(axis='y', color='#e5e5e5', linewidth=0.7)
    axes.spines[['top', 'right']].set_visible(False)
  all_axes[-1].set_xticks(range(len(rows)), rows, rotation=30, ha='right')
  figure.suptitle(title)
  figure.savefig(path)


def interpolations(path: pathlib.Path, images: np.ndarray, title: str) -> None:
  """Draws rows of images from one latent to another.

  Args:
    path: File to write.
    images: Array in [0, 1], shape `[rows, columns, height, width, 1]`.
    title: Title of the picture.
  """
  rows, columns = images.shape[:2]
  figure = pictures.make_figure(0.8 * columns, 0.6 + 0.8 * rows)
  all_axes = figure.subplots(rows, columns, squeeze=False)
  for axes, image in zip(
      all_axes.flat, images.reshape([-1, *images.shape[2:]]), strict=True
  ):
    axes.imshow(image[..., 0], cmap='gray_r', vmin=0, vmax=1)
    axes.set_axis_off()
  figure.suptitle(title, fontsize=9)
  figure.savefig(path)
