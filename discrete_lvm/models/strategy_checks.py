"""What Keras cannot do under a strategy of `tf.distribute`."""

import keras
import tensorflow as tf

# Arguments of optimizers to those of `training.Trainer`.
_PER_REPLICA = {
    'clipnorm': 'clip_norm',
    'global_clipnorm': 'clip_norm',
    'clipvalue': 'clip_norm',
    'gradient_accumulation_steps': 'accumulate_steps',
}


def check_optimizer(
    strategy: tf.distribute.Strategy, optimizer: keras.optimizers.Optimizer
) -> None:
  """Checks that an optimizer changes no gradients before replicas add them up.

  Args:
    strategy: The strategy.
    optimizer: The optimizer.

  Raises:
    ValueError: If it clips or accumulates under several replicas, of which it
      would do so for each.
  """
  if strategy.num_replicas_in_sync == 1:
    return
  optimizer = getattr(optimizer, 'inner_optimizer', optimizer)
  for name, instead in _PER_REPLICA.items():
    value = getattr(optimizer, name, None)
    if value:
      raise ValueError(
          f'Expected an optimizer without `{name}` under a strategy of several '
          'replicas, since Keras applies it to the gradients of each; received '
          f'{value}. Use `{instead}` of `training.Trainer`.'
      )


def check_fit(
    strategy: tf.distribute.Strategy,
    optimizer: keras.optimizers.Optimizer,
    jit_compile: bool,
) -> None:
  """Checks that `fit` of Keras is right.

  Args:
    strategy: The strategy in whose scope the model was made.
    optimizer: The optimizer.
    jit_compile: Whether XLA is to compile the step.

  Raises:
    ValueError: If it is not.
  """
  for unsupported in (
      tf.distribute.MultiWorkerMirroredStrategy,
      tf.distribute.ParameterServerStrategy,
  ):
    if isinstance(strategy, unsupported):
      raise ValueError(
          'Expected the default strategy, a `MirroredStrategy` or a '
          '`TPUStrategy`, the ones under which Keras can `fit`; received a '
          f'{type(strategy).__name__}. Use `training.Trainer`.'
      )
  is_mirrored = isinstance(strategy, tf.distribute.MirroredStrategy)
  if jit_compile and is_mirrored and strategy.num_replicas_in_sync > 1:
    raise ValueError(
        'Expected no `jit_compile` under a `MirroredStrategy`: the step of '
        'Keras updates weights of other devices, which XLA cannot reach; '
        'received True. Use `training.Trainer`, which compiles what comes '
        'before.'
    )
  check_optimizer(strategy, optimizer)


def check_built(model: keras.Model) -> None:
  """Checks that Keras does not build a model that it cannot build.

  Under a strategy `fit` and `evaluate` build a model from x alone, and from the
  mean of what replicas get of it, which of integers is floating.

  Args:
    model: A model that is of more than x, or of integers.

  Raises:
    ValueError: If it was made in the scope of a strategy and is not built.
  """
  with model.distribute_strategy.scope():
    under_strategy = tf.distribute.has_strategy()
  if under_strategy and not model.built:
    raise ValueError(
        f'Expected a {type(model).__name__} that is built, as it was made in '
        'the scope of a strategy, where Keras would build it from x alone and '
        'as if x were floating; received one that is not. Call it on a batch '
        'in that scope.'
    )
