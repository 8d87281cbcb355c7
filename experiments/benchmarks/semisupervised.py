r"""Times a semi-supervised step against the number of classes.

    make benchmark
    python -m experiments.benchmarks.semisupervised

A step of a VAE of 28x28 images takes a batch of 100 random images without a
label and 20 with a random one, computes the gradients and updates the weights.
Marginalisation decodes every image in every class, a relaxed class once: Jang,
Gu and Poole (2017) report a ratio of 2 at 10 classes and of 9.9 at 100 on a
GPU. On a CPU, where nothing is idle, more of the cost is that of the decoder.
"""

import functools

from absl import app
from absl import flags
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import launch
from experiments import semi_supervised_networks
from experiments import shared_flags
from experiments.benchmarks import timing

_ROUNDS = flags.DEFINE_integer(
    'rounds', 5, 'Rounds over the alternatives.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 1.0, 'Seconds of each in a round.')
_CLASSES = flags.DEFINE_list(
    'classes', ['5', '10', '100'], 'Numbers of classes, by commas.'
)

# Small enough that all images in 100 classes fit into 2 GB.
_UNITS = {'mlp': 256, 'conv': 4}
_UNLABELED, _LABELED, _STYLE_DIM = 100, 20, 32
_MARGINALIZE = 'marginalize'
_BASELINE = 'gumbel_softmax'
_INFERENCES = (
    _MARGINALIZE,
    _BASELINE,
    'straight_through_gumbel_softmax',
)


@functools.partial(launch.one_line_errors, unused=shared_flags.all_but())
def main(argv):
  """Prints the tables."""
  del argv
  numbers_of_classes = _parse_classes()
  for network, units in _UNITS.items():
    timings = {}
    for num_classes in numbers_of_classes:
      timings[f'{num_classes} classes'] = timing.time_in_turn(
          {
              name: _caller(name, network, units, num_classes)
              for name in _INFERENCES
          },
          rounds=_ROUNDS.value,
          seconds=_SECONDS.value,
          repeats=1,
      )
    timing.print_table(
        f'A semi-supervised training step, {network} of {units} units',
        timings,
        _BASELINE,
    )
    for name in (_MARGINALIZE, _BASELINE):
      medians = {
          int(case.split()[0]): row[name].median
          for case, row in timings.items()
      }
      if len(medians) > 1:
        slope = timing.log_slope(medians)
        print(f'{name}: time grows as the power {slope:.2f} of the classes')


def _parse_classes():
  try:
    numbers = [int(value) for value in _CLASSES.value]
  except ValueError:
    numbers = []
  if not numbers or min(numbers) < 2:
    raise ValueError(
        'Expected numbers of at least 2 in --classes; received '
        f'{_CLASSES.value}.'
    )
  return numbers


def _caller(name, network, units, num_classes):
  estimator = dlvm.estimators.ESTIMATORS.get(name)
  model = semi_supervised_networks.build_model(
      network,
      (28, 28, 1),
      num_classes,
      _STYLE_DIM,
      units,
      inference=estimator() if estimator else name,
  )
  variables = model.trainable_variables
  optimizer = dlvm.training.FusedAdam(1e-3)
  optimizer.build(variables)
  rng = np.random.default_rng(0)
  size = _UNLABELED + _LABELED
  images = tf.constant(rng.random([size, 28, 28, 1]) < 0.2, tf.float32)
  labels = np.where(
      np.arange(size) < _LABELED, rng.integers(num_classes, size=size), -1
  )
  labels = tf.constant(labels, tf.int32)
  step = tf.Variable(0)

  @tf.function
  def train():
    with tf.GradientTape() as tape:
      terms = model.loss_terms(
          (images, labels), seed=tf.stack([0, step.assign_add(1)])
      )
      loss = tf.reduce_mean(tf.add_n(list(terms.values())))
    optimizer.apply(tape.gradient(loss, variables), variables)
    return loss

  return lambda: train().numpy()


if __name__ == '__main__':
  app.run(main)
