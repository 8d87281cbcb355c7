"""The one training loop."""

from collections.abc import Callable
from collections.abc import Sequence
import math
import os
import pathlib
from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.models import strategy_checks
from discrete_lvm.ops import counts
from discrete_lvm.training import intervals
from discrete_lvm.training import workers
from discrete_lvm.training.averaged_weights import AveragedWeights
from discrete_lvm.training.checkpoint_writer import CheckpointWriter
from discrete_lvm.training.checkpoint_writer import tf_variables
from discrete_lvm.training.checkpoints import restore_latest
from discrete_lvm.training.checkpoints import restore_step
from discrete_lvm.training.compiled_steps import CompiledSteps
from discrete_lvm.training.evaluation import check_finite
from discrete_lvm.training.evaluation import Evaluation
from discrete_lvm.training.non_finite_loss_error import NonFiniteLossError
from discrete_lvm.training.preemption_error import PreemptionError
from discrete_lvm.training.termination_notice import TerminationNotice
from discrete_lvm.training.unreadable_data_error import naming_unreadable_data
from discrete_lvm.training.weight_schedule import WeightSchedule


class Trainer:
  """Trains a model on the sum of its loss terms, and resumes exactly.

  Everything that a step computes is a function of the weights, the seed and the
  step: the batch is `batches(step)`, the noise that of the seed with the step
  and the replica folded in. With the weights, the optimizer, the seed
  generators and the sums of the current log interval in the checkpoint, a run
  that is killed at any step and started again ends bit for bit as one that was
  not.

  Of the model it uses `loss_terms(batch, training=True, seed=seed)`, a dict of
  terms in nats, shape `[batch]` each, whose sum is the loss of an example; and
  for evaluation `update_metrics(batch, seed=seed)`, `metrics`, `reset_metrics`
  and `get_metrics_result`. Losses from `add_loss` and weight regularizers are
  not added: a model that wants them returns them as terms.

  Callbacks are Keras callbacks. An "epoch" is a log interval, in whose logs are
  the step, the mean of each term over the interval and, where it ends in an
  evaluation, the metrics with the prefix `val_`. A "batch" is one call of the
  compiled function. A callback's own state is not in the checkpoint; nor are
  weights that it sets as the training ends, such as the best ones of Keras's
  `EarlyStopping(restore_best_weights=True)`: after `fit` the model has these,
  while the checkpoint, from which the next `fit` goes on, is of the last step.

  Made in the scope of a strategy of `get_strategy`, as the model has to be, it
  trains under it: `batches` are global batches, of which each replica gets a
  part and noise of its own, and the update is that of one replica with the
  whole batch. Every worker calls the same methods with the same arguments. All
  restore the chief's checkpoints, in a directory that they share, and the chief
  alone runs the callbacks that write (those with an attribute `chief_only` that
  is true). Under a parameter server workers take steps each at its own pace, so
  those are neither in order nor repeatable.

  Of an optimizer that averages the weights (`use_ema=True`), the averages are
  what is evaluated, what callbacks see at the end of a log interval, what a
  checkpoint holds as the model, and what the model has after `fit`.

  SIGTERM, by which a machine is taken back, ends `fit` with a checkpoint of all
  that was done and a `PreemptionError`, on all workers if one receives it.

  Args:
    model: The `keras.Model`; its `optimizer` becomes the one given here.
    optimizer: The `keras.optimizers.Optimizer`.
    output_dir: Directory that gets `checkpoints/`.
    seed: Seed of the noise of training and evaluation, as for `ops.as_seed`
      but not a `SeedGenerator`, whose state moves.
    clip_norm: Positive number, the largest global norm of the gradients of a
      step, or None. That of an optimizer clips the share of each replica.
    accumulate_steps: Number of batches whose gradients make one step; the batch
      of step `t` is then `accumulate_steps` of `batches`, from number
      `t * accumulate_steps` on. That of an optimizer fails under a strategy.
    jit_compile: Whether XLA compiles the step.
    steps_per_call: Most optimisation steps in one call of the compiled
      function, after which Python sees the loss and callbacks run.
    callbacks: Keras callbacks.

  Raises:
    ValueError: If `steps_per_call` or `accumulate_steps` is below 1,
      `clip_norm` not positive, the optimizer clips or accumulates by itself
      under a strategy of several replicas, or the strategy is a parameter
      server, which can neither accumulate nor compile.

  Example:
    >>> import tempfile
    >>> output_dir = tempfile.mkdtemp()
    >>> decoder = keras.Sequential(
    ...     [keras.layers.Flatten(), keras.layers.Dense(4)])
    >>> model = dlvm.models.DiscreteVAE(
    ...     keras.layers.Dense(6), decoder, num_latents=2, num_classes=3)
    >>> batches = dlvm.training.ShuffledBatches(
    ...     np.eye(4, dtype='float32'), batch_size=2, seed=0
    ... )
    >>> trainer = dlvm.training.Trainer(
    ...     model, dlvm.training.FusedAdam(1e-3), output_dir
    ... )
    >>> _ = trainer.fit(batches, num_steps=20)
    >>> trainer.step
    20
  """

  def __init__(
      self,
      model: keras.Model,
      optimizer: keras.optimizers.Optimizer,
      output_dir: str | os.PathLike,
      *,
      seed: Any = 0,
      clip_norm: float | None = None,
      accumulate_steps: int = 1,
      jit_compile: bool = False,
      steps_per_call: int = 10,
      callbacks: Sequence[keras.callbacks.Callback] = (),
  ):
    counts.check_count(steps_per_call, 'steps_per_call')
    counts.check_count(accumulate_steps, 'accumulate_steps')
    if clip_norm is not None and not clip_norm > 0:
      raise ValueError(
          f'Expected a positive `clip_norm`; received {clip_norm}.'
      )
    self._strategy = tf.distribute.get_strategy()
    strategy_checks.check_optimizer(self._strategy, optimizer)
    self.model, self.optimizer = model, optimizer
    # Keras callbacks, such as those of the learning rate, look for it there.
    model.optimizer = optimizer
    self._checkpoint_dir = pathlib.Path(output_dir) / 'checkpoints'
    self._steps_per_call = steps_per_call
    self._accumulate_steps = accumulate_steps
    schedules = [c for c in callbacks if isinstance(c, WeightSchedule)]
    is_chief = workers.is_chief(self._strategy)
    # First, because they add their values to the logs that others write.
    self._callbacks = schedules + [
        c
        for c in callbacks
        if c not in schedules
        and (is_chief or not getattr(c, 'chief_only', False))
    ]
    self._steps = CompiledSteps(
        model,
        optimizer,
        ops.fold_in(seed, 'train'),
        schedules,
        clip_norm=clip_norm,
        accumulate_steps=accumulate_steps,
        jit_compile=jit_compile,
    )
    self._averages = AveragedWeights(optimizer)
    self._evaluation = Evaluation(model, ops.fold_in(seed, 'evaluate'))
    self._vote = workers.Vote(self._strategy)
    self._checkpoints: CheckpointWriter | None = None

  @property
  def step(self) -> int:
    """Number of optimisation steps done."""
    return int(self._steps.step.numpy())

  def fit(
      self,
      batches: Callable[[int], tf.data.Dataset],
      num_steps: int,
      *,
      eval_batches: tf.data.Dataset | None = None,
      eval_every: int = 1000,
      checkpoint_every: int = 1000,
      log_every: int = 100,
  ) -> keras.callbacks.History:
    """Trains up to a step, from the latest checkpoint if there is one.

    Args:
      batches: `batches(start_step)` returns the infinite data set that begins
        with the batch of that step, such as `ShuffledBatches`.
      num_steps: Steps to have done in the end, with those of earlier runs.
      eval_batches: Finite data set to evaluate on.
      eval_every: Steps between evaluations; there is one at the end, too.
      checkpoint_every: Steps between checkpoints, of which the last three are
        kept; there is one at the end, too.
      log_every: Steps in a log interval.

    Returns:
      The `keras.callbacks.History` of the log intervals of this call.

    Raises:
      NonFiniteLossError: If a loss term, or at a checkpoint a weight, is NaN or
        infinite.
      PreemptionError: If SIGTERM came before the last step.
      UnreadableDataError: If a file of the data is missing, closed to this
        process or, by its checksums, damaged.
      ValueError: If an argument is out of its range, `batches` is no function
        or returns no infinite data set, `eval_batches` is no finite data set, a
        loss term not of shape `[batch]`, the output directory cannot be written
        or has a `[` or a backslash in its name, its checkpoints are all
        damaged, those of another model or of a step above `num_steps`, or not
        all workers find them.
    """
    counts.check_count(num_steps, 'num_steps')
    counts.check_count(eval_every, 'eval_every')
    counts.check_count(checkpoint_every, 'checkpoint_every')
    counts.check_count(log_every, 'log_every')
    if eval_batches is not None:
      check_finite(eval_batches)
    self._build(_infinite(batches, 0))
    self._steps.reset_gradient_sums()
    self._checkpoints.restore()
    step = self.step
    if step > num_steps:
      raise ValueError(
          f'Expected `num_steps` of at least {step}, the step of the last '
          f'checkpoint; received {num_steps}.'
      )
    iterator = self._iterate(_infinite(batches, step * self._accumulate_steps))
    every = [log_every] if eval_batches is None else [log_every, eval_every]
    history = keras.callbacks.History()
    callbacks = keras.callbacks.CallbackList(
        [*self._callbacks, history],
        model=self.model,
        verbose=1,  # Else Keras's `ProgbarLogger` fails.
        num_steps=num_steps,
        steps=log_every,
        epochs=intervals.num_multiples(num_steps - 1, every) + 1,
    )
    self.model.stop_training = False
    epoch = None
    notice = TerminationNotice()
    try:
      _begin(callbacks, {'step': step})
      with notice, naming_unreadable_data(self._progress):
        while step < num_steps and not self.model.stop_training:
          if epoch is None:
            epoch = intervals.num_multiples(step, every)
            callbacks.on_epoch_begin(epoch)
          callbacks.on_train_batch_begin(step)
          begin, step = step, min(
              num_steps,
              step + self._steps_per_call,
              *(
                  intervals.next_multiple(step, n)
                  for n in [*every, checkpoint_every]
              ),
          )
          logs = self._train(iterator, step - begin)
          callbacks.on_train_batch_end(step - 1, logs)
          last = step == num_steps or self._is_stopped()
          if last or any(step % n == 0 for n in every):
            with self._averages:
              if eval_batches is not None and (last or step % eval_every == 0):
                logs |= self._validate(eval_batches, callbacks)
              self._steps.reset_sums()
              callbacks.on_epoch_end(epoch, logs)
            epoch = None
          last = last or self._is_stopped()
          preempted = not last and bool(self._vote(notice.received))
          # After the callbacks: what they wrote belongs to the checkpoint.
          if last or preempted or step % checkpoint_every == 0:
            self._checkpoints.save()
          if preempted:
            raise PreemptionError(step, self._checkpoints.latest)
      self._averages.swap()
    finally:
      # After an error, too: files are closed and the terminal is given back.
      callbacks.on_train_end()
    return history

  def evaluate(self, dataset: tf.data.Dataset) -> dict[str, float]:
    """Computes the metrics of the model over a data set, exactly.

    Every example counts once and alike, whatever the size of the last batch.
    The noise is a function of the seed and the index of the batch, so the same
    weights give the same figures.

    Args:
      dataset: Finite data set of batches.

    Returns:
      Names to values of the model's metrics.

    Raises:
      ValueError: If it is no data set, or is empty or infinite.
    """
    return self._evaluation(dataset)

  def restore(self, step: int | None = None) -> int:
    """Restores the model alone from a checkpoint.

    For evaluation and export; `fit` restores by itself.

    Args:
      step: The step of the checkpoint; by default the latest intact one.

    Returns:
      The step of the checkpoint.

    Raises:
      ValueError: If the model is not built, there is no such intact checkpoint,
        or it is that of another model.
    """
    # One that is not may have variables, such as that of a seed generator. One
    # that `fit` has trained has all, though Keras may not call it built.
    if not self.model.built and self._checkpoints is None:
      raise ValueError('Expected a model that is built; received none.')
    checkpoint = tf.train.Checkpoint(
        step=self._steps.step, variables=tf_variables(self.model)
    )
    if step is not None:
      restore_step(checkpoint, self._checkpoint_dir, step, partial=True)
    elif restore_latest(checkpoint, self._checkpoint_dir, partial=True) is None:
      raise ValueError(
          f'Expected a checkpoint in {self._checkpoint_dir}; received none.'
      )
    return self.step

  def _iterate(self, dataset):
    return iter(workers.distribute(self._strategy, dataset))

  def _build(self, dataset):
    """Makes all variables that a checkpoint holds, and the checkpoint."""
    self._steps.build(self._iterate(dataset).element_spec)
    if self._checkpoints is None:
      with self._strategy.scope():
        self._checkpoints = CheckpointWriter(
            self._checkpoint_dir,
            self.model,
            self.optimizer,
            step=self._steps.step,
            sums=self._steps.sums,
        )

  def _progress(self):
    return self.step, self._checkpoints.latest

  def _is_stopped(self):
    """Says whether a callback of any worker has stopped the training."""
    # One that goes on alone would wait for the others without end.
    if self._vote(self.model.stop_training):
      self.model.stop_training = True
    return self.model.stop_training

  def _validate(self, eval_batches, callbacks):
    callbacks.on_test_begin()
    metrics = self.evaluate(eval_batches)
    callbacks.on_test_end(metrics)
    return {f'val_{name}': value for name, value in metrics.items()}

  def _train(self, iterator, num_steps):
    """Runs steps; returns the mean losses of the log interval up to here."""
    try:
      values = self._steps.run(iterator, num_steps)
    except tf.errors.OutOfRangeError as error:
      raise ValueError(
          'Expected an infinite data set from `batches`; received one that '
          f'ended at step {self.step}.'
      ) from error
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
      # The loss is the sum of the terms, and says less than the term does.
      term = next((name for name in bad if name != 'loss'), 'loss')
      raise NonFiniteLossError(self.step - 1, term, self._checkpoints.latest)
    return {'step': self.step, **self._steps.means()}


def _begin(callbacks, logs):
  """Begins callbacks; if one cannot, leaves in the list those that have."""
  given, callbacks.callbacks = callbacks.callbacks, []
  callbacks.on_train_begin()  # Keras's own part.
  for callback in given:
    callback.on_train_begin(logs)
    callbacks.callbacks.append(callback)


def _infinite(batches, start_step):
  if not callable(batches):
    raise ValueError(
        'Expected `batches` to be a function of the first step; received '
        f'{batches!r}.'
    )
  dataset = batches(start_step)
  if not isinstance(dataset, tf.data.Dataset):
    raise ValueError(
        'Expected a `tf.data.Dataset` from `batches`; received '
        f'{type(dataset).__name__}.'
    )
  if dataset.cardinality() >= 0:
    raise ValueError(
        'Expected an infinite data set from `batches`; received one of '
        f'{int(dataset.cardinality())} batches.'
    )
  return dataset
