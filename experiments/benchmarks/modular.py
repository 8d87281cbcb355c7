r"""Times arithmetic modulo K on one-hot vectors against edward2.

    make benchmark
    python -m experiments.benchmarks.modular

A call computes the value of one op and both gradients, for many symbols; times
and bytes are those of one symbol. For all K, our calls hold equally many
coordinates, 2^20 where time is taken: tensors of 4 MiB, which outgrow a usual
L2 cache and may stay in an L3. edward2's `subtract` and `multiply` take K x K
numbers a symbol, and get as many symbols as make 2^27 of them, at most ours: at
K = 256 a batch of 32 sequences of 64.

Left out: edward2's `subtract` from K = 4096, a graph of K rolls; its `multiply`
from K = 1024, with K^3 numbers, 4 GiB and more; under XLA, both from K = 1024.
"""

import functools
import importlib.util
import pathlib

from absl import app
from absl import flags
import numpy as np
import rich
from rich import table as rich_table
import tensorflow as tf

import discrete_lvm as dlvm
from experiments.benchmarks import memory
from experiments.benchmarks import timing

_ROUNDS = flags.DEFINE_integer(
    'rounds', 5, 'Rounds over the alternatives.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 0.5, 'Seconds of each in a round.')

_CLASSES = (27, 256, 1024, 4096)
_TIMED_COORDINATES = 2**20
# More, so that what else changes in a process does not count.
_MEASURED_COORDINATES = 2**23
_EDWARD_COORDINATES = 2**27
_EDWARD_MOST_CLASSES = {'add': 4096, 'subtract': 1024, 'multiply': 256}
_OURS = 'discrete_lvm, graph'


def main(argv):
  """Prints two tables for each op, time and memory."""
  del argv
  # edward2's `add` warns at each gradient that it drops an imaginary part.
  tf.get_logger().setLevel('ERROR')
  for name in _EDWARD_MOST_CLASSES:
    timings = {k: _time(name, k) for k in _CLASSES}
    timing.print_table(
        f'{name} modulo K, value and both gradients, one symbol',
        {f'K = {k}': row for k, row in timings.items()},
        _OURS,
        unit='us',
    )
    peaks = {k: _measure(name, k) for k in _CLASSES}
    _print_memory(name, peaks)
    medians = {k: row[_OURS].median for k, row in timings.items()}
    for what, values in (
        ('time', medians),
        ('bytes', {k: row[_OURS] for k, row in peaks.items()}),
    ):
      slope = timing.log_slope({k: v for k, v in values.items() if k >= 256})
      print(f'{name}: slope of log {what} on log K from 256 up: {slope:.2f}')


def _time(name, num_classes):
  """Returns names to the timings of one symbol, in microseconds."""
  alternatives = _alternatives(name, num_classes, _TIMED_COORDINATES)
  if 'edward2, graph' in alternatives and num_classes <= 256:
    alternatives['edward2, XLA'] = alternatives['edward2, graph']
  alternatives['discrete_lvm, XLA'] = alternatives[_OURS]
  calls = {
      alternative: _caller(
          op, num_classes, symbols, jit_compile='XLA' in alternative
      )
      for alternative, (op, symbols) in alternatives.items()
  }
  timings = timing.time_in_turn(
      calls, rounds=_ROUNDS.value, seconds=_SECONDS.value, repeats=1
  )
  return {
      alternative: timing.Timing(
          *(1e3 * ms / alternatives[alternative][1] for ms in milliseconds)
      )
      for alternative, milliseconds in timings.items()
  }


def _measure(name, num_classes):
  """Returns names to the bytes of one symbol."""
  alternatives = _alternatives(name, num_classes, _MEASURED_COORDINATES)
  return {
      alternative: memory.peak_bytes(
          _warm_caller, name, alternative, num_classes, symbols
      )
      / symbols
      for alternative, (_, symbols) in alternatives.items()
  }


def _alternatives(name, num_classes, coordinates):
  """Returns names to the op and how many symbols it gets."""
  symbols = coordinates // num_classes
  alternatives = {_OURS: (_op(name, _OURS), symbols)}
  theirs = _op(name, 'edward2, graph')
  if theirs and num_classes <= _EDWARD_MOST_CLASSES[name]:
    if name != 'add':
      symbols = min(symbols, _EDWARD_COORDINATES // num_classes**2)
    alternatives['edward2, graph'] = theirs, symbols
  return alternatives


def _op(name, alternative):
  if alternative == _OURS:
    return getattr(dlvm.ops, f'one_hot_{name}')
  name = 'minus' if name == 'subtract' else name
  return getattr(_edward2(), f'one_hot_{name}', None)


@functools.cache
def _edward2():
  spec = importlib.util.find_spec('edward2')
  if spec is None:
    print('edward2 is left out: pip install discrete_lvm[benchmark] adds it.')
    return None
  # The file alone: the package does not import beside a recent SciPy.
  path = pathlib.Path(spec.submodule_search_locations[0])
  spec = importlib.util.spec_from_file_location(
      'edward2_utils', path / 'tensorflow/layers/utils.py'
  )
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def _caller(op, num_classes, symbols, jit_compile):
  arguments = _arguments(num_classes, symbols)
  function = tf.function(
      functools.partial(_value_and_gradients, op), jit_compile=jit_compile
  )
  return lambda: function(*arguments)[0][0, 0].numpy()


def _warm_caller(name, alternative, num_classes, symbols):
  """Returns a call for any number of symbols that was traced for others."""
  tf.get_logger().setLevel('ERROR')
  spec = tf.TensorSpec([None, num_classes])
  if name == 'multiply' and alternative != _OURS:
    # It asks for a static batch shape.
    spec = tf.TensorSpec([symbols, num_classes])
  function = tf.function(
      functools.partial(_value_and_gradients, _op(name, alternative)),
      input_signature=[spec] * 3,
  ).get_concrete_function()
  arguments = _arguments(num_classes, symbols)
  return lambda: function(*arguments)[0][0, 0].numpy()


def _value_and_gradients(op, x, y, weights):
  with tf.GradientTape() as tape:
    tape.watch([x, y])
    result = op(x, y)
  return result, *tape.gradient(result, [x, y], output_gradients=weights)


def _arguments(num_classes, symbols):
  # Drawn in NumPy, which leaves no free memory in TensorFlow's allocator.
  rng = np.random.default_rng(0)
  x, y = np.zeros([2, symbols, num_classes], np.float32)
  for one_hot in (x, y):
    one_hot[np.arange(symbols), rng.integers(num_classes, size=symbols)] = 1.0
  weights = rng.standard_normal([symbols, num_classes], np.float32)
  return tf.constant(x), tf.constant(y), tf.constant(weights)


def _print_memory(name, peaks):
  table = rich_table.Table(
      title=f'{name} modulo K: KiB of one symbol at the peak, without the '
      'arguments',
      title_justify='left',
  )
  for column in ('case', 'alternative', 'KiB', 'ratio'):
    table.add_column(column, justify='right' if column == 'ratio' else 'left')
  for num_classes, row in peaks.items():
    for alternative, peak in row.items():
      table.add_row(
          f'K = {num_classes}',
          alternative,
          f'{peak / 1024:.4g}',
          f'{peak / row[_OURS]:.2f}',
      )
    table.add_section()
  rich.print(table)


if __name__ == '__main__':
  app.run(main)
