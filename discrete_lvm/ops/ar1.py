"""The rate that an AR(1) prior commits a factorised posterior to."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import counts
from discrete_lvm.ops import floats
from discrete_lvm.ops import numerics
from discrete_lvm.ops import shapes


def check_alpha(alpha: Any) -> None:
  """Raises if an autocorrelation is statically known not to lie in (-1, 1).

  Args:
    alpha: Number, `Tensor` or variable. A variable is not read.

  Raises:
    ValueError: If any value is not in (-1, 1).

  Example:
    >>> check_alpha([0., 1.])
    Traceback (most recent call last):
    ...
    ValueError: Expected `alpha` in (-1, 1); received [0.0, 1.0].
  """
  if isinstance(alpha, (int, float, list, tuple)):
    alpha = np.asarray(alpha)
  value = tf.get_static_value(alpha)
  if isinstance(value, (np.ndarray, np.generic)):
    value = np.asarray(value)
    if not np.all(np.abs(value) < 1):
      raise ValueError(
          f'Expected `alpha` in (-1, 1); received {value.tolist()}.'
      )


def check_length(length: int) -> None:
  """Raises if a length is below 1.

  Args:
    length: Python `int`.

  Raises:
    ValueError: If it is no integer, or below 1.

  Example:
    >>> check_length(0)
    Traceback (most recent call last):
    ...
    ValueError: Expected an integer `length` of at least 1; received 0.
  """
  counts.check_count(length, 'length')


def align(sequence: tf.Tensor, alpha: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
  """Shapes `alpha` to broadcast against sequences.

  Args:
    sequence: `Tensor`, shape `[..., length, dim]`.
    alpha: `Tensor`, shape `[]`, `[..., 1]` or `[..., dim]`.

  Returns:
    The sequence, whose dim is checked in the run where it is not static, and
    `alpha`, shape `[]` or `[..., 1, dim]`.

  Raises:
    ValueError: If `alpha` is statically of another dim.

  Example:
    >>> _, alpha = align(tf.zeros([5, 2]), tf.constant([.5, .9]))
    >>> alpha.shape
    TensorShape([1, 2])
  """
  if alpha.shape.rank == 0:
    return sequence, alpha
  dims = (alpha.shape[-1], sequence.shape[-1])
  if None not in dims and dims[0] not in (1, dims[1]):
    raise ValueError(
        f'Expected `alpha` of shape [], [..., 1] or [..., {dims[1]}]; received '
        f'shape {alpha.shape}.'
    )
  # Checked in the run where one is not static: a dim of 1 would broadcast.
  if dims[0] not in (None, 1):
    sequence = shapes.ensure_last(sequence, alpha.shape[-1:])
  if dims[1] == 1:
    alpha = shapes.ensure_last(alpha, sequence.shape[-1:])
  return sequence, alpha[..., tf.newaxis, :]


def log_noise_variance(alpha: tf.Tensor) -> tf.Tensor:
  """Computes `log(1 - alpha**2)` to full precision for small alpha and near 1.

  Args:
    alpha: float32 or float64 `Tensor` in (-1, 1), any shape.

  Returns:
    `Tensor` like `alpha`.

  Example:
    >>> print(f'{log_noise_variance(tf.constant(.6)):.4f}')  # log .64.
    -0.4463
  """
  # The sum cancels at zero; the square rounds `1 - alpha`, which is exact.
  return tf.where(
      tf.abs(alpha) < 0.5,
      tf.math.log1p(-tf.square(alpha)),
      tf.math.log1p(alpha) + tf.math.log1p(-alpha),
  )


def ar1_committed_rate(
    alpha: tf.Tensor, length: int, name: str = 'ar1_committed_rate'
) -> tf.Tensor:
  """Computes the least KL of any factorised law from a stationary AR(1) law.

  A posterior that is independent over time cannot match a prior that is not:
  whatever its parameters, its KL from `z_1 ~ N(0, 1)`,
  `z_t | z_{t-1} ~ N(alpha * z_{t-1}, 1 - alpha**2)` is at least

      ((length - 2) * log(1 + alpha**2) - log(1 - alpha**2)) / 2

  nats a dimension, reached by a mean of zero and `ar1_optimal_scale`; and zero
  at a length of 1, where there is nothing to depend on.

  Args:
    alpha: Floating `Tensor` in (-1, 1), shape `[..., dim]`, or `[]` for one
      dimension.
    length: Python `int`, the number of steps.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats, summed over the dimensions; float32 at the
    least.

  Raises:
    ValueError: If `alpha` is statically not in (-1, 1), or `length` below 1.

  Example:
    >>> print(f'{ar1_committed_rate(.95, length=16):.3f}')
    5.666

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """
  with tf.name_scope(name):
    check_alpha(alpha)
    check_length(length)
    (alpha,) = floats.common_floats(alpha)
    if length == 1:
      rate = tf.zeros_like(alpha)
    else:
      rate = (length - 2) * tf.math.log1p(tf.square(alpha))
      rate -= log_noise_variance(alpha)
    return tf.reduce_sum(rate, axis=-1) / 2 if alpha.shape.rank else rate / 2


def ar1_alpha_for_rate(
    rate: tf.Tensor,
    length: int,
    num_dims: int = 1,
    name: str = 'ar1_alpha_for_rate',
) -> tf.Tensor:
  """Computes the autocorrelation that commits a wanted rate.

  The inverse of `ar1_committed_rate`: for each dimension, from a `rate` of
  shape `[dim]`; or shared by `num_dims` of them, from their rate together. Its
  gradient is that of the implicit function.

  Args:
    rate: Floating `Tensor`, any shape, not negative, in nats. At zero the
      gradient is infinite.
    length: Python `int`, the number of steps, at least 2.
    num_dims: Python `int`, how many dimensions share `rate` evenly.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the shape of `rate`, in [0, 1), or 1 where a rate that is not
    static is above what any `alpha` below it commits; float32 at the least.

  Raises:
    ValueError: If `length` is below 2 or `num_dims` below 1, or if a statically
      known `rate` is negative or above what an `alpha` below 1 of that type
      commits, which the message says.

  Example:
    >>> print(f'{ar1_alpha_for_rate(5.666, length=16):.3f}')
    0.950
    >>> print(f'{ar1_alpha_for_rate(4 * 5.666, length=16, num_dims=4):.3f}')
    0.950
  """
  with tf.name_scope(name):
    if length < 2:
      raise ValueError(
          'Expected a `length` of at least 2, as one step commits nothing; '
          f'received {length}.'
      )
    counts.check_count(num_dims, 'num_dims')
    (rate,) = floats.common_floats(rate)
    _check_rate(rate, length, num_dims)
    target = 2 * rate / num_dims
    # Solved in `x = -log(1 - alpha**2)`, where the rate is concave. Newton's
    # steps from below then stay below and cannot diverge: some log(length) of
    # them to leave the plateau, and a few to converge.
    x = target / (length - 1)
    fixed_target = tf.stop_gradient(target)

    def twice_rate(x):
      return _twice_rate(x, length)

    for _ in range(math.ceil(math.log(length)) + 8):
      x = tf.stop_gradient(x)
      value, slope = twice_rate(x)
      x += (fixed_target - value) / slope
    x = numerics.with_root_gradient(x, target, twice_rate)
    return tf.sqrt(-tf.math.expm1(-x))


def _twice_rate(x, length):
  """Returns twice the rate of `alpha**2 = 1 - exp(-x)`, and its slope."""
  decay = tf.exp(-x)
  value = (length - 2) * tf.math.log1p(-tf.math.expm1(-x)) + x
  return value, (length - 2) * decay / (2 - decay) + 1


def _check_rate(rate, length, num_dims):
  value = tf.get_static_value(rate)
  if value is None:
    return
  dtype = rate.dtype.as_numpy_dtype
  alpha = np.float64(np.nextafter(dtype(1), dtype(0)))
  twice_rate = (length - 2) * np.log1p(alpha**2) - np.log1p(-(alpha**2))
  largest = num_dims * twice_rate / 2
  if not np.all((value >= 0) & (value <= largest)):
    raise ValueError(
        f'Expected a `rate` from 0 to {largest:.7g} nats, the largest for '
        f'length {length}, {num_dims} dimensions and {rate.dtype.name}; '
        f'received {value.tolist()}.'
    )


def ar1_optimal_scale(
    alpha: tf.Tensor, length: int, name: str = 'ar1_optimal_scale'
) -> tf.Tensor:
  """Computes the scales of the factorised law nearest to an AR(1) law.

  The inverse roots of the diagonal of the AR(1) law's precision. With a mean of
  zero they reach `ar1_committed_rate`, so they are where an encoder starts that
  is to say nothing more than it must.

  Args:
    alpha: Floating `Tensor` in (-1, 1), shape `[..., dim]`.
    length: Python `int`, the number of steps.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., length, dim]`; float32 at the least.

  Raises:
    ValueError: If `alpha` is statically not in (-1, 1), `length` is below 1, or
      `alpha` has no dimension.

  Example:
    >>> print(ar1_optimal_scale([.6], length=3).numpy()[:, 0].round(3))
    [0.8   0.686 0.8  ]
  """
  with tf.name_scope(name):
    check_alpha(alpha)
    check_length(length)
    (alpha,) = floats.common_floats(alpha)
    if alpha.shape.rank == 0:
      raise ValueError(
          f'Expected `alpha` of shape [..., dim]; received shape {alpha.shape}.'
      )
    alpha = alpha[..., tf.newaxis, :]
    if length == 1:
      return tf.ones_like(alpha)
    end = tf.sqrt((1 - alpha) * (1 + alpha))
    inner = end / tf.sqrt(1 + tf.square(alpha))
    return tf.concat([end] + [inner] * (length - 2) + [end], axis=-2)
