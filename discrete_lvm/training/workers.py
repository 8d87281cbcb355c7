"""The processes that train together: their parts, and what they agree on."""

import tensorflow as tf

_SUM = tf.distribute.ReduceOp.SUM


def is_chief(strategy: tf.distribute.Strategy | None = None) -> bool:
  """Says whether this process writes what is to be kept.

  Of several workers that train together, one does: the chief, or else the first
  of them.

  Args:
    strategy: The strategy; by default that in whose scope this is called.

  Returns:
    Python `bool`.

  Example:
    >>> dlvm.training.is_chief()
    True
  """
  strategy = strategy or tf.distribute.get_strategy()
  if num_workers(strategy) == 1:
    return True
  resolver = strategy.cluster_resolver
  if resolver.task_type == 'chief':
    return True
  has_chief = 'chief' in resolver.cluster_spec().jobs
  return not has_chief and resolver.task_id == 0


def num_workers(strategy: tf.distribute.Strategy) -> int:
  """Returns the number of processes that go through the same steps together."""
  if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
    return 1
  jobs = strategy.cluster_resolver.cluster_spec().as_dict()
  return sum(len(addresses) for addresses in jobs.values())


def is_parameter_server(strategy: tf.distribute.Strategy) -> bool:
  """Says whether workers compute steps each at its own pace."""
  return isinstance(strategy, tf.distribute.ParameterServerStrategy)


def distribute(
    strategy: tf.distribute.Strategy, dataset: tf.data.Dataset
) -> tf.data.Dataset:
  """Splits each batch of a data set between the replicas.

  Each worker reads all of it and keeps its part of each batch, so the batches
  are the same ones for any number of workers. Parameter servers' workers get
  whole batches from the coordinator, so that none is lost or taken twice.

  Args:
    strategy: The strategy.
    dataset: Data set of global batches.

  Returns:
    What can be iterated over, in a graph too.
  """
  if is_parameter_server(strategy):
    return dataset
  options = tf.data.Options()
  # By default files are given to workers, as many as there happen to be.
  options.experimental_distribute.auto_shard_policy = (
      tf.data.experimental.AutoShardPolicy.DATA
  )
  return strategy.experimental_distribute_dataset(dataset.with_options(options))


class Vote:
  """Adds up an integer of each worker, where there are several.

  Args:
    strategy: The strategy.

  Example:
    >>> from discrete_lvm.training import workers
    >>> workers.Vote(tf.distribute.get_strategy())(True)
    1
  """

  def __init__(self, strategy: tf.distribute.Strategy):
    self._strategy = strategy
    self._is_alone = num_workers(strategy) == 1
    self._add_up = tf.function(self._sum)

  def __call__(self, value: int) -> int:
    """Returns the sum; every worker has to ask at the same point.

    Args:
      value: Python `int` or `bool`, that of this worker.

    Returns:
      Python `int`, the same on all workers.
    """
    if self._is_alone:
      return int(value)
    return int(self._add_up(tf.constant(int(value), tf.int64)).numpy())

  def _sum(self, value):
    # All replicas of a worker say the same.
    values = self._strategy.run(tf.identity, args=(value,))
    num_replicas = self._strategy.num_replicas_in_sync
    total = self._strategy.reduce(_SUM, values, axis=None)
    return total * num_workers(self._strategy) // num_replicas
