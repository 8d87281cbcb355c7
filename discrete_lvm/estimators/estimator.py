"""The interface of every gradient estimator."""

import abc
from collections.abc import Callable

import keras
import tensorflow as tf

from discrete_lvm import ops

Objective = Callable[[tf.Tensor], tf.Tensor]


class Estimator(keras.layers.Layer, abc.ABC):
  """Estimates the gradient of an expectation over categorical codes.

  An estimator turns `logits` and an `objective` into per-example values whose
  gradient, for the logits and for all that the objective depends on, estimates
  that of `E_codes[objective(codes)]`. The values themselves are a sample of the
  objective. Estimators are Keras layers, so that what they own (a temperature,
  a baseline) is tracked and saved with the model; they compute in float32 at
  the least under any policy.

  Args:
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    logits: Floating `Tensor`, shape `[..., N, K]`: N independent categorical
      variables of K classes, in nats.
    objective: Function of codes `[..., N, K]` to values `[...]`. Pass it by
      name.
    seed: int32 `Tensor`, shape `[2]`. Exactly one of `seed` and `noise`.
    noise: Standard Gumbel noise of the shape of `logits`.

  Output shape:
    `[...]`, the batch shape of the logits.

  Raises:
    ValueError: If the logits are not of shape `[..., N, K]` with a static K of
      at least 2, if `objective` returns another shape than `[...]`, or if not
      exactly one of `seed` and `noise` is given.
  """

  def __init__(self, **kwargs):
    # Keras would cast float32 logits down under a mixed policy.
    super().__init__(autocast=False, **kwargs)

  def call(
      self,
      logits: tf.Tensor,
      objective: Objective,
      seed: tf.Tensor | None = None,
      noise: tf.Tensor | None = None,
  ) -> tf.Tensor:
    logits = tf.convert_to_tensor(logits)
    ops.static_num_classes(logits, 'logits', minimum=2)
    if logits.shape.rank < 2:
      raise ValueError(
          f'Expected `logits` of shape [..., N, K]; received {logits.shape}.'
      )
    logits = tf.cast(logits, tf.float32)
    return self._estimate(logits, objective, seed, noise)

  @abc.abstractmethod
  def _estimate(self, logits, objective, seed, noise):
    """Returns the values; the logits are checked, and float32."""


def evaluate(objective: Objective, codes: tf.Tensor) -> tf.Tensor:
  """Calls an objective and checks the shape of what it returns.

  Args:
    objective: Function of codes `[..., N, K]` to values `[...]`.
    codes: Floating `Tensor`, shape `[..., N, K]`.

  Returns:
    float32 `Tensor`, shape `[...]`.

  Raises:
    ValueError: If the values are not of shape `[...]`.
  """
  values = tf.cast(objective(codes), tf.float32)
  if not values.shape.is_compatible_with(codes.shape[:-2]):
    raise ValueError(
        f'Expected `objective` to return values of shape {codes.shape[:-2]} '
        f'for codes of shape {codes.shape}; received {values.shape}.'
    )
  return values
