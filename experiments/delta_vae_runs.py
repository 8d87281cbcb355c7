"""Trains delta-VAEs and what they are compared with, and tabulates them.

What the binaries `delta_vae_*.py` share: their flags, a run, and the table of
all methods over all seeds. A run leaves in `OUTPUT_DIR/METHOD/seed_SEED`:
config.json, metrics.jsonl, TensorBoard's event files, checkpoints, model.keras,
results.json, and what the binary draws of it. The same command started again
goes on where it was killed, run by run and, within a run, from its last
checkpoint.
"""

from collections.abc import Callable
from collections.abc import Mapping
import pathlib
from typing import Any
from typing import NamedTuple

from absl import flags
import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import consoles
from experiments import delta_vae_evaluation
from experiments import delta_vae_methods
from experiments import delta_vae_pictures
from experiments import delta_vae_table
from experiments import runs
from experiments import seed_table
from experiments import shared_flags

METHODS = flags.DEFINE_list(
    'methods', None, f'Methods, by commas; each is {delta_vae_methods.SYNTAX}.'
)
LATENT_DIM = flags.DEFINE_integer(
    'latent_dim',
    None,
    'Dimension of the latents of a step, or number of their classes.',
    lower_bound=1,
)
DECODER_LAYERS = flags.DEFINE_integer(
    'decoder_layers', None, 'Layers of the decoder.', lower_bound=1
)
_NUM_COMPONENTS = flags.DEFINE_integer(
    'num_components',
    8,
    'Normals that the auxiliary prior mixes at each step.',
    lower_bound=1,
)
_NUM_TEST = flags.DEFINE_integer(
    'num_test',
    2000,
    'Examples of the test set, from the first on, that are evaluated.',
    lower_bound=2,
)

# What makes a run the run that it is, beside its method and its seed.
_CONFIG_FLAGS = (
    *runs.CONFIG,
    shared_flags.UNITS,
    LATENT_DIM,
    DECODER_LAYERS,
    _NUM_COMPONENTS,
)
_EVAL_BATCH_SIZE = 100
# Of the networks from the data to features and of the auxiliary prior.
_ENCODER_UNITS = 64
_NUM_FEATURES = 32
_PRIOR_UNITS = 32


class Experiment(NamedTuple):
  """What tells one binary from another.

  Attributes:
    title: The data in a few words.
    config: JSON-serialisable record of them.
    length: Number of steps of the latents.
    num_elements: Pixels or tokens of an example.
    example_shape: Shape of an example.
    build_encoder: Builds the Keras model of features.
    build_decoder: Builds a decoder of `dlvm.models`.
    batches: From a seed to what `training.Trainer.fit` takes.
    test: Array of test examples.
    draw: `draw(run_dir, model, method, title)`, what a run leaves to look at.
    labelled: None, or images and labels of the training set, and of the test.
  """

  title: str
  config: Mapping[str, Any]
  length: int
  num_elements: int
  example_shape: tuple[int, ...]
  build_encoder: Callable
  build_decoder: Callable
  batches: Callable[[Any], Callable[[int], tf.data.Dataset]]
  test: np.ndarray
  draw: Callable
  labelled: tuple[tuple, tuple] | None = None


def causal_encoder(*first_layers: keras.layers.Layer) -> keras.Sequential:
  """Builds an encoder whose features at a step see the data from there on.

  Args:
    *first_layers: Keras layers from the data to `[batch, length, channels]`.

  Returns:
    A Keras model from data to `[batch, length, features]`.
  """
  network = dlvm.layers.CausalConvolution(
      _NUM_FEATURES,
      units=_ENCODER_UNITS,
      dilations=(1, 2, 4, 8),
      kernel_size=3,
  )
  return keras.Sequential([*first_layers, dlvm.layers.AntiCausal(network)])


def set_defaults(
    methods: str, num_steps: int, learning_rate: float = 2e-3
) -> None:
  """Sets the defaults of the flags that the binaries share.

  Args:
    methods: Methods, by commas.
    num_steps: Optimisation steps.
    learning_rate: Learning rate at the beginning; it falls to zero, over more
      steps where --num_steps asks for more.
  """
  for flag, value in (
      (METHODS, methods),
      (shared_flags.NUM_STEPS, num_steps),
      (shared_flags.BATCH_SIZE, 32),
      (shared_flags.NUM_IMPORTANCE_SAMPLES, 10),
      (LATENT_DIM, 1),
      (
          shared_flags.LEARNING_RATE,
          f'cosine:initial={learning_rate},final=0,num_steps={num_steps}',
      ),
  ):
    flags.set_default(flag, value)


def run_all(experiment: Experiment) -> None:
  """Trains every method with every seed, prints the table and draws.

  Args:
    experiment: The experiment.

  Raises:
    ValueError: If a flag is wrong, before any run begins.
  """
  names = list(dict.fromkeys(METHODS.value)) or ['']
  methods = {name: delta_vae_methods.parse(name) for name in names}
  for method in methods.values():
    _build_latents(experiment, method, seed=0)
    delta_vae_methods.build_rate_control(method)
  runs.resolve_learning_rate()
  rows = runs.sweep(names, lambda name, seed: run(experiment, name, seed))
  seeds = runs.seeds()
  caption = (
      f'{shared_flags.NUM_STEPS.value:,} steps of batch '
      f'{shared_flags.BATCH_SIZE.value}; nats an example, mean (least to most) '
      f'over seeds {seeds[0]} to {seeds[-1]}; {_shown(experiment)} test '
      f'examples, {shared_flags.NUM_IMPORTANCE_SAMPLES.value} samples of each '
      'posterior.'
  )
  if not dlvm.training.is_chief():
    return
  columns = delta_vae_table.COLUMNS
  seed_table.print_table(experiment.title, rows, columns, 'method', caption)
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  seed_table.write_markdown(
      output_dir / 'results.md',
      {experiment.title: rows},
      columns,
      'method',
      caption,
  )
  delta_vae_pictures.methods(output_dir / 'methods.png', rows, experiment.title)
  consoles.print_wrote(output_dir)


def run(experiment: Experiment, name: str, seed: int) -> dict[str, Any]:
  """Trains and evaluates one method, unless its results are there already.

  Args:
    experiment: The experiment.
    name: Name of the method.
    seed: Python `int`, seed of the weights, the batches and all noise.

  Returns:
    What `results.json` holds: the metrics of the model and what
    `delta_vae_evaluation` measured, the step, and the seconds of training
    (unless it was resumed).

  Raises:
    ValueError: If the directory of the run is that of another config.
  """
  run_dir = runs.run_dir(name, seed)
  config = {flag.name: flag.value for flag in _CONFIG_FLAGS}
  method = delta_vae_methods.parse(name)

  def measure(trainer):
    title = f'{experiment.title}, {name}, seed {seed}'
    if dlvm.training.is_chief():
      experiment.draw(run_dir, trainer.model, method, title)
    return _measure(experiment, method, trainer)

  return runs.resume(
      run_dir,
      {**config, **experiment.config, 'method': name, 'seed': seed},
      {
          'step': shared_flags.NUM_STEPS.value,
          'num_test': _shown(experiment),
          'num_importance_samples': shared_flags.NUM_IMPORTANCE_SAMPLES.value,
      },
      lambda: runs.fit(
          build_model(experiment, method, seed),
          experiment.batches,
          seed,
          run_dir,
      ),
      measure,
  )


def build_model(
    experiment: Experiment, method: delta_vae_methods.Method, seed: int
) -> dlvm.models.DeltaVAE:
  """Builds the model of a method; its decoder is the same for all of them.

  Args:
    experiment: The experiment.
    method: The method.
    seed: Python `int`, seed of the initial weights.

  Returns:
    The model, built.
  """
  keras.utils.set_random_seed(seed)
  decoder = experiment.build_decoder()
  auxiliary_prior = None
  encoder: keras.layers.Layer = keras.layers.Identity()
  if method.has_latents:
    encoder = experiment.build_encoder()
    auxiliary_prior = _auxiliary_prior(experiment.length, method)
  model = dlvm.models.DeltaVAE(
      encoder,
      _build_latents(experiment, method, seed),
      decoder,
      rate_control=delta_vae_methods.build_rate_control(method),
      auxiliary_prior=auxiliary_prior,
  )
  model.build((None, *experiment.example_shape))
  return model


def _build_latents(experiment, method, seed):
  return delta_vae_methods.build_latents(
      method, experiment.length, LATENT_DIM.value, seed
  )


def _auxiliary_prior(length, method):
  dim = LATENT_DIM.value
  num_outputs = _NUM_COMPONENTS.value * (1 + 2 * dim)
  return dlvm.layers.CausalConvolution(
      dim if method.is_categorical else num_outputs,
      units=_PRIOR_UNITS,
      # The window doubles until it holds the whole sequence.
      dilations=[2**i for i in range(max(1, (length - 1).bit_length()))],
  )


def _measure(experiment, method, trainer):
  model = trainer.model
  model.num_importance_samples = shared_flags.NUM_IMPORTANCE_SAMPLES.value
  test = experiment.test[: _shown(experiment)]
  dataset = tf.data.Dataset.from_tensor_slices(test).batch(_EVAL_BATCH_SIZE)
  measures = trainer.evaluate(dataset)
  best = max(value for name, value in measures.items() if name.endswith('elbo'))
  measures |= {
      'committed_rate': model.latents.committed_rate,
      'bits_per_element': float(
          dlvm.ops.bits_per_dim(-best, experiment.num_elements)
      ),
  }
  if method.has_latents:
    measures |= delta_vae_evaluation.information(model, test, seed=1)
    if experiment.labelled is not None:
      measures |= delta_vae_evaluation.probes(
          model, *experiment.labelled, seed=2
      )
  return measures


def _shown(experiment):
  return min(_NUM_TEST.value, len(experiment.test))
