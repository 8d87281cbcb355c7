"""Addition: the digits of a sum, given those of both summands."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

NUM_CLASSES = 10


class Addition:
  """The sum of two uniform numbers of `length` digits, modulo `10**length`.

  The event is the digits of the sum, the most significant one first. Its
  context at a position is the digits of both summands there. Given the whole
  context the sum is certain. Given the context up to a position, as a model
  from left to right has it, the carry from the right is not, which costs
  `left_to_right_entropy()`; from right to left nothing is left open.

  Args:
    length: Number of digits `D`.

  Example:
    >>> context, codes = Addition(3).sample(1, [0, 1])
    >>> context.shape, codes.shape
    (TensorShape([1, 3, 20]), TensorShape([1, 3]))

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 5.2.
  """

  def __init__(self, length: int):
    self._length = length

  @property
  def length(self) -> int:
    """Number of digits of an event."""
    return self._length

  @property
  def num_classes(self) -> int:
    """Number of classes of a digit: 10."""
    return NUM_CLASSES

  def sample(self, size: int, seed: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws pairs of summands and adds them.

    Args:
      size: Number of sums.
      seed: Integer `Tensor` or sequence, shape `[2]`.

    Returns:
      A pair, a function of the seed: the context, a float32 `Tensor` of shape
      `[size, length, 20]`, a one-hot digit of the first summand before one of
      the second; and the digits of the sum, an int32 `Tensor` of shape `[size,
      length]`.
    """
    summands = tf.random.stateless_uniform(
        [size, self._length, 2],
        seed,
        maxval=NUM_CLASSES,
        dtype=tf.int32,
        alg='philox',
    )
    one_hot = tf.one_hot(summands, NUM_CLASSES)
    context = tf.reshape(one_hot, [size, self._length, 2 * NUM_CLASSES])
    return context, add_digits(summands[..., 0], summands[..., 1])

  def entropy(self) -> float:
    """Returns the entropy of the sum given the whole context: 0 nats."""
    return 0.0

  def left_to_right_entropy(self) -> float:
    """Returns the least a causal model from left to right can reach, in nats.

    A carry into a place is open until the place to the right is seen, unless
    the digits of the place to the left add up to 9, so that they passed it on
    and it shows in the sum.
    """
    # carries[k]: probability of a carry out of k places.
    carries = [0.0]
    for _ in range(self._length - 1):
      carries.append(0.45 + 0.1 * carries[-1])
    *inner, first = (_binary_entropy(carry) for carry in carries)
    return first + 0.9 * math.fsum(inner)

  def factorized_entropy(self) -> float:
    """Returns the sum of the entropies of the digits, in nats: uniform."""
    return self._length * math.log(NUM_CLASSES)


def add_digits(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
  """Adds numbers digit by digit, without the carry out of the first place.

  Args:
    first: Integer `Tensor` of digits, shape `[..., length]`, the most
      significant one first.
    second: `Tensor` like `first`.

  Returns:
    `Tensor` like `first`.

  Example:
    >>> add_digits(tf.constant([9, 4, 5]), tf.constant([2, 5, 6])).numpy()
    array([2, 0, 1], dtype=int32)
  """
  digits = [tf.unstack(x, axis=-1) for x in (first, second)]
  sums, carry = [], 0
  for a, b in reversed(list(zip(*digits, strict=True))):
    total = a + b + carry
    sums.append(total % NUM_CLASSES)
    carry = total // NUM_CLASSES
  return tf.stack(sums[::-1], axis=-1)


def _binary_entropy(p):
  return -sum(q * np.log(q) for q in (p, 1 - p) if q > 0)
