"""Exact one-hot values with the gradient of a soft surrogate."""

import tensorflow as tf

from discrete_lvm.ops import shapes


def one_hot_argmax(
    logits: tf.Tensor,
    dtype: tf.DType | None = None,
    name: str = 'one_hot_argmax',
) -> tf.Tensor:
  """Returns the one-hot vector of the largest coordinate on the last axis.

  Ties have one winner, the first. No gradient passes; see `straight_through`.

  Args:
    logits: Real `Tensor`, shape `[..., K]`.
    dtype: Type of the result; by default that of `logits`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of type `dtype`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static.

  Example:
    >>> one_hot_argmax([[1., 3., 2.], [5., 5., 5.]]).numpy()
    array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)
  """
  with tf.name_scope(name):
    logits = tf.convert_to_tensor(logits)
    num_classes = shapes.static_num_classes(logits, 'logits')
    if num_classes == 2:  # A comparison takes a third of the time.
      index = tf.cast(logits[..., 1] > logits[..., 0], tf.int32)
    else:
      index = tf.argmax(logits, axis=-1, output_type=tf.int32)
    return tf.one_hot(index, num_classes, dtype=dtype or logits.dtype)


def is_one_hot(x: tf.Tensor, name: str = 'is_one_hot') -> tf.Tensor:
  """Tells which vectors along the last axis are one-hot, exactly.

  Args:
    x: Real `Tensor`, shape `[..., K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    Boolean `Tensor`, shape `[...]`.

  Example:
    >>> is_one_hot([[0., 1.], [1., 1.], [0., 0.], [.5, .5]]).numpy()
    array([ True, False, False, False])
  """
  with tf.name_scope(name):
    x = tf.convert_to_tensor(x)
    is_one = tf.equal(x, tf.ones([], x.dtype))
    is_zero = tf.equal(x, tf.zeros([], x.dtype))
    has_one = tf.equal(tf.math.count_nonzero(is_one, axis=-1), 1)
    return tf.reduce_all(is_one | is_zero, axis=-1) & has_one


def straight_through(
    hard: tf.Tensor, surrogate: tf.Tensor, name: str = 'straight_through'
) -> tf.Tensor:
  """Returns `hard` exactly, with the gradient of `surrogate`.

  The usual `surrogate + stop_gradient(hard - surrogate)` is off by a rounding
  error where the surrogate leaves [0, 1], as logits do; this value is `hard`,
  bit for bit, in any dtype.

  Args:
    hard: `Tensor`, the value. No gradient flows to it.
    surrogate: `Tensor` of the shape and dtype of `hard`, the gradient.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` equal to `hard`, whose derivative in `surrogate` is the identity.

  Raises:
    ValueError: If the shapes or the dtypes differ.

  Example:
    >>> x = tf.Variable([.2, .7, .1])
    >>> with tf.GradientTape() as tape:
    ...   y = straight_through(one_hot_argmax(x), 2. * x)
    >>> y.numpy(), tape.gradient(y, x).numpy()
    (array([0., 1., 0.], dtype=float32), array([2., 2., 2.], dtype=float32))

  References:
    Yoshua Bengio, Nicholas Leonard, Aaron Courville. Estimating or Propagating
    Gradients Through Stochastic Neurons. 2013.
    https://arxiv.org/abs/1308.3432.
  """
  with tf.name_scope(name):
    hard = tf.convert_to_tensor(hard)
    surrogate = tf.convert_to_tensor(surrogate)
    if hard.dtype != surrogate.dtype:
      raise ValueError(
          f'Expected `surrogate` of the dtype of `hard`, {hard.dtype.name}; '
          f'received {surrogate.dtype.name}.'
      )
    if not hard.shape.is_compatible_with(surrogate.shape):
      raise ValueError(
          f'Expected `surrogate` of the shape of `hard`, {hard.shape}; '
          f'received {surrogate.shape}.'
      )
    return _straight_through(tf.stop_gradient(hard), surrogate)


@tf.custom_gradient
def _straight_through(hard, surrogate):
  del surrogate
  return tf.identity(hard), lambda dy: (None, dy)
