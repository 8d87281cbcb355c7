"""The straight-through Gumbel-Softmax estimator."""

import keras

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxation


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class StraightThroughGumbelSoftmax(relaxation.GumbelRelaxation):
  """Evaluates the objective at a hard sample, with the relaxed one's gradient.

  `objective(hard)`, `hard = one_hot(argmax(logits + gumbel))`, with
  `d hard := d softmax((logits + gumbel) / temperature)`

  Biased. One evaluation of the objective, at an exact categorical sample.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`.
    learn_temperature: Whether the temperature is trained with all else; then
      the weight is `log_temperature`, and a lower value of the objective is
      what it is trained for, be it by less relaxation or by more.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not positive, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.StraightThroughGumbelSoftmax()
    >>> noise = tf.constant([[0., 1.]])
    >>> estimator(tf.zeros([1, 2]), objective=lambda z: z[..., 0, 1],
    ...           noise=noise).numpy().item()
    1.0

  References:
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Section 2.2.
  """

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    codes = ops.gumbel_softmax(
        logits, self._temperature(), seed=seed, noise=noise, hard=True
    )
    return estimator.evaluate(objective, codes)
