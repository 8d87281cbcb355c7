"""Normal laws whose divergence from the standard one is at least delta."""

from typing import Any

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import numerics
from discrete_lvm.ops import standard_normal

# The least scale, exp(-delta - 1/2), is then a normal float32 and its gradient
# too.
_LARGEST_DELTA = 80.0
# Quadratic convergence from a start at most twice too far.
_NUM_STEPS = 7


def check_gaussian_delta(delta: Any) -> None:
  """Raises if a rate is statically known not to be in (0, 80] nats.

  Args:
    delta: Number or `Tensor`.

  Raises:
    ValueError: If any value is not positive, where the constraint would leave
      one scale only, or so large that float32 does not hold the least scale.

  Example:
    >>> check_gaussian_delta(-1.)
    Traceback (most recent call last):
    ...
    ValueError: Expected `delta` in (0, 80] nats; received -1.0.
  """
  if isinstance(delta, (int, float, list, tuple)):
    delta = np.asarray(delta)
  value = tf.get_static_value(delta)
  if value is not None:
    value = np.asarray(value)
    if not np.all((value > 0) & (value <= _LARGEST_DELTA)):
      raise ValueError(
          f'Expected `delta` in (0, {_LARGEST_DELTA:.0f}] nats; received '
          f'{value.tolist()}.'
      )


def delta_gaussian_scales(
    delta: tf.Tensor, name: str = 'delta_gaussian_scales'
) -> tuple[tf.Tensor, tf.Tensor]:
  """Computes the scales at which `KL(N(0, scale**2) || N(0, 1))` is delta.

  They are `sqrt(-W(-exp(-2 * delta - 1)))` for the two branches of Lambert's W,
  found by Newton's method in forms that hardly cancel at small delta, where the
  two branches meet. But a scale near 1 is rounded: that of float32 has a KL off
  by up to `1e-7 / sqrt(delta)` of delta, a tenth at 1e-12. Outside of the
  interval between them every mean has a larger KL. The gradient is that of the
  implicit function.

  Args:
    delta: Floating `Tensor` in (0, 80], any shape, in nats.
    name: Python `str`, name scope of the ops.

  Returns:
    Two `Tensor`s of the shape of `delta`, one below and one above 1; float32 at
    the least.

  Raises:
    ValueError: If `delta` is statically not in (0, 80].

  Example:
    >>> low, high = delta_gaussian_scales(.1)
    >>> print(f'{low**2:.3f} {high**2:.3f}')
    0.493 1.772

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """
  with tf.name_scope(name):
    low, high = _half_log_variances(delta)
    return tf.exp(low), tf.exp(high)


def _half_log_variances(delta):
  """Returns the logarithms of the two scales."""
  check_gaussian_delta(delta)
  (delta,) = floats.common_floats(delta)
  # With variance exp(-y) below 1, and 1 + y above.
  low = _root(delta, lambda y: (tf.math.expm1(-y) + y, -tf.math.expm1(-y)))
  high = _root(delta, lambda y: (y - tf.math.log1p(y), y / (1 + y)))
  return -low / 2, tf.math.log1p(high) / 2


def _root(delta, function):
  """Solves `function(y)[0] = 2 * delta`, convex, like `y**2 / 2` near zero."""
  target = tf.stop_gradient(2 * delta)
  y = target + tf.sqrt(2 * target)
  for _ in range(_NUM_STEPS):
    value, slope = function(y)
    y -= (value - target) / slope
  return numerics.with_root_gradient(y, 2 * delta, function)


def delta_gaussian_min_mean(
    scale: tf.Tensor, delta: tf.Tensor, name: str = 'delta_gaussian_min_mean'
) -> tf.Tensor:
  """Computes the least `|mean|` at which the KL from N(0, 1) is delta.

  It is `sqrt(max(0, 2 * delta + 1 + log(scale**2) - scale**2))`; without the
  root the rate would fall below delta wherever the radicand is above 1, and
  overshoot it elsewhere.

  Args:
    scale: Positive floating `Tensor`, any shape.
    delta: Floating `Tensor` in (0, 80], in nats; broadcasts against `scale`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the broadcast shape, not negative; float32 at the least. Its
    gradient is finite, and zero where no mean is needed.

  Raises:
    ValueError: If `delta` is statically not in (0, 80].

  Example:
    >>> print(delta_gaussian_min_mean([1., 100.], delta=.5).numpy())
    [1. 0.]
  """
  with tf.name_scope(name):
    check_gaussian_delta(delta)
    (scale,) = floats.common_floats(scale)
    delta = tf.cast(delta, scale.dtype)
    missing = 2 * (
        delta - standard_normal.standard_normal_kl(tf.zeros_like(scale), scale)
    )
    return _root_or_zero(missing)


def _root_or_zero(x):
  """Computes `sqrt(max(x, 0))`, with a gradient of zero from 0 down."""
  # Guarded twice: the infinite slope of the root at zero, times a zero from the
  # outer `where`, would be NaN.
  positive = x > 0
  root = tf.sqrt(tf.where(positive, x, tf.ones_like(x)))
  return tf.where(positive, root, tf.zeros_like(root))


def delta_gaussian(
    loc: tf.Tensor,
    scale_logits: tf.Tensor,
    delta: tf.Tensor,
    name: str = 'delta_gaussian',
) -> tuple[tf.Tensor, tf.Tensor]:
  """Maps any numbers to normal laws of KL at least delta from the standard one.

  The logarithm of the scale goes by a sigmoid into the interval of
  `delta_gaussian_scales`, and the mean moves away from zero by
  `delta_gaussian_min_mean`, to the side it is on, so that the KL is delta at a
  `loc` of zero and its gradient to `loc` vanishes nowhere. The map jumps there,
  over the laws that it is to avoid.

  The paper interpolates the variance, where this interpolates its logarithm: at
  a logit of zero the two roots then count the same, however far apart.

  Args:
    loc: Floating `Tensor`, any shape.
    scale_logits: Floating `Tensor`; broadcasts against `loc`.
    delta: Floating `Tensor` in (0, 80], in nats; broadcasts against both.
    name: Python `str`, name scope of the ops.

  Returns:
    The mean and the standard deviation, `Tensor`s of the shape of `loc` and of
    `scale_logits`, broadcast against `delta`; float32 at the least.

  Raises:
    ValueError: If `delta` is statically not in (0, 80].

  Example:
    >>> loc, scale = delta_gaussian([0., 1., -1e4], [0., 1e4, 1.], delta=.1)
    >>> kl = dlvm.ops.standard_normal_kl(loc, scale)
    >>> print(kl.numpy().round(4)[:2])
    [0.1 0.6]

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """
  with tf.name_scope(name):
    check_gaussian_delta(delta)
    loc, scale_logits = floats.common_floats(loc, scale_logits)
    delta = tf.cast(delta, loc.dtype)
    low, high = _half_log_variances(delta)
    log_scale = low + (high - low) * tf.sigmoid(scale_logits)
    scale = tf.exp(log_scale)
    min_mean = _root_or_zero(_missing(scale, log_scale, delta))
    return tf.where(loc < 0, loc - min_mean, loc + min_mean), scale


def _missing(scale, log_scale, delta):
  """Computes the square of the least mean, negative if none is needed."""
  fixed = tf.stop_gradient(scale)
  kl = standard_normal.standard_normal_kl(tf.zeros_like(fixed), fixed)
  # Zero, with the derivatives in the logarithm: that in a scale of exp(-80),
  # times the slope of the root and a large mean, is not finite in float32.
  slope = (fixed - 1) * (fixed + 1)
  change = log_scale - tf.stop_gradient(log_scale)
  kl += slope * change + tf.square(fixed * change)
  return 2 * (delta - kl)
