"""DisARM over a balanced tree of a categorical variable."""

import keras

from discrete_lvm import ops
from discrete_lvm.estimators import antithetic_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class DisARMTree(antithetic_estimator.AntitheticEstimator):
  """`DisARM` for the decisions of a balanced binary tree over the classes.

  The gradient for the log-odds of each decision is that of
  `DisARMStickBreaking`; only the tree is another. A code passes about
  `log2(K)` decisions, and at the one where two codes part each half of the
  classes meets the other. Unbiased, for any objective; `DisARM` for K = 2. Two
  evaluations of the objective, for all of the N latents.

  Args:
    num_samples: As for `ARM`.
    importance_weighted: As for `ARM`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: As `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.DisARMTree()
    >>> logits = tf.Variable([[0., 0., 0., 0.]])
    >>> noise = tf.math.log([[1., 2., 4., 8.]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(
    ...       logits, objective=lambda z: 8. * z[..., 0, 3], noise=noise)
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().round(4)
    (4.0, array([[-3.,  1., -1.,  3.]], dtype=float32))

  References:
    Zhe Dong, Andriy Mnih, George Tucker. Coupled Gradient Estimators for
    Discrete Latent Variables. NeurIPS 2021. https://arxiv.org/abs/2106.08056.
    DisARM-Tree.
  """

  def _decisions(self, num_classes):
    return ops.balanced_decisions(num_classes)
