"""What a discrete flow is worth as a model of text: bits, speed, samples."""

from collections.abc import Callable
import functools
import math
import statistics
import time
from typing import Any

import numpy as np
from scipy import stats
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import flow_floors

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
    and, if the flows rank each position once or shift it by its prediction,
    'network_bits': what the networks would pay as a model that samples each
    class from its prediction. Of one autoregressive sorting flow also
    'rank_bits', what ranks that stay at their positions leave, and
    'shift_bits', what shifts by the likeliest class do.
  """
  found = _in_bits(model, -over_batches(model.log_prob, codes))
  measures = {
      'bits': float(np.mean(found)),
      'bits_stderr': standard_error(found),
  }
  if _predicts_data(model):
    cross_entropy = functools.partial(_cross_entropy, model)
    found = _in_bits(model, over_batches(cross_entropy, codes))
    measures['network_bits'] = float(np.mean(found))
  kinds = [type(flow) for flow in model.flows]
  if kinds == [dlvm.layers.DiscreteAutoregressiveSortingFlow]:
    measures |= _other_families(model, codes)
  return measures


def standard_error(values: np.ndarray) -> float:
  """Computes the standard error of a mean.

  Args:
    values: Array of shape `[size]`.

  Returns:
    The error; NaN for fewer than two values.

  Example:
    >>> standard_error(np.array([1.0, 3.0]))
    1.0
  """
  if len(values) < 2:
    return math.nan
  return float(stats.sem(values))


def over_batches(
    function: Callable[[np.ndarray], tf.Tensor], codes: np.ndarray
) -> np.ndarray:
  """Calls a compiled function on a few examples at a time.

  Args:
    function: From codes to a Tensor with the same first dimension.
    codes: Integer codes, shape `[size, length]`.

  Returns:
    float64 array of all its values, in order.
  """
  compiled = _compiled(function)
  parts = [
      compiled(codes[begin : begin + _BATCH_SIZE]).numpy()
      for begin in range(0, len(codes), _BATCH_SIZE)
  ]
  return np.concatenate(parts).astype(np.float64)


def _other_families(model, codes):
  """Returns what other maps by the same predictions leave to a base.

  It has one law for all positions, the best for these data.
  """

  def rank_and_shift(codes):
    logits = model.flows[0].conditioner(tf.one_hot(codes, model.num_classes))
    likeliest = tf.argmax(logits, axis=-1, output_type=tf.int32)
    shifted = (codes - likeliest) % model.num_classes
    return tf.stack([dlvm.ops.rank_codes(codes, logits), shifted], axis=1)

  found = over_batches(rank_and_shift, codes.astype(np.int32))
  bits = [
      float(flow_floors.entropy_bits(np.bincount(values) / values.size))
      for values in found.astype(int).transpose([1, 0, 2]).reshape([2, -1])
  ]
  return {'rank_bits': bits[0], 'shift_bits': bits[1]}


def _predicts_data(model):
  """Whether each position is predicted once, given positions of the data.

  Of two couplings of all positions the second is given what the first made.
  """
  flows = [
      flow
      for flow in model.flows
      if not isinstance(flow, dlvm.layers.PermutePositions)
  ]
  if model.base is not None or not flows:
    return False
  if not all(getattr(f, 'returns_cross_entropy', False) for f in flows):
    return False
  if len(flows) > 1 and not all(
      isinstance(f, dlvm.layers.SubsequenceFlow) for f in flows
  ):
    return False
  changed = sum(_changes(f, model.length).astype(int) for f in flows)
  return int(np.max(changed)) == 1


def _cross_entropy(model, codes):
  x = tf.one_hot(codes, model.num_classes)
  total = 0.0
  is_changed = np.zeros(model.length, bool)
  for flow in model.flows:
    if isinstance(flow, dlvm.layers.PermutePositions):
      x = flow(x)
      continue
    x, cross_entropy = flow(x, return_cross_entropy=True)
    total += cross_entropy
    is_changed |= _changes(flow, model.length)
  # What no flow changes the base pays for.
  law = tf.nn.log_softmax(tf.convert_to_tensor(model.base_logits))
  nats = -tf.reduce_sum(law * x, axis=-1)
  return total + tf.reduce_sum(
      tf.where(is_changed, tf.zeros_like(nats), nats), axis=-1
  )


def _changes(flow, length):
  """Returns where a sorting flow changes classes, `[length]`."""
  if not isinstance(flow, dlvm.layers.SubsequenceFlow):
    return ~getattr(flow, 'mask', np.zeros(length, bool))
  positions = flow.positions
  inner = _changes(flow.flow, positions.shape[-1])
  changed = np.zeros(length, bool)
  changed[positions[..., inner]] = True
  return changed


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
  measures = {
      'seconds_per_thousand': _time(
          functools.partial(_sample, model), num_samples
      )
      / thousands
  }
  flows = [f for f in model.flows if _without_cache(f) is not None]
  if flows or model.base is not None:
    measures['seconds_per_thousand_uncached'] = (
        _time(functools.partial(_sample_uncached, model), num_samples, rounds=1)
        / thousands
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

  A causal base is called once for each position. Flows from left to right on a
  factorised base take a prefix to classes of as many positions of the base,
  which it alone determines; the others are drawn.

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
  # Behind one that moves positions the next does not see a prefix.
  if (
      model.base is not None
      or not all(map(_is_forward, model.flows))
      or any(map(_moves_positions, model.flows[:-1]))
  ):
    return None

  @tf.function(autograph=False)
  def draw():
    known = tf.one_hot(given, model.num_classes)
    is_known = tf.broadcast_to(is_given, given.shape)
    for flow in model.flows:
      if _moves_positions(flow):
        origins = tf.argsort(flow.slots(known))
        is_known = tf.gather(is_known, origins, batch_dims=1)
      known = flow(known)
    distribution = model.distribution()
    z = distribution.distribution.sample(size, seed=dlvm.ops.as_seed(seed))
    z = tf.where(is_known[..., tf.newaxis], known, z)
    y = distribution.bijector.forward(z)
    return tf.argmax(y, axis=-1, output_type=tf.int32)

  return draw().numpy()


def _is_forward(flow):
  return isinstance(
      flow,
      (
          dlvm.layers.DiscreteAutoregressiveFlow,
          dlvm.layers.DiscreteAutoregressiveSortingFlow,
      ),
  )


def _moves_positions(flow):
  return getattr(flow, 'places_positions', False)


@tf.function(autograph=False)
def _continue(model, given, is_given, seed):
  def step(t, codes):
    events = tf.one_hot(codes, model.num_classes)
    logits = tf.cast(model.base(events)[:, t], tf.float32)
    perturbed = dlvm.ops.perturb(logits, seed=dlvm.ops.fold_in(seed, t))
    code = tf.argmax(perturbed, axis=-1, output_type=tf.int32)
    is_here = tf.equal(tf.range(model.length), t) & ~is_given
    return t + 1, tf.where(is_here, code[:, tf.newaxis], codes)

  return tf.while_loop(lambda t, _: t < model.length, step, (0, given))[1]


def _compiled(function):
  return tf.function(function, autograph=False, reduce_retracing=True)


def _in_bits(model, nats):
  return dlvm.ops.bits_per_dim(tf.constant(nats), model.length).numpy()


def _time(draw, num_samples, rounds=_ROUNDS):
  sample = _compiled(functools.partial(draw, num_samples))
  sample(tf.constant([0, 0]))
  times = []
  for i in range(rounds):
    begin = time.process_time()
    sample(tf.constant([0, 1 + i])).numpy()
    times.append(time.process_time() - begin)
  return statistics.median(times)


def _sample(model, num_samples, seed):
  return model.distribution().sample(num_samples, seed=seed)


def _sample_uncached(model, num_samples, seed):
  # A function has no steps, as a network would.
  if model.base is None:
    logits = tf.convert_to_tensor(model.base_logits)
    base = dlvm.distributions.FactorizedCategorical(logits)
  else:
    base = dlvm.distributions.AutoregressiveCategorical(
        lambda x: model.base(x), model.length, model.num_classes
    )
  z = base.sample(num_samples, seed=seed)
  for flow in reversed(model.flows):
    bijector = _without_cache(flow)
    z = flow.generate(z) if bijector is None else bijector.forward(z)
  return z


def _without_cache(flow):
  """Returns an autoregressive flow as a bijector, or None for another."""
  if isinstance(flow, dlvm.layers.DiscreteAutoregressiveFlow):
    return dlvm.bijectors.DiscreteAutoregressive(lambda x: flow.conditioner(x))
  if isinstance(flow, dlvm.layers.DiscreteAutoregressiveSortingFlow):
    thresholds = flow.thresholds
    if thresholds is not None:
      thresholds = tf.convert_to_tensor(thresholds)
    return dlvm.bijectors.DiscreteAutoregressiveSorting(
        lambda x: flow.conditioner(x), thresholds=thresholds
    )
  return None
