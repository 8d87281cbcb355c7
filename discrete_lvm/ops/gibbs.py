"""Gibbs sampling of categorical codes."""

from collections.abc import Callable
import math

import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes
from discrete_lvm.ops.straight_through import one_hot_argmax


def gibbs_sweep(
    log_prob: Callable[[tf.Tensor], tf.Tensor],
    codes: tf.Tensor,
    noise: tf.Tensor,
    name: str = 'gibbs_sweep',
) -> tuple[tf.Tensor, tf.Tensor]:
  """Draws each latent in turn from its law given all the others.

  That law takes `log_prob` at the K classes of the one latent, so a sweep calls
  it N times on K codes. It leaves the law of `log_prob` invariant.

  Args:
    log_prob: From one-hot codes `[K, ..., N, K]` to their log-mass in nats,
      `[K, ...]`, not necessarily normalised.
    codes: One-hot floating `Tensor`, shape `[..., N, K]` with static N and K.
    noise: Standard Gumbel noise, a `Tensor` of the shape of `codes`.
    name: Python `str`, name scope of the ops.

  Returns:
    One-hot codes, shape `[..., N, K]`, and the log-mass of each, `[...]`,
    float32, or float64 if the noise is.

  Raises:
    ValueError: If N or K is not static, `noise` of another shape, or what
      `log_prob` returns.

  Example:
    >>> def log_prob(codes):  # Latents that are equal, or almost never.
    ...   return 9. * tf.reduce_sum(codes[..., 0, :] * codes[..., 1, :], -1)
    >>> codes = tf.constant([[0., 1.], [1., 0.]])
    >>> gibbs_sweep(log_prob, codes, noise=tf.zeros([2, 2]))[0].numpy()
    array([[1., 0.],
           [1., 0.]], dtype=float32)

  References:
    Stuart Geman, Donald Geman. Stochastic Relaxation, Gibbs Distributions, and
    the Bayesian Restoration of Images. IEEE Transactions on Pattern Analysis
    and Machine Intelligence 6(6), 1984.
  """
  with tf.name_scope(name):
    codes = tf.convert_to_tensor(codes)
    num_classes = shapes.static_num_classes(codes, 'codes')
    num_latents = codes.shape[-2]
    if num_latents is None:
      raise ValueError(
          'Expected `codes` of shape [..., N, K] with a static N; received '
          f'{codes.shape}.'
      )
    rank = codes.shape.rank
    # Class k of the latent to draw, in a new first axis.
    classes = tf.reshape(
        tf.eye(num_classes, dtype=codes.dtype),
        [num_classes, *[1] * (rank - 1), num_classes],
    )

    noise = floats.at_least_float32(noise)
    if not noise.shape.is_compatible_with(codes.shape):
      raise ValueError(
          f'Expected `noise` of the shape of `codes`, {codes.shape}; received '
          f'{noise.shape}.'
      )
    noise = shapes.with_shape(
        noise, codes.shape, lambda: tf.shape(codes), '`noise`'
    )

    def draw(n, codes, unused_log_mass):
      is_drawn = tf.reshape(tf.range(num_latents) == n, [num_latents, 1])
      log_mass = tf.cast(
          log_prob(tf.where(is_drawn, classes, codes)), noise.dtype
      )
      expected = tf.TensorShape([num_classes, *codes.shape[:-2]])
      if not log_mass.shape.is_compatible_with(expected):
        raise ValueError(
            f'Expected `log_prob` to return values of shape {expected}; '
            f'received {log_mass.shape}.'
        )
      log_mass = tf.einsum('k...->...k', log_mass)
      chosen = one_hot_argmax(
          log_mass + tf.gather(noise, n, axis=-2), codes.dtype
      )
      codes = tf.where(is_drawn, tf.expand_dims(chosen, axis=-2), codes)
      # Not a product with the one-hot, where -inf would meet zero.
      return (
          n + 1,
          codes,
          tf.reduce_max(tf.where(chosen > 0, log_mass, -math.inf), axis=-1),
      )

    _, codes, log_mass = tf.while_loop(
        lambda n, *_: n < num_latents,
        draw,
        (tf.constant(0), codes, tf.zeros_like(noise[..., 0, 0])),
        maximum_iterations=num_latents,
        parallel_iterations=1,
    )
    return codes, log_mass
