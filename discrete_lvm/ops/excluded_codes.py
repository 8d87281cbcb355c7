"""The law of codes other than those of a list."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import numerics
from discrete_lvm.ops import shapes
from discrete_lvm.ops.categorical import one_hot_log_prob
from discrete_lvm.ops.straight_through import one_hot_argmax


def log_mass_excluding(
    logits: tf.Tensor, excluded: tf.Tensor, name: str = 'log_mass_excluding'
) -> tf.Tensor:
  """Computes `log(1 - sum_{z in D} q(z))`, summed over the codes that are left.

  A code that is not in D leaves the codes of D at some latent: up to there it
  is as one of them, and whatever comes after is its own. So the mass of all of
  them is a sum over beginnings of codes of D and next classes that none of them
  has: `D * N * K` positive terms for `K**N` codes, and nothing cancels where D
  has nearly all of the mass.

  Args:
    logits: Floating `Tensor`, shape `[..., N, K]`, of N independent latents, in
      nats; -inf is probability zero.
    excluded: One-hot codes, shape `[D, ..., N, K]` with a static D; one may
      stand there more than once.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats, float32 at the least: -inf where no code
    is left that has mass.

  Raises:
    ValueError: If `excluded` has another shape or no static D.

  Example:
    >>> logits = tf.constant([[0., 0.], [0., 0.]])
    >>> mass = tf.exp(log_mass_excluding(logits, [[[1., 0.], [0., 1.]]]))
    >>> print(f'{mass:.2f}')  # Three of four codes are left.
    0.75
  """
  with tf.name_scope(name):
    logits = floats.at_least_float32(logits)
    excluded = _checked(excluded, logits)
    if not excluded.shape[0]:
      return tf.zeros(tf.shape(logits)[:-2], logits.dtype)
    return _log_mass(_branches(logits, excluded))


def sample_excluding(
    logits: tf.Tensor,
    excluded: tf.Tensor,
    noise: tf.Tensor,
    name: str = 'sample_excluding',
) -> tuple[tf.Tensor, tf.Tensor]:
  """Samples a code of N independent latents, given that it is not in D.

  One latent after another has the argmax of noise plus the log-mass of each
  class, which is that of the codes left that begin with those before and with
  that class. As that differs from `logits` only along the codes of D, all of it
  is computed at once: `D * D * N + D * N * K` operations for `K**N` codes. A
  code of tiny probability is drawn as often as its probability says, whatever
  mass D has.

  Args:
    logits: As for `log_mass_excluding`.
    excluded: As for `log_mass_excluding`.
    noise: Standard Gumbel noise of the shape of `logits`.
    name: Python `str`, name scope of the ops.

  Returns:
    A one-hot code, shape `[..., N, K]`, and `log_mass_excluding`, `[...]`.
    Where that is -inf, the code has no meaning, and may be one of D.

  Raises:
    ValueError: As `log_mass_excluding`, or if `noise` has another shape.

  Example:
    >>> logits = tf.constant([[0., 0.], [0., 9.]])
    >>> code, _ = sample_excluding(
    ...     logits, [[[1., 0.], [0., 1.]]], noise=[[1., 0.], [0., 0.]])
    >>> code.numpy().tolist()
    [[0.0, 1.0], [0.0, 1.0]]
  """
  with tf.name_scope(name):
    logits = floats.at_least_float32(logits)
    noise = tf.cast(noise, logits.dtype)
    if not noise.shape.is_compatible_with(logits.shape):
      raise ValueError(
          f'Expected `noise` of shape {logits.shape}; received {noise.shape}.'
      )
    noise = shapes.with_shape(
        noise, logits.shape, lambda: tf.shape(logits), '`noise`'
    )
    excluded = _checked(excluded, logits)
    usual = logits + noise
    if not excluded.shape[0]:
      return one_hot_argmax(usual), tf.zeros(tf.shape(usual)[:-2], usual.dtype)
    branches = _branches(logits, excluded)
    classes = _classes(excluded)
    # The next class given each beginning of a code of D: one of those that
    # leave all codes of D, or else one that some of them have.
    free = branches.log_classes + noise
    best_free = tf.reduce_max(free, axis=-1)
    own = _log_completions(branches) + tf.reduce_sum(excluded * noise, axis=-1)
    scores = _where(branches.is_before, own)
    best = tf.reduce_max(scores, axis=1)
    is_best = branches.is_before & tf.equal(scores, best[:, tf.newaxis])
    following = tf.reduce_max(tf.where(is_best, classes, -1), axis=1)
    following = tf.where(
        best > best_free,
        following,
        tf.argmax(free, axis=-1, output_type=tf.int32),
    )
    # What the code begins with, as long as that is in D.
    is_followed = _all_before(tf.equal(following, classes))
    along = tf.reduce_max(tf.where(is_followed, following, -1), axis=0)
    alone = tf.argmax(usual, axis=-1, output_type=tf.int32)
    code = tf.one_hot(
        tf.where(along < 0, alone, along), logits.shape[-1], dtype=logits.dtype
    )
    return code, _log_mass(branches)


class _Branches(NamedTuple):
  """Where codes leave those of D: at latent n, after the beginning of code d.

  Attributes:
    is_before: `[D, D, ..., N]`, whether codes d and e agree before latent n.
    is_through: `[D, D, ..., N]`, whether they agree there, too.
    log_classes: `[D, ..., N, K]`, the log-mass of the beginning of d and then a
      class: -inf for those that a code of D has there.
    log_mass: `[D, ..., N]`, its sum; -inf but for the first of those codes that
      have the same beginning, so that none counts twice.
  """

  is_before: tf.Tensor
  is_through: tf.Tensor
  log_classes: tf.Tensor
  log_mass: tf.Tensor


def _branches(logits, excluded):
  """Returns the `_Branches` of codes `[D, ..., N, K]`, D at least 1."""
  classes = _classes(excluded)
  agrees = tf.equal(classes[:, tf.newaxis], classes)
  is_before = _all_before(agrees)
  log_q = tf.nn.log_softmax(logits)
  is_taken = tf.reduce_any(is_before[..., tf.newaxis] & (excluded > 0), axis=1)
  log_before = tf.cumsum(
      one_hot_log_prob(excluded, logits), axis=-1, exclusive=True
  )
  log_classes = log_before[..., tf.newaxis] + _where(~is_taken, log_q)
  num_excluded = excluded.shape[0]
  is_earlier = np.tri(num_excluded, k=-1, dtype=bool)
  is_earlier = is_earlier.reshape(
      [num_excluded, num_excluded, *[1] * (classes.shape.rank - 1)]
  )
  is_repeated = tf.reduce_any(is_before & is_earlier, axis=1)
  return _Branches(
      is_before,
      is_before & agrees,
      log_classes,
      _where(~is_repeated, numerics.log_sum_exp(log_classes, axis=[-1])),
  )


def _log_mass(branches):
  return numerics.log_sum_exp(branches.log_mass, axis=[0, -1])


def _log_completions(branches):
  """Returns the log-mass of codes left that begin as d, through latent n."""
  later = tf.math.cumulative_logsumexp(
      branches.log_mass, axis=-1, exclusive=True, reverse=True
  )
  # TensorFlow has the least float for the sum of nothing.
  later = _where(later > later.dtype.min, later)
  return tf.reduce_logsumexp(_where(branches.is_through, later), axis=1)


def _classes(codes):
  return tf.argmax(codes, axis=-1, output_type=tf.int32)


def _all_before(x):
  """Returns whether all of `x`, `[..., N]`, are true before each."""
  # The first that is false, not a running product, which takes longer.
  index = tf.range(tf.shape(x)[-1])
  first = tf.reduce_min(tf.where(x, index.dtype.max, index), -1, keepdims=True)
  return index <= first


def _where(condition, log_mass):
  return tf.where(condition, log_mass, tf.constant(-np.inf, log_mass.dtype))


def _checked(excluded, logits):
  """Returns codes in the dtype of the logits, or raises."""
  excluded = tf.cast(excluded, logits.dtype)
  shape = excluded.shape
  if not shape.rank or not shape[1:].is_compatible_with(logits.shape):
    raise ValueError(
        'Expected `excluded` of shape [D, ..., N, K] for `logits` of shape '
        f'{logits.shape}; received {shape}.'
    )
  if shape[0] is None:
    raise ValueError(
        f'Expected `excluded` with a static D; received shape {shape}.'
    )
  return excluded
