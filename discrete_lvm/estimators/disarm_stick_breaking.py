"""DisARM over the sticks of a categorical variable."""

import keras

from discrete_lvm import ops
from discrete_lvm.estimators import antithetic_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class DisARMStickBreaking(antithetic_estimator.AntitheticEstimator):
  """`DisARM` for the decisions "a later class?", of one class after another.

  With the decisions `b_k`, their antithetic `b~_k`, their log-odds `t_k` and
  `d = 1/2 (objective(codes) - objective(antithetic codes))`, the gradient for
  `t_k` is

  - `d (-1)^{b~_k} 1[b_k != b~_k] sigmoid(|t_k|)` where both codes pass k,
  - `d (b_k - sigmoid(t_k))` where the first alone does,
  - `-d (b~_k - sigmoid(t_k))` where the second alone does, and 0 elsewhere.

  That of the logits follows by the chain rule. The decisions that a code does
  not pass are integrated out: only codes count. Unbiased, for any objective;
  `DisARM` for K = 2. Two evaluations of the objective, for all of the N
  latents. The variance depends on the order of the classes, which is as they
  come.

  Args:
    num_samples: As for `ARM`.
    importance_weighted: As for `ARM`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: As `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.DisARMStickBreaking()
    >>> logits = tf.Variable([[0., 0., 0.]])
    >>> noise = tf.math.log([[1., 2., 4.]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(
    ...       logits, objective=lambda z: 6. * z[..., 0, 2], noise=noise)
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().round(4)
    (3.0, array([[-2. , -0.5,  2.5]], dtype=float32))

  References:
    Zhe Dong, Andriy Mnih, George Tucker. Coupled Gradient Estimators for
    Discrete Latent Variables. NeurIPS 2021. https://arxiv.org/abs/2106.08056.
    DisARM-SB.
  """

  def _decisions(self, num_classes):
    return ops.stick_breaking_decisions(num_classes)
