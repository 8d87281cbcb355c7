r"""Times `Trainer` against a bare compiled step, under any strategy.

    make benchmark
    python -m experiments.benchmarks.trainer --strategy=mirrored \
        --num_replicas=2
    python -m experiments.launch_local --num_workers=2 -- \
        experiments.benchmarks.trainer --strategy=multi_worker \
        --output_dir=runs/benchmark

The model is 784-(20x10)-200-784 with Gumbel-Softmax, batch 100, Adam, on random
binary images. A bare step draws the batch from memory and the noise, computes
the gradients and updates the weights. `Trainer.fit` also watches the loss, adds
up what it logs, and has its share of restoring and saving a checkpoint at the
ends of a round. With several replicas the exchange of gradients, by itself, is
what they are beside.
"""

from collections.abc import Callable
import functools
import pathlib
import tempfile

from absl import app
from absl import flags
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import launch
from experiments import shared_flags
from experiments.benchmarks import mnist_model
from experiments.benchmarks import timing

_ROUNDS = flags.DEFINE_integer(
    'rounds', 5, 'Rounds over the alternatives.', lower_bound=1
)
_STEPS = flags.DEFINE_integer(
    'steps', 2000, 'Steps of each in a round: a multiple of 100.', lower_bound=1
)
_STEPS_PER_CALL = (1, 10, 100)


@functools.partial(
    launch.one_line_errors,
    unused=shared_flags.all_but(
        shared_flags.OUTPUT_DIR,
        shared_flags.PRECISION,
        shared_flags.STRATEGY,
        shared_flags.NUM_REPLICAS,
        shared_flags.TPU,
    ),
)
def main(argv):
  """Prints the table."""
  del argv
  if _STEPS.value % max(_STEPS_PER_CALL):
    raise ValueError(
        f'Expected --steps that are a multiple of {max(_STEPS_PER_CALL)}, the '
        f'most in a call; received {_STEPS.value}.'
    )
  images = mnist_model.random_images()
  # All workers have to take part wherever a weight is made.
  weights = mnist_model.build().trainable_variables
  shapes = [weight.shape for weight in weights]
  alternatives = {}
  if tf.distribute.get_strategy().num_replicas_in_sync > 1:
    alternatives['exchange of gradients'] = _exchange(shapes)
  else:
    for n in _STEPS_PER_CALL:
      alternatives[f'bare, {n} a call'] = _bare(images, n)
  for n in _STEPS_PER_CALL:
    alternatives[f'Trainer, {n} a call'] = _trainer(images, n)
  # No time limit: workers must make the same number of calls.
  timings = timing.time_in_turn(
      alternatives, rounds=_ROUNDS.value, seconds=0, repeats=_STEPS.value
  )
  if dlvm.training.is_chief():
    _print(timings, sum(int(np.prod(shape)) for shape in shapes))


def _trainer(images, steps_per_call) -> Callable:
  trainer = dlvm.training.Trainer(
      mnist_model.build(),
      dlvm.training.FusedAdam(mnist_model.LEARNING_RATE),
      _new_directory(f'{steps_per_call}_steps'),
      steps_per_call=steps_per_call,
  )
  batches = _batches(images)
  return lambda: trainer.fit(batches, trainer.step + _STEPS.value)


def _bare(images, steps_per_call) -> Callable:
  model = mnist_model.build()
  variables = model.trainable_variables
  optimizer = dlvm.training.FusedAdam(mnist_model.LEARNING_RATE)
  optimizer.build(variables)
  count = tf.Variable(0)

  @tf.function
  def steps(iterator):
    for _ in tf.range(steps_per_call):
      seed = tf.stack([0, count.assign_add(1)])
      with tf.GradientTape() as tape:
        terms = model.loss_terms(next(iterator), seed=seed)
        loss = tf.reduce_mean(tf.add_n(list(terms.values())))
      optimizer.apply(tape.gradient(loss, variables), variables)

  iterator = iter(_batches(images)(0))

  def run():
    for _ in range(_STEPS.value // steps_per_call):
      steps(iterator)

  return run


def _exchange(shapes) -> Callable:
  strategy = tf.distribute.get_strategy()

  def sum_of_replicas(value):
    # Of the step, so that it is not computed once for all.
    gradients = [tf.fill(shape, value) for shape in shapes]
    context = tf.distribute.get_replica_context()
    sums = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    return tf.add_n([tf.reshape(x, [-1])[0] for x in sums])

  @tf.function
  def exchange():
    total = tf.zeros([])
    for i in tf.range(_STEPS.value):
      values = strategy.run(sum_of_replicas, args=(tf.cast(i, tf.float32),))
      total += strategy.experimental_local_results(values)[0]
    return total

  return exchange


def _batches(images):
  return dlvm.training.ShuffledBatches(images, mnist_model.BATCH_SIZE, seed=0)


def _new_directory(name):
  output_dir = shared_flags.OUTPUT_DIR.value
  if output_dir is None:
    return tempfile.mkdtemp()
  directory = pathlib.Path(output_dir) / name
  if (directory / 'checkpoints').exists():
    raise ValueError(f'Expected a new --output_dir; received {output_dir}.')
  return directory


def _print(timings, num_weights):
  num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
  timing.print_table(
      'Training step of the categorical VAE, 784-(20x10)-200-784, batch 100, '
      f'{num_replicas} replicas, {4 * num_weights:,} bytes of gradients',
      {'one step': timings},
      next(iter(timings)),
  )


if __name__ == '__main__':
  app.run(main)
