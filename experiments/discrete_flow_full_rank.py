"""Trains discrete flows on a random table without any structure.

The data are those of Tran et al. (2019), Section 5.1: D positions of K classes,
with probabilities drawn from Dirichlet(1, ..., 1). The result is how many nats
each model is above the entropy of that very table, summed over all K**D events.

  python -m experiments.discrete_flow_full_rank
  python -m experiments.discrete_flow_full_rank --num_seeds=3 \
      --length=10 --num_classes=5 --causal_network=made \
      --bipartite_network=dense --masks=alternating \
      --output_dir=runs/full_rank_10_5

It leaves in the output directory a directory for each run (see `flow_runs`) and
models.png: the log-probability of events under each model and the truth.
"""

from collections.abc import Sequence
import functools

from absl import app
from absl import flags

from experiments import flow_evaluation
from experiments import flow_pictures
from experiments import flow_runs
from experiments import flow_truths
from experiments import launch
from experiments import shared_flags

flags.set_default(shared_flags.OUTPUT_DIR, 'runs/discrete_flow_full_rank')
flags.set_default(shared_flags.LENGTH, 5)
flags.set_default(shared_flags.NUM_CLASSES, 5)
flow_runs.set_defaults(
    models='factorized,factorized+bipartite,factorized+5xbipartite,'
    'factorized+sorting,factorized+5xsorting,factorized+autoregressive,'
    'autoregressive,autoregressive+autoregressive,autoregressive+5xbipartite',
    num_steps=3000,
)


@functools.partial(
    launch.one_line_errors,
    unused=flow_runs.UNUSED,
)
def main(argv: Sequence[str]) -> None:
  """Trains, evaluates and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  length, num_classes = (
      shared_flags.LENGTH.value,
      shared_flags.NUM_CLASSES.value,
  )
  data = {
      'name': 'full_rank',
      'length': length,
      'num_classes': num_classes,
      'seed': shared_flags.DATA_SEED.value,
  }
  truth = flow_truths.build(data)
  flow_runs.run_all(
      flow_runs.Experiment(
          title=f'Full-rank table, {length} positions of {num_classes} classes',
          config={'data': data},
          truth=truth,
          batches=flow_runs.sampled_batches(truth.sample),
          evaluate=flow_evaluation.evaluate,
          draw=flow_pictures.log_probs,
      )
  )


if __name__ == '__main__':
  app.run(main)
