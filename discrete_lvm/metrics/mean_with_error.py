"""A mean with its standard error."""

import keras
import tensorflow as tf

from discrete_lvm.metrics import dtypes
from discrete_lvm.ops import assertions


@keras.saving.register_keras_serializable(package='discrete_lvm')
class MeanWithError(keras.metrics.Metric):
  """Averages per-example values; reports the mean and its standard error.

  The standard error is `sqrt(variance / count)` over the examples of the epoch
  and all replicas, whatever the batches: the spread to expect of the mean over
  data sets of this size. It is NaN for fewer than two examples.

  Args:
    name: Python `str`, name of the mean; the error adds `_stderr`.
    dtype: Must be None; the sums are float64.

  Call arguments:
    values: Floating `Tensor` of shape `[batch]`, one value an example.
    sample_weight: Boolean `Tensor` of shape `[batch]`, the examples that count;
      by default all.

  Raises:
    ValueError: If the values are not of shape `[batch]`, or `sample_weight` is
      not boolean of that shape, or `dtype` not None.
    tf.errors.InvalidArgumentError: If a `sample_weight` that is not static is
      of another shape.

  Example:
    >>> metric = MeanWithError(name='elbo')
    >>> metric.update_state([1., 2., 3.])
    >>> {k: round(float(v), 3) for k, v in metric.result().items()}
    {'elbo': 2.0, 'elbo_stderr': 0.577}
  """

  def __init__(self, name='mean', dtype=None):
    super().__init__(name=name, dtype=dtype)
    dtypes.check_none(dtype)
    # The variance is a small difference of large sums.
    self.count, self.total, self.total_squares = (
        self.add_weight(
            shape=(), initializer='zeros', dtype='float64', name=weight_name
        )
        for weight_name in ('count', 'total', 'total_squares')
    )

  def update_state(self, values, sample_weight=None):
    values = tf.cast(values, tf.float64)
    if values.shape.rank not in (None, 1):
      raise ValueError(
          f'Expected values of shape [batch]; received {values.shape}.'
      )
    counts = tf.ones_like(values, tf.bool)
    if sample_weight is not None:
      counts = tf.convert_to_tensor(sample_weight)
      if counts.dtype != tf.bool:
        raise ValueError(
            'Expected a boolean `sample_weight`, since examples weigh the same;'
            f' received {counts.dtype.name}.'
        )
      if not counts.shape.is_compatible_with(values.shape):
        raise ValueError(
            'Expected a `sample_weight` of the shape of the values, '
            f'{values.shape}; received {counts.shape}.'
        )
      assertions.check_one_per_example(counts, values, 'sample_weight')
    # Not `boolean_mask`, whose shape would depend on values.
    values = tf.where(counts, values, 0)
    self.count.assign_add(tf.reduce_sum(tf.cast(counts, tf.float64)))
    self.total.assign_add(tf.reduce_sum(values))
    self.total_squares.assign_add(tf.reduce_sum(values**2))

  def result(self):
    count = tf.convert_to_tensor(self.count)
    mean = tf.math.divide_no_nan(tf.convert_to_tensor(self.total), count)
    squares = tf.convert_to_tensor(self.total_squares) - count * mean**2
    variance = tf.maximum(squares, 0) / (count - 1)
    error = tf.sqrt(variance / count)
    return {
        self.name: tf.cast(mean, tf.float32),
        f'{self.name}_stderr': tf.cast(
            tf.where(count > 1, error, float('nan')), tf.float32
        ),
    }

  def get_config(self):
    return {'name': self.name}
