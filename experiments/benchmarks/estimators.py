r"""Times a step of each gradient estimator against the plain score function.

    make benchmark
    python -m experiments.benchmarks.estimators

A step computes in a graph the values of a batch and the gradients for the
logits and for what the estimator trains. The objective is the negative
log-likelihood of 64 binary pixels under a decoder with one hidden layer of 64
units. What enumerates all codes, or is for two classes only, is left out where
it cannot run, and named.

The nearest estimators of Storchastic and Pyro take a step at the same problem;
see `estimator_peers`. One that does not run here has the reason in its row.
"""

from absl import app
from absl import flags
import keras
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import estimator_measures
from experiments.benchmarks import estimator_peers
from experiments.benchmarks import timing

_ROUNDS = flags.DEFINE_integer(
    'rounds', 5, 'Rounds over the alternatives.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 0.2, 'Seconds of each in a round.')

_SIZES = ((100, 20, 10), (100, 200, 2))
_PIXELS, _HIDDEN = 64, 64
_BASELINE = 'score_function'


def main(argv):
  """Prints the table."""
  del argv
  # TensorFlow takes the steps of many estimators for a retracing.
  tf.get_logger().setLevel('ERROR')
  timings = {}
  for size in _SIZES:
    calls = {_BASELINE: None}  # First in the table.
    for name, cls in dlvm.estimators.ESTIMATORS.items():
      try:
        calls[name] = _caller(cls(), size)
      except ValueError as error:
        reason = ' '.join(str(error).split())
        print(f'{name} is left out at {list(size)}: {reason}')
    peers, left_out = estimator_peers.make(size, _PIXELS, _HIDDEN)
    timings[str(list(size))] = timing.time_in_turn(
        calls | peers,
        rounds=_ROUNDS.value,
        seconds=_SECONDS.value,
        repeats=1,
    )
    timings[str(list(size))] |= left_out
  timing.print_table(
      'A step of an estimator, values and gradients', timings, _BASELINE
  )


def _caller(estimator, size):
  """Returns a call; raises if the estimator does not take such logits."""
  batch, num_latents, num_classes = size
  logits = tf.random.stateless_normal(size, [0, 1])
  images = tf.cast(
      tf.random.stateless_uniform([batch, _PIXELS], [0, 2]) < 0.5, tf.float32
  )
  hidden = keras.layers.Dense(_HIDDEN, 'relu')
  outputs = keras.layers.Dense(_PIXELS)

  def objective(codes):
    flat = tf.reshape(codes, [-1, num_latents * num_classes])
    means = tf.reshape(outputs(hidden(flat)), [*codes.shape[:-2], _PIXELS])
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.zeros_like(means) + images, logits=means
    )
    return tf.reduce_sum(cross_entropy, axis=-1)

  @tf.function
  def step(seed):
    gradients = estimator_measures.gradients_of(
        estimator, logits, objective, seed, training=True
    )
    # One number, which needs them all.
    return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

  seed = tf.constant([0, 1])
  # Not by way of Keras, which wraps what is raised in a page of context.
  estimator.build(logits.shape)
  estimator.call(logits, objective=objective, seed=seed)
  return lambda: step(seed).numpy()


if __name__ == '__main__':
  app.run(main)
