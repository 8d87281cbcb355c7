"""Categorical laws in closed form, exact at zero probability."""

import math

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import broadcasting
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes


def _log_probs(logits, name):
  logits = tf.convert_to_tensor(logits)
  shapes.static_num_classes(logits, name)
  return tf.nn.log_softmax(floats.at_least_float32(logits))


def categorical_entropy(
    logits: tf.Tensor, name: str = 'categorical_entropy'
) -> tf.Tensor:
  """Computes the entropy of categorical laws, with `0 log 0 = 0`.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`; -inf is probability zero.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least. Its gradient is
    finite, and zero for a class of probability zero.

  Raises:
    ValueError: If `K` is not static.

  Example:
    >>> print(f'{categorical_entropy([0., 0., -math.inf]):.4f}')  # log 2.
    0.6931
  """
  with tf.name_scope(name):
    log_p = _log_probs(logits, 'logits')
    safe = tf.where(tf.math.is_inf(log_p), tf.zeros_like(log_p), log_p)
    return -tf.reduce_sum(tf.exp(log_p) * safe, axis=-1)


def categorical_kl(
    logits: tf.Tensor,
    prior_logits: tf.Tensor | None = None,
    name: str = 'categorical_kl',
) -> tf.Tensor:
  """Computes `KL(q || p)` between categorical laws in closed form.

  `0 log 0 = 0`, and the divergence is +inf where `q` has mass off the support
  of `p`; the gradient is that of the other classes, so it stays finite. A small
  divergence keeps its digits: its relative error in float32 is some
  `1e-6 / sqrt(KL)`, not `1e-7 / KL`.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`: the logits of `q`.
    prior_logits: Floating `Tensor`: the logits of `p`; leading dimensions
      broadcast against those of `logits`. By default `p` is uniform.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float64 if one of the two is of float64,
    else float32.

  Raises:
    ValueError: If `K` is not static, or differs between `q` and `p`.

  Example:
    >>> print(f'{categorical_kl([0., -math.inf]):.4f}')  # log 2 - 0.
    0.6931
    >>> print(categorical_kl([0., 0.], [0., -math.inf]).numpy())
    inf
  """
  with tf.name_scope(name):
    if prior_logits is None:
      prior_logits = tf.zeros(
          [shapes.static_num_classes(tf.convert_to_tensor(logits), 'logits')]
      )
    logits, prior_logits = floats.common_floats(logits, prior_logits)
    num_classes = shapes.static_num_classes(logits, 'logits')
    if num_classes != shapes.static_num_classes(prior_logits, 'prior_logits'):
      raise ValueError(
          'Expected `prior_logits` with as many classes as `logits`, '
          f'{num_classes}; received {prior_logits.shape[-1]}.'
      )
    return _kl(logits, prior_logits)


@tf.custom_gradient
def _kl(logits, prior_logits):
  log_q, log_p = tf.nn.log_softmax(logits), tf.nn.log_softmax(prior_logits)
  q, p = tf.exp(log_q), tf.exp(log_p)
  has_mass, is_possible = q > 0, tf.not_equal(log_p, -math.inf)
  on_support = has_mass & is_possible
  log_ratio = tf.math.multiply_no_nan(
      log_q - log_p, tf.cast(on_support, q.dtype)
  )
  # q log(q / p) - q + p is never negative, so the sum loses nothing; nor does a
  # term by the first form of it, where p is near q.
  kl = tf.reduce_sum(
      tf.where(
          on_support & (tf.abs(log_ratio) < 0.5),
          q * (log_ratio + tf.math.expm1(-log_ratio)),
          q * log_ratio - q + p,
      ),
      axis=-1,
  )
  off_support = has_mass & ~is_possible
  infinity = tf.constant(math.inf, kl.dtype)
  value = tf.where(tf.reduce_any(off_support, -1), infinity, kl)

  def gradient(upstream):
    # Written by hand, half as long to compute as what TensorFlow makes of it.
    lost = q * tf.cast(off_support, q.dtype)
    slopes = q * log_ratio - lost
    slopes -= q * tf.reduce_sum(slopes, axis=-1, keepdims=True)
    kept = 1 - tf.reduce_sum(lost, axis=-1, keepdims=True)
    # A gather passes slices.
    upstream = tf.convert_to_tensor(upstream)[..., tf.newaxis]
    return (
        broadcasting.sum_to_shape(upstream * slopes, logits),
        broadcasting.sum_to_shape(
            upstream * (kept * p - q + lost), prior_logits
        ),
    )

  return value, gradient


def one_hot_log_prob(
    x: tf.Tensor, logits: tf.Tensor, name: str = 'one_hot_log_prob'
) -> tf.Tensor:
  """Computes `sum_k x[k] log p[k]`, differentiable in `x` too.

  On a one-hot `x` it is the log-mass of a categorical law, elsewhere the linear
  extension of it, so that the gradient in `x` is `log p`. For a class of
  probability zero that is -inf, which would be NaN a step further back: the
  gradient is instead that of the smallest normal number, -87.3 in float32. It
  still repels, which a zero would not, as every `log p` is negative.

  Args:
    x: `Tensor`, shape `[..., K]`.
    logits: Floating `Tensor`, shape `[..., K]`; -inf is probability zero.
      Leading dimensions broadcast against those of `x`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats, float32 at the least: with `0 log 0 = 0`,
    and -inf where `x` has mass on a class of probability zero.

  Raises:
    ValueError: If `K` differs between `x` and `logits`.

  Example:
    >>> one_hot_log_prob([[1., 0.], [0., 1.]], [0., -math.inf]).numpy()
    array([  0., -inf], dtype=float32)
  """
  with tf.name_scope(name):
    log_p = tf.nn.log_softmax(floats.at_least_float32(logits))
    x = tf.cast(x, log_p.dtype)
    shapes.check_same_last(x, log_p, 'x')
    impossible = tf.equal(log_p, -math.inf)
    floor = np.log(np.finfo(log_p.dtype.as_numpy_dtype).tiny)
    finite = tf.reduce_sum(x * tf.where(impossible, floor, log_p), axis=-1)
    off_support = tf.reduce_any(impossible & tf.not_equal(x, 0), axis=-1)
    # Added, not selected: the value is -inf and the gradient stays finite.
    return finite + tf.where(
        off_support, tf.constant(-math.inf, finite.dtype), tf.zeros_like(finite)
    )


def categorical_score(
    codes: tf.Tensor, logits: tf.Tensor, name: str = 'categorical_score'
) -> tf.Tensor:
  """Computes the gradient of `log q(codes)` for the logits: `codes - probs`.

  It is zero for a class of probability zero, never NaN.

  Args:
    codes: One-hot `Tensor`, shape `[..., K]`.
    logits: Floating `Tensor`, shape `[..., K]`; -inf is probability zero.
      Leading dimensions broadcast against those of `codes`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., K]`, float32 at the least.

  Raises:
    ValueError: If `K` is not static, or differs between `codes` and `logits`.

  Example:
    >>> categorical_score([[1., 0., 0.]], [[0., 0., -math.inf]]).numpy()
    array([[ 0.5, -0.5,  0. ]], dtype=float32)
  """
  with tf.name_scope(name):
    probs = tf.exp(_log_probs(logits, 'logits'))
    codes = tf.cast(codes, probs.dtype)
    shapes.check_same_last(codes, probs, 'codes')
    return codes - probs
