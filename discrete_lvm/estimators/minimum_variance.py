"""The estimator of least variance with ReinMax's mean on quadratics."""

import keras

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxation


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class MinimumVariance(relaxation.Relaxation):
  """Evaluates the objective at a hard sample, with the least noisy ReinMax.

  `objective(hard)`, `hard = one_hot(argmax(logits + gumbel))`, with
  `d hard := W^T d logits`, where at temperature 1, for the sample of class `i`,
  `p = softmax(logits)` and the `C` of `ops.minimum_variance`, `W e_i = (e_i -
  p) / 2` and `W e_j = p_j / (p_i + p_j) C^T (e_j - e_i)`

  Biased, but for an objective that is quadratic in each latent at temperature
  1; where it is quadratic the bias at another temperature is that of ReinMax.
  Of all estimators with that mean it has the least `E[|W|^2]`, which is the
  variance averaged over the slopes of objectives; for one given objective
  ReinMax may well vary less. At two classes it is ReinMax. One evaluation of
  the objective, at an exact categorical sample, and the solution of one `K x K`
  linear system a latent: `O(K^3)` time and `O(K^2)` memory.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not positive, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.MinimumVariance()
    >>> noise = tf.constant([[0., 1.]])
    >>> estimator(tf.zeros([1, 2]), objective=lambda z: z[..., 0, 1],
    ...           noise=noise).numpy().item()
    1.0

  References:
    Liyuan Liu, Chengyu Dong, Xiaodong Liu, Bin Yu, Jianfeng Gao. Bridging
    Discrete and Backpropagation: Straight-Through and Beyond. NeurIPS 2023.
    https://arxiv.org/abs/2304.08612. For ReinMax, which this improves on.
  """

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    hard = ops.sample_one_hot(logits, seed=seed, noise=noise)
    codes = ops.minimum_variance(hard, logits, self.temperature.value)
    return estimator.evaluate(objective, codes)
