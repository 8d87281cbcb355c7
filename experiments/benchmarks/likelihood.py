r"""Times the bound of many samples against a loop of single-sample passes.

    make benchmark
    python -m experiments.benchmarks.likelihood

The model is 784-(20x10)-200-784 with random weights, the data binary noise in
batches of 100. The bound of 1000 samples that the model streams in chunks is
beside what a user would write: 1000 passes of one sample, eager and compiled,
whose logarithms are put together at the end. The loops run a part of their
passes only, which all take the same time.

Below it, the memory that the bound of all examples needs at its peak beyond
that of the process before, on Linux.
"""

from absl import app
from absl import flags
import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments.benchmarks import memory
from experiments.benchmarks import timing

_ROUNDS = flags.DEFINE_integer(
    'rounds', 5, 'Rounds over the alternatives.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 1.0, 'Seconds of each in a round.')
_EXAMPLES = flags.DEFINE_integer(
    'examples',
    10_000,
    'Examples whose bound is to need little memory; 0 leaves it out.',
    lower_bound=0,
)

_PIXELS, _LATENTS, _CLASSES, _HIDDEN, _BATCH = 784, 20, 10, 200, 100
_NUM_SAMPLES = 1000
_PASSES = 50
_SEED = (0, 1)
_OURS = 'discrete_lvm, streamed'


def main(argv):
  """Prints the table and the memory."""
  del argv
  timings = timing.time_in_turn(
      _alternatives(),
      rounds=_ROUNDS.value,
      seconds=_SECONDS.value,
      repeats=1,
  )
  # What a call did of the samples, to all of them.
  timings = {
      name: _scaled(result, 1 if name == _OURS else _NUM_SAMPLES / _PASSES)
      for name, result in timings.items()
  }
  timing.print_table(
      f'Importance-weighted bound of {_NUM_SAMPLES} samples, 784-(20x10)-200-'
      f'784, batch {_BATCH}',
      {'one batch': timings},
      _OURS,
  )
  if _EXAMPLES.value:
    peak = memory.peak_bytes(prepare, _EXAMPLES.value, _NUM_SAMPLES)
    print(
        f'Bound of {_NUM_SAMPLES} samples of {_EXAMPLES.value} examples: peak '
        f'of {peak / 2**20:.0f} MB beyond the data and the model'
    )


def prepare(num_examples: int, num_samples: int):
  """Makes the bound of a whole data set, ready to be called.

  Args:
    num_examples: Python `int`.
    num_samples: Python `int`.

  Returns:
    Function that returns the mean bound, in nats.
  """
  model = _model()
  images = _images(num_examples)
  bound = tf.function(
      lambda x, seed: model.importance_weighted_bound(x, num_samples, seed)
  )

  def mean_bound():
    bounds = [
        bound(images[begin : begin + _BATCH], tf.constant([0, begin])).numpy()
        for begin in range(0, num_examples, _BATCH)
    ]
    return float(np.mean(np.concatenate(bounds)))

  return mean_bound


def _alternatives():
  model = _model()
  x = tf.constant(_images(_BATCH))
  bound = tf.function(
      lambda seed: model.importance_weighted_bound(x, _NUM_SAMPLES, seed)
  )

  def single(seed):
    return model.log_weights(x, 1, seed)

  def loop(weigh):
    def passes():
      weights = [
          weigh(tf.constant([0, index])).numpy() for index in range(_PASSES)
      ]
      return dlvm.ops.log_mean_exp(np.concatenate(weights)).numpy()

    return passes

  return {
      _OURS: lambda: bound(_SEED).numpy(),
      'loop of single samples, compiled': loop(tf.function(single)),
      'loop of single samples, eager': loop(single),
  }


def _model():
  keras.utils.set_random_seed(0)
  model = dlvm.models.DiscreteVAE(
      keras.Sequential(
          [keras.Input((_PIXELS,)), keras.layers.Dense(_LATENTS * _CLASSES)]
      ),
      keras.Sequential(
          [
              keras.Input((_LATENTS, _CLASSES)),
              keras.layers.Flatten(),
              keras.layers.Dense(_HIDDEN, activation='relu'),
              keras.layers.Dense(_PIXELS),
          ]
      ),
      _LATENTS,
      _CLASSES,
  )
  model.build((None, _PIXELS))
  return model


def _images(num_examples):
  rng = np.random.default_rng(0)
  return (rng.uniform(size=[num_examples, _PIXELS]) < 0.2).astype('float32')


def _scaled(result, factor):
  return timing.Timing(*(factor * ms for ms in result))


if __name__ == '__main__':
  app.run(main)
