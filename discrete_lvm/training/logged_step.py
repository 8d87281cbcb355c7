"""The number of optimisation steps done, for callbacks of either loop."""

from collections.abc import Mapping
from typing import Any

import keras


def logged_step(model: keras.Model, logs: Mapping[str, Any] | None) -> int:
  """Returns the number of steps done.

  Args:
    model: The model in training.
    logs: What the callback received. `Trainer` puts the step there, `fit` of
      Keras does not.

  Returns:
    The step in `logs`, or else that of the optimizer of the model.
  """
  if logs and 'step' in logs:
    return int(logs['step'])
  return int(model.optimizer.iterations.numpy())
