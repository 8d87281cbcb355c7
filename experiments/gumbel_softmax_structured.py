"""Predicts the lower half of images from the upper half by categorical layers.

The task and the network are those of Jang, Gu and Poole (2017), Section 4.1:
linear layers between stochastic ones, two of 20 variables of 10 classes, or of
200 binary variables. Its result is the bound on the negative log-likelihood of
the lower halves of the whole test set from 1000 importance samples, in nats.

  python -m experiments.gumbel_softmax_structured --output_dir=runs/digits
  python -m experiments.gumbel_softmax_structured --num_latents=200 \
      --num_classes=2 --output_dir=runs/binary
  python -m experiments.gumbel_softmax_structured --dataset=mnist \
      --binarization=fixed --num_steps=40000 --output_dir=runs/mnist

The temperature is 1 throughout, as there; slope-annealed straight-through wants
a `--temperature_schedule` that falls.

With `--num_samples` above 1 it trains on the bound of as many samples. It
leaves in the output directory: config.json; metrics.jsonl and TensorBoard's
event files; checkpoints; model.keras; results.json; and predictions.png.
"""

from collections.abc import Sequence
import functools
import math
import pathlib

from absl import app
from absl import flags
import keras
import numpy as np
import rich.console
import rich.table
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import consoles
from experiments import data
from experiments import evaluation
from experiments import image_flags
from experiments import latent_flags
from experiments import launch
from experiments import pictures
from experiments import report_structured
from experiments import runs
from experiments import shared_flags
from experiments import temperatures

_NUM_LAYERS = flags.DEFINE_integer(
    'num_layers', 2, 'Number of stochastic layers L.', lower_bound=1
)
latent_flags.set_defaults('runs/gumbel_softmax_structured')
flags.set_default(shared_flags.TEMPERATURE_SCHEDULE, '1')

_CONFIG_FLAGS = (*latent_flags.CONFIG, _NUM_LAYERS)
_EVAL_BATCH_SIZE = 100
_NUM_IMAGES = 64


def build_model(
    half_shape: Sequence[int], num_layers: int, **kwargs
) -> dlvm.models.StructuredPrediction:
  """Builds the model, with linear layers between the stochastic ones.

  Args:
    half_shape: `(height / 2, width, channels)` of an image.
    num_layers: Number of stochastic layers L.
    **kwargs: Arguments of `models.StructuredPrediction` but for the networks.

  Returns:
    The model, built.
  """

  def linear(units):
    return [keras.layers.Flatten(), keras.layers.Dense(units)]

  num_logits = kwargs['num_latents'] * kwargs['num_classes']
  networks = [keras.Sequential(linear(num_logits)) for _ in range(num_layers)]
  decoder = keras.Sequential(
      [*linear(math.prod(half_shape)), keras.layers.Reshape(half_shape)]
  )
  model = dlvm.models.StructuredPrediction(networks, decoder, **kwargs)
  model.build((None, *half_shape))
  return model


def draw_predictions(
    output_dir: pathlib.Path,
    model: dlvm.models.StructuredPrediction,
    images: np.ndarray,
    title: str,
) -> None:
  """Writes a picture of upper halves with the means of a sampled lower half.

  Args:
    output_dir: Directory of the run.
    model: The trained model.
    images: Test images, shape `[size, height, width, 1]`.
    title: The run in a few words.
  """
  pictures.samples(
      output_dir / 'predictions.png',
      report_structured.predictions(model, images[:_NUM_IMAGES]),
      f'Upper halves of test images, lower halves as predicted\n{title}',
  )


@functools.partial(launch.one_line_errors, unused=latent_flags.UNUSED)
def main(argv: Sequence[str]) -> None:
  """Trains, evaluates and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  seed, num_steps = shared_flags.SEED.value, shared_flags.NUM_STEPS.value
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  temperature = temperatures.parse(
      shared_flags.TEMPERATURE_SCHEDULE.value, num_steps
  )
  runs.resolve_learning_rate()
  images = data.load(
      image_flags.DATASET.value,
      shared_flags.DATA_DIR.value,
      latent_flags.BINARIZATION.value,
      shared_flags.DATA_SEED.value,
  )
  keras.utils.set_random_seed(seed)
  num_samples = latent_flags.NUM_SAMPLES.value
  height, *rest = images.image_shape
  model = build_model(
      (height // 2, *rest),
      _NUM_LAYERS.value,
      num_latents=shared_flags.NUM_LATENTS.value,
      num_classes=shared_flags.NUM_CLASSES.value,
      estimator=latent_flags.make_estimator(
          importance_weighted=(num_samples or 1) > 1
      ),
  )
  latent_flags.set_initial_weights(model)
  config = {flag.name: flag.value for flag in _CONFIG_FLAGS}
  model.num_importance_samples = latent_flags.NUM_VALIDATION_SAMPLES.value
  with runs.claim(output_dir, {**config, 'data': images.description}):
    trainer = runs.fit(
        model,
        lambda data_seed: dlvm.training.ShuffledBatches(
            images.train.images,
            shared_flags.BATCH_SIZE.value,
            data_seed,
            _draw_halves,
        ),
        seed,
        output_dir,
        temperatures.callbacks(model.estimators, temperature),
        _eval_batches(images.validation),
    )

  title = (
      f'{image_flags.DATASET.value}, {latent_flags.ESTIMATOR.value}, '
      f'{_NUM_LAYERS.value} layers of {model.num_latents} variables of '
      f'{model.num_classes} classes, step {trainer.step:,}'
  )
  if dlvm.training.is_chief():
    draw_predictions(output_dir, model, images.test.images, title)
  _print_results(
      evaluation.test(trainer, _eval_batches(images.test), output_dir, title)
  )
  consoles.print_wrote(output_dir)


def _draw_halves(images, seed):
  # Of the whole image, so that the halves are those of one drawing.
  if latent_flags.BINARIZATION.value == 'dynamic':
    images = data.binarize(images, seed)
  return data.halves(images)


def _eval_batches(split):
  dataset = tf.data.Dataset.from_tensor_slices(data.halves(split.images))
  return dataset.batch(_EVAL_BATCH_SIZE).prefetch(1)


def _print_results(found):
  table = rich.table.Table(title=found['title'])
  for name in ('test set', 'value', 'standard error'):
    table.add_column(name, justify='left' if name == 'test set' else 'right')
  for label, name in (
      (
          f'-log p(y | x), bound of {found["num_importance_samples"]} samples',
          'importance_weighted_bound',
      ),
      ('-E log p(y | z), bound of one sample', 'elbo'),
  ):
    table.add_row(
        rf'{label} \[nats]',
        f'{-found["test"][name]:.3f}',
        f'{found["test"][f"{name}_stderr"]:.3f}',
    )
  rich.console.Console().print(table)


if __name__ == '__main__':
  app.run(main)
