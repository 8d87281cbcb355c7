"""What estimators share that swap the noise of classes."""

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator


class SwapEstimator(estimator.Estimator):
  """Compares the objective at codes whose noise differs by a swap.

  Let `pi ~ Dirichlet(1)`, so that `argmin_k pi_k exp(-logits_k)` is an exact
  sample; of Gumbel noise, `pi = softmax(-noise)` is exactly that. With
  `codes(c, j)` the sample after classes c and j have swapped their `pi`, and a
  reference class j, the gradient for `logits_c` is

  `(objective(codes(c, j)) - mean_m objective(codes(m, j))) (1 - K pi_j)`

  or the mean of that over several references. All N latents swap together. As
  the classes of `pi` are exchangeable, each code is an exact sample, so that
  the value is the mean of the objective over the distinct swaps.

  Args:
    **kwargs: Arguments of `Estimator`.
  """

  def _check_event(self, logits_shape):
    self._references(logits_shape[-1])

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    num_classes = logits.shape[-1]
    references = self._references(num_classes)
    swaps, index = _swaps(num_classes, references)
    # The noise alone, drawn where there is none.
    noise = ops.perturb(tf.zeros_like(logits), seed=seed, noise=noise)
    swapped = tf.stack([tf.gather(noise, swap, axis=-1) for swap in swaps])
    codes = ops.one_hot_argmax(logits + swapped)
    samples = estimator.evaluate(objective, codes)
    # [K, number of references, ..., N]
    differences = tf.gather(samples - samples[0], index)
    differences -= tf.reduce_mean(differences, axis=0)
    pi = tf.gather(tf.nn.softmax(-noise), references, axis=-1)
    gradient = tf.einsum(
        'cr...,...nr->...nc', differences, 1.0 / num_classes - pi
    )
    scale = num_classes / len(references)
    return ops.with_logits_gradient(
        tf.reduce_mean(samples, axis=0), logits, scale * gradient
    )

  @abc.abstractmethod
  def _references(self, num_classes: int) -> Sequence[int]:
    """Returns the reference classes."""


def _swaps(num_classes, references):
  """Lists the distinct swaps of any class and a reference.

  Returns:
    Permutations of the classes, the identity first, and which of them swaps
    class c and reference r, an array `[K, number of references]`.
  """
  swaps = [list(range(num_classes))]
  positions = {}
  index = np.zeros([num_classes, len(references)], np.int32)
  for c in range(num_classes):
    for r, j in enumerate(references):
      pair = (min(c, j), max(c, j))
      if c != j and pair not in positions:
        swap = list(range(num_classes))
        swap[c], swap[j] = j, c
        positions[pair] = len(swaps)
        swaps.append(swap)
      index[c, r] = positions.get(pair, 0)
  return swaps, index
