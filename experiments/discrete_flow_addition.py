"""Trains discrete flows to add numbers digit by digit.

The data are those of Tran et al. (2019), Section 5.2: the digits of the sum of
two numbers of D digits, modulo 10**D, given those of both; the most significant
digit first. The sum is certain given the summands, so the entropy is 0. A model
that goes from left to right with the summands' digits up to its place does not
know the carry, which leaves the bound printed as the best from left to right.
The autoregressive flow next to the base goes from right to left, and can be
exact. The paper has LSTMs; a convolution, the default here, sees the places
nearby and is several times faster. The straight-through gradient keeps a
temperature of 1: where it falls, a flow that has not begun to learn stays as it
is.

  python -m experiments.discrete_flow_addition
  python -m experiments.discrete_flow_addition --length=20 \
      --output_dir=runs/addition_20
  python -m experiments.discrete_flow_addition --causal_network=lstm \
      --units=256 --output_dir=runs/addition_lstm

It leaves in the output directory a directory for each run (see `flow_runs`) and
models.png: the share of sampled digits that are right at each place.
"""

from collections.abc import Sequence
import functools

from absl import app
from absl import flags
import tensorflow as tf

from experiments import flow_evaluation
from experiments import flow_models
from experiments import flow_pictures
from experiments import flow_runs
from experiments import flow_truths
from experiments import launch
from experiments import shared_flags

flags.set_default(shared_flags.OUTPUT_DIR, 'runs/discrete_flow_addition')
flags.set_default(shared_flags.LENGTH, 10)
flow_runs.set_defaults(
    models='autoregressive,autoregressive+autoregressive,'
    'autoregressive+bipartite,autoregressive+2xbipartite,factorized+2xbipartite,'
    'factorized+2xsorting',
    num_steps=1000,
    learning_rate=3e-3,
)
flags.set_default(flow_runs.CAUSAL_NETWORK, 'convolution')
flags.set_default(flow_runs.BIPARTITE_NETWORK, 'convolution')
flags.set_default(flow_runs.MASKS, 'alternating')
flags.set_default(shared_flags.TEMPERATURE_SCHEDULE, '1')
flags.set_default(shared_flags.BATCH_SIZE, 128)


@functools.partial(
    launch.one_line_errors,
    unused=(*flow_runs.UNUSED, shared_flags.NUM_CLASSES),
)
def main(argv: Sequence[str]) -> None:
  """Trains, evaluates and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  _check_networks()
  data = {'name': 'addition', 'length': shared_flags.LENGTH.value}
  truth = flow_truths.build(data)

  def sample(size: int, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    context, codes = truth.sample(size, seed)
    return {'x': codes, 'context': context}

  flow_runs.run_all(
      flow_runs.Experiment(
          title=f'Addition of numbers of {truth.length} digits',
          config={'data': data},
          truth=truth,
          batches=flow_runs.sampled_batches(sample),
          evaluate=flow_evaluation.evaluate_conditional,
          draw=flow_pictures.shares,
          floors={'best from left to right': truth.left_to_right_entropy()},
      )
  )


def _check_networks():
  """Checks that all networks can see the numbers that are to be added."""
  for name in flow_runs.names():
    found = flow_models.networks(
        name,
        flow_runs.CAUSAL_NETWORK.value,
        flow_runs.BIPARTITE_NETWORK.value,
    )
    blind = sorted(found - {*flow_models.CONTEXT_NETWORKS})
    if blind:
      raise ValueError(
          'Expected networks that take a context for each position, '
          f'{", ".join(flow_models.CONTEXT_NETWORKS)}; received '
          f'{", ".join(blind)} for {name!r}.'
      )


if __name__ == '__main__':
  app.run(main)
