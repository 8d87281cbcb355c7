r"""Tabulates what discrete flows can reach on sources of known law.

The tables of `docs/discrete_flows_text.md`, Section "What flows can reach", but
for the column "two ends": flows of one direction on n-gram sources; where
positions are placed by certainty, at finite lengths, by the predictions of an
n-gram model on the text that it was fitted to; and couplings on a source of
bigrams.

  python -m experiments.discrete_flow_floors --text_file=text8
"""

from collections.abc import Sequence
import functools

from absl import app
from absl import flags
import numpy as np
import rich.console
import rich.table

import discrete_lvm as dlvm
from experiments import flow_floors
from experiments import launch
from experiments import ngrams
from experiments import shared_flags
from experiments import text as text_lib

_MAX_ORDER = flags.DEFINE_integer(
    'max_order', 5, 'Symbols of the longest n-grams.', lower_bound=2
)
_NUM_CHARACTERS = flags.DEFINE_integer(
    'num_characters', 600_000, 'Of the text, that are placed.', lower_bound=1
)

_GROUPS = 16
_LENGTHS = (32, 64, 128, 256, 512)
_DISTANCES = (1, 2, 4, 8)
_BATCH_SIZE = 200


def families(contexts: flow_floors.Contexts) -> dict[str, float]:
  """Returns what each family of flows leaves, in bits a symbol.

  Args:
    contexts: `flow_floors.Contexts`.
  """
  num_classes = contexts.probs.shape[-1]
  maps = flow_floors.affine_maps(num_classes)
  scaled = flow_floors.affine_maps(num_classes, with_scale=True)
  return {
      'entropy': contexts.entropy(),
      'ranks, by certainty': flow_floors.confidence_floor(contexts, _GROUPS),
      'ranks': flow_floors.rank_floor(contexts),
      'shift and scale': flow_floors.map_floor(contexts, scaled, num_starts=1),
      'shift': flow_floors.map_floor(contexts, maps),
  }


def couplings(codes: np.ndarray, num_classes: int) -> dict[str, dict]:
  """Returns what couplings leave of a source of bigrams, in bits a symbol.

  Args:
    codes: Integer codes of a text, shape `[size]`.
    num_classes: Number of classes `K`.

  Returns:
    For 'one coupling', of every other position, and for 'multiscale', what each
    family leaves.
  """
  chain = flow_floors.ngram_contexts(codes, 2, num_classes)
  unigram = float(flow_floors.entropy_bits(chain.weights))
  levels = [
      families(flow_floors.frequent(flow_floors.between(chain, distance)))
      for distance in _DISTANCES
  ]
  shares = [1 / (2 * distance) for distance in _DISTANCES]
  return {
      'one coupling': {
          key: (unigram + value) / 2 for key, value in levels[0].items()
      },
      'multiscale': {
          key: sum(
              s * level[key] for s, level in zip(shares, levels, strict=True)
          )
          + shares[-1] * unigram
          for key in levels[0]
      },
  }


def placed(
    codes: np.ndarray, probs: np.ndarray, length: int
) -> dict[str, float]:
  """Returns the entropy of ranks at each position of a base, in bits.

  Args:
    codes: Integer codes of a text, shape `[size]`.
    probs: Array of shape `[size, K]`, the predictions of them.
    length: Length of an event.

  Returns:
    For 'unplaced', 'nearest free slot' and 'sorted within the event' the mean
    over the positions. A term for the bias of entropies of few events is added.
  """
  logits = np.log(probs).astype(np.float32)
  own = np.take_along_axis(logits, codes[:, np.newaxis], axis=-1)
  ranks = np.sum(logits > own, axis=-1)
  scores = dlvm.ops.placement.uncertainty(logits).numpy()
  thresholds = dlvm.ops.placement.quantiles(scores, length)
  ranks = text_lib.windows(ranks, length)
  scores = text_lib.windows(scores, length)
  slots = np.concatenate(
      [
          dlvm.ops.placement.place(
              dlvm.ops.placement.targets(
                  scores[begin : begin + _BATCH_SIZE], thresholds
              )
          )
          for begin in range(0, len(scores), _BATCH_SIZE)
      ]
  )
  orders = {
      'unplaced': np.broadcast_to(np.arange(length), ranks.shape),
      'nearest free slot': np.argsort(slots, axis=-1),
      'sorted within the event': np.argsort(scores, axis=-1, kind='stable'),
  }
  return {
      name: _mean_entropy(np.take_along_axis(ranks, order, axis=-1))
      for name, order in orders.items()
  }


def _mean_entropy(ranks):
  size, length = ranks.shape
  total = 0.0
  for column in ranks.T:
    counts = np.bincount(column)
    total += flow_floors.entropy_bits(counts / size)
    total += (np.count_nonzero(counts) - 1) / (2 * size * np.log(2))
  return float(total / length)


@functools.partial(
    launch.one_line_errors,
    distributes=False,
    unused=shared_flags.all_but(shared_flags.TEXT_FILE, shared_flags.STRATEGY),
)
def main(argv: Sequence[str]) -> None:
  """Computes and prints the tables.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  text = text_lib.load(shared_flags.TEXT_FILE.value)
  num_classes = text.num_classes
  order = _MAX_ORDER.value
  codes = text.train[: _NUM_CHARACTERS.value].astype(np.int64)
  if len(codes) - order + 1 < _LENGTHS[0]:
    raise ValueError(
        f'Expected at least {_LENGTHS[0] + order - 1} characters that are '
        f'placed; received {len(codes)}.'
    )
  rows = {
      f'{n}-gram source': families(
          flow_floors.frequent(
              flow_floors.ngram_contexts(text.train, n, num_classes)
          )
      )
      for n in range(2, order + 1)
  }
  _print_table('Flows of one direction', rows)
  _print_table('Bigram source', couplings(text.train, num_classes))
  probs = ngrams.ngram_predictions(text.train, codes, order, num_classes)
  predicted = codes[order - 1 :]
  _print_table(
      f'Ranks of {order}-gram predictions',
      {
          f'length {length}': placed(predicted, probs, length)
          for length in _LENGTHS
          if length <= len(predicted)
      },
  )


def _print_table(title, rows):
  table = rich.table.Table(title=f'{title}, bits a character')
  for heading in ('', *next(iter(rows.values()))):
    table.add_column(heading)
  for name, row in rows.items():
    table.add_row(name, *(f'{bits:.3f}' for bits in row.values()))
  rich.console.Console().print(table)


if __name__ == '__main__':
  app.run(main)
