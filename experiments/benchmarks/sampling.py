r"""Times sampling with a cache against evaluating all positions at each.

    make benchmark
    python -m experiments.benchmarks.sampling

The model is autoregressive over 27 classes, with random weights: as a
distribution of codes (base), and as a flow. Its network is `MADE` with two
layers of 1024 units, or a causal transformer of 2 layers and 128 units.
Re-evaluated is what other libraries do: a loop, here in the graph, that calls
the network on all positions at each; the flow's would cost as much as the
base's. The bipartite flow has a network of the same size, which is not causal,
in each of its 4 layers.

A step of MADE costs the same at any length. One of the transformer attends to
the whole cache, and in a graph copies it; XLA writes in place.
"""

from absl import app
from absl import flags
import keras
import tensorflow as tf

import discrete_lvm as dlvm
from experiments.benchmarks import timing

_ROUNDS = flags.DEFINE_integer(
    'rounds', 3, 'Rounds over the alternatives.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 0.5, 'Seconds of each in a round.')
_BATCH = flags.DEFINE_integer('batch', 4, 'Samples in one call.')
_NETWORKS = flags.DEFINE_multi_enum(
    'network',
    ['made', 'transformer'],
    ['made', 'transformer'],
    'Network; repeat the flag for more than one.',
)

_LENGTHS = (16, 32, 64, 128, 256, 512)
_CLASSES = 27
_HIDDEN_UNITS = (1024, 1024)
_TRANSFORMER = {'num_layers': 2, 'num_heads': 4, 'units': 128}
_BIPARTITE_LAYERS = 4
_SEED = (0, 1)


def main(argv):
  """Prints the table, and how times grow with the length."""
  del argv
  # TensorFlow takes the same lambda at many lengths for a retracing.
  tf.get_logger().setLevel('ERROR')
  for network in _NETWORKS.value:
    timings = {
        length: timing.time_in_turn(
            _callers(
                {
                    **_autoregressive(network, length),
                    'flow, bipartite': _bipartite(network, length),
                }
            ),
            rounds=_ROUNDS.value,
            seconds=_SECONDS.value,
            repeats=1,
        )
        for length in _LENGTHS
    }
    timing.print_table(
        f'Sampling by {network}, batch of {_BATCH.value}',
        {f'length {length}': row for length, row in timings.items()},
        'base, cached',
    )
    for name in timings[_LENGTHS[0]]:
      medians = {length: row[name].median for length, row in timings.items()}
      slope = timing.log_slope(medians)
      print(f'{name}: slope of log time on log length: {slope:.2f}')


def _callers(samplers):
  callers = {}
  for name, sample in samplers.items():
    callers[name] = _caller(sample)
    if name != 'base, re-evaluated':  # It would take minutes more.
      callers[f'{name}, XLA'] = _caller(sample, jit_compile=True)
  return callers


def _caller(sample, jit_compile=False):
  function = tf.function(sample, jit_compile=jit_compile)
  return lambda: function().numpy()


def _causal_network(name, length):
  if name == 'made':
    network = dlvm.layers.MADE(_CLASSES, _HIDDEN_UNITS, seed=0)
  else:
    network = dlvm.layers.CausalTransformer(_CLASSES, **_TRANSFORMER, seed=0)
  network.build((None, length, _CLASSES))
  return network


def _network(name, length, seed):
  """Returns a network of the same size that sees all codes."""
  if name == 'made':
    dense = keras.Sequential(
        [
            keras.Input([length, _CLASSES]),
            keras.layers.Flatten(),
            *(keras.layers.Dense(units, 'relu') for units in _HIDDEN_UNITS),
            keras.layers.Dense(length * _CLASSES),
            keras.layers.Reshape([length, _CLASSES]),
        ]
    )
    return lambda codes: dense(tf.one_hot(codes, _CLASSES))
  network = dlvm.layers.BidirectionalTransformer(
      _CLASSES, **_TRANSFORMER, seed=seed
  )
  network.build((None, length, _CLASSES))
  return network


def _autoregressive(name, length):
  """Returns names to functions that sample codes, shape `[batch, length]`."""
  network = _causal_network(name, length)
  distribution = dlvm.distributions.AutoregressiveCategorical(
      network, length, _CLASSES, dtype=tf.int32
  )
  flow = dlvm.bijectors.DiscreteAutoregressive(network, num_classes=_CLASSES)

  def draw(position, logits):
    seed = dlvm.ops.fold_in(_SEED, position)
    perturbed = dlvm.ops.perturb(logits, seed=seed)
    return tf.argmax(perturbed, axis=-1, output_type=tf.int32)

  return {
      'base, cached': lambda: distribution.sample(_BATCH.value, seed=_SEED),
      'base, re-evaluated': lambda: _reevaluate(network, length, draw),
      'flow, cached': lambda: flow.forward(_uniform_codes(length)),
  }


def _reevaluate(network, length, choose):
  """Samples position by position, with a call of the network at each."""

  def step(position, codes):
    code = choose(position, network(codes)[:, position])
    here = tf.equal(tf.range(length), position)
    return position + 1, tf.where(here, code[:, tf.newaxis], codes)

  start = 0, tf.zeros([_BATCH.value, length], tf.int32)
  return tf.while_loop(lambda t, _: t < length, step, start)[1]


def _bipartite(name, length):
  """Returns a function like those of `_autoregressive`."""
  mask = dlvm.ops.alternating_mask(length)
  bijectors = [
      dlvm.bijectors.DiscreteBipartite(
          _network(name, length, seed=i),
          ~mask if i % 2 else mask,
          num_classes=_CLASSES,
      )
      for i in range(_BIPARTITE_LAYERS)
  ]

  def sample():
    codes = _uniform_codes(length)
    for bijector in bijectors:
      codes = bijector.forward(codes)
    return codes

  return sample


def _uniform_codes(length):
  return tf.random.stateless_uniform(
      [_BATCH.value, length], _SEED, maxval=_CLASSES, dtype=tf.int32
  )


if __name__ == '__main__':
  app.run(main)
