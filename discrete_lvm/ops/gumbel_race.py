"""Gumbel noise given the argmax that it makes, and free of it again."""

import numpy as np
import tensorflow as tf

_HALF_STEP = 2.0**-24


def perturb_given_argmax(
    logits: tf.Tensor,
    noise: tf.Tensor,
    hard: tf.Tensor,
    name: str = 'perturb_given_argmax',
) -> tf.Tensor:
  """Returns `logits + g`, for `g` Gumbel given that `hard` is the argmax.

  The largest of all perturbed logits is a Gumbel variable around their
  log-sum-exp, whichever wins; the others are Gumbel variables below it.

  Args:
    logits: float32 or float64 `Tensor`, shape `[..., K]`, in nats.
    noise: Standard Gumbel noise that is independent of `hard`, shape
      `[..., K]`.
    hard: One-hot `Tensor`, shape `[..., K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `logits`, shape `[..., K]`, whose argmax is `hard`.

  Example:
    >>> zeros = tf.zeros([2])
    >>> perturb_given_argmax(zeros, zeros, [1., 0.]).numpy().round(3)
    array([ 0.693, -0.405], dtype=float32)

  References:
    Max B. Paulus, Chris J. Maddison, Andreas Krause. Rao-Blackwellizing the
    Straight-Through Gumbel-Softmax Gradient Estimator. ICLR 2021.
    https://arxiv.org/abs/2010.04838. Section 3.
  """
  with tf.name_scope(name):
    is_winner = tf.convert_to_tensor(hard) > 0
    largest = tf.reduce_logsumexp(logits, axis=-1, keepdims=True)
    largest += _at(is_winner, noise)
    # -log(exp(-a) + exp(-largest)), also where `a` is -inf.
    others = largest - tf.nn.softplus(largest - (logits + noise))
    return tf.where(is_winner, largest, others)


def resample_noise(
    logits: tf.Tensor,
    noise: tf.Tensor,
    hard: tf.Tensor,
    num_resamples: int,
    name: str = 'resample_noise',
) -> tf.Tensor:
  """Turns the noise that made an argmax into noise that is independent of it.

  Each draw is standard Gumbel noise and independent of `hard`. The first is the
  one from which `perturb_given_argmax` makes `logits + noise` again. The others
  are the first, rotated along the quantiles by the points of a Latin hypercube:
  together they cover each class evenly, and no further noise is drawn.

  Args:
    logits: float32 or float64 `Tensor`, shape `[..., K]`, in nats.
    noise: Standard Gumbel noise, shape `[..., K]`.
    hard: One-hot argmax of `logits + noise`, shape `[..., K]`.
    num_resamples: Positive `int`, how many draws.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `logits`, shape `[num_resamples, ..., K]`.

  Example:
    >>> zeros, hard = tf.zeros([2]), tf.constant([1., 0.])
    >>> resampled = resample_noise(zeros, tf.constant([.7, -.4]), hard, 10)
    >>> perturb_given_argmax(zeros, resampled[0], hard).numpy().round(3)
    array([ 0.7, -0.4], dtype=float32)

  References:
    Art B. Owen. Monte Carlo Variance of Scrambled Net Quadrature. SIAM Journal
    on Numerical Analysis 34(5), 1997. https://doi.org/10.1137/S0036142994277468.
    R. Cranley, T. N. L. Patterson. Randomization of Number Theoretic Methods
    for Multiple Integration. SIAM Journal on Numerical Analysis 13(6), 1976.
    https://doi.org/10.1137/0713071.
  """
  with tf.name_scope(name):
    is_winner = tf.convert_to_tensor(hard) > 0
    perturbed = logits + noise
    largest = _at(is_winner, perturbed)
    # Clocks that ring at rates exp(logits) ring first at exp(-largest), a time
    # that does not tell which one rang, and start anew from there.
    waits = tf.where(
        is_winner,
        tf.exp(tf.reduce_logsumexp(logits, axis=-1, keepdims=True) - largest),
        -tf.exp(-noise) * tf.math.expm1(perturbed - largest),
    )
    # Quantiles of the standard exponential law.
    quantiles = tf.minimum(-tf.math.expm1(-waits), 1 - _HALF_STEP)
    points = _latin_hypercube(num_resamples, logits.shape[-1])
    points = points.reshape(
        [num_resamples] + [1] * (logits.shape.rank - 1) + [-1]
    )
    rotated = quantiles + tf.constant(points, logits.dtype)
    rotated = tf.clip_by_value(
        rotated - tf.floor(rotated), _HALF_STEP / 2**9, 1 - _HALF_STEP
    )
    return -tf.math.log(-tf.math.log1p(-rotated))


def _at(is_winner, x):
  """Returns the entry of the winner, shape `[..., 1]`."""
  return tf.reduce_sum(
      tf.where(is_winner, x, tf.zeros_like(x)), axis=-1, keepdims=True
  )


def _latin_hypercube(num_points, dim):
  """Returns points in `[0, 1)`, the first at the origin; always the same."""
  ranks = np.zeros([num_points, dim])
  ranks[1:] = np.arange(1, num_points)[:, np.newaxis]
  ranks[1:] = np.random.default_rng(0).permuted(ranks[1:], axis=0)
  return ranks / num_points
