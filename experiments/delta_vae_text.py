"""Trains delta-VAEs with an autoregressive decoder on text.

The decoder, a causal transformer, can do without latents, and an ordinary VAE
of it does. The binary trains the same decoder by itself, in a VAE, and in VAEs
that keep their latents in use in several ways, and tabulates the rate, the
bounds, and the information of the latents about the text.

  python -m experiments.delta_vae_text
  python -m experiments.delta_vae_text --text_file=text8 --num_seeds=3 \
      --output_dir=runs/delta_vae_text8

The data are examples of --length characters of a text in the format of text8,
by default the documentation of Python. An AR(1) prior has a step for each block
of --block_length characters; a step sees the text from its block on, and a
character sees the steps up to its block.

It leaves in the output directory a directory for each run (see
`delta_vae_runs`), in which are samples.txt; results.md, the table; and
methods.png.

References:
  Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing Posterior
  Collapse with delta-VAEs. ICLR 2019. https://arxiv.org/abs/1901.03416.
"""

from collections.abc import Sequence
import functools
import pathlib

from absl import app
from absl import flags
import keras

import discrete_lvm as dlvm
from experiments import delta_vae_methods
from experiments import delta_vae_runs
from experiments import launch
from experiments import shared_flags
from experiments import text as text_lib

_BLOCK_LENGTH = flags.DEFINE_integer(
    'block_length', 8, 'Characters of a step of the latents.', lower_bound=1
)
_DECODER = flags.DEFINE_enum(
    'decoder',
    'transformer',
    ['transformer', 'convolution'],
    'Decoder of characters given those before.',
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/delta_vae_text')
flags.set_default(shared_flags.LENGTH, 64)
flags.set_default(shared_flags.UNITS, 128)
flags.set_default(delta_vae_runs.DECODER_LAYERS, 2)
delta_vae_runs.set_defaults(
    methods='none,vae,beta:0.5,free_bits:0.5,target:4,delta_independent:4,'
    'delta:4',
    num_steps=1500,
)

_NUM_HEADS = 4
_NUM_CONTEXT_FEATURES = 32
_EMBEDDING_UNITS = 64
_NUM_SAMPLES = 10


def build_encoder(num_classes: int) -> keras.Sequential:
  """Builds the encoder.

  Args:
    num_classes: Number of characters.

  Returns:
    A Keras model from codes to `[batch, length / block_length, features]`.
  """
  encoder = delta_vae_runs.causal_encoder(
      keras.layers.Embedding(num_classes, _EMBEDDING_UNITS)
  )
  encoder.add(keras.layers.AveragePooling1D(_BLOCK_LENGTH.value))
  return encoder


def build_decoder(num_classes: int) -> dlvm.models.TokenDecoder:
  """Builds the decoder that all methods share.

  Args:
    num_classes: Number of characters.

  Returns:
    The decoder, not built yet.
  """
  layers = dlvm.layers
  units = shared_flags.UNITS.value
  num_layers = delta_vae_runs.DECODER_LAYERS.value
  if _DECODER.value == 'transformer':
    causal_network = layers.CausalTransformer(
        num_classes, num_layers, _NUM_HEADS, units
    )
  else:
    causal_network = layers.CausalConvolution(
        num_classes, units, [2**i for i in range(num_layers)], kernel_size=3
    )
  network = keras.Sequential(
      [
          keras.layers.Dense(_NUM_CONTEXT_FEATURES, 'relu'),
          keras.layers.UpSampling1D(_BLOCK_LENGTH.value),
      ]
  )
  return dlvm.models.TokenDecoder(network, causal_network, num_classes)


def write_samples(
    run_dir: pathlib.Path,
    model: dlvm.models.DeltaVAE,
    method: delta_vae_methods.Method,
    title: str,
) -> None:
  """Writes texts of the prior and of the auxiliary prior of a run.

  Args:
    run_dir: Directory of the run.
    model: The trained model.
    method: Its method.
    title: The run in a few words.
  """
  lines = [title]
  for auxiliary in (False, True)[: 1 + method.has_latents]:
    kind = 'auxiliary prior' if auxiliary else 'prior'
    lines.append(f'\nTexts of latents of the {kind}:')
    codes = model.sample(_NUM_SAMPLES, seed=[0, 1], auxiliary=auxiliary)
    lines += [text_lib.decode(code) for code in codes.numpy()]
  (run_dir / 'samples.txt').write_text('\n'.join(lines) + '\n')


@functools.partial(
    launch.one_line_errors,
    unused=(
        shared_flags.NUM_LATENTS,
        shared_flags.NUM_CLASSES,
        shared_flags.TEMPERATURE_SCHEDULE,
        shared_flags.DATA_DIR,
        shared_flags.DATA_SEED,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Trains, evaluates and writes samples.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  length, block_length = shared_flags.LENGTH.value, _BLOCK_LENGTH.value
  if length % block_length:
    raise ValueError(
        'Expected a --length that --block_length divides; received '
        f'{length} and {block_length}.'
    )
  text = text_lib.load(shared_flags.TEXT_FILE.value)
  delta_vae_runs.run_all(
      delta_vae_runs.Experiment(
          title=f'{text.description["source"]}, {length} characters',
          config={
              'length': length,
              'block_length': block_length,
              'decoder': _DECODER.value,
              'data': text.description,
          },
          length=length // block_length,
          num_elements=length,
          example_shape=(length,),
          build_encoder=functools.partial(build_encoder, text.num_classes),
          build_decoder=functools.partial(build_decoder, text.num_classes),
          batches=functools.partial(
              text_lib.random_windows,
              text.train,
              length,
              shared_flags.BATCH_SIZE.value,
          ),
          test=text_lib.windows(text.test, length),
          draw=write_samples,
      )
  )


if __name__ == '__main__':
  app.run(main)
