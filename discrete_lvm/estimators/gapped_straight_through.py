"""The gapped straight-through estimator."""

from typing import Any

import keras

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxation


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class GappedStraightThrough(relaxation.Relaxation):
  """Evaluates the objective at a hard sample, with logits moved to agree.

  `objective(hard)`, `hard = one_hot(argmax(logits + gumbel))`, with
  `d hard := d softmax((logits + m) / temperature)`, where the constant `m`
  raises the sample to the largest logit, and lowers the others to at most `gap`
  below that

  Biased. It has the two properties of straight-through Gumbel-Softmax that its
  paper finds to matter (the surrogate's argmax is the sample, by a margin)
  without the variance of its noise given the sample. One evaluation of the
  objective, at an exact categorical sample.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`.
    gap: Non-negative number, the margin in nats.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not positive or `gap` is negative, or as
      `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.GappedStraightThrough()
    >>> noise = tf.constant([[0., 1.]])
    >>> estimator(tf.zeros([1, 2]), objective=lambda z: z[..., 0, 1],
    ...           noise=noise).numpy().item()
    1.0

  References:
    Ting-Han Fan, Ta-Chung Chi, Alexander I. Rudnicky, Peter J. Ramadge.
    Training Discrete Deep Generative Models via Gapped Straight-Through
    Estimator. ICML 2022. https://arxiv.org/abs/2206.07235. The perturbations
    `m_1` and `m_2`.
  """

  def __init__(self, temperature: float = 1.0, gap: float = 1.0, **kwargs: Any):
    super().__init__(temperature, **kwargs)
    if not gap >= 0:
      raise ValueError(f'Expected a `gap` of at least 0; received {gap}.')
    self._gap = gap

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    hard = ops.sample_one_hot(logits, seed=seed, noise=noise)
    codes = ops.gapped_straight_through(
        hard, logits, self.temperature.value, self._gap
    )
    return estimator.evaluate(objective, codes)

  def get_config(self):
    return {**super().get_config(), 'gap': self._gap}
