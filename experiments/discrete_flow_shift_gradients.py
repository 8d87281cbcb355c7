r"""Compares gradients of a shift where its floor is known and a table suffices.

One autoregressive flow of location alone, on a base of one law for all
positions, models a source of n-grams. Its shift is a table over all contexts,
and the loss is the exact expectation over the source: neither capacity nor
noise of the data stand between a gradient and the floor of `flow_floors`. What
is left are the gradient of the argmax and the way that the optimiser goes.

  python -m experiments.discrete_flow_shift_gradients --text_file=text8

Gradients: those of `layers.DiscreteAutoregressiveFlow`; and 'expected', the
exact one of the mean loss over shifts that are drawn from the softmax of the
logits, base and all, by enumeration of the shifts; and 'leave_one_out', an
unbiased estimate of it from two draws in each context. Beginnings: 'identity',
no shift anywhere; 'random', another shift in every context; 'likeliest', the
shift that takes the likeliest class of a context to 0, which a network that was
trained to predict the class knows. The base follows by the same steps or,
'fitted', is the law of what the shifts make of the source, at each step.

References:
  Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
  Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
  https://arxiv.org/abs/1905.10347.
"""

from collections.abc import Sequence
import functools
import math

from absl import app
from absl import flags
import keras
import numpy as np
import rich.console
import rich.table
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import flow_floors
from experiments import launch
from experiments import shared_flags
from experiments import text as text_lib

_ORDER = flags.DEFINE_integer(
    'order', 3, 'Symbols of an n-gram of the source.', lower_bound=2
)
_NUM_DESCENTS = flags.DEFINE_integer(
    'num_descents', 1000, 'Steps of each descent.', lower_bound=1
)

GRADIENTS = ('softmax', 'gumbel', 'reinmax', 'expected', 'leave_one_out')
STARTS = ('identity', 'random', 'likeliest')
BASES = ('stepped', 'fitted')
_LEARNING_RATE = 0.05


def descend(
    contexts: flow_floors.Contexts,
    gradient: str,
    start: str,
    base: str,
    num_steps: int,
    seed: int = 0,
) -> float:
  """Trains a table of shifts and a base by exact expectations.

  Args:
    contexts: `flow_floors.Contexts`.
    gradient: One of `GRADIENTS`.
    start: One of `STARTS`.
    base: One of `BASES`.
    num_steps: Steps of Adam.
    seed: Python `int`, of the beginning and the noise.

  Returns:
    Bits a symbol of the shifts of the largest logits, with the best base.
  """
  probs = tf.constant(contexts.probs, tf.float32)
  weights = tf.constant(contexts.weights, tf.float32)[:, tf.newaxis]
  rng = np.random.default_rng(seed)
  initial = 0.01 * rng.normal(size=contexts.probs.shape)
  rows = np.arange(len(initial))
  if start == 'identity':
    initial[:, 0] += 1
  elif start == 'likeliest':
    initial[rows, contexts.probs.argmax(-1)] += 1
  else:
    initial *= 100
  shift_logits = keras.Variable(initial, dtype='float32')
  base_logits = keras.Variable(np.zeros(initial.shape[-1]), dtype='float32')
  variables = [shift_logits, base_logits]
  optimizer = keras.optimizers.Adam(
      keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, num_steps)
  )
  optimizer.build(variables)
  leave_one_out = dlvm.estimators.LeaveOneOut(num_samples=2)

  # What each shift makes of the law in each context, [contexts, K, shifts].
  classes = np.arange(contexts.probs.shape[-1])
  moved = tf.gather(
      weights * probs,
      (classes[:, np.newaxis] + classes) % classes.size,
      axis=-1,
  )

  def law(shift):
    return tf.einsum('cjs,cs->j', moved, shift)

  @tf.function(autograph=False)
  def step(i):
    with tf.GradientTape() as tape:
      shift = _choose(gradient, shift_logits.value, dlvm.ops.fold_in(seed, i))
      found = law(shift)
      log_base = tf.nn.log_softmax(base_logits.value)
      if base == 'fitted':
        log_base = tf.math.log(tf.stop_gradient(found) + 1e-9)
      loss = -tf.reduce_sum(found * log_base)
      if gradient == 'leave_one_out':
        costs = -tf.einsum('cjs,j->cs', moved, log_base)
        values = leave_one_out(
            shift_logits.value[:, tf.newaxis],
            objective=lambda z: tf.reduce_sum(z[..., 0, :] * costs, axis=-1),
            seed=dlvm.ops.fold_in(seed, i),
        )
        loss = tf.reduce_sum(values)
    optimizer.apply(
        tape.gradient(
            loss,
            [v.value for v in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        ),
        variables,
    )

  if base == 'stepped':
    shift = dlvm.ops.one_hot_argmax(shift_logits.value)
    base_logits.assign(tf.math.log(law(shift)))
  for i in range(num_steps):
    step(tf.constant(i))
  shift = dlvm.ops.one_hot_argmax(shift_logits.value)
  return float(flow_floors.entropy_bits(law(shift).numpy().astype(np.float64)))


def _choose(gradient, logits, seed):
  match gradient:
    case 'leave_one_out':
      return dlvm.ops.one_hot_argmax(logits)
    case 'expected':
      return tf.nn.softmax(logits)
    case 'gumbel':
      return dlvm.ops.gumbel_argmax(logits, 1.0, seed)
    case 'reinmax':
      return dlvm.ops.reinmax_argmax(logits)
    case _:
      return dlvm.ops.softmax_argmax(logits)


@functools.partial(
    launch.one_line_errors,
    distributes=False,
    unused=shared_flags.all_but(
        shared_flags.SEED,
        shared_flags.TEXT_FILE,
        shared_flags.STRATEGY,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Descends by each gradient, and prints the table.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  text = text_lib.load(shared_flags.TEXT_FILE.value)
  contexts = flow_floors.frequent(
      flow_floors.ngram_contexts(text.train, _ORDER.value, text.num_classes)
  )
  maps = flow_floors.affine_maps(text.num_classes)
  unigram = flow_floors.entropy_bits(contexts.weights @ contexts.probs)
  table = rich.table.Table(
      title=(
          f'{text.description["source"]}, {_ORDER.value}-grams: entropy '
          f'{contexts.entropy():.3f}, ranks '
          f'{flow_floors.rank_floor(contexts):.3f}, shifts '
          f'{flow_floors.map_floor(contexts, maps):.3f}, no flow {unigram:.3f}'
      ),
      caption='bits a character',
  )
  for heading in ('gradient', 'beginning', *(f'base {b}' for b in BASES)):
    table.add_column(heading)
  run = functools.partial(
      descend, num_steps=_NUM_DESCENTS.value, seed=shared_flags.SEED.value
  )
  for gradient in GRADIENTS:
    for start in STARTS:
      cells = [f'{run(contexts, gradient, start, base):.3f}' for base in BASES]
      table.add_row(gradient, start, *cells)
  rich.console.Console(width=max(100, math.ceil(len(str(table.title))))).print(
      table
  )


if __name__ == '__main__':
  app.run(main)
