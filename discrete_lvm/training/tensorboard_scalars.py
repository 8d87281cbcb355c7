"""Logs as TensorBoard scalars."""

import os

import keras
import tensorflow as tf

from discrete_lvm.training.extras import require_extra
from discrete_lvm.training.logged_step import logged_step


class TensorBoardScalars(keras.callbacks.Callback):
  """Writes the logs of every epoch, or log interval, against the step.

  Args:
    log_dir: Directory of the event files.

  Raises:
    ValueError: If the package `tensorboard` is not installed.

  Example:
    >>> import os, tempfile
    >>> log_dir = tempfile.mkdtemp()
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile('sgd', 'mse')
    >>> callback = TensorBoardScalars(log_dir)
    >>> x, y = tf.zeros([6, 2]), tf.ones([6, 1])
    >>> _ = model.fit(x, y, 2, verbose=0, callbacks=[callback])
    >>> os.listdir(log_dir)
    ['events.out.tfevents...']
  """

  chief_only = True

  def __init__(self, log_dir: str | os.PathLike):
    super().__init__()
    require_extra('tensorboard')
    self._log_dir = os.fspath(log_dir)

  def on_train_begin(self, logs=None):
    self._writer = tf.summary.create_file_writer(self._log_dir)

  def on_epoch_end(self, epoch, logs=None):
    logs = logs or {}
    step = logged_step(self.model, logs)
    with self._writer.as_default(step=step):
      for name, value in logs.items():
        if name != 'step':
          tf.summary.scalar(name, value)
    self._writer.flush()

  def on_train_end(self, logs=None):
    self._writer.close()
