"""A continuum of lower bounds of mutual information, by bias and variance."""

import math
from typing import Any

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.objectives import score_matrices
from discrete_lvm.ops import floats


def interpolated_bound(
    scores: Any,
    alpha: Any,
    log_baseline: Any = 1.0,
    mask: Any = None,
    name: str = 'interpolated_bound',
) -> tf.Tensor:
  """Computes I_alpha, between `tuba_bound` at 0 and InfoNCE at 1.

  A baseline for the partition sum from M = K - 1 of the x and from y alone:

      1 + E log u(x_1, y) - E_{p(y)} u(x_1, y),
      u = exp f(x_1, y) / (alpha mean_m exp f(x_m, y) + (1 - alpha) a(y))

  where in the first expectation y belongs to x_1, and in the second to none of
  `x_1, ..., x_M`. So of the x of a batch one is left out in the first, each in
  turn, and that of y itself in the second. The expectation is a lower bound of
  `I(x; y)` for any critic, baseline and alpha; more of alpha is more bias and
  less variance. At 1 it is InfoNCE of M pairs.

  In the first `u` is at most `M / alpha`, and in the second it is positive, so
  that the bound is never above `1 + log(M / alpha)`. Without the 1, as is often
  said, this holds at alpha = 1, where the second expectation is 1, but not
  below, where it may be near 0: of much information the best critic is above.

  Args:
    scores: Floating array or `Tensor`, shape `[..., K, K]`, in nats:
      `scores[..., i, j] = f(x_j, y_i)` of K pairs.
    alpha: Number or scalar `Tensor`, from 0 to 1.
    log_baseline: Number, or floating array or `Tensor`, shape `[..., K]`, in
      nats: `log a(y_i)`. It may depend on its own y, but on no x. By default
      that of `nwj_bound`.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are; by
      default all. K counts these. What is not there may be NaN.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least. NaN with fewer than
    two pairs.

  Raises:
    ValueError: If `scores` is not square or known to have fewer than two pairs,
      if `log_baseline` or `mask` is not of K, or `mask` not boolean, or if
      `alpha` is no scalar or statically not in [0, 1].

  Example:
    >>> scores = [[3., 1., 1.], [1., 3., 1.], [1., 1., 3.]]
    >>> for alpha in (0., .5, 1.):
    ...   print(f'{interpolated_bound(scores, alpha):.3f}')
    2.000
    1.046
    0.566

  References:
    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. I_alpha.
  """
  with tf.name_scope(name):
    alpha = tf.convert_to_tensor(alpha)
    if alpha.shape.rank not in (None, 0):
      raise ValueError(
          f'Expected a scalar `alpha`; received shape {alpha.shape}.'
      )
    value = tf.get_static_value(alpha)
    if value is not None and not 0 <= value <= 1:
      raise ValueError(f'Expected `alpha` from 0 to 1; received {value}.')
    scores, alpha, log_baseline = floats.common_floats(
        scores, alpha, log_baseline
    )
    scores, mask = score_matrices.as_scores(scores, mask, min_size=2)
    # In units of the own term, which then adds exactly one to any sum, so that
    # no ratio can round to above M / alpha.
    own = tf.linalg.diag_part(scores)
    zero = tf.zeros([], scores.dtype)
    unit = tf.where(own > -math.inf, own, zero)[..., tf.newaxis]
    log_baseline = score_matrices.as_rows(log_baseline, scores, mask) - unit
    scores = score_matrices.present(scores - unit, mask)
    size = score_matrices.count(mask, scores.dtype)[..., tf.newaxis]
    # `[..., i, j]`: of the row i without its column j.
    log_means = ops.leave_one_out_log_sum_exp(scores) - tf.math.log(
        size[..., tf.newaxis] - 1
    )
    independent = score_matrices.independent(scores, mask)
    # What is not kept must not be infinite: its gradient would be NaN.
    log_interpolated = _log_interpolate(
        tf.where(independent, log_means, zero), log_baseline, alpha
    )
    kept = tf.where(independent, log_interpolated, zero)
    first = own - unit[..., 0] - tf.reduce_sum(kept, axis=-1) / (size - 1)
    others = tf.linalg.diag_part(log_means)
    # Guarded twice: where no x but its own goes with a y, the ratio is 0 / 0 at
    # an alpha of 1, where it is 1 for any others, and 0 below.
    has_others = others > -math.inf
    others = tf.where(has_others, others, zero)
    log_interpolated = _log_interpolate(others, log_baseline[..., 0], alpha)
    second = tf.where(
        has_others,
        tf.exp(others - log_interpolated),
        tf.where(alpha < 1, zero, 1),
    )
    return 1 + score_matrices.mean(first - second, mask)


def _log_interpolate(log_means, log_baseline, alpha):
  """Computes the logarithm of `alpha * mean + (1 - alpha) * baseline`."""
  return tf.reduce_logsumexp(
      [
          ops.safe_log(alpha) + log_means,
          ops.safe_log(1 - alpha) + log_baseline + tf.zeros_like(log_means),
      ],
      axis=0,
  )
