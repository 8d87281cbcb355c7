"""What a discrete flow is worth as a model of text: bits, speed, samples."""

from collections.abc import Callable
import math
import statistics
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm

_BATCH_SIZE = 32
_ROUNDS = 3


def bits(
    model: dlvm.models.DiscreteFlow, codes: np.ndarray
) -> dict[str, float]:
  """Computes exact bits a character.

  Args:
    model: The model.
    codes: Integer codes, shape `[size, length]`.

  Returns:
    'bits'; 'bits_stderr', the standard error of their mean over the examples;
    and, if all flows sort, 'network_bits': what the networks pay who sample
    each class themselves from their predictions, instead of ranking it.
  """
  log_prob = tf.function(model.log_prob, reduce_retracing=True)
  found = _in_bits(model, -_over_batches(log_prob, codes))
  measures = {
      'bits': float(np.mean(found)),
      'bits_stderr': float(np.std(found) / math.sqrt(len(found))),
  }
  if model.flows and all(
      getattr(flow, 'returns_cross_entropy', False)
      or isinstance(flow, dlvm.layers.PermutePositions)
      for flow in model.flows
  ):
    cross_entropy = tf.function(
        lambda codes: _cross_entropy(model, codes), reduce_retracing=True
    )
    found = _in_bits(model, _over_batches(cross_entropy, codes))
    measures['network_bits'] = float(np.mean(found))
  return measures


def _cross_entropy(model, codes):
  x = tf.one_hot(codes, model.num_classes)
  # Positions that no flow changes are those of the base.
  total = 0.0
  for flow in model.flows:
    if isinstance(flow, dlvm.layers.PermutePositions):
      x = flow(x)
      continue
    x, cross_entropy = flow(x, return_cross_entropy=True)
    total += cross_entropy
  multiscale = [
      flow for flow in model.flows if hasattr(flow, 'positions')
      and flow.positions.ndim == 1
  ]
  if multiscale:
    law = tf.nn.log_softmax(tf.convert_to_tensor(model.base_logits))
    total -= tf.reduce_sum(law[0] * x[..., 0, :], axis=-1)
  return total


def generation(
    model: dlvm.models.DiscreteFlow, num_samples: int
) -> dict[str, float]:
  """Times samples, with the cache of causal networks and without.

  Without, a causal network is called on all positions: once for each position
  by a base, and by a flow until nothing changes any more, which takes at most
  as many calls.

  Args:
    model: The model.
    num_samples: Samples to draw at once.

  Returns:
    'seconds_per_thousand', of CPU, which other processes do not lengthen, for
    a thousand characters; and 'seconds_per_thousand_uncached', if a network has
    a cache.
  """
  thousands = num_samples * model.length / 1000
  measures = {'seconds_per_thousand': _time(model, num_samples) / thousands}
  with_cache = [
      owner for owner, name in _networks(model)
      if hasattr(getattr(owner, name), 'step')
  ]
  if with_cache:
    measures['seconds_per_thousand_uncached'] = (
        _time(_without_caches(model), num_samples, rounds=1) / thousands
    )
  return measures


def samples(
    model: dlvm.models.DiscreteFlow, num_samples: int, seed: Any
) -> np.ndarray:
  """Draws codes, shape `[num_samples, length]`.

  Args:
    model: The model.
    num_samples: How many.
    seed: As for `dlvm.ops.as_seed`.

  Returns:
    int32 array.
  """
  return model.sample(num_samples, seed=seed).numpy()


def continuations(
    model: dlvm.models.DiscreteFlow, prefix: np.ndarray, size: int, seed: Any
) -> np.ndarray | None:
  """Draws codes that begin with a prefix, if the model goes from left to right.

  A causal base is called once for each position. Of flows whose positions stay
  where they are, as many of the base as there are in the prefix are determined
  by it, and the others are drawn.

  Args:
    model: The model.
    prefix: Integer codes, shape `[n]`.
    size: Number of continuations.
    seed: As for `dlvm.ops.as_seed`.

  Returns:
    int32 array, shape `[size, length]`; or None.
  """
  given = np.zeros([size, model.length], np.int32)
  given[:, : len(prefix)] = prefix
  is_given = np.arange(model.length) < len(prefix)
  if model.base is not None and not model.flows:
    return _continue(model, given, is_given, dlvm.ops.as_seed(seed))
  if model.base is not None or not all(map(_keeps_order, model.flows)):
    return None

  @tf.function
  def draw():
    # From another object, for TFP would return what it has seen.
    ranks = model.distribution().bijector.inverse(
        tf.one_hot(given, model.num_classes)
    )
    distribution = model.distribution()
    z = distribution.distribution.sample(size, seed=dlvm.ops.as_seed(seed))
    z = tf.where(is_given[:, np.newaxis], ranks, z)
    y = distribution.bijector.forward(z)
    return tf.argmax(y, axis=-1, output_type=tf.int32)

  return draw().numpy()


def _keeps_order(flow):
  layers = dlvm.layers
  if isinstance(flow, layers.DiscreteAutoregressiveSortingFlow):
    return not flow.places_positions
  return isinstance(flow, layers.DiscreteAutoregressiveFlow)


@tf.function
def _continue(model, given, is_given, seed):
  def step(t, codes):
    logits = tf.cast(model.base(codes)[:, t], tf.float32)
    perturbed = dlvm.ops.perturb(logits, seed=dlvm.ops.fold_in(seed, t))
    code = tf.argmax(perturbed, axis=-1, output_type=tf.int32)
    is_here = tf.equal(tf.range(model.length), t) & ~is_given
    return t + 1, tf.where(is_here, code[:, tf.newaxis], codes)

  return tf.while_loop(lambda t, _: t < model.length, step, (0, given))[1]


def _over_batches(function: Callable, codes: np.ndarray) -> np.ndarray:
  parts = [
      function(codes[begin : begin + _BATCH_SIZE]).numpy()
      for begin in range(0, len(codes), _BATCH_SIZE)
  ]
  return np.concatenate(parts).astype(np.float64)


def _in_bits(model, nats):
  return dlvm.ops.bits_per_dim(tf.constant(nats), model.length).numpy()


def _time(model, num_samples, rounds=_ROUNDS):
  @tf.function
  def sample(seed):
    return model.distribution().sample(num_samples, seed=seed)

  sample(tf.constant([0, 0]))
  times = []
  for i in range(rounds):
    begin = time.process_time()
    sample(tf.constant([0, 1 + i])).numpy()
    times.append(time.process_time() - begin)
  return statistics.median(times)


def _networks(model):
  """Yields the owner of each network, and its attribute."""
  if model.base is not None:
    yield model, 'base'
  for flow in model.flows:
    flow = getattr(flow, 'flow', flow)
    if hasattr(flow, 'conditioner'):
      yield flow, 'conditioner'


class _Uncached(keras.layers.Layer):
  """A causal network, without its steps."""

  def __init__(self, network):
    super().__init__(name='uncached')
    self._network = network
    self.built = True

  def call(self, inputs):
    return self._network(inputs)


class _Sampler:
  """A model whose networks are without caches while it is traced."""

  def __init__(self, model):
    self._model = model

  def distribution(self):
    return _UncachedDistribution(self._model)


class _UncachedDistribution:
  """Samples of a model, by networks without a cache."""

  def __init__(self, model):
    self._model = model

  def sample(self, num_samples, seed):
    owned = [(owner, name, getattr(owner, name))
             for owner, name in _networks(self._model)]
    for owner, name, network in owned:
      setattr(owner, name, _Uncached(network))
    try:
      return self._model.distribution().sample(num_samples, seed=seed)
    finally:
      for owner, name, network in owned:
        setattr(owner, name, network)


def _without_caches(model):
  return _Sampler(model)

