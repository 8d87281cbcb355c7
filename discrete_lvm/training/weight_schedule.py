"""Sets a weight, such as a temperature, from a schedule inside the step."""

from collections.abc import Callable
import functools
from typing import Any

import keras
import tensorflow as tf


class WeightSchedule(keras.callbacks.Callback):
  """Sets a scalar weight to `schedule(step)` at the start of every step.

  The weight changes inside the compiled step, so every step sees its own value
  also when `steps_per_execution` (or `steps_per_call` of `Trainer`) puts many
  in one call, and nothing is traced again. The step is the number of updates
  done, which a checkpoint restores. Serves `model.fit` and `Trainer.fit`; the
  value is added to the logs under the name of the weight, for the callbacks
  that come after this one.

  Args:
    weight: Scalar weight, such as `layer.temperature`.
    schedule: `schedule(step) -> value`, such as `ops.ExponentialSchedule`; it
      receives an integer `Tensor`.

  Raises:
    ValueError: If `weight` is not a scalar variable or `schedule` not callable.

  Example:
    >>> weight = keras.Variable(1., trainable=False, name='temperature')
    >>> schedule = dlvm.ops.LinearSchedule(1., 0., num_steps=10)
    >>> WeightSchedule(weight, schedule).apply(step=5)
    >>> float(weight)
    0.5
  """

  def __init__(self, weight: Any, schedule: Callable[[Any], Any]):
    super().__init__()
    if not hasattr(weight, 'assign') or len(weight.shape) != 0:
      raise ValueError(
          f'Expected `weight` to be a scalar variable; received {weight!r}.'
      )
    if not callable(schedule):
      raise ValueError(
          f'Expected `schedule` to be a function of the step; received '
          f'{schedule!r}.'
      )
    self.weight, self.schedule = weight, schedule
    self._in_training = False

  def apply(self, step: int | tf.Tensor) -> None:
    """Sets the weight for a step; belongs into the compiled step.

    Args:
      step: Number of updates done.
    """
    self.weight.assign(tf.cast(self.schedule(step), self.weight.dtype))

  def set_model(self, model):
    # Keras makes its train function after this and before `on_train_begin`.
    super().set_model(model)
    self._in_training = False
    train_step = model.train_step
    if not isinstance(train_step, _ScheduledStep):
      train_step = _ScheduledStep(model, train_step)
    train_step.add(self)

  def on_train_begin(self, logs=None):
    self._in_training = True

  def on_epoch_end(self, epoch, logs=None):
    if logs is not None:
      logs[self.weight.name] = float(self.weight.numpy())

  def on_train_end(self, logs=None):
    self._in_training = False
    self._uninstall()

  def on_test_begin(self, logs=None):
    # Of `evaluate` by itself; a validation leaves the schedule to the training.
    if not self._in_training:
      self._uninstall()

  def on_predict_begin(self, logs=None):
    if not self._in_training:
      self._uninstall()

  def _uninstall(self):
    train_step = self.model.train_step
    if isinstance(train_step, _ScheduledStep):
      train_step.remove(self)


class _ScheduledStep:
  """A `train_step` that first sets the scheduled weights.

  An exception, such as a user's interrupt, may end a `fit` without
  `on_train_end`. So the schedules of a `fit` are those that were added since
  the train function of the one before was made.
  """

  def __init__(self, model, train_step):
    self._model, self._train_step = model, train_step
    self._make = model.make_train_function
    self._schedules = []
    self._is_made = False
    functools.update_wrapper(self, train_step)

  def __call__(self, *args, **kwargs):
    for schedule in self._schedules:
      schedule.apply(tf.convert_to_tensor(self._model.optimizer.iterations))
    return self._train_step(*args, **kwargs)

  def add(self, schedule):
    others = [] if self._is_made else self._schedules
    self._is_made = False
    self._install([s for s in others if s is not schedule] + [schedule])

  def remove(self, schedule):
    self._install([s for s in self._schedules if s is not schedule])

  def _install(self, schedules):
    self._schedules, model = schedules, self._model
    model.train_step = self if schedules else self._train_step
    model.make_train_function = (
        self._make_train_function if schedules else self._make
    )
    # Else `fit` would go on with the function that it traced before.
    model.train_function = None

  def _make_train_function(self, force=False):
    if self._is_made:
      self._install([])
    self._is_made = True
    self._make(force)
