"""How many latents depend on the data."""

import keras
import tensorflow as tf

from discrete_lvm.metrics import dtypes
from discrete_lvm.ops import assertions


@keras.saving.register_keras_serializable(package='discrete_lvm')
class ActiveUnits(keras.metrics.Metric):
  """Counts the latents whose posterior mean varies over the data.

  A latent is active if the variance over the examples of `E[z | x]` is above
  `threshold`; one that has collapsed has the same mean for all. The variance is
  over the whole epoch and all replicas, whatever the batches.

  Of a categorical latent the mean of its one-hot code is the vector of its
  probabilities, and the variance the trace of their covariance: the sum over
  the classes, 0 to 1 - 1/K. Let `event_ndims` be 1.

  Args:
    latent_shape: Sequence of Python `int`s, the shape of a mean without the
      batch: `[length, dim]`, or `[N, K]`.
    threshold: Number, not negative, the variance to exceed.
    event_ndims: Python `int`, how many of the last axes make one latent, over
      which variances are summed: 0 for numbers, 1 for classes.
    name: Python `str`, name of the result.
    dtype: Must be None; the sums are float64.

  Call arguments:
    means: Floating `Tensor`, shape `[batch, *latent_shape]`.
    sample_weight: `Tensor`, shape `[batch]`, not negative: the weight of each
      example, of which one of weight 0 may hold anything. By default ones.

  Raises:
    ValueError: If `threshold` is negative, `event_ndims` not from 0 to the rank
      of the latents, `dtype` not None, `means` of another shape, or
      `sample_weight` not of shape `[batch]`.
    tf.errors.InvalidArgumentError: If that batch is not static.

  Example:
    >>> active_units = ActiveUnits([2])
    >>> active_units.update_state([[5., -1.], [5.1, 1.]])
    >>> float(active_units.result()), active_units.variances().numpy().round(4)
    (1.0, array([0.0025, 1.    ], dtype=float32))

  References:
    Yuri Burda, Roger Grosse, Ruslan Salakhutdinov. Importance Weighted
    Autoencoders. ICLR 2016. https://arxiv.org/abs/1509.00519. Section 5.2.
  """

  def __init__(
      self,
      latent_shape,
      threshold=0.01,
      event_ndims=0,
      name='active_units',
      dtype=None,
  ):
    super().__init__(name=name, dtype=dtype)
    dtypes.check_none(dtype)
    self.latent_shape = tuple(latent_shape)
    if not threshold >= 0:
      raise ValueError(
          f'Expected `threshold` of at least 0; received {threshold}.'
      )
    if not 0 <= event_ndims <= len(self.latent_shape):
      raise ValueError(
          f'Expected `event_ndims` from 0 to {len(self.latent_shape)}, the '
          f'rank of the latents; received {event_ndims}.'
      )
    self.threshold = threshold
    self.event_ndims = event_ndims
    self.count = self.add_weight(
        shape=(), initializer='zeros', dtype='float64', name='count'
    )
    # The variance is a small difference of large sums: float64 loses less of it
    # than rounding the means to float32 did.
    self.total, self.total_squares = (
        self.add_weight(
            shape=self.latent_shape,
            initializer='zeros',
            dtype='float64',
            name=weight_name,
        )
        for weight_name in ('total', 'total_squares')
    )

  def update_state(self, means, sample_weight=None):
    means = tf.convert_to_tensor(means)
    if means.shape.rank is None or means.shape[1:] != self.latent_shape:
      raise ValueError(
          f'Expected means of shape {[None, *self.latent_shape]}; received '
          f'shape {means.shape}.'
      )
    if sample_weight is None:
      sample_weight = tf.ones(tf.shape(means)[:1])
    weights = tf.cast(sample_weight, tf.float64)
    if not weights.shape.is_compatible_with(means.shape[:1]):
      raise ValueError(
          f'Expected `sample_weight` of shape {means.shape[:1]}, one an '
          f'example; received {weights.shape}.'
      )
    assertions.check_one_per_example(weights, means, 'sample_weight')
    self.count.assign_add(tf.reduce_sum(weights))
    weights = tf.reshape(weights, [-1, *(1 for _ in self.latent_shape)])
    means = tf.where(weights > 0, tf.cast(means, tf.float64), 0.0)
    self.total.assign_add(tf.reduce_sum(weights * means, axis=0))
    self.total_squares.assign_add(tf.reduce_sum(weights * means**2, axis=0))

  def variances(self):
    """Returns the variance of each latent over the examples so far.

    Returns:
      float32 `Tensor`, the shape of the latents; of vectors the trace of the
      covariance. Zeros before the first example.
    """
    count = tf.convert_to_tensor(self.count)
    mean = tf.math.divide_no_nan(tf.convert_to_tensor(self.total), count)
    squares = tf.math.divide_no_nan(
        tf.convert_to_tensor(self.total_squares), count
    )
    variances = squares - mean**2
    # Not `maximum`, which need not keep NaN.
    variances = tf.where(variances < 0, tf.zeros_like(variances), variances)
    axes = range(-self.event_ndims, 0)
    return tf.cast(tf.reduce_sum(variances, axis=list(axes)), tf.float32)

  def result(self):
    variances = self.variances()
    active = tf.cast(variances > self.threshold, tf.float32)
    # NaN would be inactive.
    active = tf.where(tf.math.is_nan(variances), variances, active)
    return tf.reduce_sum(active)

  def get_config(self):
    return {
        'latent_shape': list(self.latent_shape),
        'threshold': self.threshold,
        'event_ndims': self.event_ndims,
        'name': self.name,
    }
