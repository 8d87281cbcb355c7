"""A progress bar with the loss, the speed and the time left."""

import atexit
import time
from typing import Any

import keras

from discrete_lvm.training.extras import require_extra
from discrete_lvm.training.logged_step import logged_step

_SECONDS_BETWEEN_REFRESHES = 0.1


class ProgressBar(keras.callbacks.Callback):
  """Shows steps done, loss terms, steps a second and time left.

  Shows nothing where the console is not a terminal, so that log files stay
  clean. With `model.fit`, pass `verbose=0` to silence Keras's own.

  Args:
    console: `rich.console.Console`; standard error by default.

  Example:
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile('sgd', 'mse')
    >>> x, y = tf.zeros([6, 2]), tf.ones([6, 1])
    >>> _ = model.fit(x, y, 2, verbose=0, callbacks=[ProgressBar()])
  """

  chief_only = True

  def __init__(self, console: Any = None):
    super().__init__()
    self._console = console
    self._progress: Any = None

  def on_train_begin(self, logs=None):
    require_extra('rich')
    import rich.console
    import rich.progress

    console = self._console or rich.console.Console(stderr=True)
    if not console.is_terminal:
      return
    self._progress = rich.progress.Progress(
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn('{task.fields[terms]}'),
        rich.progress.TextColumn('{task.fields[rate]}'),
        rich.progress.TimeRemainingColumn(),
        console=console,
        # A thread that refreshes would compete with the step for the cores.
        auto_refresh=False,
    )
    step = logged_step(self.model, logs)
    self._task = self._progress.add_task(
        'train', completed=step, total=self._total(step), terms='', rate=''
    )
    # An exception ends `fit` without `on_train_end`; the cursor must come back.
    atexit.register(self._progress.stop)
    self._progress.start()
    self._refreshed = time.monotonic()

  def on_train_batch_end(self, batch, logs=None):
    if self._progress is None:
      return
    if time.monotonic() - self._refreshed >= _SECONDS_BETWEEN_REFRESHES:
      self._refresh(logs)

  def on_epoch_end(self, epoch, logs=None):
    if self._progress is not None:
      self._refresh(logs)

  def on_train_end(self, logs=None):
    if self._progress is not None:
      self._progress.stop()
      atexit.unregister(self._progress.stop)
      self._progress = None

  def _total(self, step):
    """Returns the step at which training ends, None if that is not known."""
    if 'num_steps' in self.params:
      return self.params['num_steps']
    if self.params.get('steps') is None:
      return None
    return step + self.params['epochs'] * self.params['steps']

  def _refresh(self, logs):
    speed = self._progress.tasks[self._task].speed
    # The metrics of an evaluation would push the bar off the line.
    terms = {
        name: value
        for name, value in (logs or {}).items()
        if name != 'step' and not name.startswith('val_')
    }
    self._progress.update(
        self._task,
        completed=logged_step(self.model, logs),
        terms=' '.join(f'{name} {value:.4g}' for name, value in terms.items()),
        rate=f'{speed:.0f} steps/s' if speed else '',
        refresh=True,
    )
    self._refreshed = time.monotonic()
