"""What the other samples say of each sample."""

import tensorflow as tf

from discrete_lvm.ops import numerics


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
    num_samples = _num_samples(x)
    mean = tf.reduce_mean(x, axis=0)
    # The difference of sums would lose what a large mean leaves over.
    return mean - (x - mean) / (num_samples - 1)


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
    `Tensor` like `x`, in nats.

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
    num_samples = _num_samples(x)
    # Row s holds the others: `[S, S - 1, ...]`.
    others = [
        [j for j in range(num_samples) if j != s] for s in range(num_samples)
    ]
    others = tf.gather(x, others)
    if not geometric:
      return numerics.log_mean_exp(others, axis=1)
    replaced = tf.reduce_mean(others, axis=1, keepdims=True)
    return numerics.log_mean_exp(tf.concat([others, replaced], 1), axis=1)


def _num_samples(x):
  num_samples = x.shape[0] if x.shape.rank else None
  if num_samples is None or num_samples < 2:
    raise ValueError(
        'Expected `x` of shape [S, ...] with a static S of at least 2; '
        f'received {x.shape}.'
    )
  return num_samples
