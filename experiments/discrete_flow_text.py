r"""Trains discrete flows on text, beside n-grams and autoregressive models.

The experiment of Tran et al. (2019), Section 5.4, with exact likelihoods: bits
a character of the test text, how long a thousand characters take, and samples.
`docs/discrete_flows_text.md` says what each flow can reach, and why.

  python -m experiments.discrete_flow_text
  python -m experiments.discrete_flow_text --text_file=text8 --num_seeds=3 \
      --output_dir=runs/discrete_flow_text8
  python -m experiments.discrete_flow_text --output_dir=runs/sorting \
      --models=convolution,factorized+forward_placed_autoregressive_sorting

The data are examples of --length characters of a text in the format of text8,
by default the documentation of Python; 90 % to train on, 5 % to choose by, 5 %
to report. First comes what n-grams pay on the same split, and what the best
flows on a factorised base would, were an n-gram model the truth.

It leaves in the output directory a directory for each run, in which are
samples.txt, metrics.jsonl, model.keras and results.json; results.md, the table;
speed.png, quality against the time of generation; and training.png, validation
bits over the time of training. The same command started again goes on where it
was killed.

References:
  Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
  Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
  https://arxiv.org/abs/1905.10347.
"""

from collections.abc import Sequence
import functools
import pathlib
from typing import Any

from absl import app
from absl import flags
import keras
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import consoles
from experiments import flow_base
from experiments import flow_models
from experiments import flow_runs
from experiments import flow_text_evaluation
from experiments import flow_text_report
from experiments import launch
from experiments import runs
from experiments import saved_models
from experiments import schedules
from experiments import shared_flags
from experiments import text as text_lib

_PREFIX = flags.DEFINE_string(
    'prefix', 'it is a truth universally ', 'Text that samples go on from.'
)
_NUM_GENERATED = flags.DEFINE_integer(
    'num_generated', 4, 'Examples in a timed sample.', lower_bound=1
)
flags.set_default(shared_flags.OUTPUT_DIR, 'runs/discrete_flow_text')
flags.set_default(shared_flags.LENGTH, 256)
flow_runs.set_defaults(
    models='factorized,convolution,lstm,transformer,'
    'factorized+forward_autoregressive,factorized+reversed_autoregressive,'
    'factorized+2xautoregressive,factorized+forward_scaled_autoregressive,'
    'factorized+forward_predicted_autoregressive,'
    'factorized+forward_autoregressive_sorting,'
    'factorized+forward_placed_autoregressive_sorting,'
    'factorized+rows16_forward_placed_autoregressive_sorting,'
    'factorized+2xbipartite,factorized+2xscaled_bipartite,'
    'factorized+2xpredicted_bipartite,factorized+2xsorting,'
    'factorized+2xplaced_sorting,factorized+multiscale_sorting,'
    'factorized+multiscale_placed_sorting,'
    'convolution+reversed_autoregressive,convolution+2xbipartite,'
    'convolution+2xsorting,'
    'convolution+forward_placed_autoregressive_sorting,'
    'lstm+forward_autoregressive_sorting,'
    'lstm+forward_placed_autoregressive_sorting',
    num_steps=6000,
    learning_rate=4e-3,
)
flags.set_default(flow_runs.CAUSAL_NETWORK, 'convolution')
flags.set_default(flow_runs.BIPARTITE_NETWORK, 'convolution')
flags.set_default(flow_runs.MASKS, 'alternating')
flags.set_default(shared_flags.TEMPERATURE_SCHEDULE, '1')
flags.set_default(shared_flags.UNITS, 128)
flags.set_default(shared_flags.BATCH_SIZE, 16)
flags.set_default(shared_flags.EVAL_EVERY, 200)

# Examples to watch the training by, to fit the base by on the way, and at last.
_NUM_WATCHED = 160
_NUM_FITTED = 128
_NUM_FITTED_LAST = 1024
_EVAL_BATCH_SIZE = 32
_NUM_SAMPLES = 5
_CONFIG_FLAGS = (
    *runs.CONFIG,
    # The base is fitted anew at each evaluation.
    shared_flags.EVAL_EVERY,
    shared_flags.LENGTH,
    shared_flags.TEMPERATURE_SCHEDULE,
    shared_flags.UNITS,
    flow_runs.CAUSAL_NETWORK,
    flow_runs.BIPARTITE_NETWORK,
    flow_runs.MASKS,
    flow_runs.WITH_SCALE,
    flow_runs.GRADIENT,
)


def run(text: text_lib.Text, name: str, seed: int) -> dict[str, Any]:
  """Trains and evaluates one model, unless its results are there already.

  Args:
    text: The text.
    name: Name of the model.
    seed: Python `int`, seed of the weights and the batches.

  Returns:
    What `results.json` holds: bits of the test and the validation text, seconds
    of generation and of training (unless it was resumed), the number of
    weights, the step, and what the samples depend on.

  Raises:
    ValueError: If the directory of the run is that of another config.
  """
  run_dir = runs.run_dir(name, seed)
  config = {flag.name: flag.value for flag in _CONFIG_FLAGS}

  def measure(model):
    length = model.length
    validation = text_lib.windows(text.validation, length)
    if dlvm.training.is_chief():
      _write_samples(run_dir / 'samples.txt', model, f'{name}, seed {seed}')
    return {
        **flow_text_evaluation.bits(model, text_lib.windows(text.test, length)),
        'validation_bits': flow_text_evaluation.bits(model, validation)['bits'],
        **flow_text_evaluation.generation(model, _NUM_GENERATED.value),
        'num_weights': model.count_params(),
    }

  return runs.resume(
      run_dir,
      {**config, 'data': text.description, 'model': name, 'seed': seed},
      {
          'step': shared_flags.NUM_STEPS.value,
          'num_generated': _NUM_GENERATED.value,
          'prefix': _PREFIX.value,
      },
      lambda: _train(text, name, seed, run_dir),
      measure,
  )


def _train(text, name, seed, run_dir):
  length = shared_flags.LENGTH.value
  temperature = schedules.parse_positive(
      shared_flags.TEMPERATURE_SCHEDULE.value, shared_flags.NUM_STEPS.value
  )
  keras.utils.set_random_seed(seed)
  model = flow_models.build_model(
      name, length, text.num_classes, flow_runs.options(temperature), seed
  )
  model.build((None, length, text.num_classes))
  schedule = dlvm.training.WeightSchedule

  def batches(data_seed):
    return text_lib.random_windows(
        text.train, length, shared_flags.BATCH_SIZE.value, data_seed
    )

  watched = text_lib.windows(text.validation, length)[:_NUM_WATCHED]
  runs.fit(
      model,
      batches,
      seed,
      run_dir,
      [
          flow_base.FitBase(
              _random_examples(text, _NUM_FITTED, seed),
              _EVAL_BATCH_SIZE,
              shared_flags.EVAL_EVERY.value,
          ),
          *(schedule(w, temperature) for w in flow_models.temperatures(model)),
      ],
      tf.data.Dataset.from_tensor_slices(watched).batch(_EVAL_BATCH_SIZE),
  )
  flow_base.fit(model, _batches(_random_examples(text, _NUM_FITTED_LAST, seed)))
  saved_models.write(run_dir, model)
  return model


def _random_examples(text, size, seed):
  batches = text_lib.random_windows(
      text.train,
      shared_flags.LENGTH.value,
      size,
      dlvm.ops.fold_in(seed, 'base'),
  )
  return next(iter(batches(0))).numpy()


def _batches(codes):
  return [
      codes[begin : begin + _EVAL_BATCH_SIZE]
      for begin in range(0, len(codes), _EVAL_BATCH_SIZE)
  ]


def _write_samples(path, model, title):
  lines = [title, '\nSamples:']
  codes = flow_text_evaluation.samples(model, _NUM_SAMPLES, seed=[0, 1])
  lines += [text_lib.decode(code) for code in codes]
  prefix = text_lib.encode(_PREFIX.value)[: model.length - 1]
  codes = flow_text_evaluation.continuations(
      model, prefix, _NUM_SAMPLES, seed=[0, 2]
  )
  if codes is not None:
    lines.append('\nOf a prefix:')
    lines += [text_lib.decode(code) for code in codes]
  path.write_text('\n'.join(lines) + '\n')


@functools.partial(
    launch.one_line_errors,
    unused=(
        shared_flags.NUM_LATENTS,
        shared_flags.NUM_CLASSES,
        shared_flags.NUM_IMPORTANCE_SAMPLES,
        shared_flags.DATA_DIR,
        shared_flags.DATA_SEED,
        flow_runs.NUM_EVENTS,
    ),
)
def main(argv: Sequence[str]) -> None:
  """Prints what n-grams reach, trains, evaluates, tabulates and draws.

  Args:
    argv: What `absl.app.run` leaves of the command line: its first word.
  """
  del argv
  names = flow_runs.names()
  text = text_lib.load(shared_flags.TEXT_FILE.value)
  length = shared_flags.LENGTH.value
  text_lib.windows(text.test, length)
  # What is wrong with the length of a model shows before any training.
  for name in names:
    flow_models.build_model(
        name, length, text.num_classes, flow_runs.options(lambda step: 1.0), 0
    )
  text_lib.encode(_PREFIX.value)
  title = f'{text.description["source"]}, {length} characters'
  known = flow_text_report.ngram_rows(text)
  flow_text_report.print_known(title, known)
  rows = runs.sweep(names, lambda name, seed: run(text, name, seed))
  if not dlvm.training.is_chief():
    return
  output_dir = pathlib.Path(shared_flags.OUTPUT_DIR.value)
  flow_text_report.report(
      output_dir,
      title,
      rows,
      {name: runs.run_dir(name, runs.seeds()[0]) for name in names},
  )
  consoles.print_wrote(output_dir)


if __name__ == '__main__':
  app.run(main)
