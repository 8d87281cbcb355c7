"""Exports the model of a finished run, to serve it or to go on with it.

  python -m experiments.gumbel_softmax_vae --output_dir=runs/digits
  python -m experiments.export --output_dir=runs/digits --export_dir=digits

The output directory is that of one run of any binary here that leaves a
model.keras, which are all that train a model but mutual_information; of a
sweep, that of one model and seed: OUTPUT_DIR/MODEL/seed_SEED.

It leaves in the export directory:

- saved_model: for a process with TensorFlow alone, by
  `tf.saved_model.load('digits/saved_model').signatures['log_prob'](...)`; it
  prints the signatures. The asset discrete_lvm.json in it holds the version of
  the library and the config of the model.
- model.keras: for one with this library, by
  `keras.saving.load_model('digits/model.keras')`.
"""

from collections.abc import Sequence
import functools
import pathlib
import shutil

from absl import app
from absl import flags
import rich.console
import rich.table
import tensorflow as tf

from experiments import consoles
from experiments import finished_runs
from experiments import launch
from experiments import results
from experiments import saved_models
from experiments import shared_flags

_EXPORT_DIR = flags.DEFINE_string(
    'export_dir', None, 'Where it writes; OUTPUT_DIR/export if not given.'
)


@functools.partial(
    launch.one_line_errors,
    distributes=False,
    unused=shared_flags.all_but(shared_flags.OUTPUT_DIR, shared_flags.STRATEGY),
)
def main(argv: Sequence[str]) -> None:
  """Exports the model.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  run_dir = _run_dir()
  export_dir = pathlib.Path(_EXPORT_DIR.value or run_dir / 'export')
  if export_dir.exists() and not export_dir.is_dir():
    raise ValueError(
        f'Expected a directory in --export_dir; received the file {export_dir}.'
    )
  # Here, because TensorFlow's error of a directory is none of a file.
  export_dir.mkdir(parents=True, exist_ok=True)
  model = saved_models.read(run_dir)
  model.save_signatures(export_dir / 'saved_model')
  shutil.copyfile(run_dir / saved_models.NAME, export_dir / saved_models.NAME)
  _print_signatures(export_dir / 'saved_model')
  consoles.print_wrote(export_dir)


def _run_dir():
  """Returns the output directory, once it is that of a finished run."""
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value or '')
  files = (results.NAME, saved_models.NAME)
  if all((output_dir / name).exists() for name in files):
    return output_dir
  message = (
      'Expected an --output_dir of a finished run, with '
      f'{" and ".join(files)}; received {shared_flags.OUTPUT_DIR.value}'
  )
  # Without a directory there is nowhere to look.
  is_given = bool(shared_flags.OUTPUT_DIR.value)
  runs = finished_runs.below(output_dir, files[0]) if is_given else []
  if runs:
    message += f', which has runs such as {runs[0]}'
  raise ValueError(f'{message}.')


def _print_signatures(path):
  table = rich.table.Table()
  for name in ('signature', 'inputs', 'outputs'):
    table.add_column(name)
  for name, function in tf.saved_model.load(path).signatures.items():
    specs = (
        function.structured_input_signature[1],
        function.structured_outputs,
    )
    table.add_row(name, *(_described(spec) for spec in specs))
  rich.console.Console().print(table, markup=False)


def _described(specs):
  return '\n'.join(
      f'{name}: {spec.dtype.name} {spec.shape}'
      for name, spec in sorted(specs.items())
  )


if __name__ == '__main__':
  app.run(main)
