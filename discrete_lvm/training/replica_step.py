"""What one replica computes in an optimisation step."""

from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import assertions
from discrete_lvm.ops import dense_gradients

_SUM = tf.distribute.ReduceOp.SUM


class ReplicaStep:
  """Computes the gradients of a replica's part of a batch, and the update.

  The loss is divided by the global batch, because gradients are added up over
  the replicas: an example weighs the same wherever it is, a replica without any
  adds zeros, and the update is that of one replica with the whole batch.

  Args:
    model: The model; see `Trainer` for what it has to have.
    optimizer: Its optimizer.
    clip_norm: Largest global norm of the gradients, or None. What is clipped is
      the sum over the replicas, so with it they are exchanged twice.
    jit_gradients: Whether XLA compiles the gradients.
  """

  def __init__(
      self,
      model: keras.Model,
      optimizer: keras.optimizers.Optimizer,
      clip_norm: float | None,
      jit_gradients: bool,
  ):
    self._model, self._optimizer = model, optimizer
    self._clip_norm = clip_norm
    self._gradients = self.local_gradients
    if jit_gradients:
      self._gradients = tf.function(self._gradients, jit_compile=True)

  def gradients(
      self, batch: Any, seed: tf.Tensor
  ) -> tuple[list[Any], dict[str, tf.Tensor], tf.Tensor]:
    """Computes this replica's share of the gradients and the loss.

    Args:
      batch: Its part of the batch, possibly empty.
      seed: Seed of the step; the replica folds in its id.

    Returns:
      The gradients, one for each trainable weight, or None where it has none;
      the loss terms and `loss`, their sum, float32 scalars in nats; and the
      number of examples of all replicas, a float32 scalar.
    """
    num_local = tf.shape(tf.nest.flatten(batch)[0])[0]
    num_examples = tf.distribute.get_replica_context().all_reduce(
        _SUM, tf.cast(num_local, tf.float32)
    )
    gradients, values = self._gradients(
        batch, ops.fold_in_replica(seed), num_examples
    )
    return gradients, values, num_examples

  def local_gradients(
      self, batch: Any, seed: tf.Tensor, num_examples: tf.Tensor
  ) -> tuple[list[Any], dict[str, tf.Tensor]]:
    """Computes gradients and losses, for a seed of the replica's own.

    Args:
      batch: The replica's part of the batch.
      seed: int32 of shape `[2]`, another one for each replica.
      num_examples: float32 scalar, number of examples of all replicas.

    Returns:
      The gradients and the losses, as `gradients` returns them.
    """
    with tf.GradientTape() as tape:
      terms = self._model.loss_terms(batch, training=True, seed=seed)
      _check_terms(terms, tf.nest.flatten(batch)[0])
      values = {
          name: tf.reduce_sum(tf.cast(term, tf.float32)) / num_examples
          for name, term in terms.items()
      }
      loss = tf.add_n(list(values.values()))
      scaled = self._optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled, self._model.trainable_variables)
    return dense_gradients.dense(gradients), {**values, 'loss': loss}

  def update(self, gradients: list[Any]) -> None:
    """Updates the weights.

    Args:
      gradients: This replica's, one for each trainable weight or None.
    """
    weights = self._model.trainable_variables
    pairs = [
        (gradient, weight)
        for gradient, weight in zip(gradients, weights, strict=True)
        if gradient is not None
    ]
    if not pairs:
      raise ValueError(
          'Expected a loss that depends on trainable weights; received one '
          f'that depends on none of {[weight.path for weight in weights]}.'
      )
    gradients, weights = map(list, zip(*pairs, strict=True))
    if self._clip_norm is not None:
      gradients = self._clip(gradients)
    elif isinstance(self._optimizer, keras.optimizers.LossScaleOptimizer):
      # It asks the first replica alone whether gradients overflowed.
      gradients = _mean_of_replicas(gradients)
    self._optimizer.apply(gradients, weights)

  def step(self, batch: Any, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Computes the gradients of a batch and updates the weights.

    Args:
      batch: The replica's part of the batch.
      seed: Seed of the step.

    Returns:
      This replica's share of the losses, as `gradients` returns them.
    """
    gradients, values, _ = self.gradients(batch, seed)
    if not self._optimizer.built:
      # What a new variable starts from must not depend on the batch.
      self._optimizer.build(self._model.trainable_variables)
    # Nothing else orders the optimizer's count after the data, which may end or
    # fail.
    with tf.control_dependencies(list(values.values())):
      self.update(gradients)
    return values

  def _clip(self, gradients):
    """Clips the sum over the replicas; returns the share of one of them."""
    num_replicas = _num_replicas()
    mean = _mean_of_replicas(gradients)
    norm = tf.linalg.global_norm(mean) * num_replicas
    # The gradients are those of the scaled loss.
    limit = self._clip_norm * self._optimizer.scale_loss(tf.ones([]))
    # NaN stays NaN, so that a loss scale takes note of it.
    factor = tf.where(norm > limit, limit / norm, tf.ones([]))
    factor = tf.where(tf.math.is_finite(norm), factor, norm - norm)
    return [gradient * tf.cast(factor, gradient.dtype) for gradient in mean]


def _mean_of_replicas(gradients):
  # The optimizer adds them up again.
  num_replicas = _num_replicas()
  if num_replicas == 1:
    return gradients
  context = tf.distribute.get_replica_context()
  return [
      tf.math.scalar_mul(1 / num_replicas, gradient)
      for gradient in context.all_reduce(_SUM, gradients)
  ]


def _num_replicas():
  return tf.distribute.get_strategy().num_replicas_in_sync


def _check_terms(terms, examples):
  for name, term in terms.items():
    if term.shape.rank != 1:
      raise ValueError(
          f'Expected the loss term {name!r} to have shape [batch]; received '
          f'shape {term.shape}.'
      )
    assertions.check_one_per_example(term, examples, name)
