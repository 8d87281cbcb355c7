"""Moving averages of the weights, in the place of the weights."""

import contextlib

import keras


class AveragedWeights(contextlib.AbstractContextManager):
  """Has a model show the averages that its optimizer keeps, while entered.

  A Keras optimizer made with `use_ema=True` averages the weights over the steps
  and leaves it to others to use what it has. Weights and averages are swapped
  bit for bit, so that training goes on as if nothing had been. With an
  optimizer that keeps no averages, or has done no step, nothing is done.

  Args:
    optimizer: The optimizer, or a `keras.optimizers.LossScaleOptimizer` of it.
  """

  def __init__(self, optimizer: keras.optimizers.Optimizer):
    # The scale of a loss has none of its own.
    self._optimizer = getattr(optimizer, 'inner_optimizer', optimizer)

  def __enter__(self) -> None:
    self.swap()

  def __exit__(self, *unused_error) -> None:
    self.swap()

  def swap(self) -> None:
    """Exchanges the weights and their averages."""
    if not self._optimizer.use_ema:
      return
    if not self._optimizer.iterations.numpy():  # The averages are zeros yet.
      return
    # Keras has a callback that swaps, by sums that round, and no other access.
    pairs = zip(
        self._optimizer._trainable_variables,
        self._optimizer._model_variables_moving_average,
        strict=True,
    )
    for weight, average in pairs:
      if average is None:  # Keras keeps none of, say, a scale of float8.
        continue
      value = weight.numpy()
      weight.assign(average.numpy())
      average.assign(value)
