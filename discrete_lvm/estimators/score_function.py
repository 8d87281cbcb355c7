"""The score-function estimator."""

import keras

from discrete_lvm.estimators import score_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class ScoreFunction(score_estimator.ScoreEstimator):
  """Weighs the score of an exact sample with the objective (REINFORCE).

  `objective(codes)`, plus for the logits the gradient
  `objective(codes) * d log q(codes) / d logits`

  Unbiased, for any objective. Its variance grows with the square of the
  objective's mean, which no baseline takes off here. One evaluation of the
  objective a sample.

  Args:
    num_samples: Number of samples S of an example, at least 1.
    importance_weighted: As for `Estimator`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: As `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.ScoreFunction()
    >>> logits = tf.Variable([[0., 0.]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(logits, objective=lambda z: 6. * z[..., 0, 1],
    ...                     noise=tf.constant([[0., 1.]]))
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().tolist()
    (6.0, [[-3.0, 3.0]])

  References:
    Ronald J. Williams. Simple Statistical Gradient-Following Algorithms for
    Connectionist Reinforcement Learning. Machine Learning 8, 1992.
    https://doi.org/10.1007/BF00992696. Equation 11, without baseline.
  """

  def _signals(self, samples, **context):
    del context
    return self._costs(samples)
