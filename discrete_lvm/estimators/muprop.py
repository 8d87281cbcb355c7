"""The MuProp estimator."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class MuProp(estimator.Estimator):
  """Takes off the score function a Taylor expansion at the mean, and adds it.

  `f(x)` with `x` an exact sample, `p = softmax(logits)` and `f` the objective,
  plus for the logits the gradient
  `(f(x) - f(p) - f'(p) (x - p)) * d log q(x) / d logits + f'(p) dp / d logits`

  Unbiased, for any objective that is differentiable in relaxed codes; without
  variance where it is linear. The expansion passes no gradient to what the
  objective depends on. Two evaluations of the objective a sample, one of them
  at the mean.

  Args:
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: As `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.MuProp()
    >>> logits = tf.Variable([[0., 0.]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(logits, objective=lambda z: 6. * z[..., 0, 1],
    ...                     noise=tf.constant([[0., 1.]]))
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().tolist()
    (6.0, [[-1.5, 1.5]])

  References:
    Shixiang Gu, Sergey Levine, Ilya Sutskever, Andriy Mnih. MuProp: Unbiased
    Backpropagation for Stochastic Neural Networks. ICLR 2016.
    https://arxiv.org/abs/1511.05176. Section 3.
  """

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    codes = ops.sample_one_hot(logits, seed=seed, noise=noise)
    values = estimator.evaluate(objective, codes)
    score = ops.categorical_score(codes, tf.stop_gradient(logits))
    probs = codes - score
    at_mean, slopes = estimator.evaluate_with_slopes(objective, probs)
    surprise = values - at_mean - tf.reduce_sum(slopes * score, axis=[-2, -1])
    mean_slope = tf.reduce_sum(probs * slopes, axis=-1, keepdims=True)
    gradient = surprise[..., tf.newaxis, tf.newaxis] * score
    gradient += probs * (slopes - mean_slope)
    return ops.with_logits_gradient(values, logits, gradient)
