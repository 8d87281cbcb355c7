"""Exact values whose gradient is made to measure."""

from collections.abc import Sequence

import tensorflow as tf


def add_gradient(
    values: tf.Tensor, surrogate: tf.Tensor, name: str = 'add_gradient'
) -> tf.Tensor:
  """Returns `values` exactly, with the gradient of `values + surrogate`.

  The usual `values + surrogate - stop_gradient(surrogate)` is NaN where the
  surrogate is infinite; this value is `values`, bit for bit.

  Args:
    values: Floating `Tensor`, the value and a part of the gradient.
    surrogate: `Tensor` of the shape and dtype of `values`: the other part.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` equal to `values`, whose derivative in both is the identity.

  Raises:
    ValueError: If the shapes or the dtypes differ.

  Example:
    >>> x = tf.Variable(2.)
    >>> with tf.GradientTape() as tape:
    ...   y = add_gradient(3. * x, x**2)
    >>> y.numpy().item(), tape.gradient(y, x).numpy().item()
    (6.0, 7.0)
  """
  with tf.name_scope(name):
    values = tf.convert_to_tensor(values)
    surrogate = tf.convert_to_tensor(surrogate)
    if values.dtype != surrogate.dtype or not values.shape.is_compatible_with(
        surrogate.shape
    ):
      raise ValueError(
          'Expected `surrogate` of the shape and dtype of `values`, '
          f'{values.shape} and {values.dtype.name}; received '
          f'{surrogate.shape} and {surrogate.dtype.name}.'
      )
    return _add_gradient(values, surrogate)


@tf.custom_gradient
def _add_gradient(values, surrogate):
  del surrogate
  return tf.identity(values), lambda dy: (dy, dy)


def with_logits_gradient(
    values: tf.Tensor,
    logits: tf.Tensor,
    gradient: tf.Tensor,
    name: str = 'with_logits_gradient',
) -> tf.Tensor:
  """Adds a given gradient for the logits of each example to its value.

  Args:
    values: Floating `Tensor`, shape `[...]`. What gradient they have stays.
    logits: `Tensor` of the dtype of `values`, shape `[..., N, K]`; may be
      infinite.
    gradient: `Tensor` like `logits`: `d values / d logits` of each example,
      times which goes the gradient that reaches its value. No gradient flows
      into it.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` equal to `values`, bit for bit.

  Raises:
    ValueError: If the shapes do not match.

  Example:
    >>> logits = tf.Variable([[0., 0.]])
    >>> with tf.GradientTape() as tape:
    ...   value = 3. * with_logits_gradient(5., logits, [[1., -1.]])
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().tolist()
    (15.0, [[3.0, -3.0]])
  """
  with tf.name_scope(name):
    values = tf.convert_to_tensor(values)
    logits = tf.convert_to_tensor(logits)
    gradient = tf.convert_to_tensor(gradient)
    if not (
        logits.shape[:-2].is_compatible_with(values.shape)
        and logits.shape.is_compatible_with(gradient.shape)
    ):
      raise ValueError(
          'Expected `values` of shape [...], and `logits` and `gradient` of '
          f'shape [..., N, K]; received {values.shape}, {logits.shape} and '
          f'{gradient.shape}.'
      )
    return _with_logits_gradient(values, logits, tf.stop_gradient(gradient))


@tf.custom_gradient
def _with_logits_gradient(values, logits, gradient):
  del logits

  def backward(dy):
    dy = tf.convert_to_tensor(dy)  # A gather passes slices.
    return dy, dy[..., tf.newaxis, tf.newaxis] * gradient, None

  return tf.identity(values), backward


def with_own_gradient(
    values: tf.Tensor,
    variables: Sequence[tf.Variable],
    gradients: Sequence[tf.Tensor | None],
    name: str = 'with_own_gradient',
) -> tf.Tensor:
  """Adds given gradients for some variables to values.

  For what an estimator trains beside the objective, such as a baseline or the
  parameters of a control variate: one optimisation step then serves both, and
  no other variable feels the second.

  Args:
    values: Floating `Tensor`, shape `[...]`. What gradient they have stays.
    variables: Variables of TensorFlow or Keras.
    gradients: A `Tensor` of the shape of each variable, or None: the gradient
      of the sum of an own loss over all examples. The mean size of the
      gradients that reach the values goes times it: what a mean of the values
      passes on is the gradient of the mean own loss, and a loss scale counts.
      So does that of a negative mean, by which an objective is maximised: the
      own loss is minimised. No gradient flows into it.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` equal to `values`, bit for bit.

  Raises:
    ValueError: If there are not as many gradients as variables.

  Example:
    >>> scale = tf.Variable(1.)
    >>> with tf.GradientTape() as tape:
    ...   loss = tf.reduce_mean(with_own_gradient([5., 6.], [scale], [8.]))
    >>> loss.numpy().item(), tape.gradient(loss, scale).numpy().item()
    (5.5, 4.0)
  """
  with tf.name_scope(name):
    values = tf.convert_to_tensor(values)
    if len(variables) != len(gradients):
      raise ValueError(
          f'Expected a gradient for each of {len(variables)} variables; '
          f'received {len(gradients)}.'
      )
    terms = [
        tf.reduce_sum(
            tf.cast(tf.convert_to_tensor(variable), values.dtype)
            * tf.cast(tf.stop_gradient(gradient), values.dtype)
        )
        for variable, gradient in zip(variables, gradients, strict=True)
        if gradient is not None
    ]
    if not terms:
      return tf.identity(values)
    # Of no values, as a replica may have, the gradient is zero.
    size = tf.cast(tf.maximum(tf.size(values), 1), values.dtype)
    surrogate = tf.broadcast_to(tf.add_n(terms) / size, tf.shape(values))
    surrogate = tf.ensure_shape(surrogate, values.shape)
    return add_gradient(values, minimized(surrogate))


def minimized(loss):
  """Returns a loss that is minimised beside values, whichever way those go.

  Args:
    loss: Floating `Tensor`, any shape.

  Returns:
    `loss`, to which goes the absolute value of the gradient that reaches it.

  Example:
    >>> from discrete_lvm.ops import surrogate_gradients
    >>> x = tf.Variable(2.)
    >>> with tf.GradientTape() as tape:
    ...   y = -3. * surrogate_gradients.minimized(x**2)
    >>> tape.gradient(y, x).numpy().item()
    12.0
  """
  return _minimized(loss)


@tf.custom_gradient
def _minimized(loss):
  return tf.identity(loss), tf.abs
