"""Trains discrete flows on the Potts model of a square lattice.

The data are those of Tran et al. (2019), Section 5.3: K classes on a lattice
whose neighbours like to agree, by the coupling J. The paper does not say what
happens at the edges, nor how often a pair of neighbours counts; --boundary and
--pairs do, and the entropy is exact for each choice.

  python -m experiments.discrete_flow_potts --coupling=0.5
  python -m experiments.discrete_flow_potts --coupling=0.5 \
      --boundary=periodic --pairs=twice --output_dir=runs/potts_periodic

The training data are exact draws, or with --sampler=metropolis a data set of
Metropolis chains as in the paper. Either way, such chains are run first, and
their mean energy is printed beside the exact one.

It leaves in the output directory a directory for each run (see `flow_runs`) and
models.png: the log-probability of events under each model and the truth.
"""

from collections.abc import Sequence
import functools

from absl import app
from absl import flags
import numpy as np
import rich.console
from scipy import stats

import discrete_lvm as dlvm
from experiments import flow_evaluation
from experiments import flow_pictures
from experiments import flow_runs
from experiments import flow_truths
from experiments import launch
from experiments import potts
from experiments import shared_flags

_SIDE = flags.DEFINE_integer(
    'side', 3, 'Rows, and columns, of the lattice.', lower_bound=2
)
_COUPLING = flags.DEFINE_float('coupling', 0.1, 'J, of neighbours that agree.')
_BOUNDARY = flags.DEFINE_enum(
    'boundary', 'open', potts.BOUNDARIES, 'Edges, or a torus.'
)
_PAIRS = flags.DEFINE_enum(
    'pairs', 'once', potts.PAIRS, 'How often a pair of neighbours counts.'
)
_SAMPLER = flags.DEFINE_enum(
    'sampler', 'exact', ['exact', 'metropolis'], 'Source of the training data.'
)
_NUM_CHAINS = flags.DEFINE_integer(
    'num_chains', 20_000, 'Metropolis chains.', lower_bound=2
)
_NUM_SWEEPS = flags.DEFINE_integer(
    'num_sweeps', 500, 'Metropolis sweeps of the lattice.', lower_bound=1
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/discrete_flow_potts')
flags.set_default(shared_flags.NUM_CLASSES, 3)
flow_runs.set_defaults(
    models='factorized,factorized+4xbipartite,factorized+4xsorting,'
    'factorized+autoregressive,autoregressive,autoregressive+autoregressive',
    num_steps=3000,
)
# On a side of 3 these are the colours of a checkerboard: every neighbour of a
# position that changes is seen.
flags.set_default(flow_runs.MASKS, 'alternating')
# Less than once in a million runs by chance.
_MAX_SIGMA = 5
# Named as the arguments of `potts.Potts` are.
_LAW_FLAGS = (
    _SIDE,
    shared_flags.NUM_CLASSES,
    _COUPLING,
    _BOUNDARY,
    _PAIRS,
)
_CHAIN_FLAGS = (_NUM_CHAINS, _NUM_SWEEPS)


def run_chains(truth: potts.Potts) -> np.ndarray:
  """Runs Metropolis chains, and prints their mean energy beside the exact one.

  Args:
    truth: The model.

  Returns:
    Codes, shape `[num_chains, length]`.

  Raises:
    ValueError: If the energies are more than 5 standard errors apart.
  """
  codes = truth.metropolis(
      _NUM_CHAINS.value, _NUM_SWEEPS.value, shared_flags.DATA_SEED.value
  )
  energies = -_COUPLING.value * truth.agreements(codes)
  exact = -_COUPLING.value * truth.mean_agreements()
  error = stats.sem(energies)
  text = (
      f'mean energy {np.mean(energies):.4f}, standard error {error:.4f}, of '
      f'{len(codes):,} Metropolis chains of {_NUM_SWEEPS.value} sweeps; exact '
      f'{exact:.4f}'
  )
  # So that it fails for NaN, too.
  if not abs(np.mean(energies) - exact) <= _MAX_SIGMA * error:
    raise ValueError(f'Expected chains in equilibrium; received {text}.')
  rich.console.Console().print(text, highlight=False, soft_wrap=True)
  return codes


@functools.partial(
    launch.one_line_errors,
    unused=(*flow_runs.UNUSED, shared_flags.LENGTH),
)
def main(argv: Sequence[str]) -> None:
  """Trains, evaluates and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  data = {'name': 'potts', **{flag.name: flag.value for flag in _LAW_FLAGS}}
  truth = flow_truths.build(data)
  chains = run_chains(truth)
  config = {'data': data, 'sampler': _SAMPLER.value}
  batches = flow_runs.sampled_batches(truth.sample)
  if _SAMPLER.value == 'metropolis':
    config |= {flag.name: flag.value for flag in _CHAIN_FLAGS}
    batches = functools.partial(
        dlvm.training.ShuffledBatches, chains, shared_flags.BATCH_SIZE.value
    )
  flow_runs.run_all(
      flow_runs.Experiment(
          title=(
              f'Potts model, {_SIDE.value}x{_SIDE.value}, {truth.num_classes} '
              f'classes, J = {_COUPLING.value:g}, {_BOUNDARY.value}, each pair '
              f'{_PAIRS.value}'
          ),
          config=config,
          truth=truth,
          batches=batches,
          evaluate=flow_evaluation.evaluate,
          draw=flow_pictures.log_probs,
      )
  )


if __name__ == '__main__':
  app.run(main)
