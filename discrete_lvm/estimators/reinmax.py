"""The ReinMax estimator."""

import keras

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxation


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class ReinMax(relaxation.Relaxation):
  """Evaluates the objective at a hard sample, with a second-order gradient.

  `objective(hard)`, `hard = one_hot(argmax(logits + gumbel))`, with
  `d hard := 2 J((hard + softmax(logits / temperature)) / 2) d logits
  - J(softmax(logits)) / 2 d logits`, `J(p) = diag(p) - p p^T`

  Biased, but for an objective that is quadratic in each latent at temperature
  1, where it averages the slopes at both ends of a step as Heun's method does;
  a higher temperature trades bias for variance. One evaluation of the
  objective, at an exact categorical sample.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not positive, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.ReinMax()
    >>> noise = tf.constant([[0., 1.]])
    >>> estimator(tf.zeros([1, 2]), objective=lambda z: z[..., 0, 1],
    ...           noise=noise).numpy().item()
    1.0

  References:
    Liyuan Liu, Chengyu Dong, Xiaodong Liu, Bin Yu, Jianfeng Gao. Bridging
    Discrete and Backpropagation: Straight-Through and Beyond. NeurIPS 2023.
    https://arxiv.org/abs/2304.08612. Algorithm 2.
  """

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    hard = ops.sample_one_hot(logits, seed=seed, noise=noise)
    codes = ops.reinmax(hard, logits, self.temperature.value)
    return estimator.evaluate(objective, codes)
