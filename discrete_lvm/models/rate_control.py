"""The interface of what stands in a loss in place of the rate."""

import abc

import keras
import tensorflow as tf

from discrete_lvm.ops import floats


class RateControl(keras.layers.Layer, abc.ABC):
  """Turns the rates of latents into a term of the loss; see the subclasses.

  A Keras layer, so that what it owns is tracked, trained and saved with the
  model. It computes in float32 at the least under any policy.

  Args:
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    kl: Floating `Tensor`, shape `[batch, ...]`: the KL of each latent, in nats.

  Output shape:
    `[batch]`, in nats.

  Raises:
    ValueError: If `kl` has no batch axis.
  """

  def __init__(self, **kwargs):
    # Keras would cast float32 rates down under a mixed policy.
    super().__init__(autocast=False, **kwargs)

  def call(self, kl: tf.Tensor) -> tf.Tensor:
    (kl,) = floats.common_floats(kl)
    if not kl.shape.rank:
      raise ValueError(
          f'Expected `kl` of shape [batch, ...]; received shape {kl.shape}.'
      )
    return self._control(kl)

  @abc.abstractmethod
  def _control(self, kl):
    """Returns the term; the rates are checked, and float32 at the least."""


def total(kl):
  """Sums the rates of the latents of each example.

  Args:
    kl: Floating `Tensor`, shape `[batch, ...]`, in nats.

  Returns:
    `Tensor`, shape `[batch]`, in nats.
  """
  return tf.reduce_sum(kl, axis=list(range(1, kl.shape.rank)))
