"""The Donsker-Varadhan bound of mutual information, from samples."""

from typing import Any

import tensorflow as tf

from discrete_lvm.objectives import score_matrices


def donsker_varadhan_bound(
    scores: Any, mask: Any = None, name: str = 'donsker_varadhan_bound'
) -> tf.Tensor:
  """Computes `E f(x, y) - log E_{p(x) p(y)} exp f(x, y)` from K pairs.

  With exact expectations a lower bound of `I(x; y)`, the objective of MINE.
  From samples it is neither a lower nor an upper one: the logarithm of the mean
  over the `K (K - 1)` independent x and y is too small in expectation, so the
  result is too large by what `nwj_bound` pays in variance.

  Args:
    scores: Floating array or `Tensor`, shape `[..., K, K]`, in nats:
      `scores[..., i, j] = f(x_j, y_i)` of K pairs.
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
    >>> scores = tf.math.log([[6., 1.], [3., 6.]])
    >>> print(tf.exp(donsker_varadhan_bound(scores)).numpy().round(3))
    3.0

  References:
    Mohamed Ishmael Belghazi, Aristide Baratin, Sai Rajeswar, Sherjil Ozair,
    Yoshua Bengio, Aaron Courville, R Devon Hjelm. Mutual Information Neural
    Estimation. ICML 2018. https://arxiv.org/abs/1801.04062. Equation 5.

    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. I_DV.
  """
  with tf.name_scope(name):
    scores, mask = score_matrices.as_scores(scores, mask, min_size=2)
    joint = score_matrices.mean(tf.linalg.diag_part(scores), mask)
    return joint - score_matrices.independent_log_mean_exp(scores, mask)
