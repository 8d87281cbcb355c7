"""Divergence of a normal law from the standard one, exact near zero."""

import tensorflow as tf

from discrete_lvm.ops import floats

# How far from a scale of one the terms of the KL nearly cancel.
_NEAR = 0.2
# Of `(atanh(r) - r) / r**3` in `r**2`: the precision of float64 at `_NEAR`.
_COEFFICIENTS = tuple(1 / n for n in range(3, 17, 2))


def standard_normal_kl(
    loc: tf.Tensor, scale: tf.Tensor, name: str = 'standard_normal_kl'
) -> tf.Tensor:
  """Computes `KL(N(loc, scale**2) || N(0, 1))`, elementwise.

  It is `(loc**2 + scale**2 - 1) / 2 - log(scale)`, to full relative precision
  also near the minimum, where these terms cancel.

  Args:
    loc: Floating `Tensor`, any shape.
    scale: Positive floating `Tensor`; broadcasts against `loc`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the broadcast shape, in nats; float32 at the least.

  Example:
    >>> print(f'{standard_normal_kl(1., 1.):.4f}')
    0.5000
  """
  with tf.name_scope(name):
    loc, scale = floats.common_floats(loc, scale)
    return (tf.square(loc) + _spread(scale)) / 2


@tf.custom_gradient
def _spread(scale):
  """Computes `scale**2 - 1 - 2 * log(scale)`."""
  # Where the scale is `exp(x)`, graphs make `expm1(x)` of `scale - 1`, and XLA
  # `x` of its logarithm, which is not what the scale was rounded to. So it is
  # not written like that, and near one no logarithm stands: there it is
  # `u**2 + 2 * (u - log(1 + u))`, and the logarithm `2 * atanh(r)`.
  u = -(1 - scale)
  far = u * (scale + 1) - 2 * tf.math.log(scale)
  r = u / (2 + u)
  series = tf.zeros_like(r)
  for coefficient in reversed(_COEFFICIENTS):
    series = series * tf.square(r) + coefficient
  excess = r * (u - 2 * tf.square(r) * series)
  near = tf.abs(u) < _NEAR
  spread = tf.where(near, tf.square(u) + 2 * excess, far)

  def gradient(upstream):
    return upstream * 2 * u * (scale + 1) / scale

  return spread, gradient
