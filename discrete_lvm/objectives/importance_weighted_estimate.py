"""The importance-weighted bound of any number of samples, in bounded memory."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import tensorflow as tf

from discrete_lvm.ops import counts


class ImportanceWeightedEstimate(NamedTuple):
  """A bound of many samples, and how far to trust it: each of shape `[batch]`.

  Attributes:
    bound: `log mean_s w_s`, in nats.
    elbo: `mean_s log w_s`, the bound of one sample, in nats.
    effective_sample_size: `(sum_s w_s)**2 / sum_s w_s**2`, from 1 to S: how
      many samples of the posterior itself would be worth as much. Near 1 the
      bound is what one lucky sample made of it, and may be far too low.
    stderr: The standard error of `bound` over the samples of an example, in
      nats, by the delta method: no error if the effective sample size is S. The
      error of a mean over examples is that of `metrics.MeanWithError`.

  Example:
    >>> estimate = importance_weighted_estimate(
    ...     lambda size, index: tf.zeros([size, 3]), 10, 5, [3])
    >>> print(estimate.effective_sample_size.numpy())
    [10. 10. 10.]
  """

  bound: tf.Tensor
  elbo: tf.Tensor
  effective_sample_size: tf.Tensor
  stderr: tf.Tensor


def importance_weighted_estimate(
    draw: Callable[[Any, tf.Tensor], tf.Tensor],
    num_samples: int | tf.Tensor,
    chunk_size: int | tf.Tensor,
    batch_shape: Any,
    name: str = 'importance_weighted_estimate',
) -> ImportanceWeightedEstimate:
  """Computes the bound of `importance_weighted_bound`, a chunk at a time.

  Memory is that of one chunk whatever the number of samples: of the chunks
  before it keeps four numbers an example, sums of weights relative to the
  largest of them so far.

  Args:
    draw: `draw(size, index)` returns the log-weights of the samples of the
      chunk of that index, a float32 `Tensor` of shape `[size, *batch_shape]` in
      nats. `size` is `chunk_size`, of the last chunk too, whose surplus is
      dropped.
    num_samples: Number of samples S, static or a scalar int32 `Tensor`.
    chunk_size: Samples of a chunk, static or a scalar int32 `Tensor`.
    batch_shape: Shape of the examples, static or not.
    name: Python `str`, name scope of the ops.

  Returns:
    An `ImportanceWeightedEstimate` of float32 `Tensor`s, shape `batch_shape`.

  Raises:
    ValueError: If `num_samples` or `chunk_size` is no integer of at least 1, or
      if `draw` returns another shape.

  Example:
    >>> weights = tf.math.log([[1.], [2.], [3.], [1e30]])
    >>> def draw(size, index):
    ...   return weights[2 * index:2 * index + 2]
    >>> estimate = importance_weighted_estimate(
    ...     draw, num_samples=3, chunk_size=2, batch_shape=[1])
    >>> print(f'{estimate.bound[0]:.3f}, '
    ...       f'{estimate.effective_sample_size[0]:.3f}')
    0.693, 2.571

  References:
    Yuri Burda, Roger Grosse, Ruslan Salakhutdinov. Importance Weighted
    Autoencoders. ICLR 2016. https://arxiv.org/abs/1509.00519. Equation 8.

    Augustine Kong. A Note on Importance Sampling using Standardized Weights.
    Technical Report 348, Department of Statistics, University of Chicago, 1992.
    The effective sample size.
  """
  with tf.name_scope(name):
    for value, argument in (
        (num_samples, 'num_samples'),
        (chunk_size, 'chunk_size'),
    ):
      if not tf.is_tensor(value):
        counts.check_count(value, argument)
    num_chunks = -(-num_samples // chunk_size)
    zeros = tf.zeros(batch_shape)
    rank = zeros.shape.rank
    chunk_shape = [tf.get_static_value(chunk_size), *zeros.shape]

    def add_chunk(index, sums):
      log_weights = tf.convert_to_tensor(draw(chunk_size, index))
      if not log_weights.shape.is_compatible_with(chunk_shape):
        raise ValueError(
            f'Expected `draw` to return shape {tf.TensorShape(chunk_shape)}; '
            f'received {log_weights.shape}.'
        )
      position = index * chunk_size + tf.range(chunk_size)
      is_sample = tf.reshape(position < num_samples, [-1, *[1] * rank])
      return index + 1, sums.add(log_weights, is_sample)

    _, sums = tf.while_loop(
        lambda index, sums: index < num_chunks,
        add_chunk,
        (tf.constant(0), _Sums(zeros - float('inf'), zeros, zeros, zeros)),
        maximum_iterations=num_chunks,
        parallel_iterations=1,
    )
    return sums.estimate(num_samples)


class _Sums(NamedTuple):
  """Sums over samples; of weights relative to `exp(shift)`."""

  shift: tf.Tensor
  total: tf.Tensor
  total_squares: tf.Tensor
  total_log: tf.Tensor

  def add(self, log_weights, is_sample):
    """Adds a chunk `[size, ...]`, of which `is_sample` says what counts."""
    # Not `logaddexp` of logarithms, whose roundings at each chunk are as large
    # as those of the bound, hundreds of nats, and add up.
    masked = tf.where(is_sample, log_weights, -float('inf'))
    shift = tf.maximum(self.shift, tf.reduce_max(masked, axis=0))
    finite = _finite(shift)
    scale = tf.exp(self.shift - finite)
    weights = tf.exp(masked - finite)
    return _Sums(
        shift=shift,
        total=scale * self.total + tf.reduce_sum(weights, axis=0),
        total_squares=scale**2 * self.total_squares
        + tf.reduce_sum(weights**2, axis=0),
        total_log=self.total_log
        + tf.reduce_sum(tf.where(is_sample, log_weights, 0.0), axis=0),
    )

  def estimate(self, num_samples):
    size = tf.cast(num_samples, self.total.dtype)
    effective = tf.math.divide_no_nan(self.total**2, self.total_squares)
    relative_variance = tf.maximum(1 / effective - 1 / size, 0)
    return ImportanceWeightedEstimate(
        bound=_finite(self.shift) + tf.math.log(self.total / size),
        elbo=self.total_log / size,
        effective_sample_size=effective,
        stderr=tf.sqrt(relative_variance),
    )


def _finite(shift):
  """Replaces what an infinite log-weight would turn into NaN."""
  return tf.where(tf.math.is_finite(shift), shift, 0.0)
