"""The file in which a run keeps its final figures."""

from collections.abc import Mapping
import json
import math
import pathlib
from typing import Any

import discrete_lvm as dlvm

NAME = 'results.json'


def read(
    output_dir: pathlib.Path, key: Mapping[str, Any], name: str = NAME
) -> dict[str, Any] | None:
  """Reads the results of a run, if it has those that are asked for.

  Args:
    output_dir: Directory of the run.
    key: What the results depend on beside the config, such as the step.
    name: Name of the file.

  Returns:
    The results, which contain the key; or None.

  Raises:
    ValueError: If the file does not hold a JSON object.
  """
  path = output_dir / name
  if path.exists():
    results = read_json(path)
    if key.items() <= results.items():
      return results
  return None


def drop_others(
    output_dir: pathlib.Path, key: Mapping[str, Any], name: str = NAME
) -> None:
  """Removes the results of a run, unless they are those that are asked for.

  To be called before what they were measured on is replaced: a kill in between
  then leaves no results, and not those of something else.

  Args:
    output_dir: Directory of the run.
    key: As for `read`.
    name: Name of the file.

  Raises:
    ValueError: If the file does not hold a JSON object.
  """
  if dlvm.training.is_chief() and read(output_dir, key, name) is None:
    (output_dir / name).unlink(missing_ok=True)


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """Reads a file that holds a JSON object.

  Args:
    path: The file.

  Returns:
    The object.

  Raises:
    ValueError: If the file holds something else.
  """
  try:
    found = json.loads(path.read_text())
  except ValueError as error:
    raise ValueError(
        f'Expected JSON in {path}; received something else ({error}).'
    ) from error
  if not isinstance(found, dict):
    raise ValueError(f'Expected a JSON object in {path}; received {found!r}.')
  return found


def read_metrics(output_dir: pathlib.Path) -> list[dict[str, float]]:
  """Reads what a run has logged.

  Args:
    output_dir: Directory of the run.

  Returns:
    Names to values of each line of `metrics.jsonl`: NaN for null, which stands
    there for what is no finite number. An empty list where there is no such
    file, as a run that diverged at once has logged nothing.
  """
  path = output_dir / 'metrics.jsonl'
  lines = path.read_text().splitlines() if path.exists() else []
  return [
      {
          name: math.nan if value is None else value
          for name, value in json.loads(line).items()
      }
      for line in lines
  ]


def write(
    output_dir: pathlib.Path, results: Mapping[str, Any], name: str = NAME
) -> None:
  """Writes the results of a run, so that a kill never leaves half a file.

  Of several workers, which have the same results, the chief alone writes.

  Args:
    output_dir: Directory of the run.
    results: JSON-serialisable; contains the key.
    name: Name of the file.
  """
  if not dlvm.training.is_chief():
    return
  path = output_dir / name
  temporary = path.with_suffix('.tmp')
  temporary.write_text(json.dumps(results, indent=2) + '\n')
  temporary.replace(path)
