"""Flags of the binaries that train categorical latents on images."""

from collections.abc import Sequence
import pathlib

from absl import flags
import keras

import discrete_lvm as dlvm
from experiments import data
from experiments import finished_runs
from experiments import runs
from experiments import shared_flags
from experiments import temperatures

BINARIZATION = flags.DEFINE_enum(
    'binarization',
    'dynamic',
    data.BINARIZATIONS,
    'Binary pixels drawn once (fixed; as published results on MNIST do), at'
    ' each step (dynamic), or never (none: grey levels as Bernoulli means).',
)
ESTIMATOR = flags.DEFINE_enum(
    'estimator',
    'gumbel_softmax',
    sorted(dlvm.estimators.ESTIMATORS),
    'Gradient estimator.',
)
NUM_SAMPLES = flags.DEFINE_integer(
    'num_samples',
    None,
    'Samples of an example in a step of training; by default as few as the'
    ' estimator takes.',
    lower_bound=1,
)
INITIAL_MODEL = flags.DEFINE_string(
    'initial_model',
    None,
    'Directory of a finished run of the same networks, with whose weights'
    ' training begins, as to go on with another estimator.',
)
NUM_VALIDATION_SAMPLES = flags.DEFINE_integer(
    'num_validation_samples',
    10,
    'Samples of the bound on the validation set. A choice by few may differ'
    ' from one by those of --num_importance_samples.',
    lower_bound=1,
)

# What says nothing of one model of latents with layers of its own.
UNUSED = (
    shared_flags.NUM_SEEDS,
    shared_flags.UNITS,
    shared_flags.LENGTH,
    shared_flags.TEXT_FILE,
)
# What makes a run the run that it is. The others may change when it resumes.
CONFIG = (
    *runs.CONFIG,
    shared_flags.SEED,
    ESTIMATOR,
    NUM_SAMPLES,
    INITIAL_MODEL,
    shared_flags.NUM_LATENTS,
    shared_flags.NUM_CLASSES,
    shared_flags.TEMPERATURE_SCHEDULE,
)


def set_defaults(output_dir: str) -> None:
  """Sets the defaults of the flags that the binaries share.

  Args:
    output_dir: Where the runs of a binary write.
  """
  for flag, value in (
      (shared_flags.OUTPUT_DIR, output_dir),
      (shared_flags.NUM_STEPS, 16_000),
      (shared_flags.NUM_LATENTS, 20),
      (shared_flags.NUM_CLASSES, 10),
      (shared_flags.BATCH_SIZE, 100),
      (shared_flags.NUM_IMPORTANCE_SAMPLES, 1000),
      (shared_flags.LEARNING_RATE, '1e-3'),
      (
          shared_flags.TEMPERATURE_SCHEDULE,
          'exponential:initial=1,rate=1e-4,minimum=0.3,every=500',
      ),
  ):
    flags.set_default(flag, value)


def make_estimator(
    importance_weighted: bool = False,
) -> dlvm.estimators.Estimator:
  """Makes the estimator that the flags ask for.

  Args:
    importance_weighted: Whether it estimates the bound of its samples; those
      of a bound alone do so in any case.

  Returns:
    The estimator.

  Raises:
    ValueError: If its temperature is to be learned and cannot be, or its
      samples are not ones of a bound.
  """
  kwargs = {}
  if importance_weighted:
    kwargs['importance_weighted'] = True
  if NUM_SAMPLES.value is not None:
    kwargs['num_samples'] = NUM_SAMPLES.value
  kwargs |= temperatures.constructor_arguments(
      shared_flags.TEMPERATURE_SCHEDULE.value, ESTIMATOR.value
  )
  return dlvm.estimators.ESTIMATORS[ESTIMATOR.value](**kwargs)


def set_initial_weights(
    model: dlvm.models.DiscreteVAE | dlvm.models.StructuredPrediction,
) -> None:
  """Sets the weights of the networks to those of --initial_model, if given.

  Those of an estimator stay as they are: the other model may have another one.
  A run that goes on from a checkpoint does not need the other model any more.

  Args:
    model: The model, built.

  Raises:
    FileNotFoundError: If the directory is not that of a finished run.
    ValueError: If its model is of another kind, or has weights of other shapes.
  """
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  if INITIAL_MODEL.value is None or runs.has_checkpoint(output_dir):
    return
  initial = finished_runs.read(pathlib.Path(INITIAL_MODEL.value)).model
  if type(initial) is not type(model):
    raise ValueError(
        f'Expected a {type(model).__name__} in --initial_model; received a '
        f'{type(initial).__name__} in {INITIAL_MODEL.value}.'
    )
  weights, values = _network_weights(model), _network_weights(initial)
  expected, received = (
      [tuple(w.shape) for w in ws] for ws in (weights, values)
  )
  if received != expected:
    raise ValueError(
        f'Expected weights of shapes {expected} in --initial_model; received '
        f'{received} in {INITIAL_MODEL.value}.'
    )
  for weight, value in zip(weights, values, strict=True):
    weight.assign(value)


def _network_weights(model: keras.Model) -> Sequence[keras.Variable]:
  estimators = getattr(model, 'estimators', None) or [model.estimator]
  others = {id(w) for estimator in estimators for w in estimator.weights}
  return [w for w in model.weights if id(w) not in others]
