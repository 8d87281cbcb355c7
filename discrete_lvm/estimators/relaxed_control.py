"""What estimators share that take a relaxation off the score function."""

import abc
import math

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.ops import temperatures


class RelaxedControl(estimator.Estimator):
  """Takes a function of the perturbed logits off the score, and adds it again.

  `f(b)`, plus for the logits the gradient
  `(f(b) - c(z~)) * d log q(b) + d c(z) - d c(z~)`, with `z = logits + gumbel`,
  `b = one_hot(argmax(z))`, and `z~` drawn as `z` is given `b`

  A subclass says what the control variate `c` is. What it depends on, and the
  objective in it, feels no gradient of it; but for the trainable weights of the
  estimator, and for those alone, the gradient of the values is that of the
  squared norm of the gradient for the logits, and so of its variance: they are
  trained in the same step as all else. That takes second derivatives of the
  objective; an estimator with `trainable = False` takes none.

  Args:
    temperature: Positive number, the initial temperature of the relaxation;
      the weight is its logarithm.
    scale: Number, the initial value of the weight `scale`, the factor of the
      objective in the control variate.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not one positive number, or `scale` not one
      finite number.
  """

  def __init__(self, temperature: float = 0.5, scale: float = 1.0, **kwargs):
    super().__init__(**kwargs)
    temperatures.check_number(temperature)
    if np.ndim(scale) or not math.isfinite(scale):
      raise ValueError(
          f'Expected a `scale` that is one finite number; received {scale}.'
      )
    self._initial_temperature = float(temperature)
    self._initial_scale = float(scale)
    self.log_temperature, self.scale = (
        self.add_weight(
            name=name,
            shape=(),
            dtype='float32',
            autocast=False,
            initializer=keras.initializers.Constant(value),
        )
        for name, value in (
            ('log_temperature', math.log(temperature)),
            ('scale', self._initial_scale),
        )
    )

  def _estimate(self, logits, objective, seed, noise, **context):
    fixed = tf.stop_gradient(logits)
    # A class of probability zero stays so, and an infinity makes no NaN.
    z = tf.maximum(ops.perturb(fixed, seed=seed, noise=noise), -1e30)
    values = estimator.evaluate(objective, ops.one_hot_argmax(z))

    def control(z):
      return self._control(z, objective, **context)

    def compute_gradient():
      controls, slopes = estimator.evaluate_with_slopes(control, z)
      signals = tf.stop_gradient(values) - controls
      return ops.rebar_gradient(signals, slopes, z, fixed)

    def add_up(gradient):
      if not self.importance_weighted:
        return gradient
      # The samples of a bound are latents, with the same logits.
      return tf.reduce_sum(estimator.split(gradient, self.num_samples), axis=0)

    return self._with_trained_gradient(values, logits, compute_gradient, add_up)

  @abc.abstractmethod
  def _control(self, z, objective, **context):
    """Computes the control variate.

    Args:
      z: Perturbed logits, float32 `Tensor`, shape `[..., N, K]`.
      objective: As for `call`.
      **context: `features` and `training`.

    Returns:
      float32 `Tensor`, shape `[...]`, differentiable in `z`.
    """

  def _relaxed_objective(self, z, objective):
    """Returns `scale * objective(softmax(z / temperature))`, shape `[...]`."""
    relaxed = tf.nn.softmax(z * tf.exp(-self.log_temperature.value))
    return self.scale.value * estimator.evaluate(objective, relaxed)

  def get_config(self):
    return {
        **super().get_config(),
        'temperature': self._initial_temperature,
        'scale': self._initial_scale,
    }
