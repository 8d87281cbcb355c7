"""Classifies images of which few have a label, by a semi-supervised VAE.

The experiment of Jang, Gu and Poole (2017), Section 4.3: the class of an image
without a label is summed over (marginalize) or relaxed to one sample, which
costs as much for 100 classes as for 2. Every inference runs with every alpha
and every seed; alpha is chosen by the accuracy on the validation set, and the
result is the accuracy and the bound on the test set, in nats.

  python -m experiments.gumbel_softmax_semisupervised --output_dir=runs/digits
  python -m experiments.gumbel_softmax_semisupervised --dataset=mnist \
      --num_steps=100000 --num_seeds=3 --alphas=0.1,0.2,0.3,0.8,1 \
      --output_dir=runs/mnist

It leaves in the output directory: results.md; and, for each run, in
INFERENCE/alpha_ALPHA/seed_SEED: config.json, metrics.jsonl, TensorBoard's event
files, checkpoints, model.keras, results.json, and styles.png, images of one
style in a row and of one class in a column. The same command started again goes
on where it was killed.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
import math
import pathlib
from typing import Any

from absl import app
from absl import flags
import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import consoles
from experiments import data
from experiments import evaluation
from experiments import few_labels
from experiments import image_flags
from experiments import launch
from experiments import pictures
from experiments import report_semi_supervised
from experiments import runs
from experiments import semi_supervised_networks
from experiments import shared_flags
from experiments import tabulate
from experiments import temperatures

_INFERENCES = flags.DEFINE_list(
    'inferences',
    ['marginalize', 'gumbel_softmax', 'straight_through_gumbel_softmax'],
    'How the class of an image without a label is inferred, by commas:'
    ' marginalize, or the name of an estimator.',
)
_ALPHAS = flags.DEFINE_list(
    'alphas',
    ['1'],
    'Weights of the classification loss of an image with a label against the'
    ' bound of one without, by commas.',
)
_NUM_LABELS = flags.DEFINE_integer(
    'num_labels',
    100,
    'Training images whose labels are known, as many of each class.',
    lower_bound=1,
)
_LABELED_BATCH_SIZE = flags.DEFINE_integer(
    'labeled_batch_size',
    20,
    'Images with a label a step, beside --batch_size without.',
    lower_bound=1,
)
_NETWORK = flags.DEFINE_enum(
    'network',
    'conv',
    semi_supervised_networks.NETWORKS,
    'Convolutions, as in the paper, or dense layers.',
)
_STYLE_DIM = flags.DEFINE_integer(
    'style_dim', 32, 'Dimension of the style z.', lower_bound=1
)
for _flag, _value in (
    (shared_flags.OUTPUT_DIR, 'runs/gumbel_softmax_semisupervised'),
    (shared_flags.NUM_STEPS, 4000),
    (shared_flags.BATCH_SIZE, 100),
    (shared_flags.NUM_IMPORTANCE_SAMPLES, 100),
    (shared_flags.LEARNING_RATE, '1e-3'),
    (
        shared_flags.TEMPERATURE_SCHEDULE,
        'exponential:initial=1,rate=3e-5,minimum=0.5,every=2000',
    ),
):
  flags.set_default(_flag, _value)

# What makes a run the run that it is, beside its inference, alpha and seed.
_CONFIG_FLAGS = (
    *runs.CONFIG,
    shared_flags.UNITS,
    shared_flags.TEMPERATURE_SCHEDULE,
    _NUM_LABELS,
    _LABELED_BATCH_SIZE,
    _NETWORK,
    _STYLE_DIM,
)
_EVAL_BATCH_SIZE = 250


def build_model(
    images: data.Data, inference: str, alpha: float
) -> dlvm.models.SemiSupervisedVAE:
  """Builds a model as the flags say.

  Args:
    images: The data.
    inference: 'marginalize', or the name of an estimator.
    alpha: Weight of the classification loss.

  Returns:
    The model, built.

  Raises:
    ValueError: If the inference is unknown or does not fit the classes.
  """
  estimators = dlvm.estimators.ESTIMATORS
  if inference != 'marginalize' and inference not in estimators:
    raise ValueError(
        "Expected an inference of 'marginalize' or the name of an estimator, "
        f'{", ".join(sorted(estimators))}; received {inference!r}.'
    )
  estimator: Any = inference
  if inference != 'marginalize':
    estimator = estimators[inference](
        **temperatures.constructor_arguments(
            shared_flags.TEMPERATURE_SCHEDULE.value, inference
        )
    )
  # The terms of a batch weigh by its size; alpha is one of means of each kind.
  share = shared_flags.BATCH_SIZE.value / _LABELED_BATCH_SIZE.value
  return semi_supervised_networks.build_model(
      _NETWORK.value,
      images.image_shape,
      int(images.train.labels.max()) + 1,
      _STYLE_DIM.value,
      shared_flags.UNITS.value,
      inference=estimator,
      classification_weight=alpha * share,
  )


def run(
    images: data.Data, inference: str, alpha: float, seed: int
) -> dict[str, Any]:
  """Trains and evaluates once, unless the results are there already.

  Args:
    images: The data.
    inference: 'marginalize', or the name of an estimator.
    alpha: Weight of the classification loss.
    seed: Python `int`, seed of the weights, the batches and all noise.

  Returns:
    What `results.json` holds: the step, the seconds of training (unless it was
    resumed), and the metrics of the model on 'validation' and 'test'.

  Raises:
    ValueError: If the directory of the run is that of another config.
  """
  run_dir = runs.run_dir(_run_name(inference, alpha), seed)
  config = {flag.name: flag.value for flag in _CONFIG_FLAGS}
  known = few_labels.choose(
      images.train.labels, _NUM_LABELS.value, shared_flags.DATA_SEED.value
  )

  def train():
    keras.utils.set_random_seed(seed)
    model = build_model(images, inference, alpha)
    return runs.fit(
        model,
        lambda data_seed: few_labels.batches(
            images.train,
            known,
            shared_flags.BATCH_SIZE.value,
            _LABELED_BATCH_SIZE.value,
            data_seed,
        ),
        seed,
        run_dir,
        temperatures.callbacks([model.estimator], _temperature()),
        _eval_batches(images.validation),
    )

  def measure(trainer):
    title = (
        f'{image_flags.DATASET.value}, {_NUM_LABELS.value} labels, {inference},'
        f' alpha {alpha:g}, step {trainer.step:,}'
    )
    if dlvm.training.is_chief():
      draw_styles(run_dir / 'styles.png', trainer.model, title)
    return {
        'validation': trainer.evaluate(_eval_batches(images.validation)),
        'test': evaluation.evaluate(
            trainer, _eval_batches(images.test), run_dir, seed
        ),
    }

  return runs.resume(
      run_dir,
      {
          **config,
          'data': images.description,
          'inference': inference,
          'alpha': alpha,
          'seed': seed,
      },
      {
          'step': shared_flags.NUM_STEPS.value,
          'num_importance_samples': shared_flags.NUM_IMPORTANCE_SAMPLES.value,
      },
      train,
      measure,
  )


def draw_styles(
    path: pathlib.Path, model: dlvm.models.SemiSupervisedVAE, title: str
) -> None:
  """Draws the mean images of some styles of the prior, each in every class.

  Args:
    path: File to write.
    model: The trained model.
    title: The run in a few words.
  """
  pictures.rows_and_columns(
      path,
      report_semi_supervised.styles(model),
      f'Styles of the prior in every class\n{title}',
      row_label='style',
      column_label='class',
  )


def rows_of(
    found: Mapping[tuple[str, float], Sequence[Mapping[str, Any]]],
) -> list[list[str]]:
  """Formats results; of the test set, only those of the chosen alpha.

  Args:
    found: Inference and alpha to the results of their runs, one of each seed.

  Returns:
    The cells of each row.
  """

  def values(results, split, name):
    return [result[split][name] for result in results]

  def validation(key):
    return np.mean(values(found[key], 'validation', 'accuracy'))

  chosen = {
      max((key for key in found if key[0] == inference), key=validation)
      for inference, _ in found
  }
  rows = []
  for (inference, alpha), results in found.items():
    accuracy = [100 * v for v in values(results, 'validation', 'accuracy')]
    row = [inference, f'{alpha:g}', tabulate.cell(accuracy, 2)]
    if (inference, alpha) in chosen:
      accuracy = [100 * v for v in values(results, 'test', 'accuracy')]
      row += [tabulate.cell(accuracy, 2)]
      for name in ('elbo', 'importance_weighted_bound'):
        bounds = [-v for v in values(results, 'test', name)]
        row += [tabulate.cell(bounds, 2)]
    else:
      row += ['', '', '']
    # Of a run that was resumed they are not known.
    is_timed = all('seconds' in result for result in results)
    seconds = [result['seconds'] for result in results] if is_timed else []
    rows.append(row + [tabulate.cell(seconds, 0) if seconds else ''])
  return rows


@functools.partial(
    launch.one_line_errors,
    unused=(
        shared_flags.NUM_LATENTS,
        shared_flags.NUM_CLASSES,
        shared_flags.LENGTH,
        shared_flags.TEXT_FILE,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Trains and evaluates all, and tabulates.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  alphas = [*dict.fromkeys(_parse_alpha(text) for text in _ALPHAS.value)]
  if not alphas or not _INFERENCES.value:
    raise ValueError(
        'Expected at least one of --alphas and of --inferences; received '
        f'{alphas} and {_INFERENCES.value}.'
    )
  if len({f'{alpha:g}' for alpha in alphas}) < len(alphas):
    raise ValueError(
        'Expected --alphas that differ in six digits, which name their runs; '
        f'received {alphas}.'
    )
  runs.resolve_learning_rate()
  _temperature()
  images = data.load(
      image_flags.DATASET.value,
      shared_flags.DATA_DIR.value,
      'dynamic',
      shared_flags.DATA_SEED.value,
  )
  for inference in _INFERENCES.value:  # Before any run begins.
    build_model(images, inference, alphas[0])
  choices = {
      _run_name(inference, alpha): (inference, alpha)
      for inference in _INFERENCES.value
      for alpha in alphas
  }
  rows = runs.sweep(
      [*choices], lambda name, seed: run(images, *choices[name], seed)
  )
  found = {choice: rows[name] for name, choice in choices.items()}
  if not dlvm.training.is_chief():
    return
  table = (
      f'{image_flags.DATASET.value}, {_NUM_LABELS.value} labels',
      (
          'inference',
          'alpha',
          'validation accuracy [%]',
          'test accuracy [%]',
          'negative ELBO [nats]',
          f'bound of {shared_flags.NUM_IMPORTANCE_SAMPLES.value} [nats]',
          'seconds',
      ),
      rows_of(found),
      f'{shared_flags.NUM_STEPS.value:,} steps; mean (least to most) over seeds'
      f' {runs.seeds()[0]} to {runs.seeds()[-1]}; on the test set, the alpha'
      ' that is best on the validation set. Seconds are those of training.',
  )
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  tabulate.print_table(*table)
  tabulate.write_markdown(output_dir / 'results.md', *table)
  consoles.print_wrote(output_dir)


def _run_name(inference, alpha):
  return f'{inference}/alpha_{alpha:g}'


def _temperature():
  return temperatures.parse(
      shared_flags.TEMPERATURE_SCHEDULE.value, shared_flags.NUM_STEPS.value
  )


def _eval_batches(split):
  dataset = tf.data.Dataset.from_tensor_slices((split.images, split.labels))
  return dataset.batch(_EVAL_BATCH_SIZE).prefetch(1)


def _parse_alpha(text):
  try:
    alpha = float(text)
  except ValueError:
    alpha = -1.0
  if not 0 <= alpha < math.inf:
    raise ValueError(
        f'Expected finite numbers of at least 0 in --alphas; received {text!r}.'
    )
  return alpha


if __name__ == '__main__':
  app.run(main)
