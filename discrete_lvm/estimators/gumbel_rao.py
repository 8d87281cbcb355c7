"""The Gumbel-Rao estimator."""

from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxation
from discrete_lvm.ops import counts


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class GumbelRao(relaxation.Relaxation):
  """Averages the gradient of straight-through Gumbel-Softmax, given its value.

  `objective(hard)`, `hard = one_hot(argmax(logits + gumbel))`, with
  `d hard := mean_s d softmax((logits + gumbel_s) / temperature)` over draws of
  the noise given that its argmax is `hard`

  Biased as `StraightThroughGumbelSoftmax` is, by exactly as much, with less
  variance: it is that estimator's mean given the sample, but for the number of
  draws. One evaluation of the objective, at an exact categorical sample.

  A departure from the paper: the draws are a Latin hypercube made from the
  noise itself (`ops.resample_noise`), not independent. Each has the same law,
  so that the mean is the same; they leave less variance, need no other noise,
  and the first is the noise, so that one resample is
  `StraightThroughGumbelSoftmax`.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`.
    num_resamples: Positive `int`, the number of draws.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not positive or `num_resamples` not a
      positive integer, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.GumbelRao(num_resamples=100)
    >>> noise = tf.constant([[0., 1.]])
    >>> estimator(tf.zeros([1, 2]), objective=lambda z: z[..., 0, 1],
    ...           noise=noise).numpy().item()
    1.0

  References:
    Max B. Paulus, Chris J. Maddison, Andreas Krause. Rao-Blackwellizing the
    Straight-Through Gumbel-Softmax Gradient Estimator. ICLR 2021.
    https://arxiv.org/abs/2010.04838. Section 3.
  """

  def __init__(
      self, temperature: float = 1.0, num_resamples: int = 10, **kwargs: Any
  ):
    super().__init__(temperature, **kwargs)
    counts.check_count(num_resamples, 'num_resamples')
    self._num_resamples = num_resamples

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    noise = ops.perturb(tf.zeros_like(logits), seed=seed, noise=noise)
    hard = ops.one_hot_argmax(logits + noise)
    noise = ops.resample_noise(logits, noise, hard, self._num_resamples)
    codes = ops.gumbel_rao(hard, logits, self.temperature.value, noise)
    return estimator.evaluate(objective, codes)

  def get_config(self):
    return {**super().get_config(), 'num_resamples': self._num_resamples}
