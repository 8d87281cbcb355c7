"""Trains a VAE with every gradient estimator, and tabulates the bounds.

The networks are those on which papers compare estimators: 200 Bernoulli latents
and linear or nonlinear networks (as DisARM and RODEO: dynamic binarisation), or
a grid of categorical latents (as ReinMax: grey levels as means).

  python -m experiments.estimator_vae
  python -m experiments.estimator_vae --dataset=mnist --networks=8x4,10x30 \
      --estimators=straight_through,straight_through_gumbel_softmax,reinmax \
      --num_steps=96000 --num_seeds=10 --output_dir=runs/estimator_vae_mnist

Learning rates and temperatures are those of the papers for each estimator and
grid, if no flag says otherwise (`estimator_networks`). The optimiser is Adam,
or RAdam by way of `ops.RectifiedSchedule` where that was the choice. Images
smaller than 28 by 28 get narrower hidden layers, and as many latents. The
outputs start at the mean image.

The table has, in nats and with exact samples whatever the estimator relaxes:
the negative ELBO on the whole training set; on the whole test set the negative
ELBO, the bound of 100 samples, and the rate, the KL of the posterior from the
prior (N log K where the codes are certain and the prior uniform, 0 where they
tell nothing); the evaluations of the decoder in a step for each example; and
the median milliseconds of a step. Estimators that do not take such latents are
left out of 'all', with their reason, and so are those of more evaluations than
--max_evaluations; given by name, the former are refused.

It leaves in the output directory NETWORK/ESTIMATOR/seed_SEED with config.json,
metrics.jsonl, TensorBoard's event files, checkpoints, model.keras and
results.json of each run; results.md; and bounds.png, the bound on validation
images over time. The same command started again goes on where it was killed.

References:
  Zhe Dong, Andriy Mnih, George Tucker. DisARM: An Antithetic Gradient Estimator
  for Binary Latent Variables. NeurIPS 2020. https://arxiv.org/abs/2006.10680.

  Jiaxin Shi, Yuhao Zhou, Jessica Hwang, Michalis K. Titsias, Lester Mackey.
  Gradient Estimation with Discrete Stein Operators. NeurIPS 2022.
  https://arxiv.org/abs/2202.09497.

  Liyuan Liu, Chengyu Dong, Xiaodong Liu, Bin Yu, Jianfeng Gao. Bridging
  Discrete and Backpropagation: Straight-Through and Beyond. NeurIPS 2023.
  https://arxiv.org/abs/2304.08612.
"""

from collections.abc import Sequence
import functools
import pathlib
from typing import Any

from absl import app
from absl import flags
import keras
import rich.console
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import consoles
from experiments import data
from experiments import estimator_names
from experiments import estimator_networks
from experiments import estimator_pictures
from experiments import evaluation
from experiments import image_flags
from experiments import launch
from experiments import results
from experiments import runs
from experiments import schedules
from experiments import seed_table
from experiments import shared_flags
from experiments import step_timer

_NETWORKS = flags.DEFINE_list(
    'networks',
    ['nonlinear'],
    f'Networks, by commas; each is {estimator_networks.SYNTAX}.',
)
_MAX_EVALUATIONS = flags.DEFINE_integer(
    'max_evaluations',
    64,
    'Estimators that evaluate the decoder more often in a step, for an example,'
    " are left out of 'all'.",
    lower_bound=1,
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/estimator_vae')
flags.set_default(shared_flags.NUM_STEPS, 2000)
flags.set_default(shared_flags.BATCH_SIZE, 100)
flags.set_default(shared_flags.NUM_IMPORTANCE_SAMPLES, 100)

_COLUMNS = (
    ('train_elbo', 'train, ELBO', -1, 2),
    ('test_elbo', 'test, ELBO', -1, 2),
    ('test_bound', 'test, bound', -1, 2),
    ('test_rate', 'test, rate', 1, 2),
    ('step', 'steps', 1, 0),
    ('evaluations', 'evaluations', 1, 0),
    ('milliseconds', 'ms a step', 1, 2),
)
_EVAL_BATCH_SIZE = 100
# Images of the curve over time, which is for the eye.
_NUM_VALIDATION = 1000


@functools.partial(
    launch.one_line_errors,
    unused=(
        shared_flags.NUM_LATENTS,
        shared_flags.NUM_CLASSES,
        shared_flags.LENGTH,
        shared_flags.UNITS,
        shared_flags.TEXT_FILE,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Trains, evaluates, tabulates and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  names = estimator_names.listed()
  networks = {
      name: estimator_networks.parse(name)
      for name in dict.fromkeys(_NETWORKS.value or [''])
  }
  if shared_flags.LEARNING_RATE.value:
    runs.resolve_learning_rate()
  if shared_flags.TEMPERATURE_SCHEDULE.value:
    _temperature_schedule()
    for name in names:
      arguments = estimator_names.arguments(name)
      if 'temperature' in arguments or arguments.get('learn_temperature'):
        raise ValueError(
            'Expected a temperature in --temperature_schedule or in the name '
            f'of an estimator; received both, {name!r}.'
        )
  console = rich.console.Console()
  applicable = {}
  for network_name, network in networks.items():
    found, left_out = estimator_names.applicable(
        names,
        network.num_latents,
        network.num_classes,
        _MAX_EVALUATIONS.value,
        unlimited=estimator_names.ESTIMATORS.value,
    )
    for name in estimator_names.ESTIMATORS.value:
      if name in left_out:
        raise ValueError(
            f'Expected --estimators that take the latents of {network_name}; '
            f'received {name}: {left_out[name]}.'
        )
    for name, reason in left_out.items():
      console.print(
          f'{network_name}: {name} is left out: {reason}.',
          markup=False,
          highlight=False,
      )
    applicable[network_name] = found
  tables = _sweep(networks, applicable)
  if dlvm.training.is_chief():
    _report(tables)


def _sweep(networks, applicable):
  """Returns names of networks to those of estimators to results of runs."""
  load = functools.cache(_load)

  def run_one(name, seed):
    network_name, _, estimator_name = name.partition('/')
    network = networks[network_name]
    images = load(network.binarization)
    return run(network_name, network, images, estimator_name, seed)

  rows = runs.sweep(
      [
          f'{network_name}/{name}'
          for network_name, evaluations in applicable.items()
          for name in evaluations
      ],
      run_one,
  )
  return {
      network_name: {
          name: [
              {**found, 'evaluations': evaluations[name]}
              for found in rows[f'{network_name}/{name}']
          ]
          for name in evaluations
      }
      for network_name, evaluations in applicable.items()
  }


def run(
    network_name: str,
    network: estimator_networks.Network,
    images: data.Data,
    estimator_name: str,
    seed: int,
) -> dict[str, Any]:
  """Trains and evaluates with one estimator, unless its results are there.

  Args:
    network_name: Name of the network.
    network: The network.
    images: The images.
    estimator_name: Name of the estimator, with its arguments.
    seed: Python `int`, seed of the weights, the batches and all noise.

  Returns:
    What `results.json` holds: 'train_elbo', 'test_elbo', 'test_bound' and
    'test_rate' in nats, 'milliseconds' of a step (of the last part, if it was
    resumed), the step, and the seconds of training (unless it was resumed).

  Raises:
    ValueError: If the directory of the run is that of another config.
  """
  settings = estimator_networks.settings(
      network_name,
      estimator_names.base_name(estimator_name),
      image_flags.DATASET.value,
  )
  temperature = estimator_names.arguments(estimator_name).get(
      'temperature', settings.temperature
  )
  learning_rate = shared_flags.LEARNING_RATE.value or settings.learning_rate
  schedule = shared_flags.TEMPERATURE_SCHEDULE.value
  run_dir = runs.run_dir(f'{network_name}/{estimator_name}', seed)
  timer = step_timer.StepTimer()

  def train():
    kwargs = {}
    if temperature is not None:
      kwargs['temperature'] = temperature
    keras.utils.set_random_seed(seed)
    model = estimator_networks.build_model(
        network,
        images.train.images.mean(axis=0),
        estimator_names.make(estimator_name, **kwargs),
    )
    # The least, for the curve; the end has another evaluation.
    model.num_importance_samples = 1
    callbacks = [timer]
    if schedule and hasattr(model.estimator, 'temperature'):
      callbacks.append(
          dlvm.training.WeightSchedule(
              model.estimator.temperature, _temperature_schedule()
          )
      )
    validation = images.validation.images[:_NUM_VALIDATION]
    return runs.fit(
        model,
        functools.partial(_batches, images, network.binarization),
        seed,
        run_dir,
        callbacks,
        tf.data.Dataset.from_tensor_slices(validation).batch(_EVAL_BATCH_SIZE),
        learning_rate,
    )

  def measure(trainer):
    bounds = functools.partial(
        evaluation.bounds, trainer.model, seed=dlvm.ops.fold_in(seed, 'bounds')
    )
    train = bounds(
        _drawn(images.train.images, network.binarization), num_samples=1
    )
    test = bounds(
        _drawn(images.test.images, 'none'),
        num_samples=shared_flags.NUM_IMPORTANCE_SAMPLES.value,
    )
    measures = {
        'train_elbo': train['elbo'],
        'test_elbo': test['elbo'],
        'test_bound': test['bound'],
        'test_rate': test['rate'],
    }
    if timer.milliseconds is not None:
      measures['milliseconds'] = timer.milliseconds
    return measures

  return runs.resume(
      run_dir,
      {
          **{flag.name: flag.value for flag in runs.CONFIG},
          'network': network_name,
          'estimator': estimator_name,
          'learning_rate': learning_rate,
          'temperature': schedule or temperature,
          'seed': seed,
          'data': images.description,
      },
      {
          'step': shared_flags.NUM_STEPS.value,
          'num_importance_samples': shared_flags.NUM_IMPORTANCE_SAMPLES.value,
      },
      train,
      measure,
  )


def _load(binarization):
  return data.load(
      image_flags.DATASET.value,
      shared_flags.DATA_DIR.value,
      binarization,
      shared_flags.DATA_SEED.value,
  )


def _temperature_schedule():
  return schedules.parse_positive(
      shared_flags.TEMPERATURE_SCHEDULE.value, shared_flags.NUM_STEPS.value
  )


def _batches(images, binarization, seed):
  return dlvm.training.ShuffledBatches(
      images.train.images,
      shared_flags.BATCH_SIZE.value,
      seed,
      data.binarize if binarization == 'dynamic' else None,
  )


def _drawn(images, binarization):
  """Returns batches of all images, of one draw where each step has its own."""
  if binarization == 'dynamic':
    seed = dlvm.ops.fold_in(shared_flags.DATA_SEED.value, 'evaluation')
    images = data.binarize(images, seed)
  return tf.data.Dataset.from_tensor_slices(images).batch(_EVAL_BATCH_SIZE)


def _report(tables):
  seeds = runs.seeds()
  caption = (
      'In nats, ELBO and bound negative: mean (least to most) over seeds '
      f'{seeds[0]} to {seeds[-1]}; batch {shared_flags.BATCH_SIZE.value}. '
      f'Bound: of {shared_flags.NUM_IMPORTANCE_SAMPLES.value} samples. Rate: '
      'KL of the posterior from the prior. Evaluations of the decoder in a '
      'step, for an example. Milliseconds: median, beside whatever else the '
      'machine did.'
  )
  dataset = image_flags.DATASET.value
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  titled = {f'{dataset}, {name}': rows for name, rows in tables.items()}
  for title, rows in titled.items():
    seed_table.print_table(title, rows, _COLUMNS, 'estimator', caption)
  seed_table.write_markdown(
      output_dir / 'results.md', titled, _COLUMNS, 'estimator', caption
  )
  estimator_pictures.draw_bounds(
      output_dir / 'bounds.png',
      {
          f'{dataset}, {name}': {
              estimator: [
                  _curve(f'{name}/{estimator}', seed, found)
                  for seed, found in zip(seeds, all_found, strict=True)
                  # Without steps of its own, it has no axis.
                  if 'milliseconds' in found
              ]
              for estimator, all_found in rows.items()
          }
          for name, rows in tables.items()
      },
      f'Bound on {_NUM_VALIDATION:,} validation images at most',
  )
  consoles.print_wrote(output_dir)


def _curve(name, seed, found):
  """Returns seconds of training, evaluations aside, and negative bounds."""
  rows = results.read_metrics(runs.run_dir(name, seed))
  rows = [row for row in rows if 'val_elbo' in row]
  seconds = found['milliseconds'] / 1e3
  return [(row['step'] * seconds, -row['val_elbo']) for row in rows]


if __name__ == '__main__':
  app.run(main)
