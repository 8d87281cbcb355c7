"""Evaluates a finished run of images: one report of all that the model does.

  python -m experiments.evaluate --output_dir=runs/demo

Of the directory of a run it takes model.keras, and from config.json the data.
It prints a table, and adds evaluation.json and evaluation.png: the bounds of
the log-likelihood, exact where the codes are few; of categorical latents also
what the codes tell of the images, the bracket of bidirectional Monte Carlo on
images that the model draws, the rate-distortion curve, and traversals.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
import json
import pathlib
from typing import Any

from absl import app
from absl import flags
import keras
import numpy as np
import rich.console
import rich.table

import discrete_lvm as dlvm
from experiments import data
from experiments import launch
from experiments import report_measures
from experiments import report_pictures
from experiments import shared_flags

_ANNEALING_STEPS = flags.DEFINE_integer(
    'annealing_steps',
    100,
    'Steps of annealing of the bracket; 0 leaves it out.',
    lower_bound=0,
)
_ANNEALING_CHAINS = flags.DEFINE_integer(
    'annealing_chains', 4, 'Chains of each image of the bracket.', lower_bound=1
)
_ANNEALING_EXAMPLES = flags.DEFINE_integer(
    'annealing_examples', 100, 'Images of the bracket.', lower_bound=2
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/demo')
flags.set_default(shared_flags.NUM_IMPORTANCE_SAMPLES, 1000)

_NUM_SHOWN = 32
_NUM_TRAVERSED = 8
_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)


def load(
    output_dir: pathlib.Path, data_dir: str | None
) -> tuple[keras.Model, np.ndarray, dict[str, Any]]:
  """Loads the model and the test images of a run.

  Args:
    output_dir: Directory of the run.
    data_dir: Where TFDS keeps its data sets; None for its own default.

  Returns:
    The model, images of shape `[size, height, width, 1]`, and the config.

  Raises:
    FileNotFoundError: If the directory has no model.keras or config.json.
    ValueError: If the run is not one of a `DiscreteVAE` or a `DeltaVAE` on
      images in [0, 1], or the test set is another than that of the run.
  """
  for name in ('model.keras', 'config.json'):
    if not (output_dir / name).exists():
      raise FileNotFoundError(
          f'Expected {name} in {output_dir}, the directory of a finished run; '
          'received none.'
      )
  config = json.loads((output_dir / 'config.json').read_text())
  model = keras.saving.load_model(output_dir / 'model.keras', safe_mode=True)
  if (
      not isinstance(model, dlvm.models.DiscreteVAE | dlvm.models.DeltaVAE)
      or config.get('likelihood', 'bernoulli') != 'bernoulli'
  ):
    raise ValueError(
        'Expected a DiscreteVAE or a DeltaVAE of images in [0, 1]; received a '
        f'{type(model).__name__}, likelihood '
        f'{config.get("likelihood", "bernoulli")!r}.'
    )
  description = config['data']
  images = data.load(
      description['name'],
      data_dir,
      description['binarization'],
      description['seed'],
  )
  found = images.description['sha256']['test']
  if found != description['sha256']['test']:
    raise ValueError(
        f'Expected the test set of the run, SHA-256 '
        f'{description["sha256"]["test"]}; received {found}.'
    )
  return model, images.test.images, config


def measure(
    model: keras.Model, images: np.ndarray
) -> tuple[dict[str, Any], dlvm.metrics.CodeInformation | None]:
  """Measures all that the flags ask for.

  Args:
    model: The model.
    images: Test images, shape `[size, height, width, 1]`.

  Returns:
    What evaluation.json holds, a dict of each part; and the metric of the codes
    if the model has any.
  """
  seed = shared_flags.SEED.value
  num_samples = shared_flags.NUM_IMPORTANCE_SAMPLES.value
  report: dict[str, Any] = {
      'num_importance_samples': num_samples,
      'num_images': len(images),
      'bounds': report_measures.bounds(
          model, images, num_samples, dlvm.ops.fold_in(seed, 'bounds')
      ),
  }
  if not isinstance(model, dlvm.models.DiscreteVAE):
    return report, None
  report['codes'], information = report_measures.codes(
      model, images, dlvm.ops.fold_in(seed, 'codes')
  )
  report['rate_distortion'] = report_measures.rate_distortion(
      model, images, _POWERS, dlvm.ops.fold_in(seed, 'rate_distortion')
  )
  if _ANNEALING_STEPS.value:
    report['annealing'] = {
        'num_steps': _ANNEALING_STEPS.value,
        'num_chains': _ANNEALING_CHAINS.value,
        'num_images': _ANNEALING_EXAMPLES.value,
        **report_measures.annealing(
            model,
            _ANNEALING_EXAMPLES.value,
            _ANNEALING_STEPS.value,
            _ANNEALING_CHAINS.value,
            dlvm.ops.fold_in(seed, 'annealing'),
        ),
    }
  return report, information


def rows(report: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
  """Lists the scalars of a report.

  Args:
    report: What evaluation.json holds.

  Returns:
    Of each the part, the name, the value and the standard error.
  """
  found = []
  for part, values in report.items():
    if isinstance(values, Mapping):
      for name, value in values.items():
        if not name.endswith('_stderr'):
          error = values.get(f'{name}_stderr')
          found.append(
              (
                  part,
                  name,
                  f'{value:.4g}',
                  '' if error is None else f'{error:.2g}',
              )
          )
  return found


def draw(
    path: pathlib.Path,
    title: str,
    model: keras.Model,
    images: np.ndarray,
    report: Mapping[str, Any],
    information: dlvm.metrics.CodeInformation | None,
) -> None:
  """Draws the page.

  Args:
    path: File to write.
    title: Title of the page.
    model: The model.
    images: Test images, shape `[size, height, width, 1]`.
    report: What `measure` found.
    information: The metric of the codes, if there are any.
  """
  shown = images[:_NUM_SHOWN]
  lines = [
      f'{name:<34}{value:>10}{error:>9}'
      for _, name, value, error in rows(report)
  ]
  if information is None:
    decoded = model.reconstruct(shown, dlvm.ops.as_seed(0)).numpy()
    report_pictures.page(path, title, lines, shown, decoded)
    return
  told = information.latents().mutual_information.numpy()
  latents = np.sort(np.argsort(-told)[:_NUM_TRAVERSED])
  report_pictures.page(
      path,
      title,
      lines,
      shown,
      model(shown).numpy(),
      information.aggregate_posterior().numpy(),
      report['rate_distortion'],
      report_measures.traversals(model, images[0], latents),
      latents.tolist(),
  )


@functools.partial(launch.one_line_errors, distributes=False)
def main(argv: Sequence[str]) -> None:
  """Measures, prints, and writes the report and the page.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  model, images, config = load(output_dir, shared_flags.DATA_DIR.value)
  title = f'{type(model).__name__} on {config["data"]["name"]}, {output_dir}'
  report, information = measure(model, images)
  table = rich.table.Table(title=title)
  for name in ('part', 'measure', 'value', 'standard error'):
    is_text = name in ('part', 'measure')
    table.add_column(name, justify='left' if is_text else 'right')
  for row in rows(report):
    table.add_row(*row)
  console = rich.console.Console()
  console.print(table)
  path = output_dir / 'evaluation.json'
  path.write_text(json.dumps({'title': title, **report}, indent=2) + '\n')
  draw(output_dir / 'evaluation.png', title, model, images, report, information)
  console.print(f'Wrote {path} and evaluation.png', highlight=False)


if __name__ == '__main__':
  app.run(main)
