"""The noise-contrastive lower bound of mutual information."""

import math
from typing import Any

import tensorflow as tf

from discrete_lvm.objectives import score_matrices


def info_nce_bound(
    scores: Any, mask: Any = None, name: str = 'info_nce_bound'
) -> tf.Tensor:
  """Computes the mean over i of `f_ii - log mean_j exp f_ij`, of K pairs.

  Its expectation is a lower bound of `I(x; y)`, of low variance, but it is
  never above `log K`, whatever the information. Equal up to that at `f = log
  p(y | x) + c(y)`, for any c. Of `scores[..., i, j] = log p(y_i | x_j)` it is
  the lower bound for a known conditional distribution, beside
  `leave_one_out_upper_bound`. To classify y for each x instead, transpose the
  scores.

  Args:
    scores: Floating array or `Tensor`, shape `[..., K, K]`, in nats:
      `scores[..., i, j] = f(x_j, y_i)` of K pairs.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are; by
      default all. K counts these. What is not there may be NaN.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats, at most `log K`; float32 at the least. NaN
    without pairs.

  Raises:
    ValueError: If `scores` is not square, or `mask` is not boolean or not of K.

  Example:
    >>> print(tf.exp(info_nce_bound([[99., 0.], [0., 99.]])).numpy())
    2.0

  References:
    Aaron van den Oord, Yazhe Li, Oriol Vinyals. Representation Learning with
    Contrastive Predictive Coding. 2018. https://arxiv.org/abs/1807.03748.

    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. I_NCE.
  """
  with tf.name_scope(name):
    scores, mask = score_matrices.as_scores(scores, mask)
    own = tf.linalg.diag_part(scores)
    # Taken off before the sum: the own term then is exactly one, so that no
    # value can round to above log K.
    unit = tf.where(own > -math.inf, own, tf.zeros_like(own))
    log_sum = tf.reduce_logsumexp(
        score_matrices.present(scores - unit[..., tf.newaxis], mask), axis=-1
    )
    log_size = tf.math.log(score_matrices.count(mask, scores.dtype))
    return log_size + score_matrices.mean(own - unit - log_sum, mask)
