"""Optimisation steps in a graph."""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.training import workers
from discrete_lvm.training.gradient_sums import GradientSums
from discrete_lvm.training.replica_step import ReplicaStep
from discrete_lvm.training.weight_schedule import WeightSchedule

_SUM = tf.distribute.ReduceOp.SUM


class CompiledSteps:
  """Runs optimisation steps in one loop of a graph, and sums up their losses.

  A step sets the scheduled weights, takes a batch, and goes through
  `strategy.run`: see `ReplicaStep` for what each replica does with its part. Of
  a `ParameterServerStrategy` a step goes to whichever worker is free.

  Args:
    model: The model; see `Trainer` for what it has to have.
    optimizer: Its optimizer.
    seed: Seed of all steps, as for `ops.as_seed`.
    schedules: What sets weights at the start of a step.
    clip_norm: Largest global norm of the gradients, or None.
    accumulate_steps: Batches of a step.
    jit_compile: Whether XLA compiles the step. Under a strategy, or with
      several batches a step, it gets what comes before the update, for it
      cannot reach the weights of another replica's device.

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
      *,
      clip_norm: float | None,
      accumulate_steps: int,
      jit_compile: bool,
  ):
    self._model, self._optimizer = model, optimizer
    self._seed, self._schedules = ops.as_seed(seed), schedules
    self._accumulate_steps = accumulate_steps
    self._strategy = tf.distribute.get_strategy()
    self._coordinator: Any = None
    if workers.is_parameter_server(self._strategy):
      _check_parameter_server(jit_compile, accumulate_steps)
      self._coordinator = tf.distribute.coordinator.ClusterCoordinator(
          self._strategy
      )
    self.step = self._variable(tf.constant(0, tf.int64))
    self.sums: Any = None
    self.names: list[str] = []
    in_parts = tf.distribute.has_strategy() or accumulate_steps > 1
    self._needs_weights = in_parts
    self._replica = ReplicaStep(
        model, optimizer, clip_norm, jit_gradients=jit_compile and in_parts
    )
    self._replica_step = self._replica.step
    if jit_compile and not in_parts:
      self._replica_step = tf.function(self._replica_step, jit_compile=True)
    self._gradient_sums: GradientSums | None = None
    self._one_batch = tf.function(self._run_batch)
    self._one_step = tf.function(self._run_step)
    self._steps = tf.function(self._run_steps)
    self._drop_gradient_sums = tf.function(self._run_drop)

  def build(self, batch_spec: Any) -> None:
    """Traces the step, which creates every variable that is not there yet.

    Args:
      batch_spec: The `element_spec` of the iterator to come.

    Raises:
      ValueError: If the model is not built and has to be, under a strategy or
        to accumulate gradients; or XLA cannot compile its gradients under a
        strategy.
    """
    if not self._model.built and self._needs_weights:
      raise ValueError(
          'Expected a model that is built, in the scope of the strategy, since '
          'weights are shared out before a step; received one that is not.'
      )
    if self._model.built and not self._optimizer.built:
      # A function that creates variables is traced twice.
      with self._strategy.scope():
        self._optimizer.build(self._model.trainable_variables)
    if self._accumulate_steps > 1 and self._gradient_sums is None:
      with self._strategy.scope():
        self._gradient_sums = GradientSums(self._model.trainable_variables)
    losses = self._trace(batch_spec)
    if self.sums is None:
      self.names = list(losses)
      self.sums = self._variable(tf.zeros([len(self.names) + 1]))

  def run(self, iterator: Iterator[Any], num_steps: int) -> dict[str, float]:
    """Runs steps, up to the first whose loss is not finite.

    Args:
      iterator: Where the batches come from.
      num_steps: How many; one graph serves any number.

    Returns:
      Names to losses of the last step run, in nats.
    """
    if self._coordinator:
      values = self._schedule_steps(iterator, num_steps)
    else:
      values = self._steps(iterator, tf.constant(num_steps)).numpy().tolist()
    return dict(zip(self.names, values, strict=True))

  def means(self) -> dict[str, float]:
    """Returns names to mean losses since the last `reset_sums`, in nats."""
    *sums, count = self.sums.numpy().tolist()
    return {n: s / count for n, s in zip(self.names, sums, strict=True)}

  def reset_sums(self) -> None:
    """Begins another mean."""
    self.sums.assign(tf.zeros_like(self.sums))

  def reset_gradient_sums(self) -> None:
    """Drops what a step that failed between its batches has added up."""
    if self._gradient_sums is not None:
      self._drop_gradient_sums()

  def _variable(self, initial_value):
    with self._strategy.scope():
      return tf.Variable(
          initial_value,
          trainable=False,
          aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
      )

  def _trace(self, batch_spec):
    """Traces the step once; returns the losses by name."""
    spec = tf.TensorSpec([], tf.int64)
    if self._coordinator:
      # `strategy.run` is for functions that a worker has been given.
      gradients = tf.function(self._replica.local_gradients)
      return gradients.get_concrete_function(
          batch_spec, tf.TensorSpec([2], tf.int32), tf.TensorSpec([])
      ).structured_outputs[1]
    try:
      if self._accumulate_steps == 1:
        step = self._one_step.get_concrete_function(batch_spec, spec)
        return step.structured_outputs
      batch = self._one_batch.get_concrete_function(batch_spec, spec, spec)
      return batch.structured_outputs[0]
    except RuntimeError as error:
      if 'merge_call' not in str(error):
        raise
      raise ValueError(
          'Expected a model whose replicas do not meet in `loss_terms`, for '
          '`jit_compile` under a strategy; received one that averages over the '
          'whole batch or updates a state. Train it without `jit_compile`.'
      ) from error

  def _schedule_steps(self, iterator, num_steps):
    """Gives steps to workers; returns the losses of the last one."""
    begin = self.step.numpy()
    results = [
        self._coordinator.schedule(
            self._one_step,
            args=(next(iterator), tf.constant(begin + i, tf.int64)),
        )
        for i in range(num_steps)
    ]
    self._coordinator.join()
    losses = np.stack(
        [[row[n] for n in self.names] for row in (r.fetch() for r in results)]
    )
    bad = ~np.isfinite(losses).all(axis=1)
    if bad.any():
      losses = losses[: np.argmax(bad) + 1]
    count = len(losses)
    self.step.assign_add(count)
    self.sums.assign_add([*losses.sum(axis=0), count])
    return losses[-1].tolist()

  def _run_steps(self, iterator, num_steps):

    def body(i, values):
      del values
      step = self.step.read_value()
      if self._accumulate_steps == 1:
        terms = self._one_step(next(iterator), step)
      else:
        terms = self._accumulate(iterator, step)
      values = tf.stack([terms[name] for name in self.names])
      with tf.control_dependencies([values]):
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
    return self._sum(self._strategy.run(self._replica_step, args=(batch, seed)))

  def _accumulate(self, iterator, step):
    """Runs a step of several batches; returns its losses."""
    for schedule in self._schedules:
      schedule.apply(step)

    def body(index, totals, count):
      losses, size = self._one_batch(next(iterator), step, index)
      losses = tf.stack([losses[name] for name in self.names])
      return index + 1, totals + size * losses, count + size

    _, totals, count = tf.while_loop(
        lambda index, *_: index < self._accumulate_steps,
        body,
        [tf.constant(0, tf.int64), tf.zeros([len(self.names)]), tf.zeros([])],
        # One at a time: that is what it is for.
        parallel_iterations=1,
    )
    # After the last batch, as in `ReplicaStep.step`.
    with tf.control_dependencies([totals]):
      self._strategy.run(self._replica_update)
    return dict(zip(self.names, tf.unstack(totals / count), strict=True))

  def _run_batch(self, batch, step, index):
    seed = ops.fold_in(self._seed, step, index)
    losses, count = self._strategy.run(self._replica_batch, args=(batch, seed))
    return (
        self._sum(losses),
        self._strategy.experimental_local_results(count)[0],
    )

  def _replica_batch(self, batch, seed):
    gradients, losses, count = self._replica.gradients(batch, seed)
    self._gradient_sums.add(gradients, count)
    return losses, count

  def _run_drop(self):
    self._strategy.run(lambda: tf.group(*self._gradient_sums.take()))

  def _replica_update(self):
    self._replica.update(self._gradient_sums.take())

  def _sum(self, losses):
    """Adds up the losses of the replicas, in one exchange."""
    stacked = self._strategy.run(
        lambda values: tf.stack(list(values.values())), args=(losses,)
    )
    total = self._strategy.reduce(_SUM, stacked, axis=None)
    return dict(zip(losses, tf.unstack(total, len(losses)), strict=True))


def _check_parameter_server(jit_compile, accumulate_steps):
  if jit_compile:
    raise ValueError(
        'Expected no `jit_compile` under a parameter server: XLA cannot reach '
        'weights that are in another process. Leave it out, or use the '
        "strategy 'multi_worker'."
    )
  if accumulate_steps > 1:
    raise ValueError(
        'Expected `accumulate_steps` of 1 under a parameter server, whose '
        "workers would add to one another's sums; received "
        f"{accumulate_steps}. Use larger batches, or 'multi_worker'."
    )
