"""Divergence of a normal law from the standard one, exact near zero."""

import tensorflow as tf

from discrete_lvm.ops import floats


def standard_normal_kl(
    loc: tf.Tensor, scale: tf.Tensor, name: str = 'standard_normal_kl'
) -> tf.Tensor:
  """Computes `KL(N(loc, scale**2) || N(0, 1))`, elementwise.

  It is `(loc**2 + scale**2 - 1) / 2 - log(scale)`. Near the minimum, where it
  is of the size of a squared deviation, the error is of the size of the
  deviation times a rounding, not of a rounding.

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
    # Both terms see the same scale, so that its rounding counts in the second
    # order only.
    spread = (scale - 1) * (scale + 1) - 2 * tf.math.log(scale)
    return (tf.square(loc) + spread) / 2
