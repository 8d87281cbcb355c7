"""The file in which a run keeps its model."""

import pathlib
import tempfile
import zipfile

import keras

import discrete_lvm as dlvm
from experiments import flow_models

NAME = 'model.keras'


def write(output_dir: pathlib.Path, model: keras.Model) -> None:
  """Writes the model of a run, so that a kill never leaves half a file.

  Of several workers the chief alone keeps it; all of them read the weights.

  Args:
    output_dir: Directory of the run.
    model: The trained model.
  """
  if not dlvm.training.is_chief():
    with tempfile.TemporaryDirectory() as directory:
      model.save(pathlib.Path(directory) / NAME)
    return
  temporary = output_dir / f'partial_{NAME}'
  model.save(temporary)
  temporary.replace(output_dir / NAME)


def read(output_dir: pathlib.Path) -> keras.Model:
  """Reads the model of a run.

  Args:
    output_dir: Directory of the run.

  Returns:
    The model.

  Raises:
    ValueError: If the file is damaged.
  """
  path = output_dir / NAME
  if path.exists() and not zipfile.is_zipfile(path):
    raise ValueError(
        f'Expected a Keras model in {path}; received a file that is damaged.'
    )
  try:
    return keras.saving.load_model(
        path,
        custom_objects={'BothWays': flow_models.BothWays},
        compile=False,
        safe_mode=True,
    )
  # Of content that is changed, and of another archive.
  except (zipfile.BadZipFile, KeyError) as error:
    raise ValueError(
        f'Expected a Keras model in {path}; received a file that is damaged '
        f'({error}).'
    ) from error
