"""Gumbel and logistic noise, and the Gumbel-Softmax relaxation."""

from collections.abc import Sequence

import tensorflow as tf

from discrete_lvm.ops import centering
from discrete_lvm.ops import draws
from discrete_lvm.ops import numerics
from discrete_lvm.ops import seeds
from discrete_lvm.ops import shapes
from discrete_lvm.ops import straight_through as st
from discrete_lvm.ops import temperatures


def exponential(
    shape: Sequence[int] | tf.Tensor, seed: tf.Tensor, name: str = 'exponential'
) -> tf.Tensor:
  """Draws standard exponential noise with a full lower tail, in float32.

  All 32 random bits are kept: the draw is `-log1p(-u)` with `u` on a grid of
  step `2**-32` (half a step off zero), which float32 holds exactly where it
  matters, near zero. The smallest value is `2**-33`.

  Args:
    shape: Shape of the noise, a list of ints or an int32 `Tensor` of rank 1.
    seed: int32 `Tensor`, shape `[2]`.
    name: Python `str`, name scope of the ops.

  Returns:
    float32 `Tensor` of shape `shape`, strictly positive and finite.

  Raises:
    ValueError: If `seed` is not of shape `[2]`.

  Example:
    >>> bool(tf.reduce_all(exponential([1000], seed=[0, 1]) > 0.))
    True
  """
  with tf.name_scope(name):
    bits = draws.random_bits(shape, seed)
    # The top 128 integers round to 2**32 in float32. Scaled by the largest
    # float below one they give u = 1 - 2**-24 rather than 1, so that no pass
    # over the data is needed to clip an infinity.
    scale = 2.0**-32 * (1 - 2.0**-24)
    return -tf.math.log1p(tf.cast(bits, tf.float32) * -scale - 2.0**-33)


def gumbel(
    shape: Sequence[int] | tf.Tensor, seed: tf.Tensor, name: str = 'gumbel'
) -> tf.Tensor:
  """Draws standard Gumbel noise with a full upper tail, in float32.

  The largest value is `33 log 2 = 22.87`, where a uniform draw on the usual
  grid of step `2**-23` stops at 15.9. The upper tail decides which class wins,
  so that a rare class is drawn as often as its probability says. The lower
  tail, which only losing classes see, stops at -2.81 (probability 6e-8).

  Args:
    shape: Shape of the noise, a list of ints or an int32 `Tensor` of rank 1.
    seed: int32 `Tensor`, shape `[2]`.
    name: Python `str`, name scope of the ops.

  Returns:
    float32 `Tensor` of shape `shape`.

  Raises:
    ValueError: If `seed` is not of shape `[2]`.

  Example:
    >>> noise = gumbel([100000], seed=[0, 1])
    >>> print(f'{tf.reduce_mean(noise):.2f}')  # The Euler constant, 0.577.
    0.58
  """
  with tf.name_scope(name):
    return -tf.math.log(exponential(shape, seed))


def logistic(
    shape: Sequence[int] | tf.Tensor, seed: tf.Tensor, name: str = 'logistic'
) -> tf.Tensor:
  """Draws standard logistic noise with both tails in full, in float32.

  It is the difference of two Gumbel variates, so that either tail is the upper
  tail of one of them. Where it is above `-x`, the draw is a Bernoulli sample of
  log-odds `x`, as often as its probability says, however rare.

  Args:
    shape: Shape of the noise, a list of ints or an int32 `Tensor` of rank 1.
    seed: int32 `Tensor`, shape `[2]`.
    name: Python `str`, name scope of the ops.

  Returns:
    float32 `Tensor` of shape `shape`.

  Raises:
    ValueError: If `seed` is not of shape `[2]`.

  Example:
    >>> noise = logistic([100000], seed=[0, 1])
    >>> print(f'{tf.math.reduce_std(noise):.2f}')  # pi / sqrt(3) = 1.81.
    1.81
  """
  with tf.name_scope(name):
    above, below = seeds.split(seed, 2)
    return gumbel(shape, above) - gumbel(shape, below)


def perturb(
    logits: tf.Tensor,
    *,
    seed: tf.Tensor | None = None,
    noise: tf.Tensor | None = None,
    sample_shape: Sequence[int] | tf.Tensor = (),
    name: str = 'perturb',
) -> tf.Tensor:
  """Adds Gumbel noise to logits; the argmax is an exact categorical sample.

  It is exact but for the rounding of the sum, which loses noise where all
  logits are of size 1e5 or more, as in `sample_one_hot` it does not.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`, unnormalised log-probabilities
      in nats.
    seed: int32 `Tensor`, shape `[2]`. Exactly one of `seed` and `noise`.
    noise: Standard Gumbel noise, shape `sample_shape + [..., K]`.
    sample_shape: Leading shape of independent draws; only with `seed`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `sample_shape + [..., K]`, float64 if `logits` are, and
    float32 otherwise: half precision cannot hold the noise.

  Raises:
    ValueError: If not exactly one of `seed` and `noise` is given, if `noise`
      does not end with the shape of `logits`, or if `sample_shape` is given
      beside `noise`.

  Example:
    >>> perturb(tf.constant([1., 2.]), noise=tf.constant([.5, 0.])).numpy()
    array([1.5, 2. ], dtype=float32)
  """
  with tf.name_scope(name):
    logits = tf.convert_to_tensor(logits)
    dtype = tf.float64 if logits.dtype == tf.float64 else tf.float32
    if (seed is None) == (noise is None):
      raise ValueError(
          'Expected exactly one of `seed` and `noise`; received '
          f'{"neither" if seed is None else "both"}.'
      )
    logits = tf.cast(logits, dtype)
    if noise is None:
      shape = tf.concat(
          [tf.cast(sample_shape, tf.int32), tf.shape(logits)], axis=0
      )
      if logits.shape.is_fully_defined():
        static = tf.get_static_value(shape)
        shape = shape if static is None else static
      return logits - tf.math.log(tf.cast(exponential(shape, seed), dtype))
    noise = tf.cast(noise, dtype)
    if isinstance(sample_shape, tf.Tensor) or tuple(sample_shape):
      raise ValueError(
          'Expected `sample_shape` only with `seed`; received '
          f'sample_shape={sample_shape} beside `noise`.'
      )
    if noise.shape.rank is not None and logits.shape.rank is not None:
      rank = logits.shape.rank
      if noise.shape.rank < rank or not noise.shape[
          noise.shape.rank - rank :
      ].is_compatible_with(logits.shape):
        raise ValueError(
            'Expected `noise` of a shape that ends with that of `logits`, '
            f'{logits.shape}; received {noise.shape}.'
        )
      leading = noise.shape[: noise.shape.rank - rank]
      noise = shapes.with_shape(
          noise,
          leading + logits.shape,
          lambda: tf.concat(
              [tf.shape(noise)[: leading.rank], tf.shape(logits)], axis=0
          ),
          '`noise`',
      )
    return logits + noise


def sample_one_hot(
    logits: tf.Tensor,
    *,
    seed: tf.Tensor | None = None,
    noise: tf.Tensor | None = None,
    sample_shape: Sequence[int] | tf.Tensor = (),
    name: str = 'sample_one_hot',
) -> tf.Tensor:
  """Draws exact one-hot samples: the largest of the perturbed logits.

  The law is that of the logits whatever offset all K of them share. No gradient
  passes.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`, unnormalised log-probabilities
      in nats.
    seed: int32 `Tensor`, shape `[2]`. Exactly one of `seed` and `noise`.
    noise: Standard Gumbel noise, shape `sample_shape + [..., K]`.
    sample_shape: Leading shape of independent draws; only with `seed`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `sample_shape + [..., K]`, float64 if `logits` are, and
    float32 otherwise.

  Raises:
    ValueError: If `K` is not static, or as `perturb` raises.

  Example:
    >>> logits = tf.constant([1e7, 1e7])
    >>> sample = sample_one_hot(logits, seed=[0, 1], sample_shape=[10000])
    >>> print(tf.reduce_mean(sample, axis=0).numpy().round(2))
    [0.5 0.5]
  """
  with tf.name_scope(name):
    perturbed = perturb(
        centering.center(tf.convert_to_tensor(logits)),
        seed=seed,
        noise=noise,
        sample_shape=sample_shape,
    )
    return st.one_hot_argmax(perturbed)


def gumbel_softmax(
    logits: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    *,
    seed: tf.Tensor | None = None,
    noise: tf.Tensor | None = None,
    sample_shape: Sequence[int] | tf.Tensor = (),
    hard: bool = False,
    log_space: bool = False,
    name: str = 'gumbel_softmax',
) -> tf.Tensor:
  """Draws relaxed one-hot samples: `softmax((logits + gumbel) / temperature)`.

  The sample tends to an exact categorical one as `temperature` tends to 0, and
  to the uniform vector as it grows. It is differentiable in `logits` and
  `temperature`.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`, unnormalised log-probabilities
      in nats.
    temperature: Positive scalar, or `Tensor` of shape `[...]` or `[..., 1]`.
    seed: int32 `Tensor`, shape `[2]`. Exactly one of `seed` and `noise`.
    noise: Standard Gumbel noise, shape `sample_shape + [..., K]`.
    sample_shape: Leading shape of independent draws; only with `seed`.
    hard: If True, the value is the exact one-hot vector of the largest
      coordinate and the gradient that of the relaxed sample (straight-through
      Gumbel-Softmax).
    log_space: If True, returns the logarithm of the relaxed sample, finite at
      any temperature where the sample itself underflows.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `logits`, shape `sample_shape + [..., K]`; sums to
    one over the last axis. With `log_space`, float32 at the least.

  Raises:
    ValueError: If `logits` are not floating or have no axis of classes, if
      `temperature` is not positive or does not match their batch shape, if both
      `hard` and `log_space` are set, or as `perturb` raises.

  Example:
    >>> noise = tf.constant([0., .5, 0.])
    >>> print(gumbel_softmax(tf.zeros([3]), .5, noise=noise).numpy().round(3))
    [0.212 0.576 0.212]
    >>> gumbel_softmax(tf.zeros([3]), .5, noise=noise, hard=True).numpy()
    array([0., 1., 0.], dtype=float32)

  References:
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Equation 2.
    Chris J. Maddison, Andriy Mnih, Yee Whye Teh. The Concrete Distribution.
    ICLR 2017. https://arxiv.org/abs/1611.00712. Appendix C.3.
  """
  if hard and log_space:
    raise ValueError(
        'Expected at most one of `hard` and `log_space`; received both.'
    )
  with tf.name_scope(name):
    logits = tf.convert_to_tensor(logits)
    if not logits.dtype.is_floating or logits.shape.rank == 0:
      raise ValueError(
          'Expected floating `logits` of shape [..., K]; received '
          f'{logits.dtype.name} of shape {logits.shape}.'
      )
    temperature = temperatures.align(temperature, logits.shape)
    perturbed = perturb(
        centering.center(logits),
        seed=seed,
        noise=noise,
        sample_shape=sample_shape,
    )
    temperature = tf.cast(temperature, perturbed.dtype)
    if log_space:
      # Centred before a low temperature magnifies the rounding of the sum.
      top = tf.stop_gradient(tf.reduce_max(perturbed, axis=-1, keepdims=True))
      return tf.nn.log_softmax(
          temperatures.divide(perturbed - top, temperature)
      )
    relaxed = numerics.softmax(temperatures.divide(perturbed, temperature))
    relaxed = tf.cast(relaxed, logits.dtype)
    if not hard:
      return relaxed
    # The argmax of the perturbed logits, not of the relaxed sample: the latter
    # ties where the former does not, once rounded.
    return st.straight_through(
        st.one_hot_argmax(perturbed, dtype=logits.dtype), relaxed
    )
