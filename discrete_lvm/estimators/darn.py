"""The estimator of deep autoregressive networks."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class DARN(estimator.Estimator):
  """Weighs the score of each latent with the slope from uniform codes.

  `objective(hard)`, `hard = one_hot(argmax(logits + gumbel))`, with
  `d hard := (hard - 1 / K) d log q(hard)`

  The signal of a latent is the objective less its Taylor expansion at the
  sample, taken at the uniform code. What that expansion adds to the mean is
  left out, so that the estimator is biased; for two classes it is exact for an
  objective that is quadratic in each latent, for more if it is linear in each.
  One evaluation of the objective.

  The literature has two classes, where the uniform code is the number 1/2 that
  gave it the name of 1/2-estimator. For more the Gumbel-Softmax paper reports
  figures, but no formula: the uniform code is the choice made here.

  Args:
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: As `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.DARN()
    >>> logits = tf.Variable([[0., 0.]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(logits, objective=lambda z: 6. * z[..., 0, 1]**2,
    ...                     noise=tf.constant([[0., 1.]]))
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().tolist()
    (6.0, [[-3.0, 3.0]])

  References:
    Karol Gregor, Ivo Danihelka, Andriy Mnih, Charles Blundell, Daan Wierstra.
    Deep AutoRegressive Networks. ICML 2014. https://arxiv.org/abs/1310.8499.
    Shixiang Gu, Sergey Levine, Ilya Sutskever, Andriy Mnih. MuProp: Unbiased
    Backpropagation for Stochastic Neural Networks. ICLR 2016.
    https://arxiv.org/abs/1511.05176. The 1/2-estimator.
  """

  _is_pathwise = True

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    hard = ops.sample_one_hot(logits, seed=seed, noise=noise)
    log_q = ops.one_hot_log_prob(hard, logits)[..., tf.newaxis]
    codes = ops.straight_through(hard, (hard - 1 / logits.shape[-1]) * log_q)
    return estimator.evaluate(objective, codes)
