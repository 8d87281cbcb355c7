"""The estimator augment-REINFORCE-merge."""

import keras
import tensorflow as tf

from discrete_lvm.estimators import antithetic_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class ARM(antithetic_estimator.AntitheticEstimator):
  """Merges REINFORCE at a uniform and at its mirror image; for K = 2 alone.

  With `t = logits[1] - logits[0]`, the gradient for `t` is
  `(objective(1[u > sigmoid(-t)]) - objective(1[u < sigmoid(t)])) (u - 1/2)`

  Unbiased, for any objective. Two evaluations of the objective, for all of the
  N latents. `DisARM` has less variance at the same cost.

  Args:
    num_samples: Number of samples S of an example, at least 1. The objective
      gets two codes of each, `[2, ..., N, K]` or `[2, S, ..., N, K]`; or
      `[S, 2, ..., N, K]` if `importance_weighted`: a sample is then a pair of S
      codes.
    importance_weighted: As for `Estimator`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If K is not 2, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.ARM()
    >>> logits = tf.Variable([[0., 0.]])
    >>> noise = tf.math.log([[1., 4.]])  # u = 4 / (1 + 4).
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(
    ...       logits, objective=lambda z: 6. * z[..., 0, 1], noise=noise)
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().round(4)
    (3.0, array([[-1.8,  1.8]], dtype=float32))

  References:
    Mingzhang Yin, Mingyuan Zhou. ARM: Augment-REINFORCE-Merge Gradient for
    Stochastic Binary Networks. ICLR 2019. https://arxiv.org/abs/1807.11143.
    Theorem 1.
  """

  def _decisions(self, num_classes):
    return antithetic_estimator.binary_decision(num_classes)

  def _weights(self, codes, antithetic_codes, logistic, log_odds, decisions):
    del codes, antithetic_codes, log_odds, decisions
    return tf.tanh(logistic / 2)  # 2 u - 1.
