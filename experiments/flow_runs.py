"""Trains discrete flows on a known distribution, and tabulates them.

What the binaries `discrete_flow_*.py` share: their flags, a run, and the table
of all models over all seeds. A run leaves in `OUTPUT_DIR/MODEL/seed_SEED`:
config.json, metrics.jsonl, TensorBoard's event files, checkpoints, model.keras,
results.json and events.npz. The same command started again goes on where it was
killed, run by run and, within a run, from its last checkpoint.
"""

from collections.abc import Callable
from collections.abc import Mapping
import functools
import pathlib
from typing import Any
from typing import NamedTuple
import zipfile

from absl import flags
import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import batches
from experiments import consoles
from experiments import flow_models
from experiments import flow_table
from experiments import results
from experiments import runs
from experiments import schedules
from experiments import shared_flags

MODELS = flags.DEFINE_list(
    'models', None, f'Models, by commas; each is {flow_models.SYNTAX}.'
)
CAUSAL_NETWORK = flags.DEFINE_enum(
    'causal_network',
    'table',
    flow_models.CAUSAL_NETWORKS,
    'Network of autoregressive bases and flows.',
)
BIPARTITE_NETWORK = flags.DEFINE_enum(
    'bipartite_network',
    'table',
    flow_models.BIPARTITE_NETWORKS,
    'Network of bipartite and sorting flows.',
)
MASKS = flags.DEFINE_enum(
    'masks',
    'all_but_one',
    flow_models.MASKS,
    'What a bipartite or sorting flow sees: all positions but the one that it'
    ' changes, or every other position.',
)
WITH_SCALE = flags.DEFINE_boolean(
    'with_scale', False, 'Whether flows scale as well as shift.'
)
GRADIENT = flags.DEFINE_enum(
    'gradient',
    'softmax',
    flow_models.GRADIENTS,
    'Gradient of the argmax of shifts and scales.',
)
NUM_EVENTS = flags.DEFINE_integer(
    'num_events',
    100_000,
    'Events drawn for the evaluation where the space is too large to list.',
    lower_bound=2,
)

# What says nothing of any known distribution.
UNUSED = (
    shared_flags.NUM_LATENTS,
    shared_flags.NUM_IMPORTANCE_SAMPLES,
    shared_flags.DATA_DIR,
    shared_flags.TEXT_FILE,
)
# What makes a run the run that it is, beside its model and its seed.
_CONFIG_FLAGS = (
    *runs.CONFIG,
    shared_flags.DATA_SEED,
    shared_flags.TEMPERATURE_SCHEDULE,
    CAUSAL_NETWORK,
    BIPARTITE_NETWORK,
    shared_flags.UNITS,
    MASKS,
    WITH_SCALE,
    GRADIENT,
)
_EVENTS = 'events.npz'


class Experiment(NamedTuple):
  """What tells one binary from another.

  Attributes:
    title: The distribution in a few words.
    config: JSON-serialisable record of it.
    truth: It has `length`, `num_classes`, `entropy()` and
      `factorized_entropy()`.
    batches: From a seed to what `training.Trainer.fit` takes.
    evaluate: `evaluate(model, truth, num_events, seed)`, as those of
      `flow_evaluation`.
    draw: `draw(path, models, title)`, as those of `flow_pictures`.
    floors: Further lines of the table: label to nats.
  """

  title: str
  config: Mapping[str, Any]
  truth: Any
  batches: Callable[[Any], Callable[[int], tf.data.Dataset]]
  evaluate: Callable
  draw: Callable
  floors: Mapping[str, float] = {}


def set_defaults(
    models: str, num_steps: int, learning_rate: float = 1e-2
) -> None:
  """Sets the defaults of the flags that the binaries share.

  Args:
    models: Models, by commas.
    num_steps: Optimisation steps.
    learning_rate: Learning rate at the beginning; it falls to zero, over more
      steps where --num_steps asks for more.
  """
  for flag, value in (
      (MODELS, models),
      (shared_flags.NUM_STEPS, num_steps),
      (shared_flags.BATCH_SIZE, 512),
      (shared_flags.UNITS, 64),
      (
          shared_flags.LEARNING_RATE,
          f'cosine:initial={learning_rate},final=0,num_steps={num_steps}',
      ),
      # As it falls, less and less is undecided, and the base can settle.
      (
          shared_flags.TEMPERATURE_SCHEDULE,
          'exponential:initial=1,rate=5e-3,minimum=1e-3,every=1',
      ),
  ):
    flags.set_default(flag, value)


def sampled_batches(
    sample: Callable[[int, Any], Any],
) -> Callable[[Any], Callable[[int], tf.data.Dataset]]:
  """Makes batches of fresh draws, a function of the seed and the step alone.

  Args:
    sample: `sample(size, seed)`, in TensorFlow.

  Returns:
    A function from a seed to a function from a step to the infinite data set of
    batches from there on.
  """

  def seeded(seed):
    return batches.sampled(
        functools.partial(sample, shared_flags.BATCH_SIZE.value), seed
    )

  return seeded


def names() -> list[str]:
  """Returns the models that the flags ask for, each once.

  Returns:
    Their names.

  Raises:
    ValueError: If a name or a schedule is wrong: before a sweep of many runs,
      and not after its first model without flows.
  """
  # An empty list is one unreadable name.
  found = list(dict.fromkeys(MODELS.value)) or ['']
  for name in found:
    flow_models.parse(name)
  num_steps = shared_flags.NUM_STEPS.value
  schedules.parse_positive(shared_flags.TEMPERATURE_SCHEDULE.value, num_steps)
  runs.resolve_learning_rate()
  return found


def options(temperature: Callable[[int], float]) -> flow_models.Options:
  """Returns what the flags say of models.

  Args:
    temperature: From the step to the temperature of gradients.
  """
  return flow_models.Options(
      causal_network=CAUSAL_NETWORK.value,
      bipartite_network=BIPARTITE_NETWORK.value,
      units=shared_flags.UNITS.value,
      masks=MASKS.value,
      with_scale=WITH_SCALE.value,
      gradient=GRADIENT.value,
      temperature=float(temperature(0)),
  )


def run_all(experiment: Experiment) -> None:
  """Trains every model with every seed, prints the table and draws.

  Args:
    experiment: The experiment.

  Raises:
    ValueError: If a flag is wrong, before any run begins.
  """
  checked_names = names()
  # What cannot be built shows before any training.
  for name in checked_names:
    _build_model(experiment, name, lambda step: 1.0, seed=0)
  rows = runs.sweep(
      checked_names, lambda name, seed: run(experiment, name, seed)
  )
  if not dlvm.training.is_chief():
    return
  flow_table.print_table(
      experiment.title,
      {
          'exact entropy': experiment.truth.entropy(),
          'best factorised': experiment.truth.factorized_entropy(),
          **experiment.floors,
      },
      rows,
  )
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  first = shared_flags.SEED.value
  experiment.draw(
      output_dir / 'models.png',
      {name: _load_events(name, first) for name in checked_names},
      f'{experiment.title}, seed {first}',
  )
  consoles.print_wrote(output_dir)


def run(experiment: Experiment, name: str, seed: int) -> dict[str, Any]:
  """Trains and evaluates one model, unless its results are there already.

  Args:
    experiment: The experiment.
    name: Name of the model.
    seed: Python `int`, seed of the weights and the batches.

  Returns:
    What `results.json` holds: what `evaluate` measured, the step, and the
    seconds of training (unless it was resumed).

  Raises:
    ValueError: If the directory of the run is that of another config.
  """
  run_dir = runs.run_dir(name, seed)
  config = {flag.name: flag.value for flag in _CONFIG_FLAGS}

  def measure(model):
    measures, events = experiment.evaluate(
        model,
        experiment.truth,
        NUM_EVENTS.value,
        dlvm.ops.fold_in(shared_flags.DATA_SEED.value, 'test'),
    )
    if dlvm.training.is_chief():
      _write_events(run_dir, events)
    return measures

  return runs.resume(
      run_dir,
      {**config, **experiment.config, 'model': name, 'seed': seed},
      {'step': shared_flags.NUM_STEPS.value, 'num_events': NUM_EVENTS.value},
      lambda: _train(experiment, name, seed, run_dir),
      measure,
  )


def _build_model(experiment, name, temperature, seed):
  truth = experiment.truth
  model = flow_models.build_model(
      name, truth.length, truth.num_classes, options(temperature), seed
  )
  # Here, because what context there is stands in the data alone.
  spec = experiment.batches(0)(0).element_spec
  model.build(tf.nest.map_structure(lambda x: tuple(x.shape), spec))
  return model


def _train(experiment, name, seed, run_dir):
  temperature = schedules.parse_positive(
      shared_flags.TEMPERATURE_SCHEDULE.value, shared_flags.NUM_STEPS.value
  )
  keras.utils.set_random_seed(seed)
  model = _build_model(experiment, name, temperature, seed)
  schedule = dlvm.training.WeightSchedule
  runs.fit(
      model,
      experiment.batches,
      seed,
      run_dir,
      [schedule(w, temperature) for w in flow_models.temperatures(model)],
  )
  return model


def _write_events(run_dir, events):
  """Writes what is drawn, so that a kill never leaves half a file."""
  path = run_dir / _EVENTS
  temporary = path.with_suffix('.tmp')
  with temporary.open('wb') as file:
    np.savez(file, **events)
  temporary.replace(path)


def _load_events(name, seed):
  path = runs.run_dir(name, seed) / _EVENTS
  try:
    with np.load(path) as events:
      return dict(events)
  except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
    raise ValueError(
        f'Expected events of a finished run in {path}; received {error}. Remove'
        f' {path.with_name(results.NAME)}, and the run is evaluated again.'
    ) from error
