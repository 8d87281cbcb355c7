r"""Measures bias, variance and cost of every gradient estimator.

  python -m experiments.estimator_variance
  python -m experiments.estimator_variance --num_classes=2 \
      --output_dir=runs/estimator_variance_binary

The gradient for the logits of N latents of K classes is compared with the
enumerated one, at one point, on several objectives: linear in each latent,
quadratic, a table without structure, and the negative log-likelihood of a digit
under a small VAE that is trained here first. An estimator with a temperature is
measured at each of --temperatures. One that learns is first trained for
--num_warmup steps on its own signal at these very logits, and is then held
fixed; so its figures are those of a baseline or control variate that has
settled, at a point that does not move. An estimator of the bound of several
samples is compared with the gradient of that bound. Those that cannot take
these logits are left out, and named with their reason.

An evaluation is one code that the objective sees, counted; the time is that of
a call with --batch_size examples in a graph, with gradients for the logits and
for what the estimator trains, all in turn.

It leaves in the output directory: config.json, results.json, results.md and
variance.png, and the VAE in `vae`.
"""

from collections.abc import Sequence
import functools
import pathlib

from absl import app
from absl import flags
import keras
import rich.console

import discrete_lvm as dlvm
from experiments import consoles
from experiments import estimator_measures
from experiments import estimator_names
from experiments import estimator_objectives
from experiments import estimator_pictures
from experiments import estimator_table
from experiments import launch
from experiments import results
from experiments import runs
from experiments import shared_flags
from experiments.benchmarks import timing

_OBJECTIVES = flags.DEFINE_list(
    'objectives', list(estimator_objectives.NAMES), 'Objectives, by commas.'
)
_TEMPERATURES = flags.DEFINE_list(
    'temperatures',
    ['0.25', '0.5', '1', '2'],
    'Temperatures of those that have one, by commas.',
)
_NUM_DRAWS = flags.DEFINE_integer(
    'num_draws', 20_000, 'Gradients of which each figure is.', lower_bound=2
)
_NUM_WARMUP = flags.DEFINE_integer(
    'num_warmup', 500, 'Steps that train what learns.', lower_bound=1
)
_ROUNDS = flags.DEFINE_integer(
    'timing_rounds',
    7,
    'Rounds over the alternatives that are timed.',
    lower_bound=1,
)
_SECONDS = flags.DEFINE_float(
    'timing_seconds', 0.02, 'Seconds of each in a round.', lower_bound=0.0
)
flags.set_default(shared_flags.NUM_LATENTS, 4)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/estimator_variance')
flags.set_default(shared_flags.NUM_CLASSES, 3)
flags.set_default(shared_flags.BATCH_SIZE, 100)
flags.set_default(shared_flags.NUM_STEPS, 1000)
flags.set_default(
    shared_flags.LEARNING_RATE, 'cosine:initial=1e-2,final=0,num_steps=500'
)

_CONFIG_FLAGS = (
    shared_flags.SEED,
    shared_flags.DATA_SEED,
    shared_flags.NUM_CLASSES,
    shared_flags.NUM_STEPS,
    shared_flags.BATCH_SIZE,
    shared_flags.LEARNING_RATE,
    shared_flags.PRECISION,
    _OBJECTIVES,
    shared_flags.NUM_LATENTS,
    _NUM_WARMUP,
    _ROUNDS,
    _SECONDS,
)
# What is divided by its spread has another gradient up to a positive factor,
# which an optimiser does not feel, and which is no bias to compare.
_ARGUMENTS = {'nvil': {'normalize': False}}
_BASELINE = 'score_function'


@functools.partial(
    launch.one_line_errors,
    distributes=False,
    unused=shared_flags.all_but(
        shared_flags.SEED,
        shared_flags.OUTPUT_DIR,
        shared_flags.DATA_SEED,
        shared_flags.NUM_STEPS,
        shared_flags.NUM_LATENTS,
        shared_flags.NUM_CLASSES,
        shared_flags.BATCH_SIZE,
        shared_flags.LEARNING_RATE,
        shared_flags.PRECISION,
        shared_flags.STRATEGY,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Measures, prints, writes and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  # The ratio of times is to the first.
  names = [*dict.fromkeys([_BASELINE, *estimator_names.listed()])]
  given = [n for n in names if 'temperature' in estimator_names.arguments(n)]
  if given:
    raise ValueError(
        'Expected the temperatures in --temperatures, not in the name of an '
        f'estimator; received {given}.'
    )
  temperatures = _parse_temperatures()
  objectives = [*dict.fromkeys(_OBJECTIVES.value)]
  if not objectives or not {*objectives} <= {*estimator_objectives.NAMES}:
    raise ValueError(
        f'Expected objectives of {estimator_objectives.NAMES} in --objectives; '
        f'received {objectives}.'
    )
  # Too many codes are an error of the flags, not of an estimator, and are said
  # before a VAE of them is trained.
  dlvm.ops.num_codes(
      shared_flags.NUM_LATENTS.value, shared_flags.NUM_CLASSES.value
  )
  learning_rate = runs.resolve_learning_rate(_NUM_WARMUP)
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  config = {
      **{flag.name: flag.value for flag in _CONFIG_FLAGS},
      'estimators': names,
      'temperatures': temperatures,
  }
  key = {'num_draws': _NUM_DRAWS.value}
  with runs.claim(output_dir, config):
    found = results.read(output_dir, key)
    if found is None:
      rows, left_out = {}, {}
      for objective in objectives:
        rows[objective] = _measure_all(
            estimator_objectives.make(
                objective,
                shared_flags.NUM_LATENTS.value,
                shared_flags.NUM_CLASSES.value,
                shared_flags.DATA_SEED.value,
                output_dir,
                shared_flags.NUM_STEPS.value,
            ),
            names,
            temperatures,
            learning_rate,
            left_out,
        )
      found = {**key, 'rows': rows, 'left_out': left_out}
      results.write(output_dir, found)
  _report(found, output_dir)


def _measure_all(objective, names, temperatures, learning_rate, left_out):
  """Returns the rows of an objective; adds to what is left out."""
  seed = dlvm.ops.fold_in(shared_flags.SEED.value, 'draws')
  subjects, measured = {}, {}
  for name in names:
    keras.utils.set_random_seed(shared_flags.SEED.value)
    estimator = estimator_names.make(
        name, **_ARGUMENTS.get(estimator_names.base_name(name), {})
    )
    try:
      subject = estimator_measures.Subject(estimator, objective)
    except ValueError as error:
      left_out[name] = str(error)
      continue
    subject.warm_up(
        _NUM_WARMUP.value,
        shared_flags.BATCH_SIZE.value,
        learning_rate,
        dlvm.ops.fold_in(shared_flags.SEED.value, 'warm-up'),
    )
    subjects[name] = subject
    measured[name] = {}
    for value in temperatures if subject.has_temperature else [None]:
      if value is not None:
        estimator.temperature.assign(value)
      measured[name][value] = subject.measure(_NUM_DRAWS.value, seed)
  timings = _time(subjects)
  return [
      {
          'estimator': name,
          'temperature': temperature,
          'bound_of': (
              subjects[name].estimator.num_samples
              if subjects[name].estimator.importance_weighted
              else 1
          ),
          **figures,
          'evaluations': subjects[name].num_evaluations,
          **timings[name],
      }
      for name, cells in measured.items()
      for temperature, figures in cells.items()
  ]


def _time(subjects):
  """Returns names to microseconds of a call."""
  timings = timing.time_in_turn(
      {
          name: subject.call(shared_flags.BATCH_SIZE.value)
          for name, subject in subjects.items()
      },
      rounds=_ROUNDS.value,
      seconds=_SECONDS.value,
      repeats=1,
  )
  return {
      name: {
          'microseconds': 1e3 * found.median,
          'least': 1e3 * found.least,
          'most': 1e3 * found.most,
      }
      for name, found in timings.items()
  }


def _report(found, output_dir):
  title = (
      f'{shared_flags.NUM_LATENTS.value} latents of '
      f'{shared_flags.NUM_CLASSES.value} classes'
  )
  caption = (
      f'{found["num_draws"]:,} draws. Bias: norm of what the mean of the draws '
      'is off, with its standard error; about one error is none. Variance: of '
      'one call, summed over the logits. Evaluations of the objective and '
      'microseconds of a call, median of rounds, at batch '
      f'{shared_flags.BATCH_SIZE.value}; ratio: to {_BASELINE}. What learns '
      f'was trained for {_NUM_WARMUP.value} steps first.'
  )
  for name, reason in found['left_out'].items():
    caption += f' Left out: {name} ({reason.rstrip(".")}).'
  tables = {
      f'{name}, {title}': rows for name, rows in found['rows'].items() if rows
  }
  for name, rows in tables.items():
    estimator_table.print_table(name, rows)
  console = rich.console.Console()
  console.print(caption, markup=False, highlight=False)
  estimator_table.write_markdown(output_dir / 'results.md', tables, caption)
  estimator_pictures.draw(
      output_dir / 'variance.png',
      found['rows'],
      f'Gradient estimators, {title}, {found["num_draws"]:,} draws',
  )
  consoles.print_wrote(output_dir)


def _parse_temperatures():
  try:
    temperatures = [float(value) for value in _TEMPERATURES.value]
  except ValueError:
    temperatures = []
  if not temperatures or not all(0 < value < 1e30 for value in temperatures):
    raise ValueError(
        'Expected positive numbers in --temperatures; received '
        f'{_TEMPERATURES.value}.'
    )
  return [*dict.fromkeys(temperatures)]


if __name__ == '__main__':
  app.run(main)
