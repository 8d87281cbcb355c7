"""The score-function estimator with a moving average as its baseline."""

import keras

from discrete_lvm.estimators import moving_moments
from discrete_lvm.estimators import score_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class MovingAverageBaseline(score_estimator.ScoreEstimator):
  """Weighs the score with the objective less the average of past values.

  `objective(codes)`, plus for the logits the gradient
  `(objective(codes) - c) * d log q(codes) / d logits`, with `c` the moving
  average of what earlier calls returned

  Unbiased, for any objective: the values of a call enter `c` after it was used.
  (Where a baseline takes in the cost that it is subtracted from, as it is
  often written, the estimate is biased towards 0.) So it is but for the inner
  of two layers whose outer estimator evaluates its objective more than once in
  turn, as `MuProp` does: the first evaluation enters the baseline of the next.
  One evaluation of the objective a sample.

  Args:
    decay: Share of the past that stays in `c` at a call, in [0, 1).
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `decay` is not in [0, 1), or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.MovingAverageBaseline()
    >>> logits = tf.Variable([[0., 0.]])
    >>> for _ in range(2):  # The second time, the cost is no news.
    ...   with tf.GradientTape() as tape:
    ...     value = estimator(logits, objective=lambda z: 6. * z[..., 0, 1],
    ...                       noise=tf.constant([[0., 1.]]))
    ...   print(tape.gradient(value, logits).numpy() + 0.)
    [[-3.  3.]]
    [[0. 0.]]

  References:
    Ronald J. Williams. Simple Statistical Gradient-Following Algorithms for
    Connectionist Reinforcement Learning. Machine Learning 8, 1992.
    https://doi.org/10.1007/BF00992696. Equation 11.
  """

  def __init__(self, decay: float = 0.9, **kwargs):
    super().__init__(**kwargs)
    self._moments = moving_moments.MovingMoments(decay)

  def _signals(self, samples, **context):
    del context
    return self._costs(samples) - self._moments.mean

  def _take_in(self, values, **context):
    if context.get('training', True):
      self._moments.update(values)

  def get_config(self):
    return {**super().get_config(), 'decay': self._moments.decay}
