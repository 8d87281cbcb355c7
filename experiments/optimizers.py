"""The optimizer of the binaries."""

from typing import Any

import keras

import discrete_lvm as dlvm


def adam(
    learning_rate: Any, ema_momentum: float | None = None
) -> keras.optimizers.Optimizer:
  """Makes Adam, for the dtype policy as it is.

  Args:
    learning_rate: Number or schedule.
    ema_momentum: Momentum of the moving average of the weights, in (0, 1), or
      None for no average.

  Returns:
    `training.FusedAdam`; with the policy `mixed_float16` inside of a
    `keras.optimizers.LossScaleOptimizer`, for gradients below 6e-8 would be
    zero.
  """
  average = {}
  if ema_momentum is not None:
    average = {'use_ema': True, 'ema_momentum': ema_momentum}
  optimizer = dlvm.training.FusedAdam(learning_rate, **average)
  if keras.config.dtype_policy().name == 'mixed_float16':
    return keras.optimizers.LossScaleOptimizer(optimizer)
  return optimizer
