"""Trains a VAE with N categorical latents of K classes on images.

The model is that of Jang, Gu and Poole (2017), Section 4.2: a linear encoder, a
decoder with one hidden layer, 20 latents of 10 classes. Its result is the
bound on the negative log-likelihood of the whole test set from 1000 importance
samples, in nats.

  python -m experiments.gumbel_softmax_vae --output_dir=runs/digits
  python -m experiments.gumbel_softmax_vae --dataset=mnist \
      --binarization=fixed --num_steps=40000 --output_dir=runs/mnist

It leaves in the output directory: config.json; metrics.jsonl and TensorBoard's
event files; checkpoints; model.keras; results.json; and four pictures
(samples.png, reconstructions.png, curves.png, code_usage.png).
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
from experiments import results
from experiments import runs
from experiments import shared_flags
from experiments import temperatures

_ENCODER_UNITS = flags.DEFINE_list(
    'encoder_units', [], 'Widths of hidden layers of the encoder, by commas.'
)
_DECODER_UNITS = flags.DEFINE_list(
    'decoder_units', ['200'], 'Widths of hidden layers of the decoder.'
)
_PRIOR = flags.DEFINE_enum(
    'prior', 'uniform', ['uniform', 'learned'], 'Prior of the codes.'
)
_IMPORTANCE_WEIGHTED = flags.DEFINE_boolean(
    'importance_weighted',
    False,
    'Train on the bound of --num_samples samples, not on the mean of theirs;'
    ' vimco always does.',
)
latent_flags.set_defaults('runs/gumbel_softmax_vae')

_CONFIG_FLAGS = (*latent_flags.CONFIG, _PRIOR, _IMPORTANCE_WEIGHTED)
_UNITS_FLAGS = (_ENCODER_UNITS, _DECODER_UNITS)
_EVAL_BATCH_SIZE = 100
_NUM_IMAGES = 64
_NUM_RECONSTRUCTIONS = 16


def build_model(
    image_shape: Sequence[int],
    encoder_units: Sequence[int],
    decoder_units: Sequence[int],
    **kwargs,
) -> dlvm.models.DiscreteVAE:
  """Builds the model with networks of dense layers.

  Args:
    image_shape: `(height, width, channels)`.
    encoder_units: Widths of hidden layers; none makes the encoder linear.
    decoder_units: Widths of hidden layers.
    **kwargs: Arguments of `models.DiscreteVAE` but for the networks.

  Returns:
    The model, built.
  """
  num_logits = kwargs['num_latents'] * kwargs['num_classes']
  encoder = keras.Sequential(
      [
          keras.layers.Flatten(),
          *(keras.layers.Dense(units, 'relu') for units in encoder_units),
          keras.layers.Dense(num_logits),
      ],
      name='encoder',
  )
  decoder = keras.Sequential(
      [
          keras.layers.Flatten(),
          *(keras.layers.Dense(units, 'relu') for units in decoder_units),
          keras.layers.Dense(math.prod(image_shape)),
          keras.layers.Reshape(image_shape),
      ],
      name='decoder',
  )
  model = dlvm.models.DiscreteVAE(encoder, decoder, **kwargs)
  model.build((None, *image_shape))
  return model


def sample_means(model: dlvm.models.DiscreteVAE, seed: tf.Tensor) -> np.ndarray:
  """Returns the mean images of codes drawn from the prior."""
  return model.decode(model.sample_prior(_NUM_IMAGES, seed)).mean().numpy()


def draw_pictures(
    output_dir: pathlib.Path,
    model: dlvm.models.DiscreteVAE,
    images: np.ndarray,
    title: str,
) -> None:
  """Writes the four pictures.

  Args:
    output_dir: Directory of the run, which holds `metrics.jsonl`.
    model: The trained model.
    images: Test images, shape `[size, height, width, 1]`.
    title: The run in a few words.
  """
  pictures.samples(
      output_dir / 'samples.png',
      sample_means(model, dlvm.ops.fold_in(0, 'samples')),
      f'Images of codes from the prior\n{title}',
  )
  shown = images[:_NUM_RECONSTRUCTIONS]
  probs = tf.nn.softmax(model.encode(images)).numpy()
  pictures.reconstructions(
      output_dir / 'reconstructions.png',
      shown,
      model(shown).numpy(),
      np.argmax(probs[:_NUM_RECONSTRUCTIONS], axis=-1),
      model.num_classes,
      f'Test images by way of their most likely codes\n{title}',
  )
  pictures.code_usage(
      output_dir / 'code_usage.png',
      probs,
      f'Use of the codes on the test set\n{title}',
  )
  rows = results.read_metrics(output_dir)
  panels = {
      'loss [nats]': {
          'training, as the estimator sees it': ('loss', 1),
          'validation, negative ELBO': ('val_elbo', -1),
          'validation, importance-weighted bound': (
              'val_importance_weighted_bound',
              -1,
          ),
      },
      'training [nats]': {
          'distortion': ('distortion', 1),
          'rate': ('rate', 1),
          'bound': ('negative_bound', 1),
      },
      'temperature': {'temperature': ('temperature', 1)},
  }
  series = {
      label: {
          name: _series(rows, key, sign)
          for name, (key, sign) in lines.items()
          if any(key in row for row in rows)
      }
      for label, lines in panels.items()
  }
  pictures.curves(
      output_dir / 'curves.png',
      # An estimator without a temperature has no panel of it.
      {label: lines for label, lines in series.items() if lines},
      f'Training\n{title}',
      zoomed=['loss [nats]', 'training [nats]'],
  )


def print_results(found: Mapping[str, Any]) -> None:
  """Prints the table that ends a run.

  Args:
    found: What `results.json` holds.
  """
  table = rich.table.Table(title=found['title'])
  for name in ('test set', 'value', 'standard error'):
    table.add_column(name, justify='left' if name == 'test set' else 'right')
  test = found['test']
  bound = f'-log p(x), bound of {found["num_importance_samples"]} samples'
  for label, name, sign in (
      (f'{bound} [nats]', 'importance_weighted_bound', -1),
      ('negative ELBO [nats]', 'elbo', -1),
      ('rate [nats]', 'rate', 1),
      ('soft-hard gap [nats]', 'soft_hard_gap', 1),
      ('perplexity of a latent', 'code_perplexity', 1),
      ('share of the classes in use', 'code_usage', 1),
  ):
    if name not in test:  # In results of a version before.
      continue
    error = test.get(f'{name}_stderr')
    table.add_row(
        label.replace('[', r'\['),
        f'{sign * test[name]:.3f}',
        '' if error is None else f'{error:.3f}',
    )
  rich.console.Console().print(table)


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
  units = {flag.name: _parse_units(flag) for flag in _UNITS_FLAGS}
  images = data.load(
      image_flags.DATASET.value,
      shared_flags.DATA_DIR.value,
      latent_flags.BINARIZATION.value,
      shared_flags.DATA_SEED.value,
  )
  keras.utils.set_random_seed(seed)
  model = build_model(
      images.image_shape,
      **units,
      num_latents=shared_flags.NUM_LATENTS.value,
      num_classes=shared_flags.NUM_CLASSES.value,
      prior=_PRIOR.value,
      estimator=latent_flags.make_estimator(_IMPORTANCE_WEIGHTED.value),
  )
  latent_flags.set_initial_weights(model)
  config = {flag.name: flag.value for flag in _CONFIG_FLAGS}
  is_dynamic = latent_flags.BINARIZATION.value == 'dynamic'
  model.num_importance_samples = latent_flags.NUM_VALIDATION_SAMPLES.value
  with runs.claim(output_dir, {**config, **units, 'data': images.description}):
    trainer = runs.fit(
        model,
        lambda data_seed: dlvm.training.ShuffledBatches(
            images.train.images,
            shared_flags.BATCH_SIZE.value,
            data_seed,
            data.binarize if is_dynamic else None,
        ),
        seed,
        output_dir,
        _callbacks(model, images, temperature, output_dir),
        _eval_batches(images.validation),
    )

  title = (
      f'{image_flags.DATASET.value}, {latent_flags.ESTIMATOR.value}, '
      f'{model.num_latents} latents of {model.num_classes} classes, step '
      f'{trainer.step:,}'
  )
  if dlvm.training.is_chief():
    draw_pictures(output_dir, model, images.test.images, title)
  found = evaluation.test(
      trainer, _eval_batches(images.test), output_dir, title
  )
  print_results(found)
  consoles.print_wrote(output_dir)


def _callbacks(model, images, temperature, output_dir):
  training = dlvm.training
  log_dir = output_dir / 'tensorboard'
  shown = images.validation.images[:_NUM_IMAGES]
  callbacks: list[keras.callbacks.Callback] = [
      training.ImageGrid(log_dir, name, fn, shared_flags.EVAL_EVERY.value)
      for name, fn in (
          ('samples', lambda: sample_means(model, [0, 1])),
          ('reconstructions', lambda: model(shown)),
      )
  ]
  return callbacks + temperatures.callbacks([model.estimator], temperature)


def _eval_batches(split):
  dataset = tf.data.Dataset.from_tensor_slices(split.images)
  return dataset.batch(_EVAL_BATCH_SIZE).prefetch(1)


def _series(rows, name, sign):
  pairs = [(row['step'], sign * row[name]) for row in rows if name in row]
  return [step for step, _ in pairs], [value for _, value in pairs]


def _parse_units(flag):
  units = [int(value) if value.isdecimal() else 0 for value in flag.value]
  if not all(units):
    raise ValueError(
        f'Expected positive integers in --{flag.name}; received {flag.value}.'
    )
  return units


if __name__ == '__main__':
  app.run(main)
