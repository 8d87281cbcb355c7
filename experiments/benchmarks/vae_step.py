r"""Times a training step of the MNIST model against PyTorch.

    make benchmark
    python -m experiments.benchmarks.vae_step

The model is 784-(20x10)-200-784 with Gumbel-Softmax, batch 100, Adam, on random
binary images: a step draws the batch from memory and the noise, computes the
gradients and updates the weights. Each alternative runs `--steps` steps a call.
"""

import functools

from absl import app
from absl import flags
import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import launch
from experiments import shared_flags
from experiments.benchmarks import mnist_model
from experiments.benchmarks import timing

_ROUNDS = flags.DEFINE_integer(
    'rounds', 7, 'Rounds over the alternatives.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 2.0, 'Seconds of each in a round.')
_STEPS = flags.DEFINE_integer(
    'steps',
    50,
    'Training steps in one call, on as many batches of the images.',
    lower_bound=1,
    upper_bound=mnist_model.NUM_IMAGES // mnist_model.BATCH_SIZE,
)


@functools.partial(launch.one_line_errors, unused=shared_flags.all_but())
def main(argv):
  """Prints the table."""
  del argv
  images = mnist_model.random_images()
  alternatives = {
      'discrete_lvm, graph': _ours(images, dlvm.training.FusedAdam),
      'discrete_lvm, graph, Keras Adam': _ours(images, keras.optimizers.Adam),
      'discrete_lvm, XLA': _ours(
          images, dlvm.training.FusedAdam, jit_compile=True
      ),
      'discrete_lvm, gradients alone': _ours(images, None),
      **_torch(images),
  }
  timings = timing.time_in_turn(
      alternatives,
      rounds=_ROUNDS.value,
      seconds=_SECONDS.value,
      repeats=_STEPS.value,
  )
  timing.print_table(
      'Training step of the categorical VAE, 784-(20x10)-200-784, batch 100',
      {'one step': timings},
      'discrete_lvm, graph',
  )


def _ours(images, optimizer_class, jit_compile=False):
  model = mnist_model.build()
  variables = model.trainable_variables
  optimizer = optimizer_class and optimizer_class(mnist_model.LEARNING_RATE)
  if optimizer:
    optimizer.build(variables)
  step, checksum = tf.Variable(0), tf.Variable(0.0)

  @tf.function(jit_compile=jit_compile)
  def train_step(batch, seed):
    with tf.GradientTape() as tape:
      terms = model.loss_terms(batch, seed=seed)
      loss = tf.reduce_mean(tf.add_n(list(terms.values())))
    gradients = tape.gradient(loss, variables)
    if optimizer:
      optimizer.apply(gradients, variables)
    else:  # Something must use them, or the graph is pruned.
      checksum.assign_add(tf.add_n([tf.reduce_sum(g) for g in gradients]))

  @tf.function
  def train(iterator):
    for _ in tf.range(_STEPS.value):
      train_step(next(iterator), tf.stack([0, step.assign_add(1)]))

  iterator = iter(
      dlvm.training.ShuffledBatches(images, mnist_model.BATCH_SIZE, seed=0)(0)
  )
  return lambda: train(iterator)


def _torch(images):
  try:
    import torch
  except ImportError:
    print('PyTorch is left out: pip install discrete_lvm[benchmark] adds it.')
    return {}
  data = torch.from_numpy(images)

  class VAE(torch.nn.Module):

    def __init__(self):
      super().__init__()
      self.encoder = torch.nn.Linear(
          mnist_model.PIXELS, mnist_model.LATENTS * mnist_model.CLASSES
      )
      self.decoder = torch.nn.Sequential(
          torch.nn.Linear(
              mnist_model.LATENTS * mnist_model.CLASSES, mnist_model.HIDDEN
          ),
          torch.nn.ReLU(),
          torch.nn.Linear(mnist_model.HIDDEN, mnist_model.PIXELS),
      )

    def forward(self, x):
      logits = self.encoder(x).view(
          -1, mnist_model.LATENTS, mnist_model.CLASSES
      )
      codes = torch.nn.functional.gumbel_softmax(
          logits, tau=mnist_model.TEMPERATURE
      )
      outputs = self.decoder(codes.flatten(1))
      distortion = torch.nn.functional.binary_cross_entropy_with_logits(
          outputs, x, reduction='sum'
      )
      log_q = torch.log_softmax(logits, -1)
      rate = (log_q.exp() * (log_q + np.log(mnist_model.CLASSES))).sum()
      return (distortion + rate) / len(x)

  def trainer(fused, compiled):
    model = VAE()
    optimizer = torch.optim.Adam(
        model.parameters(), lr=mnist_model.LEARNING_RATE, fused=fused
    )
    loss_of = torch.compile(model) if compiled else model

    def train():
      indices = torch.randperm(len(data))[
          : _STEPS.value * mnist_model.BATCH_SIZE
      ]
      for batch in indices.view(_STEPS.value, mnist_model.BATCH_SIZE):
        optimizer.zero_grad(set_to_none=True)
        loss_of(data[batch]).backward()
        optimizer.step()

    return train

  return {
      'PyTorch, eager': trainer(fused=False, compiled=False),
      'PyTorch, eager, fused Adam': trainer(fused=True, compiled=False),
      'PyTorch, compiled, fused Adam': trainer(fused=True, compiled=True),
  }


if __name__ == '__main__':
  app.run(main)
