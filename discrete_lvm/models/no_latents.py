"""Latents that say nothing: what a decoder reaches by itself."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm.models import latents
from discrete_lvm.ops import counts


@keras.saving.register_keras_serializable(package='discrete_lvm')
class NoLatents(latents.Latents):
  """Latents that are always zero, at a rate of zero.

  A `DeltaVAE` of them is the decoder alone, with the same weights, and its
  bound is the exact log-likelihood: the baseline that latents have to beat, or
  not to fall behind. The encoder has nothing to do; `keras.layers.Identity()`
  will do.

  Args:
    length: Python `int`, the number of steps.
    dim: Python `int`, the dimension of a step.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: `Tensor`, shape `[batch, ...]`, of which only the batch is used.

  Output shape:
    `[batch, length, dim]`, float32: zeros.

  Raises:
    ValueError: If `length` or `dim` is below 1, or an auxiliary prior is asked
      for.

  Example:
    >>> latents = dlvm.models.NoLatents(length=4, dim=2)
    >>> latents.kl(latents(tf.zeros([1, 3]))).shape, latents.committed_rate
    (TensorShape([1, 4, 2]), 0.0)
  """

  param_names = ('loc',)

  def __init__(self, length: int, dim: int, **kwargs):
    super().__init__(autocast=False, **kwargs)
    counts.check_count(length, 'length')
    counts.check_count(dim, 'dim')
    self.length, self.dim = length, dim

  @property
  def committed_rate(self) -> float:
    return 0.0

  def call(self, inputs):
    batch = inputs.shape[0] or tf.shape(inputs)[0]
    return tf.zeros([batch, self.length, self.dim])

  def posterior(self, params):
    return tfd.Independent(tfd.Deterministic(params), 2)

  def prior(self):
    return self.posterior(tf.zeros([self.length, self.dim]))

  def kl(self, params):
    return tf.zeros_like(params)

  def expect(self, params, objective, seed, training=True):
    del seed, training  # Nothing is drawn.
    return objective(params)

  def autoregressive(self, network: Any):
    raise ValueError(
        f'Expected no auxiliary prior for latents that say nothing; received '
        f'{network!r}.'
    )

  def get_config(self):
    return {
        **super().get_config(),
        'length': self.length,
        'dim': self.dim,
    }
