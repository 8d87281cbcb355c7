"""An upper bound of mutual information for a known conditional distribution."""

from typing import Any

import tensorflow as tf

from discrete_lvm.objectives import score_matrices


def leave_one_out_upper_bound(
    log_conditional: Any,
    mask: Any = None,
    name: str = 'leave_one_out_upper_bound',
) -> tf.Tensor:
  """Computes the mean over i of `log p(y_i|x_i) - log mean_{j!=i} p(y_i|x_j)`.

  Its expectation over K pairs is an upper bound of `I(x; y)`, since the other x
  make an unbiased estimate of `p(y_i)`, whose logarithm is too small. It needs
  no model of y. With the own x in the mean, too, it is a lower bound:
  `info_nce_bound` of the same matrix. The two differ by the less the more pairs
  there are, and make a bracket for an encoder `p(z | x)`.

  Args:
    log_conditional: Floating array or `Tensor`, shape `[..., K, K]`, in nats:
      `log_conditional[..., i, j] = log p(y_i | x_j)` of K pairs, exact.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are; by
      default all. What is not there may be NaN.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least. NaN with fewer than
    two pairs.

  Raises:
    ValueError: If `log_conditional` is not square or known to have fewer than
      two pairs, or `mask` is not boolean or not of K.

  Example:
    >>> log_p = tf.math.log([[.9, .1], [.1, .9]])
    >>> print(leave_one_out_upper_bound(log_p).numpy().round(3))
    2.197
    >>> print(dlvm.objectives.info_nce_bound(log_p).numpy().round(3))
    0.588

  References:
    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. The upper bound of a minibatch.
  """
  with tf.name_scope(name):
    scores, mask = score_matrices.as_scores(
        log_conditional, mask, min_size=2, name='log_conditional'
    )
    own = tf.linalg.diag_part(scores)
    log_sum = tf.reduce_logsumexp(
        score_matrices.present_others(scores, mask), axis=-1
    )
    log_size = tf.math.log(score_matrices.count(mask, scores.dtype) - 1)
    return score_matrices.mean(own - log_sum, mask) + log_size
