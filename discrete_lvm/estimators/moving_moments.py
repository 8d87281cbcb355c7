"""The mean and spread of past values."""

import keras
import tensorflow as tf

from discrete_lvm import ops


class MovingMoments(keras.layers.Layer):
  """Averages the mean and the variance of batches, the latest with most weight.

  Both start without a past: the first update makes them those of its batch. It
  is the batch of all replicas, which meet at each update: where they are
  several, XLA cannot compile a step with such an update.

  Args:
    decay: Share of the past that stays at an update, at least 0 and below 1.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If `decay` is not in [0, 1).

  Example:
    >>> from discrete_lvm.estimators import moving_moments
    >>> moments = moving_moments.MovingMoments(decay=.5)
    >>> moments.update([1., 3.])
    >>> moments.mean.numpy().item(), moments.variance.numpy().item()
    (2.0, 1.0)
  """

  def __init__(self, decay: float, **kwargs):
    super().__init__(**kwargs)
    if not 0 <= decay < 1:
      raise ValueError(f'Expected `decay` in [0, 1); received {decay}.')
    self.decay = decay
    self._mean, self._variance, self._weight = (
        self.add_weight(
            name=name,
            shape=(),
            dtype='float32',
            autocast=False,
            initializer='zeros',
            trainable=False,
            # Every replica sets the same value.
            aggregation='only_first_replica',
        )
        for name in ('mean', 'variance', 'weight')
    )

  @property
  def mean(self) -> tf.Tensor:
    """The mean, a scalar; 0 before the first update."""
    return tf.math.divide_no_nan(self._mean.value, self._weight.value)

  @property
  def variance(self) -> tf.Tensor:
    """The mean variance within a batch; 0 before the first update."""
    return tf.math.divide_no_nan(self._variance.value, self._weight.value)

  def update(self, values: tf.Tensor) -> None:
    """Takes in a batch of values, unless one of them is not finite.

    As an optimiser skips a step whose gradients are not: such a value would
    stay in the moments.

    Args:
      values: float32 `Tensor`, shape `[...]`.
    """
    values = tf.reshape(tf.convert_to_tensor(values), [-1])
    mean = ops.batch_mean(values)
    variance = ops.batch_mean((values - mean) ** 2)
    # The same on all replicas, as the means are.
    is_finite = tf.math.is_finite(variance)
    for weight, latest in (
        (self._mean, mean),
        (self._variance, variance),
        (self._weight, tf.ones([])),
    ):
      moved = self.decay * weight.value + (1 - self.decay) * latest
      weight.assign(tf.where(is_finite, moved, weight.value))
