"""A linear recurrence over time, in parallel."""

import tensorflow as tf

from discrete_lvm.ops import floats


def linear_recurrence(
    x: tf.Tensor, alpha: tf.Tensor, name: str = 'linear_recurrence'
) -> tf.Tensor:
  """Computes `y_t = alpha * y_{t-1} + x_t` from `y_0 = 0`.

  By recursive doubling: `log2(length)` passes over the whole, each of which
  doubles how many steps back a `y_t` has seen, where a scan would take `length`
  steps that wait for each other.

  Args:
    x: Floating `Tensor`, shape `[..., length, dim]`, of static length.
    alpha: Floating `Tensor` in [-1, 1], shape `[..., dim]` or `[]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., length, dim]`; float32 at the least.

  Raises:
    ValueError: If the length is not static.

  Example:
    >>> linear_recurrence([[1.], [0.], [1.]], .5).numpy()[:, 0]
    array([1.  , 0.5 , 1.25], dtype=float32)

  References:
    W. Daniel Hillis, Guy L. Steele. Data Parallel Algorithms. Communications
    of the ACM 29(12), 1986. https://doi.org/10.1145/7902.7903.
  """
  with tf.name_scope(name):
    x, alpha = floats.common_floats(x, alpha)
    length = x.shape[-2] if x.shape.rank and x.shape.rank > 1 else None
    if length is None:
      raise ValueError(
          'Expected `x` of shape [..., length, dim] with a static length; '
          f'received shape {x.shape}.'
      )
    alpha = alpha[..., tf.newaxis, :] if alpha.shape.rank else alpha
    if length == 1:  # No step takes on the batch shape of `alpha`.
      return x + tf.zeros_like(alpha)
    factor, lag = alpha, 1
    while lag < length:
      past = tf.pad(
          x[..., : length - lag, :],
          [[0, 0]] * (x.shape.rank - 2) + [[lag, 0], [0, 0]],
      )
      x += factor * past
      lag *= 2
      # Squares of squares would round 2**k times; the sign is gone by now. The
      # power of zero has no second derivative, which only a lag of 2 lacks.
      factor = (
          tf.square(alpha)
          if lag == 2
          else tf.pow(tf.abs(alpha), tf.cast(lag, alpha.dtype))
      )
    return x
