"""The interface of every gradient estimator."""

import abc
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import contextvars

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import centering
from discrete_lvm.ops import counts
from discrete_lvm.ops import shapes

Objective = Callable[[tf.Tensor], tf.Tensor]

# Whether an objective is evaluated whose values are to be weighed.
_is_weighing = contextvars.ContextVar('is_weighing', default=False)


class Estimator(keras.layers.Layer, abc.ABC):
  """Estimates the gradient of an expectation over categorical codes.

  An estimator turns `logits` and an `objective` into per-example values whose
  gradient, for the logits and for all that the objective depends on, estimates
  that of `E_codes[objective(codes)]`. The values themselves are a sample of the
  objective. So an objective may call an estimator again, on logits that it
  computes from its codes: that is a hierarchy. Estimators are Keras layers, so
  that what they own (a temperature, a baseline) is tracked and saved with the
  model; they compute in float32 under any policy. It is the first derivative
  that is estimated: a second one of the values is none of the expectation, but
  for `Exact`.

  With `num_samples` S above 1 the objective gets codes `[S, ..., N, K]` and
  returns `[S, ...]`. The value of an example is then the mean over its samples
  or, with `importance_weighted`, `-log mean_s exp(-objective_s)`: a bound of
  `-log p(x)` for the objective `log q(z | x) - log p(x, z)`. A bound of
  estimates is no bound, so an objective that is weighted may call relaxations
  alone; `models.StructuredPrediction` weighs joint samples of all layers.

  Args:
    num_samples: Number of samples S of an example, at least 1.
    importance_weighted: Whether samples are averaged as weights
      `exp(-objective)`; with one sample that is the objective itself.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    logits: Floating `Tensor`, shape `[..., N, K]`: N independent categorical
      variables of K classes, in nats.
    objective: Function of codes `[..., N, K]` to values `[...]`. Pass it by
      name.
    seed: int32 `Tensor`, shape `[2]`. Exactly one of `seed` and `noise`.
    noise: Standard Gumbel noise of the shape of `logits`, with S before it
      where S is above 1: `[S, ..., N, K]`.
    features: `Tensor`, shape `[..., *F]`, what a learned baseline may see of
      an example, such as the data. Most estimators have no use for it.
    training: Python `bool`, whether what an estimator gathers from one call
      for the next, such as a moving average, is updated.

  Output shape:
    `[...]`, the batch shape of the logits.

  Raises:
    ValueError: If `num_samples` is not a Python `int` of at least 1, if the
      logits are not floating, of shape `[..., N, K]` with a static K of at
      least 2, if `objective` returns another shape than that of its codes less
      `[N, K]`, if not exactly one of `seed` and `noise` is given, if `noise` is
      of another shape, or if it is called by an objective that is weighted, and
      no relaxation.
  """

  # Whether all of the gradient flows through the codes. Then that of a function
  # of several values is right if that of each value is.
  _is_pathwise = False

  # An estimator that compares samples takes no fewer.
  min_num_samples = 1

  def __init__(
      self, num_samples: int = 1, importance_weighted: bool = False, **kwargs
  ):
    # Keras would cast float32 logits down under a mixed policy.
    super().__init__(autocast=False, **kwargs)
    counts.check_count(num_samples, 'num_samples', self.min_num_samples)
    self.num_samples = num_samples
    self.importance_weighted = importance_weighted

  @property
  def compute_dtype(self):
    """The dtype of the weights, whatever the policy says."""
    # Else Keras would read the weights of a network inside as half-precision
    # copies, which no gradient leads back from.
    return self.variable_dtype

  @property
  def needs_whole_cost(self) -> bool:
    """Whether all that is to be minimised has to be in the objective.

    A term beside it, such as a rate in closed form, adds up with a mean of
    samples. It does not with a bound of several, nor with a gradient for the
    logits that has a factor of its own, against which it would outweigh.
    """
    return self.importance_weighted

  def build(
      self,
      logits_shape: Sequence[int | None],
      features_shape: Sequence[int | None] | None = None,
  ) -> None:
    """Makes the weights of what sees logits or features.

    Args:
      logits_shape: Shape of the logits.
      features_shape: Shape of the features, if there are any.

    Raises:
      ValueError: If logits of that shape have no such estimate.
    """
    del features_shape
    shape = tf.TensorShape(logits_shape)
    check_logits_shape(shape)
    self._check_event(shape)

  def _check_event(self, logits_shape):
    """Raises if N latents of K classes have no such estimate."""

  def law_logits(self, logits: tf.Tensor) -> tf.Tensor:
    """Returns the logits of the law whose expectations are estimated.

    A model evaluates with exact samples of this law, and takes its rates.

    Args:
      logits: Floating `Tensor`, shape `[..., N, K]`, as for `call`.

    Returns:
      `Tensor` of the same shape: `logits` themselves, if the estimator does not
      say otherwise.
    """
    return logits

  def call(
      self,
      logits: tf.Tensor,
      objective: Objective,
      seed: tf.Tensor | None = None,
      noise: tf.Tensor | None = None,
      features: tf.Tensor | None = None,
      training: bool = True,
  ) -> tf.Tensor:
    logits = tf.convert_to_tensor(logits)
    check_logits_shape(logits.shape)
    if not logits.dtype.is_floating:
      raise ValueError(
          f'Expected floating `logits`; received {logits.dtype.name}.'
      )
    if _is_weighing.get() and not self._is_pathwise:
      raise ValueError(
          'Expected a relaxation within an objective that is importance '
          f'weighted; received {type(self).__name__}.'
      )
    # While they are what they came as: an offset would round them, and noise.
    logits = tf.cast(centering.center(logits), tf.float32)
    if noise is not None:
      noise = self._check_noise(noise, logits)
    is_bound = self.importance_weighted and self.num_samples > 1
    with _weighing() if is_bound else contextlib.nullcontext():
      values = self._estimate_samples(
          logits, objective, seed, noise, features=features, training=training
      )
    # Some look at codes alone, which NaN makes as well as any number.
    nan = tf.where(tf.math.is_nan(logits), logits, tf.zeros_like(logits))
    return ops.with_logits_gradient(values, logits, nan)

  @abc.abstractmethod
  def _estimate(self, logits, objective, seed, noise, **context):
    """Estimates with one sample an example.

    Args:
      logits: float32 `Tensor`, shape `[..., N, K]`. Where samples are many,
        they are a dimension before the others, or a factor of N.
      objective: As for `call`, but see `evaluate`.
      seed: As for `call`.
      noise: As for `call`, of the shape of `logits`.
      **context: `features` and `training` of `call`, for those who need them.

    Returns:
      float32 `Tensor`, shape `[...]`.
    """

  def _estimate_samples(self, logits, objective, seed, noise, **context):
    """Estimates with all samples; by default by way of `_estimate`."""
    num_samples = self.num_samples
    if num_samples == 1:
      return self._estimate(logits, objective, seed, noise, **context)
    if self.importance_weighted and not self._is_pathwise:
      # S samples of N latents are one sample of S * N latents, so that the
      # bound is one objective as any other.
      def bound(codes):
        return self._reduce(evaluate(objective, split(codes, num_samples)))

      logits = tf.concat([logits] * num_samples, axis=-2)
      noise = noise if noise is None else join(noise)
      return self._estimate(logits, bound, seed, noise, **context)
    shape = tf.concat([[num_samples], tf.shape(logits)], axis=0)
    static_shape = [num_samples, *logits.shape]
    logits = tf.ensure_shape(tf.broadcast_to(logits, shape), static_shape)
    return self._reduce(
        self._estimate(logits, objective, seed, noise, **context)
    )

  def _reduce(self, values):
    """Reduces the values of all samples, `[S, ...]`, to those of examples."""
    if self.num_samples == 1:
      return values
    if self.importance_weighted:
      return -ops.log_mean_exp(-values)
    return tf.reduce_mean(values, axis=0)

  def _with_trained_gradient(
      self, values, logits, compute_gradient, add_up=tf.identity
  ):
    """Adds a gradient for the logits, and trains the weights on its variance.

    As the mean of the gradient does not depend on the trainable weights, the
    gradient of its squared norm is for them that of its variance.

    Args:
      values: float32 `Tensor`, shape `[...]`.
      logits: float32 `Tensor`, shape `[..., N, K]`.
      compute_gradient: Function of nothing to the gradient `[..., N, K]`.
      add_up: Function of that gradient to the one whose norm is meant.

    Returns:
      The values, with that gradient for the logits, and for the trainable
      weights the one of its squared norm.
    """
    weights = self.trainable_weights
    variables = [weight.value for weight in weights]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(variables)
      gradient = compute_gradient()
      squared_norm = tf.reduce_sum(add_up(gradient) ** 2)
    own_gradients = tape.gradient(squared_norm, variables)
    values = ops.with_logits_gradient(values, logits, gradient)
    return ops.with_own_gradient(values, weights, own_gradients)

  def _check_noise(self, noise, logits):
    noise = tf.cast(noise, tf.float32)
    samples = [] if self.num_samples == 1 else [self.num_samples]
    expected = tf.TensorShape(samples).concatenate(logits.shape)
    if not noise.shape.is_compatible_with(expected):
      raise ValueError(
          f'Expected `noise` of shape {expected}; received {noise.shape}.'
      )
    return shapes.with_shape(
        noise,
        expected,
        lambda: tf.concat([*[[n] for n in samples], tf.shape(logits)], axis=0),
        '`noise`',
    )

  def get_config(self):
    return {
        **super().get_config(),
        'num_samples': self.num_samples,
        'importance_weighted': self.importance_weighted,
    }


def check_logits_shape(shape: tf.TensorShape) -> None:
  """Raises unless a shape is `[..., N, K]` with a static K of at least 2.

  Args:
    shape: Static shape of logits.

  Raises:
    ValueError: If it is not.
  """
  ops.static_num_classes(shape, 'logits', minimum=2)
  if shape.rank < 2:
    raise ValueError(
        f'Expected `logits` of shape [..., N, K]; received {shape}.'
    )


def features_event_shape(
    features_shape: Sequence[int | None],
    batch_shape: tf.TensorShape,
    is_static: bool = True,
) -> tf.TensorShape:
  """Returns the shape of the features of one example.

  Args:
    features_shape: Shape of the features.
    batch_shape: That of the examples.
    is_static: Whether it has to be static.

  Returns:
    What follows that of the batch.

  Raises:
    ValueError: If the features do not have the batch shape, or if what follows
      is not static and has to be.
  """
  shape = tf.TensorShape(features_shape)
  if not shape[: batch_shape.rank].is_compatible_with(batch_shape):
    raise ValueError(
        f'Expected `features` of shape {[*batch_shape, "..."]}; received '
        f'{shape}.'
    )
  event_shape = shape[batch_shape.rank :]
  if is_static and not event_shape.is_fully_defined():
    raise ValueError(
        'Expected features of a static shape beside that of the batch; '
        f'received {event_shape}.'
    )
  return event_shape


def build_network(
    network: keras.layers.Layer, shape: Sequence[int | None]
) -> None:
  """Builds a network that an estimator is given, unless it is built.

  Args:
    network: Keras layer or model.
    shape: Shape of its inputs.
  """
  # By a call, since the layers in it may have weights where it has no `build`.
  if not all(layer.built for layer in network._flatten_layers()):
    network(keras.KerasTensor(shape, 'float32'))


def evaluate(objective: Objective, codes: tf.Tensor) -> tf.Tensor:
  """Calls an objective and checks the shape of what it returns.

  Args:
    objective: Function of codes `[..., N, K]` to values `[...]`.
    codes: Floating `Tensor`, shape `[..., N, K]`.

  Returns:
    float32 `Tensor`, shape `[...]`.

  Raises:
    ValueError: If the values are not of shape `[...]`.
  """
  values = tf.cast(objective(codes), tf.float32)
  if not values.shape.is_compatible_with(codes.shape[:-2]):
    raise ValueError(
        f'Expected `objective` to return values of shape {codes.shape[:-2]} '
        f'for codes of shape {codes.shape}; received {values.shape}.'
    )
  return shapes.with_shape(
      values,
      codes.shape[:-2],
      lambda: tf.shape(codes)[:-2],
      'values of `objective`',
  )


@contextlib.contextmanager
def _weighing() -> Iterator[None]:
  """Marks what is called within as part of a weighted objective."""
  token = _is_weighing.set(True)
  try:
    yield
  finally:
    _is_weighing.reset(token)


def evaluate_with_slopes(
    objective: Objective, codes: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
  """Calls an objective, and differentiates it in its codes.

  Args:
    objective: As for `evaluate`, differentiable.
    codes: Floating `Tensor`, shape `[..., N, K]`.

  Returns:
    The values, float32 of shape `[...]`, and the derivative of each in its
    codes, shape `[..., N, K]`: zero where there is none.

  Raises:
    ValueError: As `evaluate` raises.
  """
  with tf.GradientTape(watch_accessed_variables=False) as tape:
    tape.watch(codes)
    values = evaluate(objective, codes)
  return values, tape.gradient(values, codes, unconnected_gradients='zero')


def split(codes: tf.Tensor, num_samples: int) -> tf.Tensor:
  """Splits `[..., S * N, K]` into `[S, ..., N, K]`.

  Args:
    codes: `Tensor`, shape `[..., S * N, K]`.
    num_samples: Number of samples S.

  Returns:
    `Tensor`, shape `[S, ..., N, K]`.
  """
  return tf.stack(tf.split(codes, num_samples, axis=-2))


def join(codes: tf.Tensor) -> tf.Tensor:
  """Joins `[S, ..., N, K]` into `[..., S * N, K]`, the inverse of `split`.

  Args:
    codes: `Tensor`, shape `[S, ..., N, K]` with a static S.

  Returns:
    `Tensor`, shape `[..., S * N, K]`.
  """
  return tf.concat(tf.unstack(codes), axis=-2)


def weighted(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
  """Returns `weights * values`, where what has no weight counts for nothing.

  Args:
    values: float32 `Tensor`; may be infinite where the weight is 0.
    weights: `Tensor` like `values`, not negative.

  Returns:
    `Tensor` like `values`. An infinity without weight leaves no trace in the
    gradient of the weights either.

  Example:
    >>> from discrete_lvm.estimators import estimator
    >>> estimator.weighted([2., math.inf], [1., 0.]).numpy()
    array([2., 0.], dtype=float32)
  """
  values = tf.convert_to_tensor(values)
  weights = tf.convert_to_tensor(weights)
  return weights * tf.where(weights > 0, values, tf.zeros_like(values))
