"""Bias, variance and cost of gradient estimators, against enumeration."""

from collections.abc import Callable
import math
from typing import Any

import numpy as np
from scipy import stats
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import estimator_names
from experiments import estimator_objectives

# So many replicas at once, since `Exact` sees `K**N` codes of each.
_CHUNK = 2000
# Float32 leaves a difference of this share of the largest value even where
# there is no bias and no variance.
_ROUNDING = 1e-6


class Subject:
  """An estimator on an objective, one replica of the logits an example.

  Args:
    estimator: The estimator, an instance of its own.
    objective: The objective.

  Raises:
    ValueError: If the estimator refuses the shape of the logits, or if what it
      estimates has too many codes to be enumerated.
  """

  def __init__(
      self,
      estimator: dlvm.estimators.Estimator,
      objective: estimator_objectives.Objective,
  ):
    self.estimator = estimator
    self._objective = objective
    self.num_evaluations = estimator_names.count_evaluations(
        estimator, objective.logits, objective.function
    )
    self.exact_gradient = exact_gradient(
        objective,
        num_samples=estimator.num_samples,
        importance_weighted=estimator.importance_weighted,
    )
    codes = dlvm.ops.all_codes(*objective.logits.shape)
    self._rounding = _ROUNDING * np.abs(objective.function(codes)).max()
    # One graph for any number of replicas and any temperature.
    self._draw = tf.function(
        lambda size, seed: self._gradients(size, seed, training=False)[0]
    )

  @property
  def has_temperature(self) -> bool:
    """Whether a temperature is to be chosen."""
    return hasattr(self.estimator, 'temperature')

  @property
  def learns(self) -> bool:
    """Whether one call changes the next: all do that own more weights."""
    return any(
        weight.trainable or 'temperature' not in weight.name
        for weight in self.estimator.weights
    )

  def warm_up(
      self, num_steps: int, batch_size: int, learning_rate: Any, seed: Any
  ) -> None:
    """Trains what the estimator owns on its own signal, at fixed logits.

    Args:
      num_steps: Number of steps.
      batch_size: Replicas a step.
      learning_rate: Number or schedule, learning rate of Adam.
      seed: As for `ops.as_seed`.
    """
    if not self.learns:
      return
    weights = self.estimator.trainable_weights
    optimizer = dlvm.training.FusedAdam(learning_rate)
    optimizer.build(weights)

    @tf.function
    def train():
      for step in tf.range(num_steps):
        _, *gradients = self._gradients(
            batch_size, dlvm.ops.fold_in(seed, step), training=True
        )
        if weights:
          optimizer.apply(gradients, weights)

    train()

  def call(self, batch_size: int) -> Any:
    """Returns a function of nothing: a call as a step of training makes it.

    Args:
      batch_size: Replicas in the call.

    Returns:
      A function that computes, in a graph, values and gradients for the logits
      and what the estimator trains, and waits for them.
    """

    @tf.function
    def step(seed):
      gradients = self._gradients(batch_size, seed, training=True)
      # One number, which needs them all.
      return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

    seed = tf.constant([0, 1])
    return lambda: step(seed).numpy()

  def measure(self, num_draws: int, seed: Any) -> dict[str, float]:
    """Compares the gradients of many replicas with the enumerated one.

    Args:
      num_draws: Number of replicas R, at least 2.
      seed: As for `ops.as_seed`.

    Returns:
      What `statistics` returns.
    """
    chunks = []
    for start in range(0, num_draws, _CHUNK):
      size = min(_CHUNK, num_draws - start)
      chunks.append(
          self._draw(tf.constant(size), dlvm.ops.fold_in(seed, start))
      )
    return statistics(
        np.concatenate(chunks), self.exact_gradient, self._rounding
    )

  def _gradients(self, size, seed, training):
    logits = self._objective.logits
    return gradients_of(
        self.estimator,
        tf.broadcast_to(logits, [size, *logits.shape]),
        self._objective.function,
        seed,
        training,
    )


def gradients_of(
    estimator: dlvm.estimators.Estimator,
    logits: tf.Tensor,
    function: Callable[[tf.Tensor], tf.Tensor],
    seed: Any,
    training: bool,
) -> list[tf.Tensor]:
  """Calls an estimator and computes the gradients of its values.

  Args:
    estimator: The estimator.
    logits: `Tensor`, shape `[batch, N, K]`.
    function: The objective.
    seed: int32 `Tensor`, shape `[2]`.
    training: Whether what the estimator owns is trained.

  Returns:
    The gradient for the logits and, in training, for the trainable weights.
  """
  with tf.GradientTape() as tape:
    tape.watch(logits)
    values = estimator(logits, objective=function, seed=seed, training=training)
  weights = [weight.value for weight in estimator.trainable_weights if training]
  return tape.gradient(values, [logits, *weights])


def exact_gradient(
    objective: estimator_objectives.Objective, **kwargs
) -> np.ndarray:
  """Enumerates the gradient of the expectation for the logits.

  Args:
    objective: The objective.
    **kwargs: Arguments of `estimators.Exact`, for a bound of several samples.

  Returns:
    float64 array, shape `[N, K]`.

  Raises:
    ValueError: If there are too many codes.
  """
  with tf.GradientTape() as tape:
    tape.watch(objective.logits)
    value = dlvm.estimators.Exact(**kwargs)(
        objective.logits, objective=objective.function
    )
  return np.float64(tape.gradient(value, objective.logits))


def statistics(
    gradients: np.ndarray, expected: np.ndarray, rounding: float = 0.0
) -> dict[str, float]:
  """Estimates bias and variance, each with its standard error.

  The bias is the norm of the difference between the mean of the draws and what
  is expected; its error is the root mean square of that norm where there is no
  bias, so that a bias of about one error is none. The variance is that of one
  draw, summed over the logits.

  Args:
    gradients: Draws, shape `[R, N, K]`.
    expected: Their expectation without bias, shape `[N, K]`.
    rounding: What rounding adds to the error of the bias.

  Returns:
    'bias', 'bias_stderr'; both relative to the norm of what is expected,
    'relative_bias' and 'relative_bias_stderr'; 'variance', 'variance_stderr'.

  Example:
    >>> found = statistics(np.array([[[0.]], [[2.]]]), np.array([[2.]]))
    >>> [round(found[name], 3) for name in ('bias', 'bias_stderr', 'variance')]
    [1.0, 1.0, 2.0]
  """
  gradients = np.float64(gradients)
  num_draws = len(gradients)
  mean = gradients.mean(axis=0)
  squares = np.sum((gradients - mean) ** 2, axis=(-2, -1))
  variance = squares.sum() / (num_draws - 1)
  bias = np.linalg.norm(mean - expected)
  bias_stderr = math.hypot(math.sqrt(variance / num_draws), rounding)
  norm = np.linalg.norm(expected)
  return {
      'bias': float(bias),
      'bias_stderr': float(bias_stderr),
      'relative_bias': float(bias / norm),
      'relative_bias_stderr': float(bias_stderr / norm),
      'variance': float(variance),
      'variance_stderr': float(stats.sem(squares)),
  }
