"""Metrics as one JSON object a line."""

import json
import math
import os
import pathlib
from typing import Any

import keras

from discrete_lvm.training.logged_step import logged_step
from discrete_lvm.training.output_dir import write_atomically


class JsonLines(keras.callbacks.Callback):
  """Appends the logs of every epoch, or log interval, to a file.

  A line is `{"step": 100, "loss": ..., ...}`, and holds nothing that depends on
  the clock. When training begins at a step, lines beyond it are dropped, so
  that a run that was killed and resumed leaves the file of one that was not.
  NaN and infinities, which JSON does not have, are null.

  Args:
    path: The file; its directory is made if it is not there.

  Example:
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / 'metrics.jsonl'
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile('sgd', 'mse')
    >>> x, y = tf.zeros([6, 2]), tf.ones([6, 1])
    >>> _ = model.fit(x, y, 2, verbose=0, callbacks=[JsonLines(path)])
    >>> print(path.read_text())
    {"step": 3, "loss": ...}
  """

  chief_only = True

  def __init__(self, path: str | os.PathLike):
    super().__init__()
    self._path = pathlib.Path(path)
    self._is_cut = False

  def on_train_begin(self, logs=None):
    self._path.parent.mkdir(parents=True, exist_ok=True)
    self._is_cut = False
    if logs and 'step' in logs:
      self._cut(logs)

  def on_epoch_begin(self, epoch, logs=None):
    # What does not say its step may be restored by another callback as the
    # training begins, such as Keras's `BackupAndRestore` after this one.
    if not self._is_cut:
      self._cut(logs)

  def _cut(self, logs):
    """Drops the lines beyond the step at which training begins."""
    self._is_cut = True
    if self._path.exists():
      step = logged_step(self.model, logs)
      lines = self._path.read_text().splitlines(keepends=True)
      kept = [
          line
          for line in lines
          if line.endswith('\n') and _step_of(line) <= step
      ]
      write_atomically(self._path, ''.join(kept))

  def on_epoch_end(self, epoch, logs=None):
    logs = logs or {}
    line: dict[str, Any] = {'step': logged_step(self.model, logs)}
    line.update((k, _to_json(v)) for k, v in logs.items() if k != 'step')
    with open(self._path, 'a') as f:
      f.write(json.dumps(line) + '\n')


def _to_json(value):
  if hasattr(value, 'numpy'):
    value = value.numpy()
  if hasattr(value, 'tolist'):  # Of NumPy, a scalar too.
    value = value.tolist()
  if isinstance(value, list):
    return [_to_json(v) for v in value]
  is_bad = isinstance(value, float) and not math.isfinite(value)
  return None if is_bad else value


def _step_of(line):
  # A line that a dying process left incomplete belongs to no step.
  try:
    return json.loads(line)['step']
  except (ValueError, KeyError, TypeError):
    return float('inf')
