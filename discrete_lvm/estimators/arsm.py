"""The estimator augment-REINFORCE-swap-merge."""

import keras

from discrete_lvm.estimators import swap_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class ARSM(swap_estimator.SwapEstimator):
  """Merges `ARS` over all references.

  With `codes(c, j)` the argmin of `pi_k exp(-logits_k)`, `pi ~ Dirichlet(1)`,
  after classes c and j have swapped their `pi`, the gradient for `logits_c` is
  `sum_j (objective(codes(c, j)) - mean_m objective(codes(m, j))) (1/K - pi_j)`

  Unbiased, for any objective; `ARM` for K = 2. `K (K - 1) / 2 + 1` evaluations
  of the objective, for all of the N latents, which swap together.

  Args:
    num_samples: Number of samples S of an example, at least 1. The objective
      gets all codes of each, `[K (K - 1) / 2 + 1, ..., N, K]`, with S after
      the first dimension if it is above 1, or before it if
      `importance_weighted`.
    importance_weighted: As for `Estimator`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: As `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.ARSM()
    >>> logits = tf.Variable([[0., 0., 0.]])
    >>> noise = -tf.math.log([[3., 2., 1.]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(
    ...       logits, objective=lambda z: 9. * z[..., 0, 2], noise=noise)
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().round(4)
    (4.5, array([[-1., -1.,  2.]], dtype=float32))

  References:
    Mingzhang Yin, Yuguang Yue, Mingyuan Zhou. ARSM: Augment-REINFORCE-Swap-
    Merge Estimator for Gradient Backpropagation Through Categorical Variables.
    ICML 2019. https://arxiv.org/abs/1905.01413. The ARSM estimator.
  """

  def _references(self, num_classes):
    return range(num_classes)
