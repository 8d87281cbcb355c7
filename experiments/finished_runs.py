"""A finished run, from its directory: the model, its data and its figures."""

from collections.abc import Mapping
import pathlib
from typing import Any
from typing import NamedTuple

import keras

import discrete_lvm as dlvm
from experiments import data as data_lib
from experiments import results
from experiments import saved_models
from experiments import shared_flags
from experiments import text as text_lib

_CONFIG = 'config.json'
_NUM_IMPORTANCE_SAMPLES = 1000


class FinishedRun(NamedTuple):
  """What a run has left.

  Attributes:
    directory: Its directory.
    model: The model, of the end or of a checkpoint.
    config: What made the run the run that it is.
    found: What `results.json` holds; empty if the run was stopped before.
    step: The step of the model; None if it is not known.
  """

  directory: pathlib.Path
  model: keras.Model
  config: Mapping[str, Any]
  found: Mapping[str, Any]
  step: int | None

  @property
  def data(self) -> Mapping[str, Any]:
    """The description of the data."""
    return self.config['data']

  @property
  def data_name(self) -> str:
    """The data in a few words."""
    return _data_name(self.data)

  @property
  def is_of_text(self) -> bool:
    """Whether the data are a text; all others have a name."""
    return 'name' not in self.data

  @property
  def num_importance_samples(self) -> int:
    """As the flag says, or else as many as the run itself took."""
    return shared_flags.NUM_IMPORTANCE_SAMPLES.value or self.found.get(
        'num_importance_samples', _NUM_IMPORTANCE_SAMPLES
    )

  def images(self) -> data_lib.Data:
    """Loads the images of the run.

    Raises:
      ValueError: If the test set is another than that of the run.
    """
    description = self.data
    images = data_lib.load(
        description['name'],
        shared_flags.DATA_DIR.value,
        description['binarization'],
        description['seed'],
    )
    _check_test_set(description, images.description)
    return images

  def text(self) -> text_lib.Text:
    """Loads the text of the run.

    Raises:
      ValueError: If the test set is another than that of the run.
    """
    text = text_lib.load(shared_flags.TEXT_FILE.value)
    _check_test_set(self.data, text.description)
    return text


def read(directory: pathlib.Path, checkpoint: int | None = None) -> FinishedRun:
  """Reads a run.

  Args:
    directory: Directory of the run; of a sweep, that of one of its runs.
    checkpoint: Step of a checkpoint, whose model takes the place of the last.

  Returns:
    `FinishedRun`.

  Raises:
    FileNotFoundError: If the directory has no model.keras or config.json.
    ValueError: If the config says nothing of the data, there is no such
      checkpoint, or a file is damaged.
  """
  for name in (saved_models.NAME, _CONFIG):
    if not (directory / name).exists():
      raise FileNotFoundError(_missing(directory, name))
  config = results.read_json(directory / _CONFIG)
  if 'data' not in config:
    raise ValueError(
        f"Expected 'data' in {directory / _CONFIG}, what the binary says of "
        f'them; received {sorted(config)}.'
    )
  model = saved_models.read(directory)
  found = results.read(directory, {}) or {}
  step = found.get('step')
  if checkpoint is not None:
    trainer = dlvm.training.Trainer(model, keras.optimizers.SGD(), directory)
    step = trainer.restore(checkpoint)
  return FinishedRun(directory, model, config, found, step)


def below(directory: pathlib.Path, name: str) -> list[pathlib.Path]:
  """Lists the runs below a directory, as of a sweep.

  Args:
    directory: Any directory.
    name: Name of a file that such a run has.

  Returns:
    The directories of the runs, sorted.
  """
  return sorted(path.parent for path in directory.glob(f'**/{name}'))


def _data_name(description):
  return description.get('name') or description['source']


def _missing(directory, name):
  message = (
      f'Expected {name} in {directory}, the directory of a finished run; '
      'received none'
  )
  others = below(directory, saved_models.NAME)
  if others:
    message += f', but there are runs below it, such as {others[0]}'
  return f'{message}.'


def _check_test_set(expected, received):
  hashes = [d['sha256']['test'] for d in (expected, received)]
  if hashes[1] != hashes[0]:
    raise ValueError(
        f'Expected the test set of the run, of {_data_name(expected)}, SHA-256 '
        f'{hashes[0]}; received that of {_data_name(received)}, {hashes[1]}. '
        'Pass its --text_file or --data_dir.'
    )
