"""Sweeps: a run for each name and seed, each of which resumes by itself."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import itertools
import pathlib
import re
import time
from typing import Any

from absl import flags
import keras
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import optimizers
from experiments import results
from experiments import saved_models
from experiments import schedules
from experiments import shared_flags

# What makes a run the run that it is, of what `fit` takes from the flags.
CONFIG = (
    shared_flags.BATCH_SIZE,
    shared_flags.LEARNING_RATE,
    shared_flags.EMA_MOMENTUM,
    shared_flags.CLIP_NORM,
    shared_flags.ACCUMULATE_STEPS,
    shared_flags.JIT,
    shared_flags.PRECISION,
)
_CONFIG = 'config.json'
_LOG_EVERY = 100


def seeds() -> range:
  """Returns the seeds that the flags ask for."""
  first = shared_flags.SEED.value
  return range(first, first + shared_flags.NUM_SEEDS.value)


def resolve_learning_rate(
    num_steps: flags.FlagHolder = shared_flags.NUM_STEPS,
) -> Callable:
  """Reads --learning_rate, whose default lasts for all steps of training.

  To be called before the flag is read, as for the config of a run: a default
  that falls over fewer steps than are asked for then falls over these.

  Args:
    num_steps: Flag of the steps of training.

  Returns:
    A schedule: a function of the step.

  Raises:
    ValueError: As `schedules.parse_learning_rate` raises.
  """
  flag = flags.FLAGS[shared_flags.LEARNING_RATE.name]
  if flag.default is not None:
    # Of a flag that is given, this leaves the value.
    flags.set_default(
        shared_flags.LEARNING_RATE,
        re.sub(
            r'\bnum_steps=(\d+)',
            lambda found: f'num_steps={max(int(found[1]), num_steps.value)}',
            flag.default,
        ),
    )
  return schedules.parse_learning_rate(
      flag.value, num_steps.value, num_steps.name
  )


def sweep(
    names: Sequence[str], run: Callable[[str, int], dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
  """Does all runs, also those after one that diverges.

  Args:
    names: Names of what is compared.
    run: `run(name, seed)` returns the results of a run.

  Returns:
    Name to the results, one of each seed.

  Raises:
    FloatingPointError: After the last run, if any raised a
      `training.NonFiniteLossError`. It says which.
  """
  found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
  diverged = []
  for name, seed in itertools.product(names, seeds()):
    try:
      found[name].append(run(name, seed))
    except dlvm.training.NonFiniteLossError as error:
      diverged.append(f'{run_dir(name, seed)}: {error}')
  if diverged:
    raise FloatingPointError(
        f'Expected runs that converge; {len(diverged)} of '
        f'{len(found) * len(seeds())} did not, and the others have their '
        f'results. {" ".join(diverged)}'
    )
  return found


def run_dir(name: str, seed: int) -> pathlib.Path:
  """Returns the directory of a run, in that of the sweep.

  Args:
    name: Name of what is compared.
    seed: Python `int`.

  Returns:
    A path.
  """
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  # A colon is no part of a file's name everywhere.
  return output_dir / name.replace(':', '_') / f'seed_{seed}'


@contextlib.contextmanager
def claim(directory: pathlib.Path, config: Mapping[str, Any]) -> Iterator[None]:
  """Claims the directory of a run for what is done inside of the context.

  A `ValueError` in there, as of a bad flag, gives it back if it was new and
  holds neither a checkpoint nor results: the command is to be mended.

  Args:
    directory: Directory of the run.
    config: As for `training.claim_output_dir`.

  Yields:
    Nothing.

  Raises:
    ValueError: If the directory is that of another config.
  """
  path = directory / _CONFIG
  is_new = not path.exists()
  dlvm.training.claim_output_dir(directory, config)
  try:
    yield
  except ValueError:
    is_used = (directory / results.NAME).exists() or _is_begun(directory)
    if is_new and not is_used:
      path.unlink(missing_ok=True)
    raise


def resume(
    directory: pathlib.Path,
    config: Mapping[str, Any],
    key: Mapping[str, Any],
    train: Callable[[], Any],
    measure: Callable[[Any], dict[str, Any]],
) -> dict[str, Any]:
  """Trains and measures, unless the results are there already.

  Args:
    directory: Directory of the run.
    config: JSON-serialisable, what makes the run the run that it is.
    key: What the results depend on beside it, such as the step.
    train: Trains, from the last checkpoint if there is one.
    measure: From what `train` returns to JSON-serialisable measures.

  Returns:
    What `results.json` holds: the key, the measures, and the 'seconds' and
    'cpu_seconds' of training, unless a part of it was done before this call.

  Raises:
    ValueError: If the directory is that of another config.
  """
  with claim(directory, config):
    found = results.read(directory, key)
    if found is not None:
      return found
    is_resumed = _is_begun(directory)
    begin, cpu_begin = time.monotonic(), time.process_time()
    trained = train()
    times = {
        'seconds': time.monotonic() - begin,
        'cpu_seconds': time.process_time() - cpu_begin,
    }
    found = {**key, **({} if is_resumed else times), **measure(trained)}
    results.write(directory, found)
    return found


def has_checkpoint(directory: pathlib.Path) -> bool:
  """Says whether training in a directory goes on from a checkpoint.

  Args:
    directory: Directory of the run.
  """
  return any(directory.glob('checkpoints/*.index'))


def _is_begun(directory):
  # Also that of a model that is trained on the way, in a directory below.
  return any(directory.glob('**/checkpoints/*.index'))


def fit(
    model: keras.Model,
    batches: Callable,
    seed: int,
    directory: pathlib.Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    eval_batches: tf.data.Dataset | None = None,
    learning_rate: str | None = None,
) -> dlvm.training.Trainer:
  """Trains a model as the flags say, and writes it to `model.keras`.

  Args:
    model: The model.
    batches: From a seed to what `training.Trainer.fit` takes.
    seed: Python `int`, seed of the batches and all noise.
    directory: Directory of the run.
    callbacks: Further Keras callbacks.
    eval_batches: Data set to evaluate on as the training goes.
    learning_rate: As `schedules.parse` takes it; by default that of the flag.

  Returns:
    The trainer.
  """
  trainer = make_trainer(
      model, seed, directory, callbacks, learning_rate=learning_rate
  )
  trainer.fit(
      batches(dlvm.ops.fold_in(seed, 'data')),
      shared_flags.NUM_STEPS.value,
      eval_batches=eval_batches,
      eval_every=shared_flags.EVAL_EVERY.value,
      checkpoint_every=shared_flags.EVAL_EVERY.value,
      log_every=_LOG_EVERY,
  )
  results.drop_others(directory, {'step': trainer.step})
  saved_models.write(directory, model)
  return trainer


def make_trainer(
    model: keras.Model,
    seed: int,
    directory: pathlib.Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    learning_rate: str | None = None,
    clip_norm: float | None = None,
) -> dlvm.training.Trainer:
  """Makes a trainer as the flags say, with the logs that every run has.

  Args:
    model: The model.
    seed: Python `int`, seed of all noise.
    directory: Directory of the run.
    callbacks: Further Keras callbacks.
    learning_rate: As `schedules.parse` takes it; by default that of the flag.
    clip_norm: Largest norm of the gradients, where `--clip_norm` is not given.

  Returns:
    The trainer.

  Raises:
    ValueError: As `schedules.parse_learning_rate` raises, for `--num_steps`; or
      as `training.Trainer` does.
  """
  return dlvm.training.Trainer(
      model,
      optimizers.adam(
          schedules.parse_learning_rate(
              learning_rate or shared_flags.LEARNING_RATE.value,
              shared_flags.NUM_STEPS.value,
          ),
          shared_flags.EMA_MOMENTUM.value,
      ),
      directory,
      seed=seed,
      clip_norm=(
          clip_norm
          if shared_flags.CLIP_NORM.value is None
          else shared_flags.CLIP_NORM.value
      ),
      accumulate_steps=shared_flags.ACCUMULATE_STEPS.value,
      jit_compile=shared_flags.JIT.value,
      callbacks=[
          dlvm.training.ProgressBar(),
          dlvm.training.JsonLines(directory / 'metrics.jsonl'),
          dlvm.training.TensorBoardScalars(directory / 'tensorboard'),
          *callbacks,
      ],
  )
