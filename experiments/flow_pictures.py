"""Pictures of discrete flows beside the truth: arrays in, PNG files out."""

from collections.abc import Mapping

import numpy as np

from experiments import pictures

_COLUMNS = 3


def log_probs(
    path: str, models: Mapping[str, Mapping[str, np.ndarray]], title: str
) -> None:
  """Draws the model's log-probability of events against the true one.

  Args:
    path: File to write.
    models: Name to `true_log_probs` and `model_log_probs`, shape `[size]`.
    title: Title of the picture.
  """
  figure, all_axes = _panels(len(models), 3.4)
  for axes, (name, arrays) in zip(all_axes, models.items(), strict=True):
    true, model = arrays['true_log_probs'], arrays['model_log_probs']
    axes.hexbin(true, model, gridsize=50, bins='log', cmap='viridis', mincnt=1)
    # Below the least of the model's, most of the axis would be empty.
    ends = np.percentile(true, [0.5, 100])
    axes.plot(ends, ends, color='#D55E00', linewidth=1)
    axes.set_xlim(ends)
    axes.set_title(name, fontsize=9)
    axes.set_xlabel('log p of the truth [nats]')
    axes.set_ylabel('of the model [nats]')
  figure.suptitle(title)
  figure.savefig(path)


def grids(
    path: str, models: Mapping[str, Mapping[str, np.ndarray]], title: str
) -> None:
  """Draws the probabilities of events of two positions as images.

  Args:
    path: File to write.
    models: Name to `true_log_probs` and `model_log_probs` of all events in
      their order, shape `[K * K]`. The truth, the same for all, comes first.
    title: Title of the picture.
  """
  figure, all_axes = _panels(1 + len(models), 3.4)
  truth = next(iter(models.values()))['true_log_probs']
  images = {
      'truth': truth,
      **{name: arrays['model_log_probs'] for name, arrays in models.items()},
  }
  # The square root shows the faint cells that a model spends its mass on.
  most = np.exp(truth.max() / 2)
  side = int(np.sqrt(truth.size))
  for axes, (name, values) in zip(all_axes, images.items(), strict=True):
    axes.imshow(
        np.exp(values / 2).reshape([side, side]).T,
        cmap='gray_r',
        vmin=0,
        vmax=most,
        origin='lower',
        interpolation='none',
    )
    axes.set_title(name, fontsize=9)
  figure.suptitle(title)
  figure.savefig(path)


def shares(
    path: str, models: Mapping[str, Mapping[str, np.ndarray]], title: str
) -> None:
  """Draws the share of sampled digits that are right at each place.

  Args:
    path: File to write.
    models: Name to `shares`, shape `[length]`.
    title: Title of the picture.
  """
  series = {
      name: (np.arange(1, 1 + len(arrays['shares'])), arrays['shares'])
      for name, arrays in models.items()
  }
  figure, (axes,) = _panels(1, 5)
  for name, (places, values) in series.items():
    axes.plot(places, values, label=name, marker='o', markersize=3.5)
  axes.axhline(0.1, color='#999999', linewidth=1, linestyle='--')
  axes.set(xlabel='place, the most significant first', ylim=(0, 1.02))
  axes.set_ylabel('share of sampled digits that are right')
  axes.legend(frameon=False)
  figure.suptitle(title)
  figure.savefig(path)


def _panels(number, size):
  columns = min(number, _COLUMNS)
  rows = -(-number // columns)
  figure = pictures.make_figure(0.4 + 1.15 * size * columns, 0.6 + size * rows)
  all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
  for axes in all_axes[number:]:
    axes.set_axis_off()
  return figure, all_axes[:number]
