"""The Gumbel-Softmax estimator."""

import keras

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxation


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class GumbelSoftmax(relaxation.GumbelRelaxation):
  """Evaluates the objective at a relaxed sample, and differentiates through it.

  `objective(softmax((logits + gumbel) / temperature))`

  Biased for the categorical expectation, without bias for the relaxed one; the
  bias falls and the variance rises as the temperature falls. One evaluation of
  the objective. The values are those of the relaxed sample.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`.
    learn_temperature: Whether the temperature is trained with all else; then
      the weight is `log_temperature`, and a lower value of the objective is
      what it is trained for, be it by less relaxation or by more.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not positive, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.GumbelSoftmax(temperature=.5)
    >>> logits = tf.zeros([3, 1, 2])
    >>> values = estimator(
    ...     logits, objective=lambda z: tf.reduce_sum(z, [-2, -1]), seed=[0, 1])
    >>> print(values.numpy())
    [1. 1. 1.]

  References:
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Section 2.
  """

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    codes = ops.gumbel_softmax(
        logits, self._temperature(), seed=seed, noise=noise
    )
    return estimator.evaluate(objective, codes)
