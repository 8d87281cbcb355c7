"""The Potts model on a square lattice, exactly: a row is a state of a chain."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

BOUNDARIES = ('open', 'periodic')
PAIRS = ('once', 'twice')
_MAX_ROWS = 300


class Potts:
  """Codes of `K` classes on a lattice that likes its neighbours to agree.

      log p(x) = coupling * agreements(x) - log Z

  where `agreements` counts the pairs of neighbours of the same class. With
  `boundary='open'` the lattice ends at its edges, with `'periodic'` it is a
  torus. With `pairs='once'` a pair counts once, as in a sum over edges; with
  `'twice'` twice, as in a sum over both i and j. The rows of the lattice form a
  Markov chain (given the first one, on a torus), so everything here is exact,
  at a cost that grows as `K**(3 * side)` instead of `K**(side**2)`.

  Args:
    side: Number of rows and of columns.
    num_classes: Number of classes `K`.
    coupling: `J`; positive makes neighbours agree.
    boundary: One of `BOUNDARIES`.
    pairs: One of `PAIRS`.

  Raises:
    ValueError: If `boundary` or `pairs` is unknown, a side below 2 (below 3 on
      a torus, where neighbours would be so on both sides), there are more than
      300 states of a row, or the coupling is no number or too strong for the
      weights of float64.

  Example:
    >>> potts = Potts(side=3, num_classes=3, coupling=0.5)
    >>> round(potts.entropy(), 2), round(potts.mean_agreements(), 2)
    (9.5, 5.49)

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 5.3, which does not say what the
    boundary is and how often a pair counts.
  """

  def __init__(
      self,
      side: int,
      num_classes: int,
      coupling: float,
      boundary: str = 'open',
      pairs: str = 'once',
  ):
    if boundary not in BOUNDARIES or pairs not in PAIRS:
      raise ValueError(
          f'Expected `boundary` in {BOUNDARIES} and `pairs` in {PAIRS}; '
          f'received {boundary!r} and {pairs!r}.'
      )
    periodic = boundary == 'periodic'
    if side < 2 + periodic or num_classes**side > _MAX_ROWS:
      raise ValueError(
          f'Expected a side of at least {2 + periodic} and at most {_MAX_ROWS} '
          f'states of a row; received {num_classes}**{side}.'
      )
    self._side, self._num_classes = side, num_classes
    self._periodic = periodic
    self._weight = 1 + PAIRS.index(pairs)
    self._strength = coupling * self._weight
    with np.errstate(over='ignore', invalid='ignore', divide='ignore'):
      self._build()
    if not math.isfinite(self.entropy()):
      raise ValueError(
          'Expected a coupling whose weights are finite and not all zero; '
          f'received {coupling}.'
      )

  @property
  def length(self) -> int:
    """Number of positions of an event, row after row."""
    return self._side**2

  @property
  def num_classes(self) -> int:
    """Number of classes `K` of a position."""
    return self._num_classes

  def sample(self, size: int, seed: Any) -> tf.Tensor:
    """Draws independent codes, exactly: row by row.

    Args:
      size: Number of events.
      seed: Integer `Tensor` or sequence, shape `[2]`.

    Returns:
      int32 `Tensor`, shape `[size, side**2]`, a function of the seed.
    """
    uniform = tf.random.stateless_uniform(
        [self._side, size, 1], seed, dtype=tf.float64, alg='philox'
    )
    first = row = _invert(self._first_cumulative, uniform[0])
    rows = [first]
    for cumulative, draw in zip(
        self._cumulative, tf.unstack(uniform)[1:], strict=True
    ):
      row = _invert(tf.gather_nd(cumulative, tf.stack([first, row], 1)), draw)
      rows.append(row)
    codes = tf.gather(self._rows, tf.stack(rows, axis=1))
    return tf.reshape(codes, [size, self.length])

  def log_prob(self, codes: np.ndarray) -> np.ndarray:
    """Computes log-probabilities.

    Args:
      codes: Integers, shape `[..., side**2]`.

    Returns:
      float64 array, shape `[...]`, in nats.
    """
    edges = self.agreements(codes) / self._weight
    return self._strength * edges - self._log_normalizer

  def agreements(self, codes: np.ndarray) -> np.ndarray:
    """Counts the pairs of neighbours that agree, as `pairs` says.

    Args:
      codes: Integers, shape `[..., side**2]`.

    Returns:
      int array, shape `[...]`.
    """
    codes = np.asarray(codes)
    lattice = codes.reshape(*codes.shape[:-1], self._side, self._side)
    end = None if self._periodic else -1
    down = lattice == np.roll(lattice, -1, axis=-2)
    right = lattice == np.roll(lattice, -1, axis=-1)
    counts = down[..., :end, :].sum((-2, -1)) + right[..., :end].sum((-2, -1))
    return self._weight * counts

  def entropy(self) -> float:
    """Returns the entropy in nats."""
    return self._log_normalizer - self._strength * self._mean_edges

  def mean_agreements(self) -> float:
    """Returns the mean of `agreements`."""
    return self._weight * self._mean_edges

  def factorized_entropy(self) -> float:
    """Returns the sum of the entropies of the positions, in nats.

    By symmetry each is uniform.
    """
    return self.length * math.log(self._num_classes)

  def metropolis(self, size: int, num_sweeps: int, seed: int) -> np.ndarray:
    """Runs independent Metropolis chains from uniform noise.

    Args:
      size: Number of chains.
      num_sweeps: How often each site of a chain is proposed a new class.
      seed: Python `int` of at least 0.

    Returns:
      int32 array, shape `[size, side**2]`: the last state of each chain.
    """
    generator = np.random.default_rng(seed)
    neighbours = self._neighbours()
    # Sites first, so that a site of all chains is contiguous.
    state = generator.integers(
        self._num_classes, size=[self.length, size], dtype=np.int32
    )
    for _ in range(num_sweeps):
      moves = generator.integers(
          1, self._num_classes, size=state.shape, dtype=np.int32
      )
      thresholds = -generator.standard_exponential(state.shape, np.float32)
      for site, around in enumerate(neighbours):
        proposal = (state[site] + moves[site]) % self._num_classes
        others = state[around]
        change = (others == proposal).sum(0) - (others == state[site]).sum(0)
        accepted = self._strength * change > thresholds[site]
        state[site] = np.where(accepted, proposal, state[site])
    return np.ascontiguousarray(state.T)

  def _build(self):
    """Computes the partition function, its derivative and the sampler."""
    rows = np.stack(
        list(np.ndindex(*[self._num_classes] * self._side)), dtype=np.int32
    )
    inner = None if self._periodic else -1
    within = (rows == np.roll(rows, -1, axis=1))[:, :inner].sum(axis=1)
    between = (rows[:, np.newaxis] == rows).sum(axis=-1)
    own = np.exp(self._strength * within)
    pair = np.exp(self._strength * between)

    # suffix[r, a]: the weight of all that follows row r if the first row is a;
    # beside it, its derivative by the strength.
    step, d_step = pair * own, pair * own * (between + within)
    if self._periodic:
      suffix, d_suffix = pair, pair * between
    else:
      suffix, d_suffix = np.ones_like(pair), np.zeros_like(pair)
    # Of the next row, given the first and the one before: [first, row, next].
    self._cumulative = []
    for _ in range(self._side - 1):
      weights = step * suffix.T[:, np.newaxis]
      self._cumulative.insert(0, tf.constant(np.cumsum(weights, axis=-1)))
      d_suffix = d_step @ suffix + step @ d_suffix
      suffix = step @ suffix
    first = own * np.diagonal(suffix)
    d_first = own * np.diagonal(d_suffix) + within * first
    self._first_cumulative = tf.constant(np.cumsum(first)[np.newaxis])
    self._rows = tf.constant(rows)
    self._log_normalizer = float(np.log(first.sum()))
    self._mean_edges = float(d_first.sum() / first.sum())

  def _neighbours(self):
    """Lists the neighbours of each site."""
    sites = np.arange(self.length).reshape([self._side, self._side])
    padded = np.pad(
        sites,
        1,
        **(
            {'mode': 'wrap'}
            if self._periodic
            else {'mode': 'constant', 'constant_values': -1}
        ),
    )
    around = np.stack(
        [
            padded[:-2, 1:-1],
            padded[2:, 1:-1],
            padded[1:-1, :-2],
            padded[1:-1, 2:],
        ],
        axis=-1,
    ).reshape([self.length, 4])
    return [row[row >= 0] for row in around]


def _invert(cumulative, uniform):
  """Draws by inversion of cumulative weights: `[size, S]` to `[size]`."""
  threshold = uniform * cumulative[:, -1:]
  return tf.reduce_sum(tf.cast(cumulative <= threshold, tf.int32), axis=1)
