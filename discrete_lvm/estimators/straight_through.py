"""The straight-through estimator."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxation


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class StraightThrough(relaxation.Relaxation):
  """Evaluates the objective at a hard sample, with the gradient of the mean.

  `objective(hard)`, `hard = one_hot(argmax(logits + gumbel))`, with
  `d hard := d softmax(logits / temperature)`

  Biased, but for an objective that is linear in each latent at temperature 1.
  One evaluation of the objective, at an exact categorical sample.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not positive, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.StraightThrough()
    >>> noise = tf.constant([[0., 1.]])
    >>> estimator(tf.zeros([1, 2]), objective=lambda z: z[..., 0, 1],
    ...           noise=noise).numpy().item()
    1.0

  References:
    Yoshua Bengio, Nicholas Leonard, Aaron Courville. Estimating or Propagating
    Gradients Through Stochastic Neurons. 2013.
    https://arxiv.org/abs/1308.3432.
  """

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    hard = ops.sample_one_hot(logits, seed=seed, noise=noise)
    soft = tf.nn.softmax(logits / self.temperature.value)
    return estimator.evaluate(objective, ops.straight_through(hard, soft))
