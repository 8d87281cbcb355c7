"""The metrics of a model over a data set, exactly."""

from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.training import workers


class Evaluation:
  """Updates a model's metrics with every example of a data set, once each.

  Replicas take parts of each batch and add up what their metrics counted. Of a
  parameter server's cluster the coordinator evaluates alone: a worker that died
  would leave an unknown part of its batch in the metrics.

  Args:
    model: The model; see `Trainer` for what it has to have.
    seed: Seed of the noise, as for `ops.as_seed`.
  """

  def __init__(self, model: keras.Model, seed: Any):
    self._model, self._seed = model, seed
    self._strategy = tf.distribute.get_strategy()
    self._update = tf.function(self._update_metrics)

  def __call__(self, dataset: tf.data.Dataset) -> dict[str, float]:
    """Returns names to values of the metrics.

    Args:
      dataset: Finite data set of batches.

    Raises:
      ValueError: If it is no data set, or is empty or infinite.
    """
    check_finite(dataset)
    self._model.reset_metrics()
    if not self._update(iter(workers.distribute(self._strategy, dataset))):
      raise ValueError('Expected at least one batch; received an empty one.')
    results = self._model.get_metrics_result()
    return {name: float(value) for name, value in results.items()}

  def _update_metrics(self, iterator):
    """Updates the metrics with every batch; returns the number of batches."""
    index = tf.constant(0)
    for batch in iterator:
      if workers.is_parameter_server(self._strategy):
        self._update_replica(batch, index)
      else:
        self._strategy.run(self._update_replica, args=(batch, index))
      index += 1
    return index

  def _update_replica(self, batch, index):
    seed = ops.fold_in_replica(ops.fold_in(self._seed, index))
    self._model.update_metrics(batch, seed=seed)


def check_finite(dataset: tf.data.Dataset) -> None:
  """Checks that a data set is one, and not known to be infinite.

  Args:
    dataset: What is to be evaluated on.

  Raises:
    ValueError: If it is not.
  """
  if not isinstance(dataset, tf.data.Dataset):
    raise ValueError(
        'Expected a `tf.data.Dataset` of batches; received '
        f'{type(dataset).__name__}.'
    )
  if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
    raise ValueError('Expected a finite data set; received an infinite one.')
