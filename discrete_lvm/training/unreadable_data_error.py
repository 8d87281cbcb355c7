"""The error that ends a run whose data can no longer be read."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib

import tensorflow as tf

_UNREADABLE = (
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.DataLossError,
)
# In the name of every op that takes a batch from a data set. A kernel that
# TensorFlow does not have is a `NotFoundError`, too, and no matter of data.
_READING_OP = 'GetNext'


class UnreadableDataError(OSError):
  """A file of the data is missing, closed to this process or damaged.

  Damaged means that TensorFlow itself finds it, as it does by the checksums of
  a `TFRecordDataset`. Where a `map` fails on damaged bytes, such as those of an
  image, the error is that of its op.

  Started again when the data are back, the run goes on from its checkpoint as
  if nothing had happened.

  Args:
    step: Number of steps done.
    reason: What TensorFlow says of the file.
    checkpoint: Path of the last good checkpoint, None if there is none.

  Example:
    >>> print(UnreadableDataError(
    ...     7, '/data/a; No such file or directory', '/run/checkpoints/ckpt-5'
    ... ))
    Expected data that can be read; received "/data/a; No such file or
    directory" after step 7. Put them back and start again, to go on from
    /run/checkpoints/ckpt-5.
  """

  def __init__(self, step: int, reason: str, checkpoint: str | None):
    where = checkpoint or 'step 0: there is no checkpoint yet'
    super().__init__(
        f'Expected data that can be read; received "{reason}" after step '
        f'{step}. Put them back and start again, to go on from {where}.'
    )
    self.step, self.reason, self.checkpoint = step, reason, checkpoint


@contextlib.contextmanager
def naming_unreadable_data(
    progress: Callable[[], tuple[int, str | None]],
) -> Iterator[None]:
  """Makes `UnreadableDataError`s of TensorFlow's errors of files of the data.

  Args:
    progress: Returns the number of steps done and the path of the last good
      checkpoint, when an error comes.

  Yields:
    Nothing.

  Raises:
    UnreadableDataError: If a file of a data set that is read inside is missing,
      closed to this process or, by its checksums, damaged.
  """
  try:
    yield
  except _UNREADABLE as error:
    if _READING_OP not in error.message:
      raise
    step, checkpoint = progress()
    raise UnreadableDataError(
        step, _reason(error.message), checkpoint
    ) from error


def _reason(message):
  """Returns the line of a message that names the file, without its ops."""
  lines = [line.strip() for line in message.splitlines() if line.strip()]
  line = next((line for line in lines if ';' in line), lines[0])
  line = line.rpartition('}} ')[2]
  return line.partition(' [[')[0].partition(' [Op:')[0]
