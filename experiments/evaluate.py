"""Evaluates a finished run: one report of all that its model does.

  python -m experiments.evaluate --output_dir=runs/demo
  python -m experiments.evaluate --output_dir=runs/demo --checkpoint=1000

The output directory is that of one run of any binary here that leaves a
model.keras, which are all that train a model but mutual_information; of a
sweep, that of one model and seed, as OUTPUT_DIR/MODEL/seed_SEED. It takes
model.keras, and from config.json the data; with --checkpoint, the weights of
that step, of which a run keeps the last three.

It prints a table, and adds evaluation.json and evaluation.png. What is in them
depends on the model: see `report_*.py`. Bounds are of as many importance
samples as the run itself took, if --num_importance_samples is not given.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import pathlib

from absl import app
from absl import flags
import keras
import rich.console
import rich.markup
import rich.table

import discrete_lvm as dlvm
from experiments import finished_runs
from experiments import launch
from experiments import report_delta_vae
from experiments import report_discrete_vae
from experiments import report_flow
from experiments import report_pictures
from experiments import report_semi_supervised
from experiments import report_structured
from experiments import reports
from experiments import results
from experiments import shared_flags

_CHECKPOINT = flags.DEFINE_integer(
    'checkpoint',
    None,
    'Step of a checkpoint of the run; that of model.keras if not given.',
    lower_bound=0,
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/demo')

REPORTS: Mapping[
    type[keras.Model],
    Callable[[finished_runs.FinishedRun], reports.Report],
] = {
    dlvm.models.DeltaVAE: report_delta_vae.report,
    dlvm.models.DiscreteFlow: report_flow.report,
    dlvm.models.DiscreteVAE: report_discrete_vae.report,
    dlvm.models.SemiSupervisedVAE: report_semi_supervised.report,
    dlvm.models.StructuredPrediction: report_structured.report,
}


@functools.partial(
    launch.one_line_errors,
    distributes=False,
    unused=shared_flags.all_but(
        shared_flags.SEED,
        shared_flags.OUTPUT_DIR,
        shared_flags.DATA_DIR,
        shared_flags.TEXT_FILE,
        shared_flags.NUM_IMPORTANCE_SAMPLES,
        shared_flags.STRATEGY,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Measures, prints, and writes the report and the page.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  run = finished_runs.read(output_dir, _CHECKPOINT.value)
  kind = type(run.model)
  if kind not in REPORTS:
    names = ', '.join(model.__name__ for model in REPORTS)
    raise ValueError(
        f'Expected a model in {output_dir} that is one of {names}; received '
        f'{kind.__name__}.'
    )
  report = REPORTS[kind](run)
  step = '' if run.step is None else f', step {run.step:,}'
  title = f'{kind.__name__} on {run.data_name}{step}, {output_dir}'
  rows = reports.rows(report)
  _print_table(title, rows)
  results.write(
      output_dir,
      {'title': title, 'step': run.step, **report.parts},
      'evaluation.json',
  )
  report_pictures.page(
      output_dir / 'evaluation.png', title, _lines(rows), report.panels
  )
  rich.console.Console().print(
      f'Wrote {output_dir / "evaluation.json"} and evaluation.png',
      markup=False,
      highlight=False,
  )


def _print_table(title, rows):
  table = rich.table.Table(title=rich.markup.escape(title))
  for name in ('part', 'measure', 'value', 'standard error'):
    is_text = name in ('part', 'measure')
    table.add_column(name, justify='left' if is_text else 'right')
  for row in rows:
    table.add_row(*row)
  rich.console.Console().print(table)


def _lines(rows):
  """Returns the rows as text, those of a part below its name."""
  lines, before = [], None
  for part, name, value, error in rows:
    if part != before:
      lines += ['', part]
      before = part
    lines.append(f'  {name:<36}{value:>10}{error:>9}')
  return lines


if __name__ == '__main__':
  app.run(main)
