"""The estimator augment-REINFORCE-swap."""

import keras

from discrete_lvm.estimators import swap_estimator
from discrete_lvm.ops import counts


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class ARS(swap_estimator.SwapEstimator):
  """Compares codes in which each class has swapped noise with a reference j.

  With `codes(c)` the argmin of `pi_k exp(-logits_k)`, `pi ~ Dirichlet(1)`,
  after classes c and j have swapped their `pi`, the gradient for `logits_c` is
  `(objective(codes(c)) - mean_m objective(codes(m))) (1 - K pi_j)`

  Unbiased, for any objective; `ARM` for K = 2. K evaluations of the objective,
  for all of the N latents, which swap together. The factor K is felt in the
  variance, which `ARSM` lowers.

  Args:
    reference: Class j, at least 0.
    num_samples: Number of samples S of an example, at least 1. The objective
      gets all codes of each, as `[K, ..., N, K]` or `[K, S, ..., N, K]`; or
      `[S, K, ..., N, K]` if `importance_weighted`.
    importance_weighted: As for `Estimator`.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If `reference` is not an `int` of at least 0 or not below K, or
      as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.ARS()
    >>> logits = tf.Variable([[0., 0., 0.]])
    >>> noise = -tf.math.log([[3., 2., 1.]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(
    ...       logits, objective=lambda z: 6. * z[..., 0, 0], noise=noise)
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().round(4)
    (2.0, array([[ 1.,  1., -2.]], dtype=float32))

  References:
    Mingzhang Yin, Yuguang Yue, Mingyuan Zhou. ARSM: Augment-REINFORCE-Swap-
    Merge Estimator for Gradient Backpropagation Through Categorical Variables.
    ICML 2019. https://arxiv.org/abs/1905.01413. The ARS estimator.
  """

  def __init__(self, reference: int = 0, **kwargs):
    super().__init__(**kwargs)
    counts.check_count(reference, 'reference', minimum=0)
    self.reference = int(reference)

  def _references(self, num_classes):
    if self.reference >= num_classes:
      raise ValueError(
          f'Expected a `reference` below K = {num_classes}; received '
          f'{self.reference}.'
      )
    return [self.reference]

  def get_config(self):
    return {**super().get_config(), 'reference': self.reference}
