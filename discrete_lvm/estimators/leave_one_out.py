"""The leave-one-out estimator."""

import keras

from discrete_lvm.estimators import score_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class LeaveOneOut(score_estimator.ScoreEstimator):
  """Compares each sample with the others of its example (RLOO).

  `mean_s f_s`, plus for the logits the gradient
  `mean_s (f_s - mean_{j != s} f_j) * d log q(codes_s) / d logits`, with
  `f_s = objective(codes_s)`

  Unbiased, for any objective, without a parameter; a constant added to the
  objective changes nothing. S evaluations of the objective. Importance
  weighted, the cost of every sample is the bound of all, and its baseline the
  bound of the others: `VIMCO` with an arithmetic mean.

  Args:
    num_samples: Number of samples S of an example, at least 2.
    importance_weighted: As for `Estimator`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If `num_samples` is not an `int` of at least 2, or as
      `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.LeaveOneOut(num_samples=2)
    >>> logits = tf.Variable([[0., 0.]])
    >>> noise = tf.constant([[[1., 0.]], [[0., 1.]]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(
    ...       logits, objective=lambda z: 100. + z[..., 0, 1], noise=noise)
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().tolist()
    (100.5, [[-0.5, 0.5]])

  References:
    Wouter Kool, Herke van Hoof, Max Welling. Buy 4 REINFORCE Samples, Get a
    Baseline for Free! ICLR 2019 workshop on Deep RL Meets Structured
    Prediction. https://openreview.net/forum?id=r1lgTGL5DE. Equation 3.
  """

  min_num_samples = 2

  def __init__(
      self, num_samples: int = 2, importance_weighted: bool = False, **kwargs
  ):
    super().__init__(num_samples, importance_weighted, **kwargs)

  def _signals(self, samples, **context):
    del context
    return self._costs(samples) - self._costs_of_others(samples)
