"""Trains delta-VAEs with an autoregressive decoder on images.

The decoder, a `GatedPixelCNN`, can do without latents, and an ordinary VAE of
it does. The binary trains the same decoder by itself, in a VAE, and in VAEs
that keep their latents in use in several ways, and tabulates the rate, the
bounds, and what the latents tell: their information about the image, and the
accuracy of a linear classifier of the digit that sees them alone.

  python -m experiments.delta_vae_image
  python -m experiments.delta_vae_image --dataset=mnist --num_seeds=2 \
      --methods=none,vae,delta:4 --output_dir=runs/delta_vae_mnist
  python -m experiments.delta_vae_image --dataset=fashion_mnist \
      --likelihood=discretized_logistic_mixture --output_dir=runs/delta_vae_grey

An AR(1) prior has a step for each row of the image. With the likelihood
'bernoulli' images are binary, one draw of the grey levels; else they are grey
levels, and the table also gives bits per dimension.

It leaves in the output directory a directory for each run (see
`delta_vae_runs`), in which are samples.png, samples_auxiliary.png and
interpolations.png; results.md, the table; and methods.png.

References:
  Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing Posterior
  Collapse with delta-VAEs. ICLR 2019. https://arxiv.org/abs/1901.03416.
"""

from collections.abc import Sequence
import functools
import math
import pathlib

from absl import app
from absl import flags
import keras
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import data
from experiments import delta_vae_methods
from experiments import delta_vae_pictures
from experiments import delta_vae_runs
from experiments import image_flags
from experiments import launch
from experiments import pictures
from experiments import shared_flags

_NUM_GREY_LEVELS = 256
_NUM_LOGISTICS = 5
# The likelihoods: outputs of the decoder at a pixel.
_NUM_OUTPUTS = {
    'bernoulli': 1,
    'categorical': _NUM_GREY_LEVELS,
    'discretized_logistic_mixture': 3 * _NUM_LOGISTICS,
}
_LIKELIHOOD = flags.DEFINE_enum(
    'likelihood',
    'bernoulli',
    sorted(_NUM_OUTPUTS),
    'Law of a pixel: of binary ones, or of 256 grey levels.',
)
_FIRST_KERNEL_SIZE = flags.DEFINE_integer(
    'first_kernel_size',
    7,
    'Odd number of pixels across that the first layer of the decoder sees, half'
    ' of them up. Each further layer sees one more.',
    lower_bound=3,
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/delta_vae_image')
flags.set_default(shared_flags.UNITS, 16)
flags.set_default(delta_vae_runs.DECODER_LAYERS, 4)
delta_vae_runs.set_defaults(
    methods='none,vae,beta:0.5,free_bits:0.25,target:4,delta_independent:4,'
    'delta:0.5,delta:1,delta:2,delta:4,delta:8',
    num_steps=2000,
)

_NUM_CONTEXT_FEATURES = 8
_CONTEXT_UNITS = 128
_NUM_PROBED = 5000
_NUM_SAMPLES = 64
_NUM_INTERPOLATIONS = 6
_NUM_INTERPOLATED = 9


def build_decoder(
    image_shape: Sequence[int], likelihood: str
) -> dlvm.models.PixelDecoder:
  """Builds the decoder that all methods share.

  Args:
    image_shape: `(height, width, 1)`.
    likelihood: A key of `_NUM_OUTPUTS`.

  Returns:
    The decoder, not built yet.
  """
  height, width, _ = image_shape
  network = keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(_CONTEXT_UNITS, 'relu'),
          keras.layers.Dense(height * width * _NUM_CONTEXT_FEATURES),
          keras.layers.Reshape([height, width, _NUM_CONTEXT_FEATURES]),
      ]
  )
  causal_network = dlvm.layers.GatedPixelCNN(
      _NUM_OUTPUTS[likelihood],
      units=shared_flags.UNITS.value,
      num_layers=delta_vae_runs.DECODER_LAYERS.value,
      first_kernel_size=_FIRST_KERNEL_SIZE.value,
  )
  is_grey = likelihood != 'bernoulli'
  return dlvm.models.PixelDecoder(
      network,
      causal_network,
      likelihood,
      pixel_range=(0, _NUM_GREY_LEVELS - 1 if is_grey else 1),
  )


def draw(
    run_dir: pathlib.Path,
    model: dlvm.models.DeltaVAE,
    method: delta_vae_methods.Method,
    title: str,
) -> None:
  """Draws samples and interpolations of a run.

  Args:
    run_dir: Directory of the run.
    model: The trained model.
    method: Its method.
    title: The run in a few words.
  """
  white = 1 if _LIKELIHOOD.value == 'bernoulli' else _NUM_GREY_LEVELS - 1
  priors = {'samples.png': False}
  if method.has_latents:
    priors['samples_auxiliary.png'] = True
  for name, auxiliary in priors.items():
    images = model.sample(_NUM_SAMPLES, seed=[0, 1], auxiliary=auxiliary)
    kind = 'auxiliary prior' if auxiliary else 'prior'
    pictures.samples(
        run_dir / name,
        images.numpy() / white,
        f'Images of latents of the {kind}\n{title}',
    )
  if not method.has_latents or method.is_categorical:
    return
  # From one sample of the auxiliary prior to another; normal noise keeps its
  # spread along the arc.
  ends = model.prior(auxiliary=True).sample(
      2 * _NUM_INTERPOLATIONS, seed=[0, 2]
  )
  angles = tf.reshape(
      tf.linspace(0.0, math.pi / 2, _NUM_INTERPOLATED), [-1, 1, 1]
  )
  first, last = tf.split(ends[:, tf.newaxis], 2)
  z = tf.cos(angles) * first + tf.sin(angles) * last
  images = model.sample_given(z, seed=[0, 3])
  delta_vae_pictures.interpolations(
      run_dir / 'interpolations.png',
      images.numpy() / white,
      f'From one latent to another, {title}',
  )


@functools.partial(
    launch.one_line_errors,
    unused=(
        shared_flags.NUM_LATENTS,
        shared_flags.NUM_CLASSES,
        shared_flags.LENGTH,
        shared_flags.TEMPERATURE_SCHEDULE,
        shared_flags.TEXT_FILE,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Trains, evaluates and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  likelihood = _LIKELIHOOD.value
  is_grey = likelihood != 'bernoulli'
  images = data.load(
      image_flags.DATASET.value,
      shared_flags.DATA_DIR.value,
      'none' if is_grey else 'fixed',
      shared_flags.DATA_SEED.value,
  )
  splits = {'train': images.train, 'test': images.test}
  if is_grey:
    splits = {
        name: split._replace(images=data.grey_levels(split.images))
        for name, split in splits.items()
    }
  train, test = splits['train'], splits['test']
  height, width, _ = images.image_shape

  def batches(seed):
    return dlvm.training.ShuffledBatches(
        train.images, shared_flags.BATCH_SIZE.value, seed
    )

  def build_encoder():
    scale = _NUM_GREY_LEVELS - 1 if is_grey else 1
    return delta_vae_runs.causal_encoder(
        keras.layers.Reshape([height, width]),
        keras.layers.Rescaling(2 / scale, offset=-1),
    )

  delta_vae_runs.run_all(
      delta_vae_runs.Experiment(
          title=(
              f'{image_flags.DATASET.value}, {height}x{width}, '
              f'{likelihood.replace("_", " ")}'
          ),
          config={
              'likelihood': likelihood,
              'first_kernel_size': _FIRST_KERNEL_SIZE.value,
              'data': images.description,
          },
          length=height,
          num_elements=height * width,
          example_shape=images.image_shape,
          build_encoder=build_encoder,
          build_decoder=lambda: build_decoder(images.image_shape, likelihood),
          batches=batches,
          test=test.images,
          draw=draw,
          labelled=(
              (train.images[:_NUM_PROBED], train.labels[:_NUM_PROBED]),
              (test.images, test.labels),
          ),
      )
  )


if __name__ == '__main__':
  app.run(main)
