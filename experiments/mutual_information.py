r"""Measures bias and variance of the bounds of mutual information.

  python -m experiments.mutual_information
  python -m experiments.mutual_information --num_steps=20000 \
      --learning_rate=5e-4 --output_dir=runs/mutual_information_long

The toy problem of Poole et al. (2019): x and y are normal vectors of --dim
coordinates whose correlation rises while a critic trains, so that their
information climbs a staircase of --informations; and the same with the
coordinates of y cubed. For each of --bounds a critic trains on either task; at
the end of each stair, it is held fixed and its bound is computed of
--num_batches fresh batches. The same is done for the optimal critic, which is
known, and there I_alpha is computed for all --interpolations, too.

What is measured is a bound of one batch of --batch_size pairs: the bias is that
of its mean, and the variance that between batches. A run whose loss overflows,
as it may where a bound has an exponential, is called diverged from there on.

It leaves in the output directory a directory for each run, with config.json,
metrics.jsonl, TensorBoard's event files, checkpoints and results.json; and
results.md, staircase.png, bias_variance.png and alpha.png. The same command
started again goes on where it was killed.
"""

from collections.abc import Sequence
import functools
import pathlib
import time

from absl import app
from absl import flags
import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import consoles
from experiments import correlated_gaussians
from experiments import launch
from experiments import mutual_information_pictures
from experiments import mutual_information_table
from experiments import results
from experiments import runs
from experiments import shared_flags

_NAMES = (
    'donsker_varadhan',
    'info_nce',
    'jensen_shannon',
    'nwj',
    'tuba',
)
_TASKS = ('gaussian', 'cubic')
_CRITICS = ('separable', 'concatenated')
_BOUNDS = flags.DEFINE_list(
    'bounds',
    [
        'nwj',
        'tuba',
        'jensen_shannon',
        'donsker_varadhan',
        'interpolated:0.01',
        'interpolated:0.5',
        'info_nce',
    ],
    f'Bounds, by commas: {", ".join(_NAMES)} or interpolated:ALPHA.',
)
_MI_TASKS = flags.DEFINE_list('tasks', list(_TASKS), 'Tasks, by commas.')
_INFORMATIONS = flags.DEFINE_list(
    'informations', ['2', '4', '6', '8', '10'], 'Nats of each stair, by commas.'
)
_INTERPOLATIONS = flags.DEFINE_list(
    'interpolations',
    ['0', '0.001', '0.003', '0.01', '0.03', '0.1', '0.3', '0.6', '1'],
    'Alphas of I_alpha at the optimal critic, by commas.',
)
_DIM = flags.DEFINE_integer('dim', 20, 'Coordinates of x.', lower_bound=1)
_CRITIC = flags.DEFINE_enum(
    'critic', 'separable', _CRITICS, 'Form of the critic.'
)
_EMBEDDING_DIM = flags.DEFINE_integer(
    'embedding_dim', 32, 'Embedding of a separable critic.', lower_bound=1
)
_NUM_BATCHES = flags.DEFINE_integer(
    'num_batches', 1000, 'Batches of which each figure is.', lower_bound=2
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/mutual_information')
flags.set_default(shared_flags.NUM_STEPS, 5000)
flags.set_default(shared_flags.BATCH_SIZE, 64)
flags.set_default(shared_flags.UNITS, 256)
flags.set_default(shared_flags.LEARNING_RATE, '1e-3')

_LOG_EVERY = 10
# A burst of an exponential would stay in Adam's second moment for a thousand
# steps, or overflow the next loss.
_CLIP_NORM = 1.0
_CONFIG_FLAGS = (
    *runs.CONFIG,
    shared_flags.NUM_STEPS,
    shared_flags.UNITS,
    _DIM,
    _CRITIC,
    _EMBEDDING_DIM,
    _NUM_BATCHES,
)


@functools.partial(
    launch.one_line_errors,
    unused=(
        shared_flags.NUM_LATENTS,
        shared_flags.NUM_CLASSES,
        shared_flags.LENGTH,
        shared_flags.TEMPERATURE_SCHEDULE,
        shared_flags.NUM_IMPORTANCE_SAMPLES,
        shared_flags.DATA_DIR,
        shared_flags.DATA_SEED,
        shared_flags.TEXT_FILE,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Trains, measures, prints and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  bounds = {name: _parse_bound(name) for name in _BOUNDS.value}
  tasks = [*dict.fromkeys(_MI_TASKS.value)]
  if not tasks or not bounds or not {*tasks} <= {*_TASKS}:
    raise ValueError(
        f'Expected --tasks of {_TASKS} and at least one of --bounds; received '
        f'{tasks} and {[*bounds]}.'
    )
  if shared_flags.BATCH_SIZE.value < 2:
    raise ValueError('Expected --batch_size of at least 2; received 1.')
  informations = _parse_floats(_INFORMATIONS, most=1e3)
  correlated_gaussians.check_informations(informations, _DIM.value)
  alphas = _parse_floats(_INTERPOLATIONS, most=1)
  runs.resolve_learning_rate()
  correlated_gaussians.stair_ends(
      len(informations), shared_flags.NUM_STEPS.value
  )
  found = {
      f'{task}, trained critic': runs.sweep(
          [*bounds],
          functools.partial(_run, task, informations, bounds),
      )
      for task in tasks
  }
  if not dlvm.training.is_chief():
    return
  optimal, curve = _measure_optimal(informations, bounds, alphas)
  found['optimal critic'] = {name: [stairs] for name, stairs in optimal.items()}
  _report(found, curve, tasks)


def _run(task, informations, bounds, name, seed):
  """Trains a critic stair by stair; returns the measures of each."""
  run_dir = runs.run_dir(f'{task}_{name}', seed)
  config = {
      **{flag.name: flag.value for flag in _CONFIG_FLAGS},
      'task': task,
      'bound': name,
      'informations': informations,
      'seed': seed,
  }
  with runs.claim(run_dir, config):
    return _climb(task, informations, bounds[name], seed, run_dir)


def _climb(task, informations, bound, seed, run_dir):
  """Trains and measures the stairs that are left; returns those of all."""
  # A stair is written before the next begins, so that no critic is measured
  # that has seen more than it.
  found = results.read(run_dir, {}) or {'seconds': 0.0, 'stairs': []}
  ends = correlated_gaussians.stair_ends(
      len(informations), shared_flags.NUM_STEPS.value
  )
  if len(found['stairs']) == len(ends):
    return found['stairs']
  keras.utils.set_random_seed(seed)
  model = _build_model(seed, **bound)
  trainer = runs.make_trainer(model, seed, run_dir, clip_norm=_CLIP_NORM)
  draw = functools.partial(_draw, task)
  measure = _measurer(
      lambda x, y, _: {'value': model.bound((x, y))}, draw, seed
  )
  batches = correlated_gaussians.staircase_batches(
      informations,
      shared_flags.NUM_STEPS.value,
      draw,
      dlvm.ops.fold_in(seed, 'data'),
  )
  for stair in range(len(found['stairs']), len(ends)):
    begin = time.monotonic()
    try:
      trainer.fit(
          batches,
          ends[stair],
          checkpoint_every=shared_flags.EVAL_EVERY.value,
          log_every=_LOG_EVERY,
      )
    except dlvm.training.NonFiniteLossError:
      # What an exponential does to a bound is what the others are measured
      # against, and no reason to lose them.
      found['stairs'] += [
          {'information': i, 'mean': np.nan, 'standard_deviation': np.nan}
          for i in informations[stair:]
      ]
      results.write(run_dir, found)
      break
    found['seconds'] += time.monotonic() - begin
    found['stairs'].append(measure(informations[stair])['value'])
    results.write(run_dir, found)
  return found['stairs']


def _measure_optimal(informations, bounds, alphas):
  """Measures the bounds, and I_alpha over alpha, at the optimal critic."""
  objectives = dlvm.objectives

  def values(x, y, information):
    scores = correlated_gaussians.log_ratios(x, y, information)
    computed = {
        'leave_one_out_upper': objectives.leave_one_out_upper_bound(scores)
    }
    for name, arguments in bounds.items():
      kind, alpha = arguments['bound'], arguments.get('alpha')
      # Each with the critic and the baseline that are best for it.
      if kind == 'interpolated':
        computed[name] = objectives.interpolated_bound(scores, alpha, 0.0)
      elif kind in ('nwj', 'tuba'):
        computed[name] = objectives.nwj_bound(scores + 1)
      else:
        computed[name] = getattr(objectives, f'{kind}_bound')(scores)
    for alpha in alphas:
      computed[alpha] = objectives.interpolated_bound(scores, alpha, 0.0)
    return computed

  measure = _measurer(
      values, functools.partial(_draw, 'gaussian'), shared_flags.SEED.value
  )
  rows = [measure(information) for information in informations]
  by_name = {name: [row[name] for row in rows] for name in rows[0]}
  curve = {alpha: by_name.pop(alpha) for alpha in alphas}
  return by_name, curve


def _draw(task, information, seed):
  return correlated_gaussians.sample(
      [shared_flags.BATCH_SIZE.value],
      _DIM.value,
      information,
      seed,
      cubic=task == 'cubic',
  )


def _measurer(values, draw, seed):
  """Returns a function from an information to statistics of fresh batches.

  Args:
    values: From x, y and the information to a dict of scalars.
    draw: From an information and a seed to x and y.
    seed: Python `int`, seed of the run.
  """
  seed = dlvm.ops.fold_in(seed, 'measure')

  @tf.function
  def of_batches(information):
    def of_batch(index):
      pair = draw(information, dlvm.ops.fold_in(seed, index))
      return tf.stack([*values(*pair, information).values()])

    return tf.map_fn(
        of_batch,
        tf.range(_NUM_BATCHES.value),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )

  def measure(information):
    names = [*values(*draw(information, seed), information)]
    columns = of_batches(tf.constant(information, tf.float32)).numpy().T
    return {
        name: {
            'information': information,
            'mean': float(np.mean(column, dtype=np.float64)),
            'standard_deviation': float(
                np.std(column, dtype=np.float64, ddof=1)
            ),
        }
        for name, column in zip(names, columns, strict=True)
    }

  return measure


def _build_model(seed, bound, alpha=None):
  network = functools.partial(_network, shared_flags.UNITS.value)
  if _CRITIC.value == 'separable':
    dim = _EMBEDDING_DIM.value
    critic = dlvm.layers.SeparableCritic(
        network(dim, seed), network(dim, seed + 1)
    )
  else:
    critic = dlvm.layers.ConcatenatedCritic(network(1, seed))
  log_baseline = None
  if bound in ('interpolated', 'tuba'):
    log_baseline = dlvm.layers.LogBaseline(network(1, seed + 2))
  model = dlvm.models.MutualInformation(critic, bound, log_baseline, alpha)
  model.build([(None, _DIM.value)] * 2)
  return model


def _network(units, num_outputs, seed):
  widths = [(units, 'relu'), (units, 'relu'), (num_outputs, None)]
  return keras.Sequential(
      [
          keras.layers.Dense(
              width,
              activation,
              kernel_initializer=keras.initializers.GlorotUniform(
                  int(dlvm.ops.fold_in(seed, 'weights', i)[0])
              ),
          )
          for i, (width, activation) in enumerate(widths)
      ]
  )


def _report(found, curve, tasks):
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  batch_size = shared_flags.BATCH_SIZE.value
  caption = (
      f'Nats: mean (standard deviation) over {_NUM_BATCHES.value:,} batches of '
      f'{batch_size} pairs of {_DIM.value} dimensions. Trained: a '
      f'{_CRITIC.value} critic, held fixed at the end of its stair of '
      f'{shared_flags.NUM_STEPS.value:,} steps in all; '
      f'{shared_flags.NUM_SEEDS.value} seed(s). log K = '
      f'{np.log(batch_size):.3f}.'
  )
  mutual_information_table.print_tables(found, caption)
  mutual_information_table.write_markdown(
      output_dir / 'results.md', found, caption
  )
  mutual_information_pictures.bias_variance(
      output_dir / 'bias_variance.png',
      found,
      f'Bounds of one batch of {batch_size} pairs',
  )
  mutual_information_pictures.alpha_curve(
      output_dir / 'alpha.png',
      curve,
      f'I_alpha at the optimal critic, batches of {batch_size} pairs',
  )
  informations = _parse_floats(_INFORMATIONS, most=1e3)
  ends = correlated_gaussians.stair_ends(
      len(informations), shared_flags.NUM_STEPS.value
  )
  mutual_information_pictures.staircase(
      output_dir / 'staircase.png',
      {
          task: {name: _curve(task, name) for name in _BOUNDS.value}
          for task in tasks
      },
      dict(zip(ends, informations, strict=True)),
      batch_size,
      f'Bounds while their critics train, mean of each {_LOG_EVERY} batches',
  )
  consoles.print_wrote(output_dir)


def _curve(task, name):
  """Reads steps and bounds of the first seed."""
  run_dir = runs.run_dir(f'{task}_{name}', shared_flags.SEED.value)
  logs = results.read_metrics(run_dir)
  return (
      np.array([log['step'] for log in logs]),
      np.array([-log['negative_bound'] for log in logs]),
  )


def _parse_bound(text):
  """Returns arguments of `models.MutualInformation`."""
  kind, _, alpha = text.partition(':')
  if text in _NAMES:
    return {'bound': text}
  try:
    value = float(alpha)
  except ValueError:
    value = -1.0
  if kind != 'interpolated' or not 0 <= value <= 1:
    raise ValueError(
        f'Expected --bounds of {", ".join(_NAMES)} or interpolated:ALPHA with '
        f'an alpha from 0 to 1; received {text!r}.'
    )
  return {'bound': kind, 'alpha': value}


def _parse_floats(flag, most):
  try:
    values = [float(value) for value in flag.value]
  except ValueError:
    values = []
  if not values or not all(0 <= value <= most for value in values):
    raise ValueError(
        f'Expected numbers from 0 to {most:g} in --{flag.name}; received '
        f'{flag.value}.'
    )
  return [*dict.fromkeys(values)]


if __name__ == '__main__':
  app.run(main)
