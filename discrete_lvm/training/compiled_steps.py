"""Optimisation steps in a graph."""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.training.weight_schedule import WeightSchedule

_SUM = tf.distribute.ReduceOp.SUM


class CompiledSteps:
  """Runs optimisation steps in one loop of a graph, and sums up their losses.

  A step sets the scheduled weights, takes a batch, and goes through
  `strategy.run`: each replica folds its id into the seed of the step, and its
  loss is divided by the global batch, because Keras's optimizers add up the
  gradients of the replicas.

  Args:
    model: The model; see `Trainer` for what it has to have.
    optimizer: Its optimizer.
    seed: Seed of all steps, as for `ops.as_seed`.
    schedules: What sets weights at the start of a step.
    jit_compile: Whether XLA compiles the step. Under a strategy it gets what
      comes before the update, for it cannot reach the weights of another
      replica's device.

  Attributes:
    step: int64 variable, number of steps done.
    sums: float32 variable, shape `[len(names) + 1]`, once built: the sum of
      each loss since the last `reset_sums`, and the number of steps in it.
    names: Names of the losses, once built: those of the terms, and `loss`,
      their sum.
  """

  def __init__(
      self,
      model: keras.Model,
      optimizer: keras.optimizers.Optimizer,
      seed: Any,
      schedules: Sequence[WeightSchedule],
      jit_compile: bool,
  ):
    self._model, self._optimizer = model, optimizer
    self._seed, self._schedules = ops.as_seed(seed), schedules
    self._strategy = tf.distribute.get_strategy()
    self.step = self._variable(tf.constant(0, tf.int64))
    self.sums: Any = None
    self.names: list[str] = []
    self._gradients, self._update = self._replica_gradients, self._replica_step
    if jit_compile and tf.distribute.has_strategy():
      self._gradients = tf.function(self._gradients, jit_compile=True)
    elif jit_compile:
      self._update = tf.function(self._update, jit_compile=True)
    self._one_step = tf.function(self._run_step)
    self._steps = tf.function(self._run_steps)

  def build(self, batch_spec: Any) -> None:
    """Traces the step, which creates every variable that is not there yet.

    Args:
      batch_spec: The `element_spec` of the iterator to come.
    """
    if self._model.built and not self._optimizer.built:
      # A function that creates variables is traced twice.
      with self._strategy.scope():
        self._optimizer.build(self._model.trainable_variables)
    step = self._one_step.get_concrete_function(
        batch_spec, tf.TensorSpec([], tf.int64)
    )
    if self.sums is None:
      self.names = list(step.structured_outputs)
      self.sums = self._variable(tf.zeros([len(self.names) + 1]))

  def run(self, iterator: Iterator[Any], num_steps: int) -> dict[str, float]:
    """Runs steps, up to the first whose loss is not finite.

    Args:
      iterator: Where the batches come from.
      num_steps: How many; one graph serves any number.

    Returns:
      Names to losses of the last step run, in nats.
    """
    values = self._steps(iterator, tf.constant(num_steps)).numpy().tolist()
    return dict(zip(self.names, values, strict=True))

  def means(self) -> dict[str, float]:
    """Returns names to mean losses since the last `reset_sums`, in nats."""
    *sums, count = self.sums.numpy().tolist()
    return {n: s / count for n, s in zip(self.names, sums, strict=True)}

  def reset_sums(self) -> None:
    """Begins another mean."""
    self.sums.assign(tf.zeros_like(self.sums))

  def _variable(self, initial_value):
    with self._strategy.scope():
      return tf.Variable(
          initial_value,
          trainable=False,
          aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
      )

  def _run_steps(self, iterator, num_steps):

    def body(i, values):
      del values
      terms = self._one_step(next(iterator), self.step.read_value())
      values = tf.stack([terms[name] for name in self.names])
      self.step.assign_add(1)
      self.sums.assign_add(tf.concat([values, [1.0]], 0))
      return i + 1, values

    def goes_on(i, values):
      return (i < num_steps) & tf.reduce_all(tf.math.is_finite(values))

    zeros = tf.zeros([len(self.names)])
    return tf.while_loop(goes_on, body, [tf.constant(0), zeros])[1]

  def _run_step(self, batch, step):
    for schedule in self._schedules:
      schedule.apply(step)
    seed = ops.fold_in(self._seed, step)
    values = self._strategy.run(self._update, args=(batch, seed))
    return {
        name: self._strategy.reduce(_SUM, value, axis=None)
        for name, value in values.items()
    }

  def _replica_step(self, batch, seed):
    global_batch = tf.distribute.get_replica_context().all_reduce(
        _SUM, tf.shape(tf.nest.flatten(batch)[0])[0]
    )
    gradients, values = self._gradients(
        batch, ops.fold_in_replica(seed), tf.cast(global_batch, tf.float32)
    )
    self._optimizer.apply(gradients, self._model.trainable_variables)
    return values

  def _replica_gradients(self, batch, seed, global_batch):
    """Returns gradients and terms, as this replica's share of the sum."""
    with tf.GradientTape() as tape:
      terms = self._model.loss_terms(batch, training=True, seed=seed)
      _check_terms(terms)
      values = {
          name: tf.reduce_sum(tf.cast(term, tf.float32)) / global_batch
          for name, term in terms.items()
      }
      loss = tf.add_n(list(values.values()))
      scaled = self._optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled, self._model.trainable_variables)
    return gradients, {**values, 'loss': loss}


def _check_terms(terms):
  for name, term in terms.items():
    if term.shape.rank != 1:
      raise ValueError(
          f'Expected the loss term {name!r} to have shape [batch]; received '
          f'shape {term.shape}.'
      )
