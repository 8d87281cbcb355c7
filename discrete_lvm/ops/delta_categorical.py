"""Categorical laws whose divergence from a prior is at least delta."""

import math
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import broadcasting
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes

# Halvings of an interval within [0, 1], past the resolution of float32.
_NUM_STEPS = 32
# Below it the constraint's surface is tangent to the way to it.
_LEAST_SLOPE = 1e-3
_LEAST_PROBABILITY = 1e-30
# The square of its inverse is finite.
_SMALL_PROBABILITY = 1e-15
# Roundings of log-probabilities, each of which moves the KL by its root.
_MARGIN = 4


class _Split(NamedTuple):
  """A law and its prior, seen as the leader against the others.

  Attributes:
    is_leader: `bool` `Tensor`, shape `[..., K]`.
    log_others: Log-probabilities given that it is not the leader, 0 for the
      leader, shape `[..., K]`.
    divergence: The KL of that law from the prior's, shape `[...]`.
    log_p: The prior's log-probability of the leader, shape `[...]`.
    p: Its exponential, which may be zero.
    rest_p: The prior's probability of all others, shape `[...]`, at least
      `_LEAST_PROBABILITY`.
    gain: How much likelier than under the prior the leader is, shape `[...]`.
  """

  is_leader: tf.Tensor
  log_others: tf.Tensor
  divergence: tf.Tensor
  log_p: tf.Tensor
  p: tf.Tensor
  rest_p: tf.Tensor
  gain: tf.Tensor


def check_categorical_delta(delta: Any, prior_logits: Any) -> None:
  """Raises if delta is statically known to be out of reach.

  The law that is certain of a class has a KL of `-log p` of it, and no law that
  leads to that class has more. So what all classes reach is that of the class
  that the prior finds likeliest: `log K` for a uniform prior.

  Args:
    delta: Number or `Tensor`, in nats.
    prior_logits: Floating array or `Tensor`, shape `[..., K]`.

  Raises:
    ValueError: If any delta is negative or above the largest that all classes
      reach, which the message says, or if a prior logit is not finite.

  Example:
    >>> check_categorical_delta(1., np.zeros(2))
    Traceback (most recent call last):
    ...
    ValueError: Expected `delta` from 0 to 0.6931472 nats, ...; received 1.0.
  """
  if isinstance(delta, (int, float, list, tuple)):
    delta = np.asarray(delta)
  delta, prior = tf.get_static_value(delta), tf.get_static_value(prior_logits)
  if prior is None:
    return
  prior = np.asarray(prior, np.float64)
  if not np.all(np.isfinite(prior)):
    raise ValueError(
        f'Expected finite `prior_logits`; received {prior.tolist()}.'
    )
  if delta is None:
    return
  delta = np.asarray(delta)
  top = prior.max(-1, keepdims=True)
  largest = np.log(np.sum(np.exp(prior - top), axis=-1))
  # log K in float32 may lie above log K.
  if not np.all((delta >= 0) & (delta <= largest * (1 + 1e-6))):
    raise ValueError(
        f'Expected `delta` from 0 to {largest.min():.7g} nats, -log of the '
        "prior's largest probability, which is what every class reaches; "
        f'received {delta.tolist()}.'
    )


def delta_categorical(
    logits: tf.Tensor,
    delta: tf.Tensor,
    prior_logits: tf.Tensor | None = None,
    name: str = 'delta_categorical',
) -> tf.Tensor:
  """Maps any logits to a categorical law of KL at least delta from the prior.

  Where the KL is at least delta already, it returns the logits as they are.
  Elsewhere it raises the logit of one class, the leader, until the KL is delta;
  the others keep their odds. The leader is the class whose probability is the
  largest multiple of the prior's, the first of them at a tie, so that also
  logits of zero have one. Raising it raises the KL all the way to certainty.

  A temperature would not do: it stops where leaders tie, and has a slope that
  is unbounded near them. Any map onto these laws jumps somewhere (they are a
  simplex with a hole), this one where the leader changes; elsewhere its
  gradient is that of the implicit function. With two classes the law that
  reaches delta is one for each leader, so that gradient is zero.

  The KL of the logits returned is at least delta also as they are rounded: it
  is solved for what rounding may take more, in float32 up to `8e-7 /
  sqrt(delta)` of delta.

  Args:
    logits: Finite floating `Tensor`, shape `[..., K]`.
    delta: Floating `Tensor` of a shape that broadcasts to `[...]`, in nats:
      from 0 to -log of the prior's largest probability, `log K` if uniform.
    prior_logits: Finite floating `Tensor`; leading dimensions broadcast against
      those of `logits`. By default the prior is uniform.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., K]`: logits; float32 at the least. Log-probabilities
    where they differ from the given ones; NaN where those are not all finite.

  Raises:
    ValueError: If `K` is not static or below 2, or differs between `logits` and
      `prior_logits`, or `delta` would widen the batch, or, statically, if a
      prior logit is not finite or `delta` is negative or above the largest,
      which the message says.

  Example:
    >>> logits = delta_categorical([[0., 0., 0.], [0., 5., 0.]], delta=.5)
    >>> print(tf.nn.softmax(logits).numpy().round(3))
    [[0.819 0.091 0.091]
     [0.007 0.987 0.007]]
    >>> print(dlvm.ops.categorical_kl(logits).numpy().round(3))
    [0.5   1.019]
  """
  with tf.name_scope(name):
    (logits,) = floats.common_floats(logits)
    num_classes = shapes.static_num_classes(logits, 'logits', minimum=2)
    if prior_logits is None:
      prior_logits = tf.zeros([num_classes])
    # `tf.cast` alone would leave a variable one.
    prior_logits = tf.cast(tf.convert_to_tensor(prior_logits), logits.dtype)
    if prior_logits.shape[-1:] != [num_classes]:
      raise ValueError(
          f'Expected `prior_logits` of shape [..., {num_classes}]; received '
          f'shape {prior_logits.shape}.'
      )
    check_categorical_delta(delta, prior_logits)
    log_p = _log_softmax(prior_logits) + tf.zeros_like(logits)
    logits += tf.zeros_like(log_p)
    split = _split_leader(logits, log_p)
    batch = split.divergence
    delta = tf.cast(tf.convert_to_tensor(delta), logits.dtype)
    broadcasting.check_broadcasts_to(delta, batch.shape, 'delta')
    goal = _goal(tf.broadcast_to(delta, tf.shape(batch)))
    gain = _gain(split, goal)
    rest = tf.maximum(split.rest_p - gain, _LEAST_PROBABILITY)
    raised = tf.where(
        split.is_leader,
        _log_leader(split, gain)[..., tf.newaxis],
        tf.math.log(rest)[..., tf.newaxis] + split.log_others,
    )
    reached = _kl(split, split.gain) >= goal
    # Clipped as they are, logits that are no numbers would look certain.
    is_finite = tf.reduce_all(tf.math.is_finite(logits), axis=-1, keepdims=True)
    return tf.where(
        is_finite,
        tf.where(reached[..., tf.newaxis], logits, raised),
        tf.constant(math.nan, logits.dtype),
    )


def _goal(delta):
  """Returns delta and what the rounding of log-probabilities may take of it."""
  eps = np.finfo(delta.dtype.as_numpy_dtype).eps
  margin = _MARGIN * eps * tf.sqrt(tf.maximum(delta, 0))
  return delta + tf.stop_gradient(margin)


def _log_softmax(x):
  # A difference of finite logits may overflow, and one of the results, too.
  x -= tf.stop_gradient(tf.reduce_max(x, axis=-1, keepdims=True))
  return tf.nn.log_softmax(tf.maximum(x, x.dtype.min / 2))


def _split_leader(logits, log_p):
  log_q = _log_softmax(logits)
  log_ratio = log_q - log_p
  is_leader = tf.one_hot(
      tf.argmax(log_ratio, axis=-1),
      logits.shape[-1],
      on_value=True,
      off_value=False,
  )

  def at_leader(x):
    return tf.reduce_sum(tf.where(is_leader, x, tf.zeros_like(x)), axis=-1)

  def without_leader(x):
    return tf.where(is_leader, tf.constant(-math.inf, x.dtype), x)

  def others(x):
    """Returns the log-probability of each given the others, else 0."""
    # What the leader would have here may overflow in the gradient.
    log_probs = _log_softmax(without_leader(x))
    return tf.where(is_leader, tf.zeros_like(x), log_probs)

  log_q_others, log_p_others = others(logits), others(log_p)
  log_rest_p = tf.reduce_logsumexp(without_leader(log_p), axis=-1)
  log_p_leader = at_leader(log_p)
  p = tf.exp(log_p_leader)
  rest_p = tf.maximum(tf.exp(log_rest_p), _LEAST_PROBABILITY)
  log_ratio = at_leader(log_ratio)
  gain = tf.where(
      log_ratio < 1,
      p * tf.math.expm1(tf.minimum(log_ratio, 1)),
      # Nothing cancels, and a large ratio has no exponential.
      tf.exp(at_leader(log_q)) - p,
  )
  return _Split(
      is_leader=is_leader,
      log_others=log_q_others,
      divergence=tf.reduce_sum(
          _divergence_terms(log_q_others, log_p_others), axis=-1
      ),
      log_p=log_p_leader,
      p=p,
      rest_p=rest_p,
      # It lies there up to rounding, and outside the KL would be NaN.
      gain=tf.clip_by_value(gain, 0, rest_p),
  )


def _divergence_terms(log_q, log_p):
  """Computes `q log(q / p) - q + p`, none of it negative, exactly near p."""
  log_ratio = log_q - log_p
  sign = tf.where(log_ratio < 0, -tf.ones_like(log_ratio), 1)
  larger = tf.where(log_ratio < 0, log_p, log_q)
  return tf.exp(log_q) * log_ratio + sign * tf.exp(larger) * tf.math.expm1(
      -sign * log_ratio
  )


def _log_growth(split, gain):
  """How much likelier than under the prior the leader is, in nats."""
  is_small = split.p < _SMALL_PROBABILITY
  p = tf.where(is_small, tf.ones_like(split.p), split.p)
  return tf.where(
      is_small, _log_leader(split, gain) - split.log_p, tf.math.log1p(gain / p)
  )


def _log_leader(split, gain):
  """The log-probability of the leader."""
  return tf.math.log(tf.maximum(split.p + gain, _LEAST_PROBABILITY))


def _kl(split, gain):
  """The KL if the leader has `gain` on the prior, convex and increasing."""
  kept = split.rest_p - gain
  kl = (
      (split.p + gain) * _log_growth(split, gain)
      + tf.math.xlog1py(kept, -gain / split.rest_p)
      + kept * split.divergence
  )
  return tf.maximum(kl, 0)


def _gain(split, delta):
  """Returns the gain at which the KL is delta, at least that of the law."""
  fixed = _Split(*[tf.stop_gradient(x) for x in split])
  goal = tf.stop_gradient(delta)

  def halve(low, high):
    middle = (low + high) / 2
    above = _kl(fixed, middle) >= goal
    return tf.where(above, low, middle), tf.where(above, middle, high)

  _, gain = tf.while_loop(
      lambda low, high: True,
      halve,
      # The upper end, so that rounding cannot fall short of delta.
      (fixed.gain, fixed.rest_p),
      maximum_iterations=_NUM_STEPS,
  )
  gain = tf.stop_gradient(gain)
  slope = (
      _log_growth(fixed, gain)
      - tf.math.log1p(-gain / fixed.rest_p)
      - fixed.divergence
  )
  # Zero, with the gradient of the implicit function.
  missing = delta - _kl(split, gain)
  missing -= tf.stop_gradient(missing)
  return gain + missing / tf.maximum(slope, _LEAST_SLOPE)
