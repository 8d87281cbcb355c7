"""Decoders: from latents to the distribution of data."""

import abc
from collections.abc import Sequence

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm import distributions
from discrete_lvm.layers import given_networks
from discrete_lvm.models import batching
from discrete_lvm.models import likelihoods
from discrete_lvm.models import serialization
from discrete_lvm.ops import counts


class Decoder(keras.layers.Layer, abc.ABC):
  """Abstract decoder of a `DeltaVAE`: a network from latents, and what follows.

  Args:
    network: Keras layer or model from latents `[batch, length, dim]`.
    **kwargs: Arguments of `keras.layers.Layer`.
  """

  def __init__(self, network: keras.layers.Layer, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.network = network

  def build(self, input_shape):
    latents = keras.KerasTensor((None, *input_shape[-2:]), 'float32')
    self._build(self.network(latents))

  def _build(self, outputs):
    """Builds what comes after the network, given its symbolic outputs."""
    del outputs  # AutoGraph takes no function of a docstring alone.

  def call(self, inputs, training=False):
    return batching.call_on_batch(
        self.network, inputs, event_ndims=2, training=training
    )

  @abc.abstractmethod
  def distribution(
      self, z: tf.Tensor, training: bool = False
  ) -> tfd.Distribution:
    """Makes `p(x | z)`.

    Args:
      z: Floating `Tensor`, shape `[..., length, dim]`.
      training: Python `bool`, passed to the networks.

    Returns:
      Distribution of batch shape `[...]`, an example as its event.
    """

  def get_config(self):
    network = keras.saving.serialize_keras_object(self.network)
    return {**super().get_config(), 'network': network}

  @classmethod
  def from_config(cls, config):
    nested = ('network', 'causal_network', 'likelihood')
    return cls(**serialization.deserialized(config, *nested))


@keras.saving.register_keras_serializable(package='discrete_lvm')
class IndependentDecoder(Decoder):
  """Data whose elements are independent, given the latents.

  Args:
    network: Keras layer or model from latents `[batch, length, dim]` to the
      parameters of the likelihood.
    likelihood: A name of `models.likelihoods.LIKELIHOODS` ('bernoulli',
      'categorical', 'discretized_logistic_mixture'), or a function from the
      network's output to a distribution with one batch member per element.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If `likelihood` is unknown.

  Example:
    >>> network = keras.Sequential(
    ...     [keras.layers.Flatten(), keras.layers.Dense(5)])
    >>> decoder = dlvm.models.IndependentDecoder(network)
    >>> decoder.build((None, 4, 2))
    >>> decoder.distribution(tf.zeros([7, 4, 2])).log_prob(tf.zeros([5])).shape
    TensorShape([7])
  """

  def __init__(
      self,
      network: keras.layers.Layer,
      likelihood: str | likelihoods.Likelihood = 'bernoulli',
      **kwargs,
  ):
    super().__init__(network, **kwargs)
    self._likelihood = likelihood
    self._distribution = likelihoods.get(likelihood)

  def distribution(self, z, training=False):
    distribution = self._distribution(self(z, training=training))
    return likelihoods.independent(distribution, z.shape.rank - 2)

  def get_config(self):
    likelihood = keras.saving.serialize_keras_object(self._likelihood)
    return {**super().get_config(), 'likelihood': likelihood}


@keras.saving.register_keras_serializable(package='discrete_lvm')
class PixelDecoder(Decoder):
  """Images of which each pixel sees those before it, and the latents.

  Strong enough to do without the latents, and so to collapse an ordinary VAE.

  Args:
    network: Keras layer or model from latents `[batch, length, dim]` to what
      the causal network gets of them at each pixel, `[batch, H, W, F]`.
    causal_network: From images `[batch, H, W, 1]`, in [-1, 1], and `context=`
      `[batch, H, W, F]` to the parameters of the likelihood at each pixel, of
      which it has seen those before: `layers.GatedPixelCNN`.
    likelihood: As for `IndependentDecoder`; of 'categorical', pixels are
      integers.
    pixel_range: The least and the greatest value of a pixel of the data, which
      are scaled to [-1, 1] for the causal network.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If `likelihood` is unknown, `pixel_range` not increasing, or the
      network's output of another rank.

  Example:
    >>> network = keras.Sequential([
    ...     keras.layers.Flatten(), keras.layers.Dense(4 * 4 * 3),
    ...     keras.layers.Reshape([4, 4, 3])])
    >>> decoder = dlvm.models.PixelDecoder(
    ...     network, dlvm.layers.GatedPixelCNN(1, units=8, num_layers=2))
    >>> decoder.build((None, 2, 2))
    >>> d = decoder.distribution(tf.zeros([7, 2, 2]))
    >>> d.log_prob(tf.zeros([4, 4, 1])).shape
    TensorShape([7])
  """

  def __init__(
      self,
      network: keras.layers.Layer,
      causal_network: keras.layers.Layer,
      likelihood: str | likelihoods.Likelihood = 'bernoulli',
      pixel_range: Sequence[float] = (0, 1),
      **kwargs,
  ):
    super().__init__(network, **kwargs)
    low, high = pixel_range
    if not low < high:
      raise ValueError(
          f'Expected an increasing `pixel_range`; received {pixel_range}.'
      )
    self.causal_network = causal_network
    self._likelihood = likelihood
    self._distribution = likelihoods.get(likelihood)
    self._pixel_range = [low, high]

  def _build(self, outputs):
    if len(outputs.shape) != 4:
      raise ValueError(
          'Expected a network from latents to [batch, H, W, F]; received an '
          f'output of shape {outputs.shape}.'
      )
    image = keras.KerasTensor((*outputs.shape[:-1], 1), 'float32')
    self.causal_network(image, context=outputs)

  def distribution(self, z, training=False):
    context = self(z, training=training)
    height, width = context.shape[-3:-1]
    low, high = self._pixel_range
    return distributions.Autoregressive(
        given_networks.in_mode(self.causal_network, training),
        self._distribution,
        [height, width, 1],
        context=context,
        preprocess=lambda x: (2 * x - (low + high)) / (high - low),
        dtype=likelihoods.event_dtype(self._distribution),
    )

  def get_config(self):
    serialize = keras.saving.serialize_keras_object
    return {
        **super().get_config(),
        'causal_network': serialize(self.causal_network),
        'likelihood': serialize(self._likelihood),
        'pixel_range': self._pixel_range,
    }


@keras.saving.register_keras_serializable(package='discrete_lvm')
class TokenDecoder(Decoder):
  """Sequences of tokens, each of which sees those before it, and the latents.

  Args:
    network: Keras layer or model from latents `[batch, length, dim]` to what
      the causal network gets of them at each token, `[batch, num_tokens, F]`.
    causal_network: From codes `[batch, num_tokens]` and `context=` to logits
      `[batch, num_tokens, K]` of tokens, of which it has seen those before:
      `layers.CausalTransformer` and its like.
    num_classes: Python `int`, the number of classes K of a token.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If `num_classes` is below 2, or the network's output is of
      another rank.

  Example:
    >>> decoder = dlvm.models.TokenDecoder(
    ...     keras.layers.UpSampling1D(4),
    ...     dlvm.layers.CausalConvolution(5, units=8), num_classes=5)
    >>> decoder.build((None, 2, 3))
    >>> d = decoder.distribution(tf.zeros([7, 2, 3]))
    >>> d.log_prob(tf.zeros([8], tf.int32)).shape
    TensorShape([7])
  """

  def __init__(
      self,
      network: keras.layers.Layer,
      causal_network: keras.layers.Layer,
      num_classes: int,
      **kwargs,
  ):
    super().__init__(network, **kwargs)
    counts.check_count(num_classes, 'num_classes', minimum=2)
    self.causal_network = causal_network
    self.num_classes = num_classes

  def _build(self, outputs):
    if len(outputs.shape) != 3:
      raise ValueError(
          'Expected a network from latents to [batch, num_tokens, F]; received '
          f'an output of shape {outputs.shape}.'
      )
    shape = (*outputs.shape[:-1], self.num_classes)
    self.causal_network(keras.KerasTensor(shape, 'float32'), context=outputs)

  def distribution(self, z, training=False):
    context = self(z, training=training)
    return distributions.AutoregressiveCategorical(
        given_networks.in_mode(self.causal_network, training),
        context.shape[-2],
        self.num_classes,
        context,
        dtype=tf.int32,
    )

  def get_config(self):
    causal_network = keras.saving.serialize_keras_object(self.causal_network)
    return {
        **super().get_config(),
        'causal_network': causal_network,
        'num_classes': self.num_classes,
    }
