"""The time of a step of training."""

import time

import keras
import numpy as np


class StepTimer(keras.callbacks.Callback):
  """Measures what a step takes in `dlvm.training.Trainer`, the data included.

  Evaluations and checkpoints are left out, and by the median so is the tracing
  of the first call.

  Example:
    >>> timer = StepTimer()
    >>> timer.on_train_batch_begin(20)
    >>> timer.on_train_batch_end(29)  # A call of ten steps.
    >>> 0 < timer.milliseconds < 100
    True
  """

  def __init__(self):
    super().__init__()
    self._milliseconds = []

  @property
  def milliseconds(self) -> float | None:
    """Median over the calls, of one step; None if there was no step."""
    return float(np.median(self._milliseconds)) if self._milliseconds else None

  def on_train_batch_begin(self, batch, logs=None):
    self._first, self._begin = batch, time.perf_counter()

  def on_train_batch_end(self, batch, logs=None):
    elapsed = time.perf_counter() - self._begin
    self._milliseconds.append(1e3 * elapsed / (batch + 1 - self._first))
