"""Divergence of a factorised normal law from an AR(1) law, in linear time."""

import tensorflow as tf

from discrete_lvm.ops import ar1
from discrete_lvm.ops import floats
from discrete_lvm.ops import standard_normal


def gaussian_ar1_kl(
    loc: tf.Tensor,
    scale: tf.Tensor,
    alpha: tf.Tensor,
    name: str = 'gaussian_ar1_kl',
) -> tf.Tensor:
  """Computes `KL(q || p)` of a diagonal normal `q` and an AR(1) prior `p`.

  `p` is stationary, of unit variance and independent over the dimensions:
  `z_1 ~ N(0, 1)`, `z_t | z_{t-1} ~ N(alpha * z_{t-1}, 1 - alpha**2)`. In closed
  form, in time and memory linear in the length, and a sum of terms that are
  none of them negative, so that nothing cancels as `alpha` nears 1.

  Args:
    loc: Floating `Tensor`, shape `[..., length, dim]`, the means of `q`.
    scale: Positive floating `Tensor`, the standard deviations of `q`;
      broadcasts against `loc`.
    alpha: Floating `Tensor` in (-1, 1), shape `[..., dim]` or `[]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least.

  Raises:
    ValueError: If `loc` and `scale` have fewer than two dimensions or a static
      length of 0, if the shapes do not match, or if `alpha` is statically not
      in (-1, 1).
    tf.errors.InvalidArgumentError: If the dim of `loc` is not static and not
      that of `alpha`, or the other way round.

  Example:
    >>> scale = dlvm.ops.ar1_optimal_scale([.95], length=16)
    >>> kl = gaussian_ar1_kl(tf.zeros([16, 1]), scale, [.95])
    >>> print(f'{kl:.3f}')  # The committed rate, its minimum.
    5.666

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """
  with tf.name_scope(name):
    terms = gaussian_ar1_kl_terms(loc, scale, alpha)
    return tf.reduce_sum(terms, axis=[-2, -1])


def gaussian_ar1_kl_terms(
    loc: tf.Tensor,
    scale: tf.Tensor,
    alpha: tf.Tensor,
    name: str = 'gaussian_ar1_kl_terms',
) -> tf.Tensor:
  """Computes the part of `gaussian_ar1_kl` of each step and dimension.

  By the chain rule it is the KL of the step from the prior given the step
  before, in expectation over `q`; none is negative. At `alpha` 0 it is the KL
  of each latent from N(0, 1).

  Args:
    loc: Floating `Tensor`, shape `[..., length, dim]`, the means of `q`.
    scale: Positive floating `Tensor`, the standard deviations of `q`;
      broadcasts against `loc`.
    alpha: Floating `Tensor` in (-1, 1), shape `[..., dim]` or `[]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., length, dim]`, in nats; float32 at the least.

  Raises:
    ValueError: As `gaussian_ar1_kl` raises.
    tf.errors.InvalidArgumentError: As `gaussian_ar1_kl` raises.

  Example:
    >>> terms = gaussian_ar1_kl_terms(tf.zeros([3, 1]), tf.ones([3, 1]), .6)
    >>> print(terms.numpy()[:, 0].round(4))
    [0.     0.3394 0.3394]
  """
  with tf.name_scope(name):
    ar1.check_alpha(alpha)
    loc, scale, alpha = floats.common_floats(loc, scale, alpha)
    loc, scale = _broadcast(loc, scale)
    loc, alpha = ar1.align(loc, alpha)
    noise_variance = (1 - alpha) * (1 + alpha)
    noise_scale = tf.sqrt(noise_variance)
    first = standard_normal.standard_normal_kl(
        loc[..., :1, :], scale[..., :1, :]
    )
    # For each step, the KL of its mean prediction, and how far the spread of
    # the step before spoils it.
    steps = standard_normal.standard_normal_kl(
        (loc[..., 1:, :] - alpha * loc[..., :-1, :]) / noise_scale,
        scale[..., 1:, :] / noise_scale,
    )
    spoilt = tf.square(alpha * scale[..., :-1, :] / noise_scale) / 2
    # In the batch shape of the other steps, which `alpha` may widen.
    first += tf.zeros_like(alpha)
    return tf.concat([first, steps + spoilt], axis=-2)


def _broadcast(loc, scale):
  try:
    static_shape = tf.broadcast_static_shape(loc.shape, scale.shape)
  except ValueError:
    static_shape = None
  rank = None if static_shape is None else static_shape.rank
  if rank is None or rank < 2 or static_shape[-2] == 0:
    raise ValueError(
        'Expected `loc` and `scale` that broadcast to [..., length, dim] with '
        f'a length of at least 1; received shapes {loc.shape} and '
        f'{scale.shape}.'
    )
  shape = tf.broadcast_dynamic_shape(tf.shape(loc), tf.shape(scale))
  loc, scale = tf.broadcast_to(loc, shape), tf.broadcast_to(scale, shape)
  return tf.ensure_shape(loc, static_shape), tf.ensure_shape(
      scale, static_shape
  )
