"""Trains discrete flows on a quantised ring of eight Gaussians.

Two positions of 91 classes, as Tran et al. (2019) and others show them. The
entropy is 6.320 nats, known exactly. Hoogeboom et al. (2021, Appendix C) report
7.0 nats for a discrete flow and 6.32 for an argmax flow.

  python -m experiments.discrete_flow_quantized_mixture --num_seeds=3

It leaves in the output directory a directory for each run (see `flow_runs`) and
models.png: the probabilities of the truth and of each model.

References:
  Emiel Hoogeboom, Didrik Nielsen, Priyank Jaini, Patrick Forre, Max Welling.
  Argmax Flows and Multinomial Diffusion: Learning Categorical Distributions.
  NeurIPS 2021. https://arxiv.org/abs/2102.05379.
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

flags.set_default(
    shared_flags.OUTPUT_DIR, 'runs/discrete_flow_quantized_mixture'
)
flow_runs.set_defaults(
    models='factorized,factorized+2xbipartite,factorized+2xsorting,'
    'factorized+autoregressive,autoregressive,autoregressive+autoregressive',
    num_steps=3000,
)


@functools.partial(
    launch.one_line_errors,
    unused=(*flow_runs.UNUSED, shared_flags.NUM_CLASSES, shared_flags.LENGTH),
)
def main(argv: Sequence[str]) -> None:
  """Trains, evaluates and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  data = {'name': 'quantized_mixture'}
  truth = flow_truths.build(data)
  flow_runs.run_all(
      flow_runs.Experiment(
          title='Eight Gaussians, 2 positions of 91 classes',
          config={'data': data},
          truth=truth,
          batches=flow_runs.sampled_batches(truth.sample),
          evaluate=flow_evaluation.evaluate,
          draw=flow_pictures.grids,
      )
  )


if __name__ == '__main__':
  app.run(main)
