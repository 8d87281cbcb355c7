"""Flags of the binaries that train categorical latents on images."""

from absl import flags

import discrete_lvm as dlvm
from experiments import data
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

NUM_VALIDATION_SAMPLES = flags.DEFINE_integer(
    'num_validation_samples',
    10,
    'Samples of the bound on the validation set. A choice by few may differ'
    ' from one by those of --num_importance_samples.',
    lower_bound=1,
)

# What makes a run the run that it is. The others may change when it resumes.
CONFIG = (
    *runs.CONFIG,
    shared_flags.SEED,
    ESTIMATOR,
    NUM_SAMPLES,
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
      shared_flags.TEMPERATURE_SCHEDULE.value
  )
  return dlvm.estimators.ESTIMATORS[ESTIMATOR.value](**kwargs)
