"""Likelihoods by name: from a decoder's output to a distribution of data."""

from collections.abc import Callable

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm import distributions

Likelihood = Callable[[tf.Tensor], tfd.Distribution]


def bernoulli(params: tf.Tensor) -> tfd.Distribution:
  """Makes binary data, or grey levels as their means, of logits.

  Args:
    params: float32 `Tensor`, shape `[..., *event]`: logits in nats.

  Returns:
    Distribution of scalars, batch shape `[..., *event]`.
  """
  return distributions.Bernoulli(params)


def categorical(params: tf.Tensor) -> tfd.Distribution:
  """Makes integer data of logits on the last axis.

  Args:
    params: float32 `Tensor`, shape `[..., *event, C]`: logits in nats.

  Returns:
    Distribution of integers from 0 to `C - 1`, batch shape `[..., *event]`.
  """
  return tfd.Categorical(logits=params)


def discretized_logistic_mixture(params: tf.Tensor) -> tfd.Distribution:
  """Makes integers from 0 to 255 of a mixture of M discretized logistics.

  Args:
    params: float32 `Tensor`, shape `[..., *event, 3 * M]`: mixture logits,
      locations and log-scales; locations and scales are in units of 127.5
      around 127.5, so that a decoder at its initialisation covers the range.

  Returns:
    Distribution of integers, batch shape `[..., *event]`.

  Raises:
    ValueError: If the last axis is not a multiple of 3.
  """
  if params.shape[-1] is None or params.shape[-1] % 3:
    raise ValueError(
        'Expected a decoder output of shape [..., 3 * M] for a discretized '
        f'logistic mixture; received {params.shape}.'
    )
  logits, loc, log_scale = tf.split(params, 3, axis=-1)
  return distributions.DiscretizedLogisticMixture(
      logits=logits,
      loc=127.5 * (1 + loc),
      scale=127.5 * tf.exp(log_scale),
      low=0,
      high=255,
  )


LIKELIHOODS: dict[str, Likelihood] = {
    'bernoulli': bernoulli,
    'categorical': categorical,
    'discretized_logistic_mixture': discretized_logistic_mixture,
}


def get(likelihood: str | Likelihood) -> Likelihood:
  """Looks a likelihood up by name; passes a function through.

  Args:
    likelihood: A name of `LIKELIHOODS`, or a function.

  Returns:
    The function.

  Raises:
    ValueError: If the name is unknown.
  """
  if callable(likelihood):
    return likelihood
  if likelihood not in LIKELIHOODS:
    raise ValueError(
        f'Expected `likelihood` to be a function or one of '
        f'{sorted(LIKELIHOODS)}; received {likelihood!r}.'
    )
  return LIKELIHOODS[likelihood]


def event_dtype(likelihood: Likelihood) -> tf.DType:
  """Returns the type of data that a likelihood has as events.

  Args:
    likelihood: A function from outputs to a distribution.

  Returns:
    int32 for `categorical`, else float32, which grey levels may be.
  """
  return tf.int32 if likelihood is categorical else tf.float32


def independent(
    distribution: tfd.Distribution, batch_ndims: int
) -> tfd.Independent:
  """Makes one event of all elements of an example.

  Args:
    distribution: Distribution with one batch member per element.
    batch_ndims: Python `int`, how many of the batch dimensions stay.

  Returns:
    `tfd.Independent`.
  """
  return tfd.Independent(
      distribution, distribution.batch_shape.rank - batch_ndims
  )


def log_prob(distribution: tfd.Distribution, x: tf.Tensor) -> tf.Tensor:
  """Computes the log-probability of a batch of data, each under its own law.

  Args:
    distribution: What a model's `decode` returns, batch shape `[..., batch]`.
    x: `Tensor`, shape `[batch, *event]`.

  Returns:
    `Tensor`, shape `[..., batch]`, in nats.

  Raises:
    ValueError: If `x` is of another shape, which might broadcast, or floating
      where the law is one of classes.
  """
  x = tf.convert_to_tensor(x)
  event_shape = distribution.event_shape
  if not x.shape.is_compatible_with([None, *event_shape]):
    raise ValueError(
        f'Expected data of shape {["batch", *event_shape]}, as the decoder '
        f'makes them; received {x.shape}.'
    )
  if x.dtype.is_floating and _has_classes(distribution):
    raise ValueError(
        f'Expected integer data, as the law is one of classes; received '
        f'{x.dtype.name}.'
    )
  if x.dtype.is_integer and x.dtype.size < tf.int32.size:
    x = tf.cast(x, tf.int32)  # Few kernels take 8 bits.
  return distribution.log_prob(x)


def point_estimate(distribution: tfd.Independent) -> tf.Tensor:
  """Returns the mean of the data, or the mode of classes, which have no mean.

  Args:
    distribution: What a model's `decode` returns.

  Returns:
    `Tensor`, shape `[..., *event]`.
  """
  if _has_classes(distribution):
    return distribution.mode()
  return distribution.mean()


def _has_classes(distribution):
  if isinstance(distribution, distributions.Autoregressive):
    return distribution.dtype.is_integer
  return isinstance(distribution, tfd.Independent) and isinstance(
      distribution.distribution, tfd.Categorical
  )
