"""Character data in the format of text8: 27 symbols, a space and a to z."""

from collections.abc import Callable
from collections.abc import Mapping
import gzip
import hashlib
import os
import pathlib
import platform
from typing import Any
from typing import NamedTuple
import zlib

import numpy as np
import tensorflow as tf

from experiments import batches
from experiments import documentation

CHARACTERS = ' abcdefghijklmnopqrstuvwxyz'

_GZIP_MAGIC = b'\x1f\x8b'
_ALPHABET = np.frombuffer(CHARACTERS.encode(), np.uint8)
_UNKNOWN = 255
_CODE_OF_BYTE = np.full(256, _UNKNOWN, np.uint8)
_CODE_OF_BYTE[_ALPHABET] = range(len(CHARACTERS))
_TESTED_SHARE = 20  # A twentieth, 5 %, as of text8.


class Text(NamedTuple):
  """Three consecutive parts of a text, as codes, and where it is from.

  Attributes:
    train: uint8 codes, shape `[size]`: 0 is the space, 1 to 26 are a to z.
    validation: Like `train`.
    test: Like `train`.
    description: JSON-serialisable record: source, sizes, and a SHA-256 of the
      codes of each part.
  """

  train: np.ndarray
  validation: np.ndarray
  test: np.ndarray
  description: Mapping[str, Any]

  @property
  def num_classes(self) -> int:
    """Number of symbols: 27."""
    return len(CHARACTERS)


def load(path: str | os.PathLike[str] | None = None) -> Text:
  """Loads a text and splits it in three, 90 %, 5 % and 5 %, in order.

  Of text8 these are the usual 90, 5 and 5 million characters. The default text
  is `documentation.of_python()`, which needs no network.

  Args:
    path: A file of a-z and spaces alone, plain or compressed by gzip; None for
      the default text.

  Returns:
    `Text`.

  Raises:
    FileNotFoundError: If there is no such file.
    ValueError: If the file has any other character, fewer than 20, or is a
      damaged gzip file.

  Example:
    >>> text = load()
    >>> text.num_classes, text.train.dtype, len(text.train) > 1_000_000
    (27, dtype('uint8'), True)
  """
  if path is None:
    contents = documentation.of_python().encode()
    source = f'documentation of Python {platform.python_version()}'
  else:
    contents = _read(pathlib.Path(path))
    source = pathlib.Path(path).name
  codes = _encode(contents, source)
  size = len(codes) // _TESTED_SHARE
  if not size:
    raise ValueError(
        f'Expected at least {_TESTED_SHARE} characters of text; received '
        f'{len(codes)} from {source}.'
    )
  splits = {
      'train': codes[: -2 * size],
      'validation': codes[-2 * size : -size],
      'test': codes[-size:],
  }
  description = {
      'source': source,
      'sizes': {name: len(split) for name, split in splits.items()},
      'sha256': {
          name: hashlib.sha256(split).hexdigest()
          for name, split in splits.items()
      },
  }
  return Text(**splits, description=description)


def decode(codes: np.ndarray | tf.Tensor) -> str:
  """Writes codes as characters.

  Args:
    codes: Integers from 0 to 26, shape `[length]`.

  Returns:
    A `str` of `length` characters.

  Raises:
    ValueError: If `codes` is no vector of integers, or one is no code.

  Example:
    >>> decode([1, 0, 3, 1, 20])
    'a cat'
  """
  codes = np.asarray(codes)
  if codes.ndim != 1 or not np.issubdtype(codes.dtype, np.integer):
    raise ValueError(
        'Expected a vector of integer codes; received '
        f'{codes.dtype} of shape {codes.shape}.'
    )
  if np.any((codes < 0) | (codes >= len(CHARACTERS))):
    raise ValueError(
        f'Expected codes from 0 to {len(CHARACTERS) - 1}; received '
        f'{np.min(codes)} to {np.max(codes)}.'
    )
  return _ALPHABET[codes].tobytes().decode()


def encode(characters: str) -> np.ndarray:
  """Reads characters as codes: the inverse of `decode`.

  Args:
    characters: A `str` of spaces and a to z.

  Returns:
    uint8 array, shape `[len(characters)]`.

  Raises:
    ValueError: If there is another character.

  Example:
    >>> encode('a cat').tolist()
    [1, 0, 3, 1, 20]
  """
  return _encode(characters.encode(), repr(characters))


def windows(codes: np.ndarray, length: int) -> np.ndarray:
  """Cuts a text into consecutive examples, to evaluate on.

  The end of the text that does not fill an example is dropped.

  Args:
    codes: Integer codes, shape `[size]`.
    length: Number of characters of an example.

  Returns:
    int32 array, shape `[size // length, length]`.

  Raises:
    ValueError: If `length` is below 1 or above `size`.

  Example:
    >>> windows(np.arange(5), length=2).tolist()
    [[0, 1], [2, 3]]
  """
  _check_length(codes, length)
  num_examples = len(codes) // length
  used = codes[: num_examples * length]
  return used.reshape([num_examples, length]).astype(np.int32)


def random_windows(
    codes: np.ndarray, length: int, batch_size: int, seed: Any
) -> Callable[[int], tf.data.Dataset]:
  """Makes batches of examples that begin anywhere in a text, to train on.

  Args:
    codes: Integer codes, shape `[size]`.
    length: Number of characters of an example.
    batch_size: Examples a batch.
    seed: As for `dlvm.ops.as_seed`, but not a `SeedGenerator`. A batch is a
      function of it and the step alone, so a run resumes exactly.

  Returns:
    A function from a step to the infinite data set of batches from there on,
    int32 of shape `[batch_size, length]`: what `dlvm.training.Trainer.fit`
    takes.

  Raises:
    ValueError: If `length` is below 1 or above `size`.

  Example:
    >>> batches = random_windows(np.arange(9), length=3, batch_size=2, seed=0)
    >>> run = [batch.numpy().tolist() for batch in batches(0).take(3)]
    >>> next(iter(batches(2))).numpy().tolist() == run[2]
    True
  """
  _check_length(codes, length)
  codes = tf.convert_to_tensor(codes)

  def sample(batch_seed):
    begin = tf.random.stateless_uniform(
        [batch_size, 1],
        batch_seed,
        maxval=len(codes) - length + 1,
        dtype=tf.int32,
        alg='philox',
    )
    return tf.cast(tf.gather(codes, begin + tf.range(length)), tf.int32)

  return batches.sampled(sample, seed)


def _check_length(codes, length):
  if not 1 <= length <= len(codes):
    raise ValueError(
        'Expected a `length` from 1 to the number of characters, '
        f'{len(codes)}; received {length}.'
    )


def _read(path):
  try:
    contents = path.read_bytes()
  except OSError as error:
    raise FileNotFoundError(
        f'Expected a text file at {path}; received none that can be read '
        f'({error.strerror}). Put it back, or pass --text_file=FILE; a run then'
        ' goes on from its last checkpoint.'
    ) from error
  if not contents.startswith(_GZIP_MAGIC):
    return contents
  try:
    return gzip.decompress(contents)
  except (OSError, EOFError, zlib.error) as error:
    raise ValueError(
        f'Expected a whole gzip file; received {path.name}: {error}.'
    ) from error


def _encode(contents, source):
  received = np.frombuffer(contents, np.uint8)
  codes = _CODE_OF_BYTE[received]
  unknown = codes == _UNKNOWN
  if np.any(unknown):
    index = int(np.argmax(unknown))
    raise ValueError(
        'Expected only a-z and spaces, as text8 has; received '
        f'{contents[index : index + 1]!r} at offset {index} of {source}.'
    )
  return codes
