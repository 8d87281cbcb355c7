"""Mutual information by a critic that is trained on another divergence."""

from typing import Any

import tensorflow as tf

from discrete_lvm.objectives import score_matrices
from discrete_lvm.objectives.tuba_bound import tuba_bound


def jensen_shannon_objective(
    scores: Any, mask: Any = None, name: str = 'jensen_shannon_objective'
) -> tf.Tensor:
  """Computes what a critic V of `jensen_shannon_bound` maximises.

      -E softplus(-V(x, y)) - E_{p(x) p(y)} softplus(V(x, y))

  the log-likelihood of telling pairs from independent x and y by the logit V.
  Its optimum is `V = log p(x | y) / p(x)`, where it is `2 JS - log 4`, of the
  Jensen-Shannon divergence, and no estimate of the information. Its variance is
  small, whatever that is.

  Args:
    scores: Floating array or `Tensor`, shape `[..., K, K]`, in nats:
      `scores[..., i, j] = V(x_j, y_i)` of K pairs.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are; by
      default all. What is not there may be NaN.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least. NaN with fewer than
    two pairs.

  Raises:
    ValueError: If `scores` is not square or known to have fewer than two pairs,
      or `mask` is not boolean or not of K.

  Example:
    >>> print(tf.exp(jensen_shannon_objective(tf.zeros([3, 3]))).numpy())
    0.25

  References:
    Sebastian Nowozin, Botond Cseke, Ryota Tomioka. f-GAN: Training Generative
    Neural Samplers using Variational Divergence Minimization. NeurIPS 2016.
    https://arxiv.org/abs/1606.00709.

    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. I_JS.
  """
  with tf.name_scope(name):
    scores, mask = score_matrices.as_scores(scores, mask, min_size=2)
    joint = tf.nn.softplus(-tf.linalg.diag_part(scores))
    independent = tf.where(
        score_matrices.independent(scores, mask),
        tf.nn.softplus(scores),
        tf.zeros([], scores.dtype),
    )
    size = score_matrices.count(mask, scores.dtype)
    return -score_matrices.mean(joint, mask) - tf.reduce_sum(
        independent, axis=[-2, -1]
    ) / (size * (size - 1))


def jensen_shannon_bound(
    scores: Any, mask: Any = None, name: str = 'jensen_shannon_bound'
) -> tf.Tensor:
  """Computes `1 + E V(x, y) - E_{p(x) p(y)} exp V(x, y)` from K pairs.

  What to report of a critic V that `jensen_shannon_objective` trained: its
  expectation is a lower bound of `I(x; y)`, for any critic, and equal at the
  optimum of that objective. It is `nwj_bound` of `V + 1`. At V itself, as
  public code has it, that one would be `I - 1 / e` at this optimum.

  Args:
    scores: Floating array or `Tensor`, shape `[..., K, K]`, in nats:
      `scores[..., i, j] = V(x_j, y_i)` of K pairs.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are; by
      default all. What is not there may be NaN.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least. NaN with fewer than
    two pairs.

  Raises:
    ValueError: If `scores` is not square or known to have fewer than two pairs,
      or `mask` is not boolean or not of K.

  Example:
    >>> scores = tf.constant([[2., 0.], [0., 2.]])
    >>> print(jensen_shannon_bound(scores).numpy())
    2.0
    >>> print(dlvm.objectives.nwj_bound(scores + 1).numpy())
    2.0

  References:
    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. I_JS.
  """
  with tf.name_scope(name):
    return tuba_bound(scores, 0.0, mask)
