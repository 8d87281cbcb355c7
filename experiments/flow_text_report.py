"""The table and the pictures of discrete flows on text."""

from collections.abc import Mapping
from collections.abc import Sequence
import math
import pathlib
from typing import Any

import numpy as np
import rich.table

from experiments import consoles
from experiments import flow_floors
from experiments import ngrams
from experiments import pictures
from experiments import results as results_lib
from experiments import text as text_lib

# Order of the n-gram model in which the floors of flows are sought: of a higher
# one the contexts are too many to search quickly.
_FLOOR_ORDER = 4
_NGRAMS = ((1, 'unigram'), (3, '3-gram'), (5, '5-gram'))
_GROUPS = 16
# Of every ten models.
_MARKERS = ('o', 's', '^', 'D')
_LINES = ('-', '--', ':', '-.')
# Key of a result, heading, decimals.
_COLUMNS = (
    ('bits', 'bits', 3),
    ('bits_stderr', 'error', 3),
    ('validation_bits', 'validation', 3),
    ('network_bits', 'network', 3),
    ('rank_bits', 'ranks', 3),
    ('shift_bits', 'shift', 3),
    ('seconds_per_thousand', 'seconds/1000', 3),
    ('seconds_per_thousand_uncached', 'uncached', 3),
    ('num_weights', 'weights', 0),
    ('cpu_seconds', 'training', 0),
)
_CAPTION = (
    'bits: exact, a character of the test text, mean (least to most) over the'
    ' seeds; error: its standard error over examples; network: what the'
    ' predictions that a flow ranks, or shifts by, are worth themselves; ranks,'
    ' shift: what ranks that stay in place, and shifts by the likeliest class,'
    ' would leave of them; seconds/1000:'
    ' CPU seconds for a thousand characters, with caches and without; training:'
    ' CPU seconds. The best of the validation text is marked *.'
)


def ngram_rows(text: text_lib.Text) -> dict[str, float]:
  """Computes what is known before any training, in bits a character.

  Args:
    text: The text.

  Returns:
    Labels to bits: of the alphabet, of n-gram models on the test text; and what
    flows of one direction on a factorised base could reach, were an n-gram
    model of the training text the truth.
  """
  rows = {'alphabet': math.log2(text.num_classes)}
  for order, label in _NGRAMS:
    rows[label] = ngrams.ngram_bits(
        text.train, text.test, order, text.num_classes
    )
  contexts = flow_floors.frequent(
      flow_floors.ngram_contexts(text.train, _FLOOR_ORDER, text.num_classes)
  )
  maps = flow_floors.affine_maps(text.num_classes)
  scaled = flow_floors.affine_maps(text.num_classes, with_scale=True)
  source = f'{_FLOOR_ORDER}-gram source'
  return {
      **rows,
      f'{source}: entropy': contexts.entropy(),
      f'{source}: ranks, by confidence': flow_floors.confidence_floor(
          contexts, _GROUPS
      ),
      f'{source}: ranks': flow_floors.rank_floor(contexts),
      f'{source}: shift and scale': flow_floors.map_floor(
          contexts, scaled, num_starts=1
      ),
      f'{source}: shift': flow_floors.map_floor(contexts, maps),
  }


def print_known(title: str, known: Mapping[str, float]) -> None:
  """Prints what is known before any training.

  Args:
    title: The data in a few words.
    known: As of `ngram_rows`.
  """
  table = rich.table.Table(title=title)
  table.add_column('')
  table.add_column('bits a character', justify='right')
  for label, bits in known.items():
    table.add_row(label, f'{bits:.3f}')
  consoles.wide().print(table)


def report(
    output_dir: pathlib.Path,
    title: str,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    run_dirs: Mapping[str, pathlib.Path],
) -> None:
  """Prints the table, and writes it and the pictures.

  Args:
    output_dir: Where to.
    title: The data in a few words.
    rows: Name of a model to the results of its runs, one of each seed.
    run_dirs: Name of a model to the directory of the run to draw.
  """
  headings = ['model', *(heading for _, heading, _ in _COLUMNS)]
  best = min(rows, key=lambda name: _mean(rows[name], 'validation_bits'))
  cells = [
      [
          f'{name} *' if name == best else name,
          *(_cell(found, key, places) for key, _, places in _COLUMNS),
      ]
      for name, found in rows.items()
  ]
  table = rich.table.Table(title=title, caption=_CAPTION)
  for heading in headings:
    table.add_column(heading, overflow='fold')
  for row in cells:
    table.add_row(*row)
  consoles.wide().print(table)
  lines = [
      f'{title}\n',
      f'| {" | ".join(headings)} |',
      f'|---|{"---:|" * len(_COLUMNS)}',
      *(f'| {" | ".join(row)} |' for row in cells),
      f'\n{_CAPTION}\n',
  ]
  (output_dir / 'results.md').write_text('\n'.join(lines))
  draw_speed(output_dir / 'speed.png', rows, title)
  curves = {
      name: curve(directory, rows[name][0])
      for name, directory in run_dirs.items()
      # Of a run that was resumed the time is not known.
      if 'cpu_seconds' in rows[name][0]
  }
  draw_training(output_dir / 'training.png', curves, title)


def curve(
    run_dir: pathlib.Path, results: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
  """Reads the validation bits of a run over the time of its training.

  Every step takes as long as the next, so the time is their share of all.

  Args:
    run_dir: Directory of the run.
    results: Its results.

  Returns:
    Seconds and bits, one of each evaluation.
  """
  lines = results_lib.read_metrics(run_dir)
  found = [line for line in lines if 'val_bits_per_token' in line]
  steps = np.array([line['step'] for line in found])
  bits = np.array([line['val_bits_per_token'] for line in found])
  return steps * results['cpu_seconds'] / results['step'], bits


def draw_speed(
    path: pathlib.Path,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    title: str,
) -> None:
  """Draws bits against the time that generation takes.

  Args:
    path: File to write.
    rows: Name of a model to the results of its runs.
    title: Title of the picture.
  """
  figure = pictures.make_figure(10, 6.5)
  axes = figure.add_subplot()
  for i, (name, found) in enumerate(rows.items()):
    bits = _mean(found, 'bits')
    color, marker = f'C{i % 10}', _MARKERS[i // 10 % len(_MARKERS)]
    for key, face, label in (
        ('seconds_per_thousand', color, f'{i + 1} {name}'),
        ('seconds_per_thousand_uncached', 'white', None),
    ):
      if key not in found[0]:
        continue
      seconds = _mean(found, key)
      axes.plot(
          seconds,
          bits,
          marker,
          color=color,
          markerfacecolor=face,
          label=label,
      )
      axes.annotate(
          str(i + 1),
          (seconds, bits),
          xytext=(4, 4),
          textcoords='offset points',
          fontsize=7,
      )
  axes.set_xscale('log')
  axes.set_xlabel('CPU seconds for a thousand characters (filled: with caches)')
  axes.set_ylabel('bits a character, test')
  axes.grid(color='#e5e5e5', linewidth=0.7)
  axes.set_axisbelow(True)
  figure.legend(loc='outside right upper', frameon=False, fontsize=7)
  figure.suptitle(title)
  figure.savefig(path)


def draw_training(
    path: pathlib.Path,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    title: str,
) -> None:
  """Draws validation bits over the time of training.

  Args:
    path: File to write.
    curves: Name of a model to seconds and bits.
    title: Title of the picture.
  """
  figure = pictures.make_figure(10, 6.5)
  axes = figure.add_subplot()
  for i, (name, (seconds, bits)) in enumerate(curves.items()):
    style = _LINES[i // 10 % len(_LINES)]
    axes.plot(seconds, bits, style, color=f'C{i % 10}', marker='.', label=name)
  axes.set_xlabel('CPU seconds of training')
  axes.set_ylabel('bits a character, validation')
  axes.grid(color='#e5e5e5', linewidth=0.7)
  if curves:
    figure.legend(loc='outside right upper', frameon=False, fontsize=7)
  figure.suptitle(title)
  figure.savefig(path)


def _mean(found, key):
  return float(np.mean([row[key] for row in found]))


def _cell(found, key, places):
  if not all(key in row for row in found):
    return ''
  values = [row[key] for row in found]
  cell = f'{np.mean(values):,.{places}f}'
  if len(values) > 1 and key == 'bits':
    cell += f' ({min(values):.{places}f} to {max(values):.{places}f})'
  return cell
