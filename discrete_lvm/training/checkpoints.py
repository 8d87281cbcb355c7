"""Restores checkpoints that are whole."""

import os
import pathlib
import re

from absl import logging
import tensorflow as tf

# What the reader raises: it translates some of TensorFlow's errors into Python
# ones, such as `IndexError` where the data end too early.
_DAMAGE = (tf.errors.OpError, IndexError, OSError, RuntimeError, ValueError)


def restore_latest(
    checkpoint: tf.train.Checkpoint,
    directory: str | os.PathLike,
    partial: bool = False,
) -> str | None:
  """Restores the latest intact checkpoint `ckpt-<number>` of a directory.

  Every tensor is read, which verifies its checksum, before any variable is
  touched. A truncated or corrupt checkpoint is skipped with a warning. The
  files decide, not the list that `tf.train.CheckpointManager` keeps: a process
  may have died between writing the one and the other.

  Args:
    checkpoint: What to restore; all of it must be in the file.
    directory: Where the checkpoints are.
    partial: Whether the file may hold more than `checkpoint`.

  Returns:
    Path of the checkpoint restored; None if the directory holds none.

  Raises:
    ValueError: If there are checkpoints and none is intact, or the variables of
      the checkpoint are others than those of `checkpoint`.
  """
  skipped = []
  for _, path in sorted(_numbered(directory).items(), reverse=True):
    damage = _damage(path)
    if damage:
      skipped.append(f'{path} ({damage})')
      continue
    if skipped:
      logging.warning(
          'Skipped a truncated or corrupt checkpoint: %s; restored %s instead.',
          ', '.join(skipped),
          path,
      )
    _restore(checkpoint, path, partial)
    return path
  if skipped:
    raise ValueError(
        f'Expected an intact checkpoint in {directory}; received only '
        f'truncated or corrupt ones: {", ".join(skipped)}. Remove them to '
        'start from step 0.'
    )
  return None


def restore_step(
    checkpoint: tf.train.Checkpoint,
    directory: str | os.PathLike,
    step: int,
    partial: bool = False,
) -> None:
  """Restores the checkpoint `ckpt-<step>` of a directory.

  Args:
    checkpoint: As for `restore_latest`.
    directory: Where the checkpoints are.
    step: The step of the checkpoint.
    partial: As for `restore_latest`.

  Raises:
    ValueError: If there is no checkpoint of this step, or it is not intact, or
      its variables are others than those of `checkpoint`.
  """
  paths = _numbered(directory)
  if step not in paths:
    raise ValueError(
        f'Expected the step of a checkpoint in {directory}, one of '
        f'{sorted(paths)}; received {step}.'
    )
  damage = _damage(paths[step])
  if damage:
    raise ValueError(
        f'Expected an intact checkpoint; received {paths[step]}, truncated or '
        f'corrupt ({damage}).'
    )
  _restore(checkpoint, paths[step], partial)


def _numbered(directory):
  """Returns the number of each checkpoint, and its path."""
  numbered = {}
  for path in pathlib.Path(directory).glob('ckpt-*.index'):
    match = re.fullmatch(r'ckpt-(\d+)\.index', path.name)
    if match:
      numbered[int(match.group(1))] = str(path.with_suffix(''))
  return numbered


def _restore(checkpoint, path, partial):
  try:
    status = checkpoint.restore(path)
    if partial:
      status.assert_existing_objects_matched().expect_partial()
    else:
      status.assert_consumed()
  except (AssertionError, ValueError) as error:
    raise ValueError(
        f'Expected the variables of this model and optimizer in {path}; '
        f'received others ({_first_line(error)}).'
    ) from error


def _damage(path):
  """Returns what is wrong with a checkpoint, or None."""
  try:
    reader = tf.train.load_checkpoint(path)
    for name in reader.get_variable_to_shape_map():
      reader.get_tensor(name)
  except _DAMAGE as error:
    return _first_line(error)
  return None


def _first_line(error):
  return str(error).strip().split('\n', 1)[0]
