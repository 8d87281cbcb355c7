"""Estimates a training step on accelerators from what it computes and moves.

    python -m experiments.benchmarks.step_estimate

On paper: the weights of the two large models of the papers are counted on the
library's own layers, the rest is arithmetic on datasheet rates. A step has

- operations: 6 for each weight, position and example (2 forward, 4 backward),
  and 12 for each pair of positions and unit of width of an attention layer;
- bytes: activations in 16 bits, written, read and read again, and 7 times the
  weights in 32 bits (Adam's moments, the weights and the gradients);
- an exchange: a ring sends twice the gradients, in 32 bits, not overlapped.

It takes the longer of computing (at `--utilization` of the peak) and moving,
and then the exchange. The efficiency is the time of one chip, divided by that
of all times their number, for the same global batch.
"""

import functools
from typing import NamedTuple

from absl import app
from absl import flags
import rich
from rich import table as rich_table

import discrete_lvm as dlvm
from experiments import launch
from experiments import shared_flags

_UTILIZATION = flags.DEFINE_float(
    'utilization', 0.4, 'Share of the peak rate that the products reach.'
)
flags.register_validator(
    _UTILIZATION,
    lambda utilization: 0 < utilization <= 1,
    'Expected a number in (0, 1].',
)


class Chip(NamedTuple):
  """Datasheet rates: dense 16-bit operations, memory and links, a second."""

  name: str
  operations: float
  memory: float
  links: float


class Model(NamedTuple):
  """A model: its step, at a global batch."""

  name: str
  num_weights: int
  positions: int
  attention: int  # Layers times width times length, at a position.
  activations: int  # Numbers kept for the backward pass, at a position.
  batch_size: int


_H100 = Chip('H100 SXM', 989e12, 3.35e12, 450e9)
# Four of the six links of a chip, those of the two axes of a ring each way.
_V4 = Chip('TPU v4', 275e12, 1.228e12, 100e9)


@functools.partial(launch.one_line_errors, unused=shared_flags.all_but())
def main(argv):
  """Prints the table."""
  del argv
  table = rich_table.Table(
      'model', 'chips', 'compute', 'memory', 'exchange', 'step', 'efficiency'
  )
  for model in (_pixel_decoder(), _text_flow()):
    for chip, counts in ((_H100, (1, 8)), (_V4, (1, 8, 32, 128))):
      alone = _seconds(model, chip, 1)[-1]
      for count in counts:
        seconds = _seconds(model, chip, count)
        table.add_row(
            f'{model.name}, {model.num_weights / 1e6:.1f} M weights, batch '
            f'{model.batch_size}',
            f'{count} {chip.name}',
            *(f'{1e3 * s:.1f} ms' for s in seconds),
            f'{alone / count / seconds[-1]:.0%}',
        )
    table.add_section()
  rich.print(table)


def _seconds(model, chip, count):
  """Returns the seconds of computing, moving, exchanging, and a step."""
  places = model.positions * model.batch_size / count
  operations = places * (6 * model.num_weights + 12 * model.attention)
  num_bytes = 3 * 2 * places * model.activations + 7 * 4 * model.num_weights
  compute = operations / chip.operations / _UTILIZATION.value
  memory = num_bytes / chip.memory
  exchange = 2 * 4 * model.num_weights * (count - 1) / count / chip.links
  return compute, memory, exchange, max(compute, memory) + exchange


def _pixel_decoder():
  units, num_layers, side, channels = 256, 15, 32, 3
  network = dlvm.layers.GatedPixelCNN(
      num_outputs=100, units=units, num_layers=num_layers
  )
  network.build((None, side, side, channels), (None, side, side, 64))
  return Model(
      'delta-VAE decoder, CIFAR-10',
      network.count_params(),
      positions=side**2,
      attention=0,
      # Two gates and the link, each of twice the units, and three outputs.
      activations=num_layers * 9 * units,
      batch_size=256,
  )


def _text_flow():
  num_flows, num_layers, num_heads, units, length, classes = (
      8,
      3,
      8,
      512,
      256,
      27,
  )
  network = dlvm.layers.BidirectionalTransformer(
      2 * classes, num_layers, num_heads, units
  )
  network.build((None, length, classes))
  depth = num_flows * num_layers
  return Model(
      'discrete flow, text8',
      num_flows * network.count_params(),
      positions=length,
      attention=depth * units * length,
      # Four projections, two of four times the width, norms and sums.
      activations=depth * 16 * units,
      batch_size=128,
  )


if __name__ == '__main__':
  app.run(main)
