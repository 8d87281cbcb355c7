"""Flags of the binaries that train categorical latents on images."""

from absl import flags

import discrete_lvm as dlvm
from experiments import data

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


def make_estimator(**kwargs) -> dlvm.estimators.Estimator:
  """Makes the estimator that the flags ask for.

  Args:
    **kwargs: Its arguments but for the number of samples.

  Returns:
    The estimator.
  """
  if NUM_SAMPLES.value is not None:
    kwargs['num_samples'] = NUM_SAMPLES.value
  return dlvm.estimators.ESTIMATORS[ESTIMATOR.value](**kwargs)
