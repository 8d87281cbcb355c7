r"""Times Gumbel-Softmax samples and their gradients against TFP and PyTorch.

    make benchmark
    python -m experiments.benchmarks.gumbel_softmax

Each alternative makes `--draws` samples with their gradients a call, as the
steps of a training loop would: ours and TFP's in a graph loop or one that XLA
compiles, PyTorch's in a Python loop. The last line of each size is the floor:
only drawing the bits, in a graph. TFP's sampler under XLA is left out at the
largest size, for time.
"""

import functools
import math

from absl import app
from absl import flags
import tensorflow as tf
import tensorflow_probability as tfp

import discrete_lvm as dlvm
from experiments import launch
from experiments import shared_flags
from experiments.benchmarks import timing

_ROUNDS = flags.DEFINE_integer(
    'rounds', 7, 'Rounds over the alternatives.', lower_bound=1
)
_SECONDS = flags.DEFINE_float('seconds', 1.0, 'Seconds of each in a round.')
_DRAWS = flags.DEFINE_integer(
    'draws', 10, 'Samples in one call.', lower_bound=1
)

_SIZES = ((256, 20, 10), (256, 30, 256), (64, 1024, 512))
_MAX_SIZE_OF_TFP_UNDER_XLA = 4_000_000
_TEMPERATURE = 0.5


@functools.partial(launch.one_line_errors, unused=shared_flags.all_but())
def main(argv):
  """Prints the table."""
  del argv
  timings = {}
  for size in _SIZES:
    alternatives = {
        'discrete_lvm, graph': _in_graph(_ours, size),
        'TFP, graph': _in_graph(_tfp, size),
        'discrete_lvm, XLA': _in_graph(_ours, size, jit_compile=True),
        **_tfp_under_xla(size),
        **_torch(size),
        'random bits only': _in_graph(_bits, size, gradient=False),
    }
    timings[str(list(size))] = timing.time_in_turn(
        alternatives,
        rounds=_ROUNDS.value,
        seconds=_SECONDS.value,
        repeats=_DRAWS.value,
    )
  timing.print_table(
      'Gumbel-Softmax, one sample and its gradient',
      timings,
      'discrete_lvm, graph',
  )


def _ours(logits, seed):
  return dlvm.ops.gumbel_softmax(logits, _TEMPERATURE, seed=seed)


def _tfp(logits, seed):
  return tfp.distributions.RelaxedOneHotCategorical(
      _TEMPERATURE, logits=logits
  ).sample(seed=seed)


def _tfp_under_xla(size):
  if math.prod(size) > _MAX_SIZE_OF_TFP_UNDER_XLA:
    return {}
  return {'TFP, XLA': _in_graph(_tfp, size, jit_compile=True)}


def _bits(logits, seed):
  return tf.random.stateless_uniform(
      logits.shape, seed, minval=None, maxval=None, dtype=tf.uint32
  )


def _in_graph(sample, size, gradient=True, jit_compile=False):
  logits = tf.random.stateless_normal(size, [0, 1])
  weights = tf.random.stateless_normal(size, [0, 2])

  @tf.function(jit_compile=jit_compile)
  def call():
    def body(i, _):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        result = sample(logits, tf.stack([3, i]))
      if gradient:
        result = tape.gradient(result, logits, output_gradients=weights)
      # One number, so that the loop carries no copy of the result. XLA would
      # compute that number alone.
      last = tf.reduce_sum(result) if jit_compile else result[0, 0, 0]
      return i + 1, last

    first = tf.zeros([], weights.dtype if gradient else tf.uint32)
    return tf.while_loop(
        lambda i, _: i < _DRAWS.value,
        body,
        [0, first],
        parallel_iterations=1,
    )[1]

  return lambda: call().numpy()


def _torch(size):
  try:
    import torch
  except ImportError:
    print('PyTorch is left out: pip install discrete_lvm[benchmark] adds it.')
    return {}
  logits = torch.randn(size, requires_grad=True)
  weights = torch.randn(size)

  def sample(x):
    return torch.nn.functional.gumbel_softmax(x, tau=_TEMPERATURE)

  def caller(sample):
    def call():
      for _ in range(_DRAWS.value):
        torch.autograd.grad(sample(logits), logits, weights)

    return call

  return {
      'PyTorch, eager': caller(sample),
      'PyTorch, compiled': caller(torch.compile(sample)),
  }


if __name__ == '__main__':
  app.run(main)
