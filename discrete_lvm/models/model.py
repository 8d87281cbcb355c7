"""What models share: one statement of the loss, in `fit` and beyond."""

import abc
import inspect
import os
from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.models import signatures
from discrete_lvm.models import strategy_checks
from discrete_lvm.ops import dense_gradients


class Model(keras.Model, abc.ABC):
  """A Keras model of its input that states its loss once, in `loss_terms`.

  `fit` minimises the mean over the batch of the sum of the terms, under the
  default and the mirrored strategy; `training.Trainer` does the same in its own
  loop, under any. `evaluate` reports what `update_metrics` and
  `get_metrics_result` say. (The name is `loss_terms` because
  `keras.Model.losses` is the list of what layers gave to `add_loss`.)

  Args:
    *args: Arguments of `keras.Model`.
    **kwargs: Arguments of `keras.Model`.
  """

  # The names of the terms of `_loss_terms`.
  _term_names: tuple[str, ...] = ()
  # Whether Keras can build it under a strategy.
  _keras_builds = True

  def __init__(self, *args, **kwargs):
    super().__init__(*args, **kwargs)
    self._seed_generator = keras.random.SeedGenerator()
    self._loss_metrics = {
        # Of names that no metric of `evaluate` has: where Keras makes a list of
        # values, it takes one for each metric of its name.
        name: keras.metrics.Mean(name=f'mean_{name}')
        for name in ('loss', *self._term_names, 'regularization')
    }

  def loss_terms(
      self, batch: tf.Tensor, *, training: bool = True, seed: Any = None
  ) -> dict[str, tf.Tensor]:
    """Computes the terms whose sum is the loss of each example.

    Args:
      batch: Data, shape `[batch, *event]`.
      training: Python `bool`, passed to the networks.
      seed: As for `ops.as_seed`; by default the model's own generator, folded
        with the replica.

    Returns:
      A dict of float32 `Tensor`s, shape `[batch]`, in nats: the model's terms
      and, in training, 'regularization' where its networks have regularizers
      or call `add_loss`: their sum, the same for each example.

    Raises:
      ValueError: If a network returns what the model does not expect.
    """
    # Keras clears them when a model is called, and ours calls its parts.
    self._clear_losses()
    terms = {
        name: tf.cast(term, tf.float32)
        for name, term in self._loss_terms(
            batch, training, self._seed(seed)
        ).items()
    }
    if training and self.losses:
      total = tf.add_n([tf.cast(loss, tf.float32) for loss in self.losses])
      any_term = next(iter(terms.values()))
      terms['regularization'] = tf.fill(tf.shape(any_term), total)
    return terms

  @abc.abstractmethod
  def _loss_terms(self, batch, training, seed):
    """Returns the terms named in `_term_names`, of shape `[batch]`."""

  @abc.abstractmethod
  def update_metrics(self, batch: tf.Tensor, *, seed: Any = None) -> None:
    """Updates the metrics of `evaluate` from a batch."""

  def save_signatures(
      self, path: str | os.PathLike, x: tf.TensorSpec | None = None
  ) -> None:
    """Writes a SavedModel of what the model computes, for TensorFlow alone.

    A process that has neither this library nor TFP loads and serves it, by
    `tf.saved_model.load(path).signatures[name]`. The names are those of
    'encode', 'decode', 'sample' and 'log_prob' that the model has; the class
    says what they take and return. They take any batch size, and the seed of
    all that they draw, so that they return what the model does.

    Its asset `discrete_lvm.json` holds the versions of this library and of
    Keras, and the config of the model.

    `save` writes a file for those who have the library. `export` remains that
    of Keras, the SavedModel of one endpoint, the call, which draws nothing and
    has no log-probability; hence another name.

    Args:
      path: Directory to write.
      x: Spec of a batch of data `[None, *event]`. By default that of what the
        model generates, which may not be of the type that the encoder takes.

    Raises:
      ValueError: If the model is not built.
    """
    if not self.built:
      raise ValueError(
          'Expected a model that is built; received one that is not.'
      )
    signatures.save(path, self, self._signatures(x))

  @abc.abstractmethod
  def _signatures(
      self, x: tf.TensorSpec | None
  ) -> dict[str, signatures.Signature]:
    """Returns the signatures of `save_signatures`."""

  def compile(self, *args, **kwargs) -> None:
    """Configures `fit` and `evaluate`.

    Args:
      *args: Arguments of `keras.Model.compile`.
      **kwargs: Arguments of `keras.Model.compile`; no losses, their weights or
        metrics, since the model states its own.

    Raises:
      ValueError: If one of those is given, or the model was made in the scope
        of a strategy with which, or with whose optimizer, Keras cannot `fit`
        it.
    """
    given = _arguments(super().compile, args, kwargs)
    for name in ('loss', 'loss_weights', 'metrics', 'weighted_metrics'):
      if given.get(name) is not None:
        raise ValueError(
            f'Expected no `{name}`: {type(self).__name__} trains on its own '
            '`loss_terms` and has its own metrics.'
        )
    super().compile(*args, **kwargs)
    strategy_checks.check_fit(
        self.distribute_strategy, self.optimizer, self.jit_compile
    )

  def fit(self, *args, **kwargs):
    """Trains as `keras.Model.fit` does, on examples that weigh the same.

    Args:
      *args: Arguments of `keras.Model.fit`.
      **kwargs: Arguments of `keras.Model.fit`.

    Returns:
      The history of `keras.Model.fit`.

    Raises:
      ValueError: If there are sample or class weights, or if the model is not
        built and Keras cannot build it under the strategy.
    """
    self._check_ready(_arguments(super().fit, args, kwargs))
    return super().fit(*args, **kwargs)

  def evaluate(self, *args, **kwargs):
    """Evaluates as `keras.Model.evaluate` does, each example like the others.

    Args:
      *args: Arguments of `keras.Model.evaluate`.
      **kwargs: Arguments of `keras.Model.evaluate`.

    Returns:
      The metrics, as `keras.Model.evaluate` does.

    Raises:
      ValueError: If there are sample weights, or if the model is not built and
        Keras cannot build it under the strategy.
    """
    self._check_ready(_arguments(super().evaluate, args, kwargs))
    return super().evaluate(*args, **kwargs)

  def _check_ready(self, arguments):
    """Raises for weights, which Keras drops without y, or if not built."""
    for name in ('sample_weight', 'class_weight'):
      if arguments.get(name) is not None:
        raise ValueError(
            'Expected data without sample weights, as all examples weigh the '
            f'same for {type(self).__name__}; received a `{name}`.'
        )
    if not self._keras_builds:
      strategy_checks.check_built(self)

  def train_step(self, data):
    batch = self._get_batch(data)
    size = _num_examples(batch)
    with tf.GradientTape() as tape:
      terms = self.loss_terms(batch, training=True)
      per_example = tf.add_n(list(terms.values()))
      # Keras sums gradients over replicas, whose parts may differ in size.
      # A batch may be empty, as after a filter.
      loss = tf.math.divide_no_nan(tf.reduce_sum(per_example), size)
      scaled_loss = self.optimizer.scale_loss(loss)
    variables = self.trainable_variables
    gradients = dense_gradients.dense(tape.gradient(scaled_loss, variables))
    self.optimizer.apply(gradients, variables)
    values = {'loss': per_example, **terms}
    for name, value in values.items():
      # Keras averages what replicas report, as if their parts had one size.
      self._loss_metrics[name].update_state(
          ops.batch_mean(value), sample_weight=size
      )
    return {name: self._loss_metrics[name].result() for name in values}

  def test_step(self, data):
    self.update_metrics(self._get_batch(data))
    return self.get_metrics_result()

  def compile_from_config(self, config):
    self.compile(**keras.saving.deserialize_keras_object(config))
    if self.built:
      self.optimizer.build(self.trainable_variables)

  def _get_batch(self, data: Any) -> Any:
    """Returns the batch of `loss_terms` for what Keras passes to a step.

    Args:
      data: x, or `(x, y)`, or `(x, y, sample_weight)`.

    Returns:
      x; a model of more than its input overrides this.

    Raises:
      ValueError: If there is a y or a sample weight.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is not None or sample_weight is not None:
      raise ValueError(
          'Expected data without targets or sample weights: '
          f'{type(self).__name__} models its input.'
      )
    return x

  def _seed(self, seed):
    if seed is None:
      return ops.fold_in_replica(self._seed_generator)
    return ops.as_seed(seed)


def _arguments(function, args, kwargs):
  """Returns names to arguments, those given by their position, too."""
  return inspect.signature(function).bind(*args, **kwargs).arguments


def _num_examples(batch):
  """Returns the number of examples of all replicas, a float32 scalar."""
  size = tf.cast(tf.shape(tf.nest.flatten(batch)[0])[0], tf.float32)
  context = tf.distribute.get_replica_context()
  return context.all_reduce(tf.distribute.ReduceOp.SUM, size)
