"""Filters of logits that leave the most probable classes, to sample from."""

import math

import tensorflow as tf

from discrete_lvm.ops import counts
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes


def top_k_logits(
    logits: tf.Tensor, top_k: int, name: str = 'top_k_logits'
) -> tf.Tensor:
  """Leaves the `top_k` most probable classes, and sets the others to -inf.

  Exactly as many are left, or all if there are fewer: among equal logits the
  first classes stay.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`; -inf is probability zero.
    top_k: Python `int` of at least 1.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` like `logits`, not renormalised.

  Raises:
    ValueError: If `top_k` is below 1, or `K` not static.

  Example:
    >>> top_k_logits([1., 3., 2., 2.], top_k=2).numpy()
    array([-inf,   3.,   2., -inf], dtype=float32)

  References:
    Angela Fan, Mike Lewis, Yann Dauphin. Hierarchical Neural Story Generation.
    ACL 2018. https://arxiv.org/abs/1805.04833. Section 5.1.
  """
  counts.check_count(top_k, 'top_k')
  with tf.name_scope(name):
    logits = tf.convert_to_tensor(logits)
    if top_k >= shapes.static_num_classes(logits, 'logits'):
      return logits
    ranked, classes = _ranked(logits, top_k)
    return _keep_from(logits, ranked[..., -1:], classes[..., -1:])


def nucleus_logits(
    logits: tf.Tensor, top_p: float | tf.Tensor, name: str = 'nucleus_logits'
) -> tf.Tensor:
  """Leaves the fewest classes of total mass `top_p`, sets the others to -inf.

  They are taken by falling probability until their total is `top_p` or more,
  so that there is always one; among equal logits the first classes come first.
  Totals are float32 at the least.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`; -inf is probability zero.
    top_p: Number or scalar `Tensor` in (0, 1]; 1 leaves all.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` like `logits`, not renormalised.

  Raises:
    ValueError: If `top_p` is statically not in (0, 1], or `K` not static.

  Example:
    >>> logits = tf.math.log([.125, .5, .25, .125])
    >>> tf.exp(nucleus_logits(logits, top_p=.75)).numpy()
    array([0.  , 0.5 , 0.25, 0.  ], dtype=float32)

  References:
    Ari Holtzman, Jan Buys, Li Du, Maxwell Forbes, Yejin Choi. The Curious Case
    of Neural Text Degeneration. ICLR 2020. https://arxiv.org/abs/1904.09751.
    Section 3.1.
  """
  value = tf.get_static_value(top_p)
  if value is not None and not 0 < value <= 1:
    raise ValueError(f'Expected a `top_p` in (0, 1]; received {value}.')
  with tf.name_scope(name):
    logits = tf.convert_to_tensor(logits)
    num_classes = shapes.static_num_classes(logits, 'logits')
    ranked, classes = _ranked(logits, num_classes)
    probs = tf.nn.softmax(floats.at_least_float32(ranked))
    total_before = tf.cumsum(probs, axis=-1, exclusive=True)
    top_p = tf.cast(top_p, probs.dtype)
    # A rounded total may reach 1 before the last class.
    is_kept = (total_before < top_p) | (top_p >= 1)
    last = tf.math.count_nonzero(
        is_kept, axis=-1, keepdims=True, dtype=tf.int32
    )
    last = tf.maximum(last, 1) - 1
    return _keep_from(
        logits,
        tf.gather(ranked, last, axis=-1, batch_dims=last.shape.rank - 1),
        tf.gather(classes, last, axis=-1, batch_dims=last.shape.rank - 1),
    )


def _ranked(logits, num):
  """Returns the largest logits and their classes, the first among equals."""
  # XLA ranks -0.0 behind 0.0.
  is_zero = tf.equal(logits, 0)
  return tf.math.top_k(tf.where(is_zero, tf.zeros_like(logits), logits), num)


def _keep_from(logits, least, last_class):
  """Leaves logits above `least`, and those equal to it up to a class."""
  is_first = tf.range(logits.shape[-1]) <= last_class
  is_kept = (logits > least) | (tf.equal(logits, least) & is_first)
  is_kept |= tf.math.is_nan(logits)
  return tf.where(is_kept, logits, tf.constant(-math.inf, logits.dtype))
