"""The optimizer of the binaries."""

from typing import Any

import keras

import discrete_lvm as dlvm


def adam(learning_rate: Any) -> keras.optimizers.Optimizer:
  """Makes Adam, for the dtype policy as it is.

  Args:
    learning_rate: Number or schedule.

  Returns:
    `training.FusedAdam`; with the policy `mixed_float16` inside of a
    `keras.optimizers.LossScaleOptimizer`, for gradients below 6e-8 would be
    zero.
  """
  optimizer = dlvm.training.FusedAdam(learning_rate)
  if keras.config.dtype_policy().name == 'mixed_float16':
    return keras.optimizers.LossScaleOptimizer(optimizer)
  return optimizer
