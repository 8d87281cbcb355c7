"""Pairs of correlated normal vectors, whose mutual information is known."""

from collections.abc import Callable
from collections.abc import Sequence
import math
from typing import Any

import tensorflow as tf

import discrete_lvm as dlvm

# Of a coordinate: beyond, float32 has too few digits for what y is off rho x.
_MAX_NATS = 13


def check_informations(informations: Sequence[float], dim: int) -> None:
  """Checks that float32 can hold pairs of such informations.

  Args:
    informations: Nats.
    dim: Number of coordinates.

  Raises:
    ValueError: If one is above 13 nats a coordinate.
  """
  most = max(informations)
  if most > _MAX_NATS * dim:
    raise ValueError(
        f'Expected informations of at most {_MAX_NATS} nats a coordinate, '
        f'{_MAX_NATS * dim:g} in all; received {most:g}.'
    )


def correlation(information: float | tf.Tensor, dim: int) -> tf.Tensor:
  """Returns the correlation of each coordinate that gives an information.

  Args:
    information: `I(x; y)`, not negative, in nats, any shape.
    dim: Number of coordinates.

  Returns:
    `Tensor` like `information`: `sqrt(1 - exp(-2 I / dim))`.

  Example:
    >>> print(f'{correlation(10 * math.log(2), dim=20):.3f}')
    0.707
  """
  return tf.sqrt(-tf.math.expm1(-2 * tf.convert_to_tensor(information) / dim))


def sample(
    sample_shape: Sequence[int],
    dim: int,
    information: float | tf.Tensor,
    seed: Any,
    cubic: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Draws pairs of x and `y = rho x + sqrt(1 - rho**2) noise`.

  Args:
    sample_shape: Shape of the draws.
    dim: Number of coordinates.
    information: `I(x; y)` in nats, a scalar.
    seed: As for `dlvm.ops.as_seed`.
    cubic: Whether to cube each coordinate of y, which leaves the information as
      it is, and makes the best critic another.

  Returns:
    x and y, each a float32 `Tensor` of shape `[*sample_shape, dim]`.

  Example:
    >>> x, y = sample([1000], 20, information=2., seed=0)
    >>> x.shape, y.shape
    (TensorShape([1000, 20]), TensorShape([1000, 20]))
  """
  x, noise = tf.unstack(
      tf.random.stateless_normal(
          [2, *sample_shape, dim], dlvm.ops.as_seed(seed)
      )
  )
  # In float64, so that y is off rho x by the noise and one rounding alone. Not
  # 1 - rho**2, which cancels: it is exp(-2 I / dim).
  information = tf.cast(information, tf.float64)
  rho, scale = correlation(information, dim), tf.exp(-information / dim)
  y = tf.cast(
      rho * tf.cast(x, tf.float64) + scale * tf.cast(noise, tf.float64), x.dtype
  )
  return x, y**3 if cubic else y


def log_ratios(x: tf.Tensor, y: tf.Tensor, information: float) -> tf.Tensor:
  """Computes the optimal critic, `log p(x_j, y_i) / (p(x_j) p(y_i))`.

  Args:
    x: Floating `Tensor`, shape `[..., K, dim]`.
    y: Floating `Tensor`, shape `[..., K, dim]`, not cubed.
    information: `I(x; y)` in nats.

  Returns:
    `Tensor`, shape `[..., K, K]`, in nats: a row has its y.
  """
  dtype, dim = x.dtype, x.shape[-1]
  x, y, information = (tf.cast(t, tf.float64) for t in (x, y, information))
  rho, scale = correlation(information, dim), tf.exp(-information / dim)
  y = y[..., :, tf.newaxis, :]
  noise = (y - rho * x[..., tf.newaxis, :, :]) / scale
  # log p(y | x) less log p(y), whose scales differ by the information.
  squares = tf.reduce_sum(y**2 - noise**2, axis=-1)
  return tf.cast(information + squares / 2, dtype)


def stair_ends(num_stairs: int, num_steps: int) -> list[int]:
  """Returns the step at which each stair of a staircase ends.

  Args:
    num_stairs: Number of stairs.
    num_steps: Number of steps, at least one a stair.

  Returns:
    The steps, the last of them `num_steps`.

  Raises:
    ValueError: If there are fewer steps than stairs.

  Example:
    >>> stair_ends(3, 10)
    [4, 7, 10]
  """
  if num_steps < num_stairs:
    raise ValueError(
        f'Expected at least {num_stairs} steps, one for each information; '
        f'received {num_steps}.'
    )
  return [
      math.ceil(num_steps * (i + 1) / num_stairs) for i in range(num_stairs)
  ]


def staircase_batches(
    informations: Sequence[float],
    num_steps: int,
    draw: Callable[[tf.Tensor, tf.Tensor], Any],
    seed: Any,
) -> Callable[[int], tf.data.Dataset]:
  """Makes batches of which the information rises in stairs of equal length.

  Args:
    informations: Nats of each stair.
    num_steps: Number of steps of all of them; the last goes on for ever.
    draw: `draw(information, seed)` returns a batch.
    seed: As for `dlvm.ops.as_seed`, but not a `SeedGenerator`.

  Returns:
    A function from a step to the infinite data set of batches from there on,
    each a function of the seed and its step.
  """
  ends = stair_ends(len(informations), num_steps)

  def batch(step):
    stair = tf.searchsorted(
        tf.constant(ends[:-1], tf.int64), step[tf.newaxis], side='right'
    )[0]
    information = tf.gather(tf.constant(informations, tf.float32), stair)
    return draw(information, dlvm.ops.fold_in(seed, step))

  return lambda start: tf.data.Dataset.counter(start).map(batch).prefetch(2)
