"""Logits or probabilities as parameters: conversion, annotations, checks."""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm.ops import floats
from discrete_lvm.ops import temperatures


def check_exactly_one(logits, probs):
  """Raises `ValueError` unless exactly one of `logits` and `probs` is given."""
  if (logits is None) == (probs is None):
    raise ValueError(
        'Expected exactly one of `logits` and `probs`; received '
        f'{"neither" if logits is None else "both"}.'
    )


def check_floating(parameter, name):
  """Raises `ValueError` if a parameter is not floating."""
  if not parameter.dtype.is_floating:
    raise ValueError(
        f'Expected floating `{name}`; received {parameter.dtype.name}.'
    )


def categorical_parameter_properties():
  """Returns the TFP annotations of `logits` and `probs` of shape `[..., K]`."""
  return {
      'logits': tfp.util.ParameterProperties(event_ndims=1),
      'probs': tfp.util.ParameterProperties(
          event_ndims=1,
          default_constraining_bijector_fn=tfp.bijectors.SoftmaxCentered,
          is_preferred=False,
      ),
  }


def temperature_event_ndims(temperature, logits):
  """Returns 1 for a `temperature` `[..., 1]` of logits `[..., K]`, else 0.

  That form has one dimension more than the batch. Logits without a batch shape
  take a temperature of any shape, of which `[1]` has that form: it is what a
  slice leaves of it.

  Raises:
    ValueError: If the static shapes do not match.
  """
  shape = logits.shape
  if shape.rank == 1:
    return int(temperature.shape.rank == 1 and temperature.shape[0] == 1)
  if shape.rank:
    # TFP's slicing leaves unit dimensions in place of missing ones, and those
    # broadcast against any.
    batch = [None if size == 1 else size for size in shape[:-1]]
    shape = tf.TensorShape([*batch, shape[-1]])
  return int(temperatures.has_keepdims(temperature.shape, shape))


def logits_assertions(logits):
  """Returns assertions that `logits` `[..., K]` define a categorical law."""
  logits = floats.at_least_float32(logits)
  return [
      tf.debugging.Assert(
          # A comparison with NaN is False.
          tf.reduce_all(logits < math.inf)
          & tf.reduce_all(tf.reduce_any(logits > -math.inf, axis=-1)),
          data=[
              'Expected `logits` below inf, not NaN, and one of them finite; '
              'received:',
              logits,
          ],
      )
  ]


def probs_assertions(probs):
  """Returns assertions that `probs` `[..., K]` lie on the simplex."""
  tolerance = simplex_tolerance(probs.dtype)
  probs = floats.at_least_float32(probs)
  return [
      tf.debugging.Assert(
          tf.reduce_all(probs >= 0)
          & tf.reduce_all(
              tf.abs(tf.reduce_sum(probs, axis=-1) - 1) <= tolerance
          ),
          data=[
              'Expected non-negative `probs` that sum to one; received:',
              probs,
          ],
      )
  ]


def simplex_tolerance(dtype):
  """Returns how far from one a rounded vector of probabilities may sum."""
  return 1e-5 if dtype.size >= 4 else 2e-2


def broadcast_to_batch(distribution, x, event_ndims=0):
  """Broadcasts what came of some parameters to the batch shape of all.

  Args:
    distribution: The distribution, whose other parameters may have more batch
      dimensions.
    x: `Tensor`, shape `[..., *event]`.
    event_ndims: Python `int`, how many of its last dimensions are not batch.

  Returns:
    `Tensor`, shape `batch_shape + event`.
  """
  axis = x.shape.rank - event_ndims
  static_shape = distribution.batch_shape + x.shape[axis:]
  if static_shape.is_fully_defined() and x.shape == static_shape:
    return x
  shape = tf.concat(
      [distribution.batch_shape_tensor(), tf.shape(x)[axis:]], axis=0
  )
  return tf.ensure_shape(tf.broadcast_to(x, shape), static_shape)
