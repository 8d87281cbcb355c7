r"""Measures what another order of the classes is worth to a model of text.

On an autoregressive base a flow from left to right renames each class given
those before: at best the likeliest class of the flow's own prediction becomes
the one that the base holds for the likeliest, and so on. So the base's
probabilities stay, and the flow says which class has which. Even a base that
saw the characters, and not what the flow made of them, would pay for this.

  python -m experiments.discrete_flow_text --num_steps=1000 \
      --models=convolution,lstm,transformer
  python -m experiments.discrete_flow_reordering \
      --reordered=convolution,lstm,transformer

The models are those of a finished `discrete_flow_text`, with neither a flow nor
an end that is missing. Each is the base, and each of the others, and a 5-gram
model of the training text, the prediction that orders it. Beside it stands the
mean of both predictions, which no renaming makes: what else the prediction
knows.
"""

from collections.abc import Sequence
import functools
import pathlib

from absl import app
from absl import flags
import numpy as np
import rich.console
import rich.table
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import finished_runs
from experiments import flow_text_evaluation
from experiments import launch
from experiments import ngrams
from experiments import shared_flags
from experiments import text as text_lib

_REORDERED = flags.DEFINE_list(
    'reordered', 'convolution,lstm,transformer', 'Models, by commas.'
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/discrete_flow_text')

_ORDER = 5


def reorder(probs: np.ndarray, by: np.ndarray) -> np.ndarray:
  """Gives the classes of a prediction the order of another one.

  Args:
    probs: Array of shape `[..., K]`.
    by: Array like `probs`; of equals the lower class comes first.

  Returns:
    Array like `probs`: its largest entry at the class where `by` has its own,
    and so on.

  Example:
    >>> reorder(np.array([0.7, 0.2, 0.1]), np.array([0.3, 0.1, 0.6])).tolist()
    [0.2, 0.1, 0.7]
  """
  ranks = np.argsort(np.argsort(-by, axis=-1, kind='stable'), axis=-1)
  return np.take_along_axis(-np.sort(-probs, axis=-1), ranks, axis=-1)


def compare(
    probs: np.ndarray, by: np.ndarray, codes: np.ndarray
) -> dict[str, float]:
  """Computes what a prediction pays by itself, reordered, and mixed.

  Args:
    probs: Array of shape `[size, length, K]`, predictions of the base.
    by: Array like `probs`, those that order them.
    codes: Integer codes, shape `[size, length]`.

  Returns:
    In bits a character: 'base', 'reordered', 'mixed', and the standard error of
    'reordered' minus 'base' over the examples: NaN for fewer than two.
  """

  def bits(probs):
    chosen = np.take_along_axis(probs, codes[..., np.newaxis], axis=-1)
    return -np.mean(np.log2(chosen[..., 0]), axis=-1)

  base, reordered = bits(probs), bits(reorder(probs, by))
  return {
      'base': float(np.mean(base)),
      'reordered': float(np.mean(reordered)),
      'error': flow_text_evaluation.standard_error(reordered - base),
      'mixed': float(np.mean(bits((probs + by) / 2))),
  }


def _predict(model, codes):
  def probs(codes):
    logits = model.base(tf.one_hot(codes, model.num_classes))
    return tf.nn.softmax(tf.cast(logits, tf.float32))

  return flow_text_evaluation.over_batches(probs, codes.astype(np.int32))


def _predict_by_ngrams(text, codes):
  """Returns predictions by those before, also of examples before."""
  # What precedes the first does not matter: no one scores it.
  stream = np.concatenate([np.zeros(_ORDER - 1, codes.dtype), codes.ravel()])
  return ngrams.ngram_predictions(
      text.train, stream, _ORDER, text.num_classes
  ).reshape([*codes.shape, text.num_classes])


def _read():
  """Returns the runs by their models' names, all of one text and length."""
  sweep_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  if not _REORDERED.value:
    raise ValueError('Expected names of models in --reordered; received none.')
  found = {
      name: finished_runs.read(
          sweep_dir / name / f'seed_{shared_flags.SEED.value}'
      )
      for name in _REORDERED.value
  }
  for name, run in found.items():
    if (
        not isinstance(run.model, dlvm.models.DiscreteFlow)
        or run.model.base is None
        or run.model.flows
    ):
      raise ValueError(
          f'Expected an autoregressive model without flows; received {name!r}.'
      )
  lengths = {name: run.model.length for name, run in found.items()}
  if len(set(lengths.values())) > 1:
    raise ValueError(f'Expected models of one length; received {lengths}.')
  texts = {name: run.data['sha256'] for name, run in found.items()}
  if any(text != texts[_REORDERED.value[0]] for text in texts.values()):
    raise ValueError(f'Expected models of one text; received {texts}.')
  return found


@functools.partial(
    launch.one_line_errors,
    distributes=False,
    unused=shared_flags.all_but(
        shared_flags.SEED,
        shared_flags.OUTPUT_DIR,
        shared_flags.TEXT_FILE,
        shared_flags.STRATEGY,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Reads the models, compares each with each, and prints the table.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  found = _read()
  first = next(iter(found.values()))
  text = first.text()
  codes = text_lib.windows(text.test, first.model.length).astype(np.int64)
  if len(codes) < 2:
    # The first is without what precedes it, and dropped below.
    raise ValueError(
        f'Expected a test text of at least two examples of '
        f'{first.model.length} characters; received {len(text.test)}.'
    )
  predictions = {
      name: _predict(run.model, codes) for name, run in found.items()
  }
  orders = {**predictions, f'{_ORDER}-gram': _predict_by_ngrams(text, codes)}
  table = rich.table.Table(
      title=f'{text.description["source"]}, seed {shared_flags.SEED.value}',
      caption='bits a character; error: of reordered minus base',
  )
  for heading in ('base', 'ordered by', 'base', 'reordered', 'error', 'mixed'):
    table.add_column(heading)
  for base, probs in predictions.items():
    for order, by in orders.items():
      if order != base:
        # The first example is without what precedes it.
        row = compare(probs[1:], by[1:], codes[1:])
        table.add_row(base, order, *(f'{bits:.3f}' for bits in row.values()))
  rich.console.Console().print(table)


if __name__ == '__main__':
  app.run(main)
