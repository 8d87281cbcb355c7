"""Full-rank tables: distributions without any structure to exploit."""

import numpy as np

from experiments import table

_MAX_CELLS = 10**8


def full_rank(length: int, num_classes: int, seed: int) -> table.Table:
  """Draws a distribution over all events from Dirichlet(1, ..., 1).

  Its entropy is close to `log(K**D) - 1 + 0.577` nats, for `D` positions of
  `K` classes.

  Args:
    length: Number of positions `D`.
    num_classes: Number of classes `K`.
    seed: Python `int` of at least 0.

  Returns:
    The distribution; `K**D` cells of 16 bytes.

  Raises:
    ValueError: If there are more than 10**8 cells.

  Example:
    >>> round(full_rank(5, 5, seed=0).entropy(), 2)  # Uniform: 8.05.
    7.62

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 5.1.
  """
  if num_classes**length > _MAX_CELLS:
    raise ValueError(
        f'Expected at most {_MAX_CELLS:,} events; received '
        f'{num_classes}**{length}.'
    )
  # Exponentials divided by their sum are Dirichlet(1, ..., 1).
  generator = np.random.default_rng(seed)
  return table.Table(generator.standard_exponential([num_classes] * length))
