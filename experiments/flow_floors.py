"""What discrete flows can reach where the law of a symbol is known.

A flow of one direction, on a base of independent symbols, gives each context a
permutation of the `K` classes, whatever its depth and its networks. The law of
a class given its context is known here, so that the best permutations of a
family can be searched for, and the base beside them.
"""

import math
from typing import NamedTuple

import numpy as np

from experiments import ngrams

_MAX_ROUNDS = 200
_TOLERANCE = 1e-9


class Contexts(NamedTuple):
  """A class given its context.

  Attributes:
    probs: float64 array, shape `[contexts, K]`: the law of the class in each.
    weights: float64 array, shape `[contexts]`: how often each occurs; sum 1.
  """

  probs: np.ndarray
  weights: np.ndarray

  def entropy(self) -> float:
    """Returns the entropy of a class given its context, in bits."""
    return float(self.weights @ entropy_bits(self.probs))


def entropy_bits(probs: np.ndarray) -> np.ndarray:
  """Returns the entropy of distributions, in bits.

  Args:
    probs: Array of shape `[..., K]`.

  Returns:
    float64 array, shape `[...]`.

  Example:
    >>> entropy_bits(np.array([[0.5, 0.5], [0.0, 1.0]])).tolist()
    [1.0, 0.0]
  """
  return np.sum(-probs * np.log2(np.where(probs > 0, probs, 1)), axis=-1)


def ngram_contexts(
    codes: np.ndarray, order: int, num_classes: int = 27
) -> Contexts:
  """Returns the chain that an n-gram model of a text is.

  Args:
    codes: Integer codes of the text, shape `[size]`.
    order: Symbols of an n-gram, at least 2: the last given those before.
    num_classes: Number of classes `K`.

  Returns:
    `Contexts`, those of positive weight in the stationary law of the chain.

  Example:
    >>> chain = ngram_contexts(np.array([0, 1] * 50), 2, num_classes=2)
    >>> chain.weights.round(2).tolist(), round(chain.entropy(), 2)
    ([0.5, 0.5], 0.08)
  """
  probs = ngrams.kneser_ney(codes, order, num_classes)
  law = np.full([num_classes] * (order - 1), num_classes ** (1.0 - order))
  for _ in range(_MAX_ROUNDS):
    moved = np.sum(law[..., np.newaxis] * probs, axis=0)
    # Half of a step, for a chain of period two would not settle.
    moved = (law + moved) / 2
    if np.abs(moved - law).sum() < _TOLERANCE:
      break
    law = moved
  return Contexts(probs.reshape([-1, num_classes]), law.reshape(-1))


def between(chain: Contexts, distance: int) -> Contexts:
  """Returns the law of a class between two others, of a chain of bigrams.

  Args:
    chain: `ngram_contexts` of order 2: all `K` contexts.
    distance: Positions from the class to each of its neighbours.

  Returns:
    `Contexts`, one for each pair of neighbours.

  Example:
    >>> chain = Contexts(np.array([[0.9, 0.1], [0.1, 0.9]]), np.full(2, 0.5))
    >>> between(chain, 1).probs.round(2).tolist()
    [[0.99, 0.01], [0.5, 0.5], [0.5, 0.5], [0.01, 0.99]]
  """
  step = np.linalg.matrix_power(chain.probs, distance)
  both = step @ step
  laws = step[:, np.newaxis, :] * step.T / both[..., np.newaxis]
  weights = chain.weights[:, np.newaxis] * both
  return Contexts(laws.reshape([-1, len(step)]), weights.reshape(-1))


def frequent(contexts: Contexts, least: float = 1e-7) -> Contexts:
  """Leaves out contexts that hardly ever occur, to save time.

  Args:
    contexts: `Contexts`.
    least: Weight that a context must have.

  Returns:
    `Contexts`, of weights that sum to one again.
  """
  chosen = contexts.weights > least
  weights = contexts.weights[chosen]
  return Contexts(contexts.probs[chosen], weights / weights.sum())


def rank_floor(contexts: Contexts) -> float:
  """Returns what the best permutations leave, all of them being allowed.

  For a base of falling probabilities no permutation of a class is better than
  to sort it by its law in the context, by the rearrangement inequality; and of
  sorted classes the mean is the best base. So this is the least of all: the
  entropy of the rank. It is what Shannon's guessing game gives as upper bound.

  Args:
    contexts: `Contexts`.

  Returns:
    Bits a symbol.

  Example:
    >>> known = Contexts(np.array([[0.9, 0.1], [0.2, 0.8]]), np.full(2, 0.5))
    >>> round(rank_floor(known), 3), round(known.entropy(), 3)
    (0.61, 0.595)

  References:
    Claude E. Shannon. Prediction and Entropy of Printed English. Bell System
    Technical Journal 30(1), 1951. Equation 17.
  """
  ranked = np.sort(contexts.probs, axis=-1)[:, ::-1]
  return float(entropy_bits(contexts.weights @ ranked))


def confidence_floor(contexts: Contexts, num_groups: int) -> float:
  """Returns what ranks leave if the base knows how sure a prediction is.

  Args:
    contexts: `Contexts`.
    num_groups: Groups of contexts, of equal weight and like entropy, each of
      which has a base of its own.

  Returns:
    Bits a symbol; `rank_floor` where there is one group.
  """
  order = np.argsort(entropy_bits(contexts.probs))
  ranked = np.sort(contexts.probs[order], axis=-1)[:, ::-1]
  weights = contexts.weights[order]
  ends = np.cumsum(weights) / weights.sum()
  groups = np.minimum((ends * num_groups).astype(int), num_groups - 1)
  bits = 0.0
  for group in np.unique(groups):
    chosen = groups == group
    total = weights[chosen].sum()
    if total > 0:
      law = weights[chosen] @ ranked[chosen] / total
      bits += total * float(entropy_bits(law))
  return bits


def affine_maps(num_classes: int, with_scale: bool = False) -> np.ndarray:
  """Lists the maps of classes of a modular flow.

  Args:
    num_classes: Number of classes `K`.
    with_scale: Whether there are scales, coprime with `K`, beside the shifts.

  Returns:
    int array, shape `[maps, K]`: a row sends class k to its k-th element.

  Example:
    >>> affine_maps(3).tolist()
    [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    >>> len(affine_maps(6, with_scale=True))  # 6 shifts, 2 scales.
    12
  """
  classes = np.arange(num_classes)
  scales = [1]
  if with_scale:
    scales = [s for s in classes if math.gcd(s, num_classes) == 1]
  return np.concatenate(
      [
          (s * classes + shifts) % num_classes
          for s in scales
          for shifts in [classes[:, np.newaxis]]
      ]
  )


def map_floor(
    contexts: Contexts, maps: np.ndarray, num_starts: int = 4, seed: int = 0
) -> float:
  """Searches for the best of some maps in each context, and the best base.

  The best map given the base and the best base given the maps, in turn, until
  nothing changes: no round is worse than the last. The floor is at most the
  result, and at least `rank_floor`.

  Args:
    contexts: `Contexts`.
    maps: As of `affine_maps`.
    num_starts: First bases: the likeliest class of all contexts on top of each
      other, the law of the classes, and then random ones.
    seed: Python `int`, seed of the random ones.

  Returns:
    Bits a symbol, the least of all starts.
  """
  rng = np.random.default_rng(seed)
  num_classes = contexts.probs.shape[-1]
  top = np.argmax(contexts.probs, axis=-1)
  classes = np.arange(num_classes)
  aligned = np.take_along_axis(
      contexts.probs, (top[:, np.newaxis] + classes) % num_classes, axis=-1
  )
  starts = [contexts.weights @ aligned, contexts.weights @ contexts.probs]
  while len(starts) < num_starts:
    starts.append(rng.dirichlet(np.full(num_classes, 0.5)))
  return min(_descend(contexts, maps, q) for q in starts[:num_starts])


def _descend(contexts, maps, base):
  probs, weights = contexts
  best = math.inf
  for _ in range(_MAX_ROUNDS):
    costs = -np.log2(np.maximum(base, 1e-12))[maps]
    chosen = np.argmin(probs @ costs.T, axis=-1)
    # How often each class meets each map.
    joint = np.zeros(maps.shape)
    np.add.at(joint, chosen, weights[:, np.newaxis] * probs)
    base = np.zeros(maps.shape[-1])
    np.add.at(base, maps, joint)
    bits = float(entropy_bits(base))
    if best - bits < 1e-6:
      return min(best, bits)
    best = bits
  return best
