"""The slope-annealed straight-through estimator."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxation


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class SlopeAnnealedStraightThrough(relaxation.Relaxation):
  """Steepens the logits in the sample's law and in its gradient alike.

  `objective(hard)`, `hard = one_hot(argmax(logits / temperature + gumbel))`,
  with `d hard := d softmax(logits / temperature)`

  A schedule lowers `temperature`, and so raises the slope `1 / temperature`,
  until the mean is as good as hard and agrees with the sample. As in the
  stochastic units of the paper the slope is part of the model: the sample has
  the law `softmax(logits / temperature)`, and that law's expectation is what
  the gradient estimates. Models take it from `law_logits` for what they
  evaluate, and so does whoever has no model. Who wants the law to stay that of
  `logits`, and only the gradient to steepen, anneals the temperature of
  `StraightThrough`.

  Biased, but for an objective that is linear in each latent. One evaluation of
  the objective.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not positive, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.SlopeAnnealedStraightThrough()
    >>> noise = tf.constant([[0., 1.]])
    >>> estimator(tf.zeros([1, 2]), objective=lambda z: z[..., 0, 1],
    ...           noise=noise).numpy().item()
    1.0

  References:
    Junyoung Chung, Sungjin Ahn, Yoshua Bengio. Hierarchical Multiscale
    Recurrent Neural Networks. ICLR 2017. https://arxiv.org/abs/1609.01704.
    Section 2.3, for binary units with a hard sigmoid.
  """

  def law_logits(self, logits: tf.Tensor) -> tf.Tensor:
    return logits / tf.cast(self.temperature.value, logits.dtype)

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    logits = self.law_logits(logits)
    hard = ops.sample_one_hot(logits, seed=seed, noise=noise)
    codes = ops.straight_through(hard, tf.nn.softmax(logits))
    return estimator.evaluate(objective, codes)
