"""Categorical latents of a delta-VAE."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm import distributions
from discrete_lvm import estimators
from discrete_lvm import layers
from discrete_lvm import ops
from discrete_lvm.models import latents
from discrete_lvm.models import serialization
from discrete_lvm.ops import counts


@keras.saving.register_keras_serializable(package='discrete_lvm')
class CategoricalLatents(latents.Latents):
  """N independent categorical posteriors, each with a KL of at least delta.

  The prior is uniform. `layers.DeltaCategoricalHead` keeps the logits where the
  KL is at least `delta`; a `delta` of 0 leaves them as they are, as in an
  ordinary VAE. An auxiliary prior, of `autoregressive`, is an
  `AutoregressiveCategorical`, for a network of K outputs.

  Args:
    length: Python `int`, the number of latents N.
    dim: Python `int`, the number of classes K of each, at least 2.
    delta: Number from 0 to `log K`: the least KL of each latent in nats.
    estimator: An `estimators.Estimator`, which differentiates through the
      codes; by default `StraightThroughGumbelSoftmax()`.
    seed: Python `int`, seed of the initial weights.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[batch, N, features]`.

  Output shape:
    `[batch, N, K]`: logits in nats, float32.

  Raises:
    ValueError: If `length` is below 1, `delta` no scalar, if the law of the
      estimator is not that of the logits or it needs the whole cost, which the
      KL is a part of, if the features are not of the length, if the network of
      an auxiliary prior has other than K outputs, or as
      `layers.DeltaCategoricalHead` raises.

  Example:
    >>> latents = dlvm.models.CategoricalLatents(length=8, dim=4, delta=.5)
    >>> logits = latents(tf.zeros([1, 8, 16]))
    >>> latents.committed_rate, latents.kl(logits).numpy().round(3).tolist()
    (4.0, [[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]])

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416. The categorical family is not in it.
  """

  unit_ndims = 1
  param_names = ('logits',)

  def __init__(
      self,
      length: int,
      dim: int,
      delta: float = 0.0,
      estimator: estimators.Estimator | None = None,
      seed: int | None = None,
      **kwargs,
  ):
    super().__init__(autocast=False, **kwargs)
    counts.check_count(length, 'length')
    if np.ndim(delta):
      raise ValueError(
          f'Expected one `delta` for all latents; received {delta}.'
      )
    self.length, self.dim = length, dim
    self.estimator = estimator or estimators.StraightThroughGumbelSoftmax()
    if type(self.estimator).law_logits is not estimators.Estimator.law_logits:
      raise ValueError(
          'Expected an `estimator` whose law is that of the logits, which has '
          f'the committed KL; received {type(self.estimator).__name__}.'
      )
    if self.estimator.needs_whole_cost:
      raise ValueError(
          'Expected an `estimator` that neither is importance weighted nor '
          'rescales its gradient, beside the KL in closed form; received '
          f'{type(self.estimator).__name__}.'
      )
    self._delta, self._seed = delta, seed
    # One head for all positions, each of which has its own features.
    self._head = layers.DeltaCategoricalHead(
        1, dim, delta, seed=seed, dtype=self.dtype_policy
    )

  def build(self, input_shape):
    self._head.build(input_shape)
    if not self.estimator.built:
      self.estimator.build((None, self.length, self.dim))

  @property
  def committed_rate(self) -> float:
    return float(self.length * self._delta)

  def call(self, inputs):
    self._check_length(inputs)
    return tf.squeeze(self._head(inputs), axis=-2)

  def posterior(self, params):
    return tfd.Independent(distributions.OneHotCategorical(params), 1)

  def prior(self):
    logits = tf.zeros([self.length, self.dim])
    return tfd.Independent(distributions.OneHotCategorical(logits), 1)

  def kl(self, params):
    return ops.categorical_kl(params)

  def expect(self, params, objective, seed, training=True):
    return self.estimator(
        params, objective=objective, seed=seed, training=training
    )

  def autoregressive(self, network):
    return distributions.AutoregressiveCategorical(
        network, self.length, self.dim
    )

  def get_config(self):
    return {
        **super().get_config(),
        'length': self.length,
        'dim': self.dim,
        'estimator': keras.saving.serialize_keras_object(self.estimator),
        'delta': self._delta,
        'seed': self._seed,
    }

  @classmethod
  def from_config(cls, config):
    return cls(**serialization.deserialized(config, 'estimator'))
