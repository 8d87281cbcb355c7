"""The estimator DisARM, also known as U2G."""

import keras

from discrete_lvm.estimators import antithetic_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class DisARM(antithetic_estimator.AntitheticEstimator):
  """Integrates the uniform out of `ARM`, given its two codes; for K = 2 alone.

  With `t = logits[1] - logits[0]`, a code b and its antithetic b~, the gradient
  for `t` is
  `1/2 (objective(b) - objective(b~)) (-1)^{b~} 1[b != b~] sigmoid(|t|)`

  Unbiased, for any objective, and of less variance than `ARM`. Two evaluations
  of the objective, for all of the N latents.

  Args:
    num_samples: As for `ARM`.
    importance_weighted: As for `ARM`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If K is not 2, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.DisARM()
    >>> logits = tf.Variable([[0., 0.]])
    >>> noise = tf.math.log([[1., 4.]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(
    ...       logits, objective=lambda z: 6. * z[..., 0, 1], noise=noise)
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().tolist()
    (3.0, [[-1.5, 1.5]])

  References:
    Zhe Dong, Andriy Mnih, George Tucker. DisARM: An Antithetic Gradient
    Estimator for Binary Latent Variables. NeurIPS 2020.
    https://arxiv.org/abs/2006.10680. The estimator of Section 3.
    Mingzhang Yin, Nhat Ho, Bowei Yan, Xiaoning Qian, Mingyuan Zhou.
    Probabilistic Best Subset Selection via Gradient-Based Optimization. 2020.
    https://arxiv.org/abs/2006.06448. U2G.
  """

  def _decisions(self, num_classes):
    return antithetic_estimator.binary_decision(num_classes)
