"""Variational inference for Monte Carlo objectives."""

import keras

from discrete_lvm import ops
from discrete_lvm.estimators import score_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class VIMCO(score_estimator.ScoreEstimator):
  """Credits each sample with what it adds to the bound of all.

  `L = -log mean_s exp(-f_s)` with `f_s = objective(codes_s)`, plus for the
  logits the gradient `sum_s (L - L_s) * d log q(codes_s) / d logits`, where
  `L_s` is `L` with `f_s` replaced by the mean of the others

  Unbiased for the expectation of the bound `L`, for any objective: `-log w` in
  a variational autoencoder. S evaluations of the objective. Nothing is
  subtracted on the way to `L_s`, so that it is stable for any weights.

  Args:
    num_samples: Number of samples S of an example, at least 2.
    importance_weighted: Must be True; `LeaveOneOut` is for the mean.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If `num_samples` is not an `int` of at least 2, if
      `importance_weighted` is not True, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.VIMCO(num_samples=2)
    >>> logits = tf.Variable([[0., 0.]])
    >>> noise = tf.constant([[[1., 0.]], [[0., 1.]]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(logits, objective=lambda z: -tf.math.log(
    ...       1. + 2. * z[..., 0, 1]), noise=noise)
    >>> print(f'{value:.3f}')  # The weights are 1 and 3.
    -0.693
    >>> print(tape.gradient(value, logits).numpy().round(3))
    [[ 0.549 -0.549]]

  References:
    Andriy Mnih, Danilo Rezende. Variational Inference for Monte Carlo
    Objectives. ICML 2016. https://arxiv.org/abs/1602.06725. Equations 10
    and 11.
  """

  min_num_samples = 2

  def __init__(
      self, num_samples: int = 2, importance_weighted: bool = True, **kwargs
  ):
    super().__init__(num_samples, importance_weighted, **kwargs)
    if not importance_weighted:
      raise ValueError(
          'Expected `importance_weighted` to be True for a bound; received '
          f'{importance_weighted}.'
      )

  def _signals(self, samples, **context):
    del context
    without = -ops.leave_one_out_log_mean_exp(-samples, geometric=True)
    return self._costs(samples) - without
