"""Saves the state of a run, on each worker, and keeps that of the chief."""

import os
import pathlib
import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.training import workers
from discrete_lvm.training.averaged_weights import AveragedWeights
from discrete_lvm.training.checkpoints import restore_latest
from discrete_lvm.training.non_finite_loss_error import NonFiniteLossError


class CheckpointWriter:
  """Saves and restores all variables of a run.

  Where the optimizer averages the weights, a checkpoint holds the averages as
  the model, and the weights of training in the place of the averages.

  All workers save at the same step, because reading a variable may be a thing
  that replicas do together; those that are not the chief save into a temporary
  directory of their own. All restore the chief's.

  Args:
    directory: Where the checkpoints are kept; one of a file system that all
      workers share.
    model: The model, built.
    optimizer: Its optimizer, built.
    **variables: Further variables, by name; `step` among them.

  Attributes:
    latest: Path of the latest good checkpoint that was saved or restored, None
      before.

  Raises:
    ValueError: If the directory cannot be written, or its name has a `[` or a
      backslash, with which TensorFlow does not find it.
  """

  def __init__(
      self,
      directory: pathlib.Path,
      model: keras.Model,
      optimizer: keras.optimizers.Optimizer,
      **variables: tf.Variable,
  ):
    self._directory, self._model = directory, model
    self._averages = AveragedWeights(optimizer)
    self._step = variables['step']
    self.latest: str | None = None
    # Lists of variables, because Keras's own tracking leaves out the state of
    # seed generators.
    self._checkpoint = tf.train.Checkpoint(
        variables=tf_variables(model),
        optimizer=tf_variables(optimizer),
        **variables,
    )
    strategy = tf.distribute.get_strategy()
    self._num_workers = workers.num_workers(strategy)
    self._vote = workers.Vote(strategy)
    self._temporary: Any = None
    if not workers.is_chief(strategy):
      self._temporary = tempfile.TemporaryDirectory()
    self._manager = tf.train.CheckpointManager(
        self._checkpoint,
        self._writable_directory(),
        max_to_keep=3,
        checkpoint_name='ckpt',
    )

  def restore(self) -> None:
    """Restores the latest intact checkpoint, if there is one.

    Raises:
      ValueError: If all are damaged, the latest is that of another model, or
        not all workers see the same one.
    """
    self.latest = restore_latest(self._checkpoint, self._directory)
    step = int(self._step.numpy())
    if self._vote(step) != self._num_workers * step:
      raise ValueError(
          f'Expected all workers to find the same checkpoint in '
          f'{self._directory}; received another step than {step} on another '
          'worker. Give them a directory of a file system that they share.'
      )
    if self.latest is not None:
      self._averages.swap()

  def save(self) -> None:
    """Saves a checkpoint.

    Raises:
      NonFiniteLossError: If a weight is NaN or infinite.
      ValueError: If it cannot be written, as where the disk is full.
    """
    with self._averages:
      self._save()

  def _save(self):
    step = int(self._step.numpy())
    # A gradient can be NaN where the loss is not. Such weights would show only
    # in the loss of the next step, after a checkpoint that is called good.
    for variable in self._model.trainable_variables:
      if not np.isfinite(variable.numpy()).all():
        raise NonFiniteLossError(step - 1, variable.path, self.latest)
    try:
      self.latest = self._manager.save(checkpoint_number=step)
    except (tf.errors.OpError, OSError) as error:
      raise ValueError(
          f'Expected to write a checkpoint of step {step} into '
          f'{self._directory}; received {str(error).splitlines()[0]!r}. The '
          f'latest good one is {self.latest}.'
      ) from error

  def _writable_directory(self):
    directory = self._directory
    if self._temporary is not None:
      directory = pathlib.Path(self._temporary.name)
    try:
      directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
      raise ValueError(
          f'Expected a directory that can be written; received {directory} '
          f'({error.strerror}).'
      ) from error
    # To read a checkpoint, TensorFlow takes its path for a pattern.
    if not tf.io.gfile.glob(os.fspath(directory)):
      raise ValueError(
          'Expected a directory whose name TensorFlow can find, without [ and '
          f'backslash; received {directory}.'
      )
    return os.fspath(directory)


def tf_variables(owner: keras.Model | keras.optimizers.Optimizer) -> list[Any]:
  """Returns the TensorFlow variables of a Keras object, in their order."""
  return [variable.value for variable in owner.variables]
