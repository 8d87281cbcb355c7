"""What score-function estimators share."""

import abc

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator


class ScoreEstimator(estimator.Estimator):
  """Weighs the score of exact samples with a learning signal.

  `objective(codes)`, plus for the logits the gradient
  `signal * d log q(codes) / d logits`

  A subclass says what the signal is: the cost less a baseline that does not
  depend on the sample. The cost of a sample is its value or, importance
  weighted, the bound of all samples.

  Args:
    **kwargs: Arguments of `Estimator`.
  """

  def _estimate(self, logits, objective, seed, noise, **context):
    codes = self._draw(logits, seed, noise)
    samples = estimator.evaluate(objective, codes)
    values = self._reduce(samples)
    signals = self._signals(tf.stop_gradient(samples), **context)
    self._take_in(values, **context)
    weighted = signals[..., tf.newaxis, tf.newaxis] * ops.categorical_score(
        codes, logits
    )
    return ops.with_logits_gradient(values, logits, self._add_up(weighted))

  def weigh(
      self, samples: tf.Tensor, log_probs: tf.Tensor, **context
  ) -> tf.Tensor:
    """Estimates from samples that were drawn elsewhere, as layer after layer.

    It is the estimate of a call whose codes are all that was drawn for a
    sample.

    Args:
      samples: Values of the objective, float32 of shape `[S, ...]`, or `[...]`
        where S is 1; independent given the example.
      log_probs: `log q` of all that was drawn for each, like `samples`, through
        which the gradient reaches the logits.
      **context: `features` and `training` of `call`, where a baseline needs
        them.

    Returns:
      float32 `Tensor`, shape `[...]`.

    Raises:
      ValueError: If a shape is another, or if the signals take more than the
        values: in `NVIL` a network's baseline, in `RODEO` the slopes.
    """
    samples = tf.convert_to_tensor(samples)
    log_probs = tf.convert_to_tensor(log_probs)
    expected = [self.num_samples] if self._has_samples else []
    num_axes = len(expected)
    if not samples.shape[:num_axes].is_compatible_with(
        expected
    ) or not log_probs.shape.is_compatible_with(samples.shape):
      raise ValueError(
          f'Expected `samples` of shape {[*expected, "..."]} and `log_probs` '
          f'of the same shape; received {samples.shape} and {log_probs.shape}.'
      )
    values = self._reduce(samples)
    signals = self._signals(tf.stop_gradient(samples), **context)
    self._take_in(values, **context)
    return ops.add_gradient(
        values, self._add_up(tf.stop_gradient(signals) * log_probs)
    )

  def _estimate_samples(self, logits, objective, seed, noise, **context):
    # All at once, so that a signal can compare samples.
    return self._estimate(logits, objective, seed, noise, **context)

  @property
  def _has_samples(self):
    return self.num_samples > 1

  def _draw(self, logits, seed, noise):
    """Draws codes, `[S, ..., N, K]`, or `[..., N, K]` where S is 1."""
    sample_shape = [self.num_samples] if self._has_samples else []
    return ops.sample_one_hot(
        logits,
        seed=seed,
        noise=noise,
        sample_shape=sample_shape if noise is None else (),
    )

  def _add_up(self, gradients):
    """Returns the gradient of an example, given that of each sample."""
    if not self._has_samples:
      return gradients
    # Every sample has a share in the bound, but only in its part of the mean.
    add_up = tf.reduce_sum if self.importance_weighted else tf.reduce_mean
    return add_up(gradients, axis=0)

  def _costs(self, samples):
    """Returns what each sample is to answer for, the shape of `samples`."""
    if self._has_samples and self.importance_weighted:
      return tf.zeros_like(samples) + self._reduce(samples)
    return samples

  def _costs_of_others(self, samples):
    """Returns what the cost of each sample is by those of the others."""
    if self.importance_weighted:
      return -ops.leave_one_out_log_mean_exp(-samples)
    return ops.leave_one_out_mean(samples)

  @abc.abstractmethod
  def _signals(self, samples, **context):
    """Computes the learning signals.

    Args:
      samples: Values of the objective without gradient, `[S, ...]`, or `[...]`
        where S is 1.
      **context: `features` and `training`.

    Returns:
      `Tensor` like `samples`.
    """

  def _take_in(self, values, **context):
    """Takes in the values of a call, `[...]`, once the signals are computed."""
