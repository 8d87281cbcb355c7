"""The files in which a run keeps its model."""

import pathlib
import tempfile

import keras
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import flow_models

NAME = 'model.keras'
# What the reader of checkpoints raises of a damaged one, and of another model.
_DAMAGE = (
    AssertionError,
    IndexError,
    OSError,
    RuntimeError,
    ValueError,
    tf.errors.OpError,
)


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
  """
  return keras.saving.load_model(
      output_dir / NAME,
      custom_objects={'BothWays': flow_models.BothWays},
      compile=False,
      safe_mode=True,
  )


def restore(output_dir: pathlib.Path, model: keras.Model, step: int) -> None:
  """Gives a model the weights of a checkpoint that its run has kept.

  Args:
    output_dir: Directory of the run.
    model: What `read` returned of it.
    step: The step of the checkpoint.

  Raises:
    ValueError: If there is no checkpoint of this step, or it is that of another
      model or damaged.
  """
  directory = output_dir / 'checkpoints'
  paths = {
      int(path.stem.removeprefix('ckpt-')): path.with_suffix('')
      for path in directory.glob('ckpt-*.index')
  }
  if step not in paths:
    raise ValueError(
        f'Expected the step of a checkpoint in {directory}, one of '
        f'{sorted(paths)}; received {step}.'
    )
  checkpoint = tf.train.Checkpoint(
      variables=[variable.value for variable in model.variables]
  )
  try:
    status = checkpoint.restore(str(paths[step]))
    status.assert_existing_objects_matched().expect_partial()
  except _DAMAGE as error:
    raise ValueError(
        f'Expected the variables of the model in {paths[step]}; received '
        f'others, or a damaged file ({str(error).splitlines()[0]}).'
    ) from error
