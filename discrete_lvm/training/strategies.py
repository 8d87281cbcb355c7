"""The strategies of `tf.distribute`, by name."""

from collections.abc import Callable
import functools
import os

import tensorflow as tf

from discrete_lvm.training import cluster

_TPU_VARIABLE = 'TPU_NAME'


def get_strategy(
    name: str = 'default',
    *,
    num_replicas: int | None = None,
    tpu: str | None = None,
) -> tf.distribute.Strategy:
  """Returns the strategy under which a process trains.

  | name               | one replica for each                              |
  |--------------------|---------------------------------------------------|
  | 'default'          | process: no strategy                              |
  | 'mirrored'         | GPU of this machine, or so many shares of its CPU |
  | 'multi_worker'     | GPU, or else CPU, of each worker of `TF_CONFIG`   |
  | 'parameter_server' | worker of `TF_CONFIG`, each at its own pace       |
  | 'tpu'              | core of a TPU                                     |

  Build the model and the `Trainer` within its `scope()`. Asked for again, it is
  the same object, because a second one in a process would wait for the first
  one's collectives. Call it before anything else of TensorFlow: logical
  devices and connections to other workers are made once, as it starts.

  'multi_worker' waits until all workers are there. With 'parameter_server' the
  chief trains, and asks the workers to compute; in their processes this
  function serves the chief and does not return.

  Args:
    name: One of the names above.
    num_replicas: For 'mirrored' alone: how many. By default as many as there
      are GPUs, or one. Without a GPU the CPU is split into as many logical
      devices: no faster, but the same program.
    tpu: For 'tpu' alone: name or address of the TPU. By default that of the
      environment variable `TPU_NAME`, or 'local' for a TPU of this machine.

  Returns:
    A `tf.distribute.Strategy`.

  Raises:
    ValueError: If the name is unknown, the other arguments or `TF_CONFIG` do
      not go with it, a device is missing, or TensorFlow has already started in
      a way that does not allow it.

  Example:
    >>> strategy = dlvm.training.get_strategy('default')
    >>> strategy.num_replicas_in_sync
    1
    >>> with strategy.scope():
    ...   weight = keras.Variable(1.)

  References:
    Distributed training with TensorFlow.
    https://www.tensorflow.org/guide/distributed_training.
  """
  makers: dict[str, Callable[[], tf.distribute.Strategy]] = {
      'default': tf.distribute.get_strategy,
      'mirrored': functools.partial(_mirrored, num_replicas),
      'multi_worker': _multi_worker,
      'parameter_server': _parameter_server,
      'tpu': functools.partial(_tpu, tpu),
  }
  if name not in makers:
    raise ValueError(
        f'Expected a strategy of {sorted(makers)}; received {name!r}.'
    )
  if num_replicas is not None and name != 'mirrored':
    raise ValueError(
        f"Expected `num_replicas` with the strategy 'mirrored' alone: {name!r} "
        f'counts its devices itself; received {num_replicas}.'
    )
  if tpu is not None and name != 'tpu':
    raise ValueError(
        f"Expected `tpu` with the strategy 'tpu' alone; received {tpu!r} with "
        f'{name!r}.'
    )
  if name in ('default', 'mirrored', 'tpu') and cluster.num_tasks() > 1:
    raise ValueError(
        f"Expected the strategy 'multi_worker' or 'parameter_server' for the "
        f'{cluster.num_tasks()} tasks of TF_CONFIG, each of which would train '
        f'by itself; received {name!r}.'
    )
  return makers[name]()


def _mirrored(num_replicas):
  if num_replicas is not None and num_replicas < 1:
    raise ValueError(
        f'Expected `num_replicas` of at least 1; received {num_replicas}.'
    )
  num_gpus = len(tf.config.list_physical_devices('GPU'))
  if num_gpus:
    if (num_replicas or num_gpus) > num_gpus:
      raise ValueError(
          f'Expected `num_replicas` of at most {num_gpus}, the number of GPUs; '
          f'received {num_replicas}. More of them are the matter of '
          "'multi_worker'."
      )
    return _mirrored_gpus(num_replicas or num_gpus)
  return _mirrored_cpus(num_replicas or 1)


@functools.cache
def _mirrored_gpus(num):
  return tf.distribute.MirroredStrategy([f'GPU:{i}' for i in range(num)])


@functools.cache
def _mirrored_cpus(num):
  devices = _logical_cpus(num)
  # The default reduces by collectives, whose keys are those of the process: two
  # strategies of different sizes would wait for each other's.
  reduction = tf.distribute.ReductionToOneDevice()
  return tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction)


def _logical_cpus(num):
  cpu = tf.config.list_physical_devices('CPU')[0]
  if len(tf.config.get_logical_device_configuration(cpu) or [cpu]) < num:
    try:
      tf.config.set_logical_device_configuration(
          cpu, [tf.config.LogicalDeviceConfiguration()] * num
      )
    except RuntimeError as error:
      raise ValueError(
          f'Expected to split the CPU into {num} replicas before TensorFlow '
          'starts; received a process in which it has started. Call '
          '`get_strategy` first, with the largest number first.'
      ) from error
  return [f'CPU:{i}' for i in range(num)]


@functools.cache
def _multi_worker():
  cluster.check_roles(
      'multi_worker', {'chief', 'worker'}, instead='parameter_server'
  )
  try:
    return tf.distribute.MultiWorkerMirroredStrategy()
  except RuntimeError as error:
    raise ValueError(
        "Expected to ask for 'multi_worker' before TensorFlow starts; received "
        'a process in which it has started. Call `get_strategy` first.'
    ) from error


@functools.cache
def _parameter_server():
  cluster.check_roles(
      'parameter_server', {'chief', 'worker', 'ps'}, instead='multi_worker'
  )
  cluster.check_has('parameter_server', 'chief', 'worker', 'ps')
  resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
  if resolver.task_type != 'chief':
    server = tf.distribute.Server(
        resolver.cluster_spec(),
        job_name=resolver.task_type,
        task_index=resolver.task_id,
        protocol='grpc',
    )
    server.join()
  strategy = tf.distribute.ParameterServerStrategy(resolver)
  if strategy.num_replicas_in_sync > 1:
    raise ValueError(
        "Expected workers of at most one GPU for 'parameter_server'; received "
        f'{strategy.num_replicas_in_sync}. Show each worker one of them by '
        "CUDA_VISIBLE_DEVICES, or use 'multi_worker'."
    )
  return strategy


@functools.cache
def _tpu(tpu):
  tpu = tpu or os.environ.get(_TPU_VARIABLE)
  if not tpu:
    raise ValueError(
        f"Expected the name of a TPU, as `tpu` or in {_TPU_VARIABLE} ('local' "
        "for one of this machine), for the strategy 'tpu'; received none. "
        "Without a TPU use 'default' or 'mirrored'."
    )
  try:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu)
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)
  # Its address is asked for over HTTP, which fails outside of the cloud.
  except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
    raise ValueError(
        f'Expected a TPU that can be reached; received {tpu!r} '
        f'({str(error).strip().splitlines()[0]}).'
    ) from error
