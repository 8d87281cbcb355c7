"""Distributions over a space small enough to list: everything is exact."""

import math
from typing import Any

import numpy as np
import tensorflow as tf


class Table:
  """A distribution of codes `[length]` of `K` classes, given cell by cell.

  Args:
    probs: Array of shape `[K] * length`, non-negative; normalised here.

  Raises:
    ValueError: If the axes differ in size, or `probs` is no distribution.

  Example:
    >>> table = Table(np.array([[3, 1], [0, 4]]))
    >>> table.log_prob([[0, 0], [1, 1]]).round(3)
    array([-0.981, -0.693])
    >>> table.sample(3, [0, 1]).shape
    TensorShape([3, 2])
  """

  def __init__(self, probs: np.ndarray):
    probs = np.asarray(probs, np.float64)
    if len(set(probs.shape)) != 1:
      raise ValueError(
          f'Expected axes of one size; received the shape {probs.shape}.'
      )
    total = probs.sum()
    if not (np.all(probs >= 0) and 0 < total < np.inf):
      raise ValueError('Expected non-negative probabilities of finite sum.')
    self._probs = probs / total
    # Float64: at 1e7 cells, float32 could not tell neighbours apart.
    self._cumulative = tf.constant(np.cumsum(self._probs))

  @property
  def length(self) -> int:
    """Number of positions of an event."""
    return self._probs.ndim

  @property
  def num_classes(self) -> int:
    """Number of classes `K` of a position."""
    return self._probs.shape[0]

  def sample(self, size: int, seed: Any) -> tf.Tensor:
    """Draws codes by inversion.

    Args:
      size: Number of events.
      seed: Integer `Tensor` or sequence, shape `[2]`.

    Returns:
      int32 `Tensor`, shape `[size, length]`, a function of the seed.
    """
    uniform = tf.random.stateless_uniform(
        [size], seed, dtype=tf.float64, alg='philox'
    )
    # The sum of all cells may round to a little above or below one.
    cells = tf.searchsorted(
        self._cumulative, uniform * self._cumulative[-1], side='right'
    )
    last = tf.cast(tf.size(self._cumulative) - 1, cells.dtype)
    return tf.transpose(
        tf.unravel_index(tf.minimum(cells, last), self._probs.shape)
    )

  def log_prob(self, codes: np.ndarray) -> np.ndarray:
    """Looks up log-probabilities.

    Args:
      codes: Integers, shape `[..., length]`.

    Returns:
      float64 array, shape `[...]`, in nats.
    """
    probs = self._probs[tuple(np.moveaxis(np.asarray(codes), -1, 0))]
    with np.errstate(divide='ignore'):
      return np.log(probs)

  def entropy(self) -> float:
    """Returns the entropy in nats."""
    # One cell in the logarithm's place for all those that add 0 log 0 = 0.
    logits = np.log(np.where(self._probs > 0, self._probs, 1))
    return -float(np.vdot(self._probs, logits))

  def factorized_entropy(self) -> float:
    """Returns the sum of the entropies of the positions, in nats.

    No factorised model comes closer to this distribution.
    """
    axes = range(self.length)
    return math.fsum(
        Table(self._probs.sum(tuple(a for a in axes if a != axis))).entropy()
        for axis in axes
    )
