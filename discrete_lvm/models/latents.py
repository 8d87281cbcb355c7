"""The interface of the latent variables of a delta-VAE."""

import abc
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

Objective = Callable[[tf.Tensor], tf.Tensor]


class Latents(keras.layers.Layer, abc.ABC):
  """Latent variables: a family of posteriors, and the prior they answer to.

  As a layer it maps features to the parameters of posteriors, a structure of
  tensors; the methods take that structure. An event is `[length, dim]`, and the
  posterior is independent over both.

  Attributes:
    length: Python `int`: the number of steps, or of categorical latents.
    dim: Python `int`: the dimension of a step, or the number of classes.
    unit_ndims: Python `int`: how many of the last axes of an event make one
      latent: 0 for numbers, 1 for classes.
    param_names: Names of the tensors that the layer returns, in their order.
  """

  length: int
  dim: int
  unit_ndims: int = 0
  param_names: tuple[str, ...] = ('loc', 'scale')

  @property
  @abc.abstractmethod
  def committed_rate(self) -> float:
    """The nats of rate that no posterior of the family falls below."""

  @abc.abstractmethod
  def posterior(self, params: Any) -> tfd.Distribution:
    """Makes `q(z | x)`.

    Args:
      params: What the layer returned, of leading dimensions `[batch]`.

    Returns:
      Distribution of batch shape `[batch]`, event shape `[length, dim]`.
    """

  @abc.abstractmethod
  def prior(self) -> tfd.Distribution:
    """Makes `p(z)`, of event shape `[length, dim]`."""

  @abc.abstractmethod
  def kl(self, params: Any) -> tf.Tensor:
    """Computes the KL of the posteriors from the prior, in its parts.

    Args:
      params: What the layer returned.

    Returns:
      float32 `Tensor`, shape `[batch, length, dim]` or `[batch, length]`, in
      nats: what each latent adds to the rate, none of it negative.
    """

  @abc.abstractmethod
  def expect(
      self,
      params: Any,
      objective: Objective,
      seed: tf.Tensor,
      training: bool = True,
  ) -> tf.Tensor:
    """Estimates `E_q[objective(z)]`, with its gradient.

    Args:
      params: What the layer returned.
      objective: Function of latents `[..., batch, length, dim]` to values
        `[..., batch]`.
      seed: int32 `Tensor`, shape `[2]`.
      training: Python `bool`, whether what an estimator gathers from one call
        for the next is updated.

    Returns:
      float32 `Tensor`, shape `[batch]`, whose gradient, for the parameters and
      for all that the objective depends on, estimates that of the expectation.
    """

  @abc.abstractmethod
  def autoregressive(self, network: keras.layers.Layer) -> tfd.Distribution:
    """Makes a prior that a causal network has learned.

    Args:
      network: Causal Keras layer from events `[batch, length, dim]` to outputs
        `[batch, length, C]`, with `initial_state` and `step`; `C` as the class
        says.

    Returns:
      Distribution of event shape `[length, dim]`.
    """

  def _check_length(self, features):
    """Raises if features do not have a position for each step."""
    if features.shape.rank != 3 or features.shape[1] != self.length:
      raise ValueError(
          f'Expected an encoder output of shape [batch, {self.length}, '
          f'features], a position for each step; received {features.shape}.'
      )
