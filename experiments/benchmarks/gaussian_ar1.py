r"""Times the AR(1) process against the dense normal law that it equals.

    make benchmark
    python -m experiments.benchmarks.gaussian_ar1

A call is one event of one dimension. TFP's `MultivariateNormalTriL` of the same
law costs the square of the length, and its KL the cube, so that it is left out
from 8192 on, where its factor has 256 MB.
"""

from absl import app
from absl import flags
import tensorflow as tf
import tensorflow_probability as tfp

import discrete_lvm as dlvm
from experiments.benchmarks import timing

tfd = tfp.distributions

_ROUNDS = flags.DEFINE_integer(
    'rounds', 5, 'Rounds over the alternatives.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 0.5, 'Seconds of each in a round.')

_LENGTHS = (1024, 4096, 16384, 65536)
_MOST_DENSE = 4096
_ALPHA = 0.999
_SEED = (0, 1)
_OURS = 'discrete_lvm'


def main(argv):
  """Prints the tables."""
  del argv
  # TensorFlow takes the same lambda at many lengths for a retracing.
  tf.get_logger().setLevel('ERROR')
  calls = {length: _calls(length) for length in _LENGTHS}
  for name in ('log_prob', 'sample', 'kl_divergence'):
    timings = {
        length: timing.time_in_turn(
            calls[length][name],
            rounds=_ROUNDS.value,
            seconds=_SECONDS.value,
            repeats=1,
        )
        for length in _LENGTHS
    }
    timing.print_table(
        f'GaussianAR1, {name}',
        {f'length {length}': row for length, row in timings.items()},
        _OURS,
    )
    medians = {length: row[_OURS].median for length, row in timings.items()}
    slope = timing.log_slope(medians)
    print(f'{name}: slope of log time on log length: {slope:.2f}')


def _calls(length):
  """Returns names of methods to names of alternatives to functions."""
  ours = dlvm.distributions.GaussianAR1(tf.constant([_ALPHA]), length)
  z = ours.sample(seed=_SEED)
  normal = tfd.Normal(tf.zeros([length, 1]), 1.0)
  posterior = tfd.Independent(normal, 2)
  calls = {
      'log_prob': {_OURS: lambda: ours.log_prob(z)},
      'sample': {_OURS: lambda: ours.sample(seed=_SEED)},
      'kl_divergence': {_OURS: lambda: tfd.kl_divergence(posterior, ours)},
  }
  if length <= _MOST_DENSE:
    factor = tf.linalg.cholesky(ours.covariance())
    dense = tfd.MultivariateNormalTriL(tf.zeros(length), factor)
    diagonal = tfd.MultivariateNormalDiag(tf.zeros(length), tf.ones(length))
    name = 'TFP, MultivariateNormalTriL'
    calls['log_prob'][name] = lambda: dense.log_prob(z[:, 0])
    calls['sample'][name] = lambda: dense.sample(seed=_SEED)
    calls['kl_divergence'][name] = lambda: tfd.kl_divergence(diagonal, dense)
  return {
      method: {name: _caller(call) for name, call in row.items()}
      for method, row in calls.items()
  }


def _caller(call):
  function = tf.function(call)
  return lambda: function().numpy()


if __name__ == '__main__':
  app.run(main)
