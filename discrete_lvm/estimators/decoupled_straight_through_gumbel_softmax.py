"""The decoupled straight-through Gumbel-Softmax estimator."""

from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxation
from discrete_lvm.ops import temperatures


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class DecoupledStraightThroughGumbelSoftmax(relaxation.Relaxation):
  """Straight-through Gumbel-Softmax with one temperature for each pass.

  `objective(hard)`,
  `hard = one_hot(argmax(logits / forward_temperature + gumbel))`, with
  `d hard := d softmax(logits / temperature + gumbel)`

  As in the paper the temperatures divide the logits and not the noise, else
  that of the forward pass would do nothing. So the sample has the law
  `softmax(logits / forward_temperature)`: a high one explores, and only at 1 is
  it that of `logits`. Models take it from `law_logits`, as for
  `SlopeAnnealedStraightThrough`. Biased, also for that law. At 1 and 1 it is
  `StraightThroughGumbelSoftmax` at temperature 1. One evaluation of the
  objective.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`,
      which the gradient uses.
    forward_temperature: Positive number, the initial value of the weight
      `forward_temperature`, which the sample uses.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If a temperature is not positive, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.DecoupledStraightThroughGumbelSoftmax(
    ...     temperature=2., forward_temperature=.5)
    >>> noise = tf.constant([[0., 1.]])
    >>> estimator(tf.zeros([1, 2]), objective=lambda z: z[..., 0, 1],
    ...           noise=noise).numpy().item()
    1.0

  References:
    Rushi Shah, Mingyuan Yan, Michael Curtis Mozer, Dianbo Liu. Improving
    Discrete Optimisation Via Decoupled Straight-Through Gumbel-Softmax. 2024.
    https://arxiv.org/abs/2410.13331v1. Algorithm 1.
  """

  def __init__(
      self,
      temperature: float = 1.0,
      forward_temperature: float = 1.0,
      **kwargs: Any,
  ):
    super().__init__(temperature, **kwargs)
    temperatures.check_number(forward_temperature)
    self._initial_forward_temperature = float(forward_temperature)
    self.forward_temperature = self._add_temperature(
        forward_temperature, 'forward_temperature'
    )

  def law_logits(self, logits: tf.Tensor) -> tf.Tensor:
    return logits / tf.cast(self.forward_temperature.value, logits.dtype)

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    noise = ops.perturb(tf.zeros_like(logits), seed=seed, noise=noise)
    hard = ops.one_hot_argmax(self.law_logits(logits) + noise)
    soft = tf.nn.softmax(logits / self.temperature.value + noise)
    codes = ops.straight_through(hard, soft)
    return estimator.evaluate(objective, codes)

  def get_config(self):
    return {
        **super().get_config(),
        'forward_temperature': self._initial_forward_temperature,
    }
