"""The base of independent positions, fitted to what the flows make of data."""

from collections.abc import Iterable
import functools

import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm

# As many events that follow the mean law of all positions: of some hundred
# events, a position alone tells little of the rare classes.
_PSEUDO_COUNT = 20.0


class FitBase(keras.callbacks.Callback):
  """Fits the base before the first step and at each evaluation.

  Given the flows, frequencies are the maximum of the likelihood, where steps of
  an optimiser would still be on their way.

  Args:
    codes: Integer codes, shape `[size, length]`.
    batch_size: Examples to evaluate at once.
    eval_every: Steps between evaluations.
  """

  def __init__(self, codes: np.ndarray, batch_size: int, eval_every: int):
    super().__init__()
    self._eval_every = eval_every
    self._batches = [
        codes[begin : begin + batch_size]
        for begin in range(0, len(codes), batch_size)
    ]

  @functools.cached_property
  def _mean(self):
    return tf.function(functools.partial(_total, self.model), autograph=False)

  def on_train_batch_begin(self, batch, logs=None):
    # An evaluation may have fitted that of averaged weights, which are not what
    # training goes on with. By the step alone, so that a resumed run does so.
    if batch % self._eval_every == 0:
      self.on_test_begin()

  def on_test_begin(self, logs=None):
    del logs
    fit(self.model, self._batches, self._mean)


def fit(
    model: dlvm.models.DiscreteFlow,
    batches: Iterable[np.ndarray],
    total=None,
) -> None:
  """Sets the law of each position of the base to what flows make of data.

  Args:
    model: The model; nothing is done to one with a causal base.
    batches: Integer codes, shape `[batch, length]` each.
    total: For this module: the sum of the events of a batch, compiled.
  """
  if model.base is not None:
    return
  total = total or tf.function(
      functools.partial(_total, model), autograph=False
  )
  counts = sum(total(codes).numpy().astype(np.float64) for codes in batches)
  law = counts.mean(axis=0) + 1 / counts.shape[-1]
  counts += _PSEUDO_COUNT * law / law.sum()
  model.base_logits.assign(np.log(counts / counts.sum(axis=-1, keepdims=True)))


def _total(model, codes):
  bijector = model.distribution().bijector
  events = tf.one_hot(codes, model.num_classes)
  return tf.reduce_sum(bijector.inverse(events), axis=0)
