"""A lower bound of mutual information with a baseline for the partition sum."""

from typing import Any

import tensorflow as tf

from discrete_lvm.objectives import score_matrices
from discrete_lvm.ops import floats


def tuba_bound(
    scores: Any,
    log_baseline: Any,
    mask: Any = None,
    name: str = 'tuba_bound',
) -> tf.Tensor:
  """Computes `E f(x, y) - E_y[Z(y) / a(y) + log a(y) - 1]` from K pairs.

  With `Z(y) = E_{p(x)} exp f(x, y)` from the x of the other pairs. Its
  expectation is a lower bound of `I(x; y)` for any critic f and any positive
  baseline a, and equal where `f = log p(x | y) / p(x) + log a(y)`. Its variance
  is as large as the exponential of the information.

  Args:
    scores: Floating array or `Tensor`, shape `[..., K, K]`, in nats:
      `scores[..., i, j] = f(x_j, y_i)` of K pairs.
    log_baseline: Number, or floating array or `Tensor`, shape `[..., K]`, in
      nats: `log a(y_i)`. It may depend on its own y, but on no x.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are; by
      default all. What is not there may be NaN.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least. NaN with fewer than
    two pairs.

  Raises:
    ValueError: If `scores` is not square or known to have fewer than two pairs,
      or `log_baseline` or `mask` is not of K, or `mask` not boolean.

  Example:
    >>> scores = [[2., 0.], [0., 2.]]
    >>> print(tuba_bound(scores, log_baseline=0.).numpy())
    2.0

  References:
    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. I_TUBA.
  """
  with tf.name_scope(name):
    scores, log_baseline = floats.common_floats(scores, log_baseline)
    scores, mask = score_matrices.as_scores(scores, mask, min_size=2)
    scores -= score_matrices.as_rows(log_baseline, scores, mask)
    joint = score_matrices.mean(tf.linalg.diag_part(scores), mask)
    log_mean = score_matrices.independent_log_mean_exp(scores, mask)
    return 1 + joint - tf.exp(log_mean)
