"""One directory holds the outputs of one config."""

from collections.abc import Mapping
import json
import os
import pathlib
from typing import Any

_ABSENT = '(absent)'


def claim_output_dir(
    output_dir: str | os.PathLike, config: Mapping[str, Any]
) -> None:
  """Makes a directory and writes `config.json`, or accepts its own.

  A directory that holds the same config is that of an earlier part of the run,
  to be resumed. One of another config is refused, so that no checkpoint is ever
  restored into another experiment.

  Args:
    output_dir: The directory; made with its parents if it is not there.
    config: Names to values that JSON can hold.

  Raises:
    ValueError: If the directory cannot be written, holds another config or an
      unreadable one, or a value does not fit into JSON.

  Example:
    >>> import tempfile
    >>> directory = tempfile.mkdtemp()
    >>> claim_output_dir(directory, {'seed': 1})
    >>> claim_output_dir(directory, {'seed': 1})  # The same: a run resumes.
    >>> claim_output_dir(directory, {'seed': 2})
    Traceback (most recent call last):
    ...
    ValueError: Expected the config of ...: seed: expected 1, received 2.
  """
  received = {name: _to_json(name, value) for name, value in config.items()}
  path = pathlib.Path(output_dir) / 'config.json'
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
      _check_same(path, received)
    else:
      write_atomically(
          path, json.dumps(dict(config), indent=2, sort_keys=True) + '\n'
      )
  except OSError as error:
    raise ValueError(
        f'Expected a directory that can be written; received {output_dir} '
        f'({error.strerror}).'
    ) from error


def write_atomically(path: pathlib.Path, text: str) -> None:
  """Writes a file so that a reader finds the old text or the new, whole.

  Args:
    path: The file.
    text: What it is to hold.
  """
  temporary = path.with_name(f'.{path.name}.{os.getpid()}')
  with open(temporary, 'w') as f:
    f.write(text)
    f.flush()
    os.fsync(f.fileno())
  os.replace(temporary, path)


def _check_same(path, received):
  try:
    found = json.loads(path.read_text())
    expected = {name: _to_json(name, value) for name, value in found.items()}
  except (ValueError, AttributeError) as error:
    raise ValueError(
        f'Expected a JSON object in {path}; received something else ({error}).'
    ) from error
  differing = [
      f'{name}: expected {expected.get(name, _ABSENT)}, '
      f'received {received.get(name, _ABSENT)}'
      for name in sorted(expected | received)
      if expected.get(name, _ABSENT) != received.get(name, _ABSENT)
  ]
  if differing:
    raise ValueError(
        f'Expected the config of {path}, or another output directory: '
        f'{"; ".join(differing)}.'
    )


def _to_json(name, value):
  # Compared as text: NaN equals itself, and a tuple the list that it becomes.
  try:
    return json.dumps(value, sort_keys=True)
  except TypeError as error:
    raise ValueError(
        f'Expected a value that JSON can hold for {name!r}; received '
        f'{value!r}.'
    ) from error
