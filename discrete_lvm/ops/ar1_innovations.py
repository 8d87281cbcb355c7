"""A stationary AR(1) sequence and the independent numbers that drive it."""

import tensorflow as tf

from discrete_lvm.ops import ar1
from discrete_lvm.ops import floats
from discrete_lvm.ops import recurrence


def ar1_innovations(
    z: tf.Tensor, alpha: tf.Tensor, name: str = 'ar1_innovations'
) -> tf.Tensor:
  """Computes what is new at each step of a sequence, in units of its spread.

      u_1 = z_1,  u_t = (z_t - alpha * z_{t-1}) / sqrt(1 - alpha**2)

  They are independent and standard normal if and only if `z` is of the
  stationary AR(1) law of unit variance.

  Args:
    z: Floating `Tensor`, shape `[..., length, dim]`.
    alpha: Floating `Tensor` in (-1, 1), shape `[..., dim]` or `[]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., length, dim]`; float32 at the least.

  Raises:
    ValueError: If `alpha` is statically not in (-1, 1) or of another dim, or if
      `z` has fewer than two dimensions.
    tf.errors.InvalidArgumentError: If a dim that is not static differs.

  Example:
    >>> ar1_innovations([[1.], [1.4]], alpha=.6).numpy()[:, 0].round(3)
    array([1., 1.], dtype=float32)
  """
  with tf.name_scope(name):
    ar1.check_alpha(alpha)
    z, alpha = floats.common_floats(z, alpha)
    _check_rank(z, 'z')
    z, alpha = ar1.align(z, alpha)
    jumps = z[..., 1:, :] - alpha * z[..., :-1, :]
    # In the batch shape of the jumps, which `alpha` may widen.
    first = z[..., :1, :] + tf.zeros_like(alpha)
    return tf.concat([first, jumps / _noise_scale(alpha)], axis=-2)


def ar1_from_innovations(
    u: tf.Tensor, alpha: tf.Tensor, name: str = 'ar1_from_innovations'
) -> tf.Tensor:
  """Inverts `ar1_innovations`, in parallel over time.

  Args:
    u: Floating `Tensor`, shape `[..., length, dim]`, of static length.
    alpha: Floating `Tensor` in (-1, 1), shape `[..., dim]` or `[]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., length, dim]`; float32 at the least.

  Raises:
    ValueError: As `ar1_innovations` raises, or if the length is not static.
    tf.errors.InvalidArgumentError: As `ar1_innovations` raises.

  Example:
    >>> u = [[1.], [1.]]
    >>> print(ar1_from_innovations(u, alpha=.6).numpy()[:, 0].round(3))
    [1.  1.4]
  """
  with tf.name_scope(name):
    ar1.check_alpha(alpha)
    u, alpha = floats.common_floats(u, alpha)
    _check_rank(u, 'u')
    u, aligned = ar1.align(u, alpha)
    noise_scale = _noise_scale(aligned)
    # The first step starts at the variance that the others keep.
    first = u[..., :1, :] + tf.zeros_like(noise_scale)
    return recurrence.linear_recurrence(
        tf.concat([first, noise_scale * u[..., 1:, :]], axis=-2), alpha
    )


def _check_rank(sequence, name):
  if sequence.shape.rank in (0, 1):
    raise ValueError(
        f'Expected `{name}` of shape [..., length, dim]; received shape '
        f'{sequence.shape}.'
    )


def _noise_scale(alpha):
  return tf.sqrt((1 - alpha) * (1 + alpha))
