"""What the other samples say of each sample."""

import math

import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import numerics
from discrete_lvm.ops import shapes


def leave_one_out_mean(
    x: tf.Tensor, name: str = 'leave_one_out_mean'
) -> tf.Tensor:
  """Computes for each sample the mean of the others.

  Args:
    x: Floating `Tensor`, shape `[S, ...]` with a static S of at least 2.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` like `x`.

  Raises:
    ValueError: If S is not static or below 2.

  Example:
    >>> leave_one_out_mean([1., 2., 6.]).numpy()
    array([4. , 3.5, 1.5], dtype=float32)
  """
  with tf.name_scope(name):
    x = tf.convert_to_tensor(x)
    num_samples = shapes.static_num_samples(x, 'x')
    wide = floats.at_least_float32(x)
    mean = tf.reduce_mean(wide, axis=0)
    # The difference of sums would lose what a large mean leaves over.
    return tf.cast(mean - (wide - mean) / (num_samples - 1), x.dtype)


def leave_one_out_log_mean_exp(
    x: tf.Tensor,
    geometric: bool = False,
    name: str = 'leave_one_out_log_mean_exp',
) -> tf.Tensor:
  """Computes for each sample `log mean exp` with the others in its place.

  The term of sample `s` in `log mean_j exp(x_j)` is replaced by a mean of the
  other terms: the arithmetic one, which makes it the log-mean of the others, or
  the geometric one, `exp(mean_{j != s} x_j)`. Time and memory are `S**2`, so
  that nothing is subtracted.

  Args:
    x: Floating `Tensor`, shape `[S, ...]` with a static S of at least 2, in
      nats.
    geometric: Whether the mean is geometric.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the shape of `x`, in nats, float32 at the least.

  Raises:
    ValueError: If S is not static or below 2.

  Example:
    >>> x = tf.math.log([1., 2., 8.])
    >>> print(tf.exp(leave_one_out_log_mean_exp(x)).numpy().round(3))
    [5.  4.5 1.5]
    >>> print(tf.exp(leave_one_out_log_mean_exp(x, geometric=True)).numpy()
    ...       .round(3))
    [4.667 3.943 1.471]

  References:
    Andriy Mnih, Danilo Rezende. Variational Inference for Monte Carlo
    Objectives. ICML 2016. https://arxiv.org/abs/1602.06725. Equation 10.
  """
  with tf.name_scope(name):
    x = tf.convert_to_tensor(x)
    num_samples = shapes.static_num_samples(x, 'x')
    # Row s holds the others: `[S, S - 1, ...]`.
    others = [
        [j for j in range(num_samples) if j != s] for s in range(num_samples)
    ]
    others = tf.gather(x, others)
    if not geometric:
      return numerics.log_mean_exp(others, axis=1)
    replaced = tf.reduce_mean(others, axis=1, keepdims=True)
    return numerics.log_mean_exp(tf.concat([others, replaced], 1), axis=1)


def leave_one_out_log_sum_exp(
    x: tf.Tensor, name: str = 'leave_one_out_log_sum_exp'
) -> tf.Tensor:
  """Computes for each entry `log sum exp` of all the others of the last axis.

  In linear time and memory, of any size, static or not. To take a term off the
  sum loses digits only where it is more than half of it, as the largest alone
  can be; the others of the largest are summed by themselves.

  Args:
    x: Floating `Tensor`, shape `[..., S]`, in nats. Entries of -inf add
      nothing; the gradient is NaN where all are.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` like `x`, in nats; -inf where there are no others.

  Raises:
    ValueError: If `x` is a scalar.

  Example:
    >>> x = tf.math.log([1., 2., 8.])
    >>> print(tf.exp(leave_one_out_log_sum_exp(x)).numpy().round(3))
    [10.  9.  3.]
  """
  with tf.name_scope(name):
    x = tf.convert_to_tensor(x)
    if x.shape.rank == 0:
      raise ValueError('Expected `x` of shape [..., S]; received a scalar.')
    if x.shape[-1] == 0:
      return x
    size = x.shape[-1] or tf.shape(x)[-1]
    largest = tf.one_hot(
        tf.argmax(x, axis=-1), size, on_value=True, off_value=False
    )
    infinite = tf.constant(-math.inf, x.dtype)
    rest = numerics.log_sum_exp(
        tf.where(largest, infinite, x), axis=[-1], keepdims=True
    )
    total = tf.reduce_logsumexp(x, axis=-1, keepdims=True)
    # Guarded twice: at the largest the slope may be infinite.
    share = tf.where(largest, tf.constant(-1, x.dtype), x - total)
    return tf.where(largest, rest, total + tf.math.log1p(-tf.exp(share)))
