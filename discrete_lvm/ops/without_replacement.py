"""Codes drawn without replacement, and the law of the set that they form."""

import itertools

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import excluded_codes
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes
from discrete_lvm.ops.categorical import one_hot_log_prob


def sample_without_replacement(
    logits: tf.Tensor,
    noise: tf.Tensor,
    name: str = 'sample_without_replacement',
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Draws S distinct codes of N independent latents, one after another.

  Each draw has the law of the codes that are left, as `sample_excluding` draws
  it: mass is summed, never subtracted, so that a code of tiny probability is
  drawn as often as its probability says. The `K**N` codes are not enumerated.

  Args:
    logits: Floating `Tensor`, shape `[..., N, K]` with static N and K.
    noise: Standard Gumbel noise, shape `[S, ..., N, K]` with a static S.
    name: Python `str`, name scope of the ops.

  Returns:
    One-hot codes, shape `[S, ..., N, K]`; their log-probabilities, `[S, ...]`;
    the log-mass of all the other codes, `[...]`. float32 at the least. Where
    less than S codes have mass, the log-probability of the draws that find none
    left is -inf.

  Raises:
    ValueError: If `K**N` is below S, if N or K is not static, or if `noise` has
      another shape.

  Example:
    >>> codes, _, _ = sample_without_replacement(
    ...     tf.zeros([1, 2]), noise=tf.constant([[[0., 1.]], [[0., 2.]]]))
    >>> codes.numpy().tolist()
    [[[0.0, 1.0]], [[1.0, 0.0]]]
  """
  with tf.name_scope(name):
    logits = floats.at_least_float32(logits)
    noise = floats.at_least_float32(noise)
    check_num_samples(noise.shape[0], *shapes.static_event(logits))
    codes = tf.zeros_like(noise, logits.dtype)[:0]
    log_probs = []
    for sample_noise in tf.unstack(noise):
      code, log_left = excluded_codes.sample_excluding(
          logits, codes, sample_noise
      )
      log_prob = tf.reduce_sum(one_hot_log_prob(code, logits), axis=-1)
      log_probs.append(
          tf.where(tf.equal(log_left, -np.inf), log_left, log_prob)
      )
      codes = tf.concat([codes, code[tf.newaxis]], axis=0)
    return (
        codes,
        tf.stack(log_probs),
        excluded_codes.log_mass_excluding(logits, codes),
    )


def check_num_samples(
    num_samples: int, num_latents: int, num_classes: int
) -> None:
  """Raises if there are fewer codes than samples without replacement.

  Args:
    num_samples: S.
    num_latents: N.
    num_classes: K.

  Raises:
    ValueError: If `K**N` is below S.
  """
  if num_samples > num_classes**num_latents:
    raise ValueError(
        f'Expected at most {num_classes}**{num_latents} = '
        f'{num_classes**num_latents} samples without replacement; received '
        f'{num_samples}.'
    )


def unordered_set_weights(
    log_probs: tf.Tensor,
    log_rest: tf.Tensor,
    name: str = 'unordered_set_weights',
) -> tuple[tf.Tensor, tf.Tensor]:
  """Computes how much each element of a set without replacement stands for.

  The weight of an element is its probability to have been the first of the set
  to be drawn, `p(s) R(D, s)` with the leave-one-out ratio `R`: the weighted sum
  of a function over the set is an unbiased estimate of its expectation. The
  baseline weights of an element do the same with that element given and the
  others drawn from what it leaves.

  The probability to complete the set from a part of it, `sum_s p(s) / rest *
  (that from the part with s)`, gives both ratios at once. All of the `2**S`
  terms are positive: nothing cancels.

  Args:
    log_probs: float32 `Tensor`, shape `[S, ...]`, of each element, in nats;
      -inf for what was drawn when no mass was left. S is static, at least 2.
    log_rest: float32 `Tensor`, shape `[...]`, the log-mass of all others.
    name: Python `str`, name scope of the ops.

  Returns:
    Weights, shape `[S, ...]`, and baseline weights, `[S, S, ...]`, of which
    `[i]` are those for element i. Both sum to one over the last S.

  Raises:
    ValueError: If S is not static or below 2.

  Example:
    >>> weights, baseline = unordered_set_weights([-.6931, -.6931], -math.inf)
    >>> print(weights.numpy().round(2), baseline.numpy().round(2).tolist())
    [0.5 0.5] [[0.5, 0.5], [0.5, 0.5]]

  References:
    Wouter Kool, Herke van Hoof, Max Welling. Estimating Gradients for Discrete
    Random Variables by Sampling without Replacement. ICLR 2020.
    https://arxiv.org/abs/2002.06043. The leave-one-out ratios of the first and
    the second order.
  """
  with tf.name_scope(name):
    log_probs = tf.convert_to_tensor(log_probs)
    num_samples = shapes.static_num_samples(log_probs, 'log_probs')
    rest = tf.convert_to_tensor(log_rest, log_probs.dtype)
    everything = tf.concat([log_probs, rest[tf.newaxis]], axis=0)
    parts = [
        list(itertools.combinations(range(num_samples), size))
        for size in range(num_samples + 1)
    ]
    # Of the parts of each size, `[number of parts, ...]`.
    log_complete = [tf.zeros_like(log_probs[:1])]
    for size in reversed(range(num_samples)):
      index = {part: i for i, part in enumerate(parts[size + 1])}
      others = [_without(num_samples, part) for part in parts[size]]
      successors = [
          [index[tuple(sorted((*part, s)))] for s in left]
          for part, left in zip(parts[size], others, strict=True)
      ]
      undrawn = [[*left, num_samples] for left in others]
      log_left = tf.reduce_logsumexp(tf.gather(everything, undrawn), axis=1)
      log_left = log_left[:, tf.newaxis]
      step = tf.where(
          tf.equal(log_left, -np.inf),
          # Without mass, what comes next has no law: say, uniform.
          tf.constant(-np.log(num_samples - size), log_probs.dtype),
          tf.gather(log_probs, others) - log_left,
      )
      log_complete.append(
          tf.reduce_logsumexp(
              step + tf.gather(log_complete[-1], successors), axis=1
          )
      )
    empty, single = log_complete[-1], log_complete[-2]
    weights = tf.exp(log_probs + single - empty)
    pairs = {part: i for i, part in enumerate(parts[2])}
    pair_index = [
        [pairs.get((min(i, j), max(i, j)), 0) for j in range(num_samples)]
        for i in range(num_samples)
    ]
    baseline = tf.exp(
        log_probs
        + tf.gather(log_complete[-3], pair_index)
        - single[:, tf.newaxis]
    )
    itself = tf.reshape(
        tf.eye(num_samples, dtype=tf.bool),
        [num_samples, num_samples, *[1] * (log_probs.shape.rank - 1)],
    )
    return weights, tf.where(itself, tf.exp(log_probs), baseline)


def _without(num_samples, part):
  return [s for s in range(num_samples) if s not in part]
