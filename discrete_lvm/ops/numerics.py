"""Units, and logarithms that are safe at the edge of their domain."""

from collections.abc import Callable
from collections.abc import Sequence
import math

import tensorflow as tf

from discrete_lvm.ops import floats


def softmax(logits: tf.Tensor) -> tf.Tensor:
  """Computes `tf.nn.softmax`, which takes at most five dimensions on a CPU.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`.

  Returns:
    `Tensor` of that shape.
  """
  if logits.shape.rank is not None and logits.shape.rank <= 5:
    return tf.nn.softmax(logits)
  rows = tf.reshape(logits, [-1, tf.shape(logits)[-1]])
  probs = tf.reshape(tf.nn.softmax(rows), tf.shape(logits))
  return tf.ensure_shape(probs, logits.shape)


def nats_to_bits(nats: tf.Tensor) -> tf.Tensor:
  """Converts nats to bits: divides by `log 2`.

  Args:
    nats: Number or floating `Tensor`, any shape, in nats.

  Returns:
    `Tensor` of the same shape, in bits.

  Example:
    >>> print(f'{nats_to_bits(math.log(8.)):.3f}')
    3.000
  """
  nats = tf.convert_to_tensor(nats, dtype_hint=tf.float32)
  return nats / math.log(2.0)


def bits_per_dim(nats: tf.Tensor, num_dims: int) -> tf.Tensor:
  """Converts a negative log-likelihood to bits per dimension.

  Args:
    nats: Number or floating `Tensor`, any shape: nats per example.
    num_dims: Number of dimensions of an example, at least 1.

  Returns:
    `Tensor` of the same shape, in bits per dimension.

  Raises:
    ValueError: If `num_dims` is below 1.

  Example:
    >>> print(f'{bits_per_dim(2. * math.log(256.), 2):.3f}')
    8.000
  """
  if num_dims < 1:
    raise ValueError(f'Expected `num_dims` of at least 1; received {num_dims}.')
  return nats_to_bits(nats) / num_dims


def safe_log(x: tf.Tensor, name: str = 'safe_log') -> tf.Tensor:
  """Computes `log(x)`: -inf at 0, where its gradient is 0 instead of NaN.

  Args:
    x: Floating `Tensor`, any shape, not negative.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` like `x`, in nats.

  Example:
    >>> safe_log(tf.constant([0., 1.])).numpy()
    array([-inf,   0.], dtype=float32)
  """
  with tf.name_scope(name):
    x = tf.convert_to_tensor(x)
    zero = tf.equal(x, 0)
    # Guarded twice: an infinite slope times a zero from the outer `where` would
    # be NaN.
    log_x = tf.math.log(tf.where(zero, tf.ones_like(x), x))
    return tf.where(zero, tf.constant(-math.inf, x.dtype), log_x)


def log_mean_exp(
    x: tf.Tensor, axis: int = 0, name: str = 'log_mean_exp'
) -> tf.Tensor:
  """Computes `log mean exp(x)` along an axis, without overflow.

  Args:
    x: Floating array or `Tensor`, at least of rank 1, in nats.
    axis: The axis.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, the shape of `x` without `axis`, in nats; float32 at the least.

  Raises:
    ValueError: If `x` has no such axis.

  Example:
    >>> print(log_mean_exp([1000., 1000.]).numpy())
    1000.0
  """
  with tf.name_scope(name):
    (x,) = floats.common_floats(x)
    rank = x.shape.rank
    if rank is not None and not -rank <= axis < rank:
      raise ValueError(
          f'Expected `x` with an axis {axis}; received shape {x.shape}.'
      )
    size = tf.cast(tf.shape(x)[axis], x.dtype)
    return tf.reduce_logsumexp(x, axis=axis) - tf.math.log(size)


def log_sum_exp(
    x: tf.Tensor, axis: Sequence[int], keepdims: bool = False
) -> tf.Tensor:
  """Computes `log sum exp(x)`, with a gradient of zero where all is -inf.

  That of TensorFlow is NaN there.

  Args:
    x: Floating `Tensor`, in nats.
    axis: The axes.
    keepdims: Whether they stay, of size 1.

  Returns:
    `Tensor`, `x` without the axes, in nats.

  Example:
    >>> from discrete_lvm.ops import numerics
    >>> x = tf.fill([2], -math.inf)
    >>> with tf.GradientTape() as tape:
    ...   tape.watch(x)
    ...   y = numerics.log_sum_exp(x, axis=[0])
    >>> y.numpy().item(), tape.gradient(y, x).numpy().tolist()
    (-inf, [0.0, 0.0])
  """
  nothing = tf.constant(-math.inf, x.dtype)
  has_any = tf.reduce_any(x > nothing, axis=axis, keepdims=True)
  # Guarded twice: a zero from the outer `where` times NaN would be NaN.
  total = tf.reduce_logsumexp(
      tf.where(has_any, x, tf.zeros_like(x)), axis=axis, keepdims=True
  )
  total = tf.where(has_any, total, nothing)
  return total if keepdims else tf.squeeze(total, axis)


def with_root_gradient(
    root: tf.Tensor,
    target: tf.Tensor,
    function: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
) -> tf.Tensor:
  """Gives a root of `function(x)[0] = target` its derivatives in the target.

  Those of the implicit function, the first and the second: of two steps of
  Newton's method from the root, which leave it where it is.

  Args:
    root: Floating `Tensor`, any shape, however it was found.
    target: `Tensor` like `root`.
    function: From `x` to its value and its slope, each like `x`.

  Returns:
    `Tensor` like `root`, with the very values.

  Example:
    >>> from discrete_lvm.ops import numerics
    >>> target = tf.constant(9.)
    >>> with tf.GradientTape() as tape:
    ...   tape.watch(target)
    ...   root = numerics.with_root_gradient(
    ...       tf.constant(3.), target, lambda x: (x ** 2, 2 * x))
    >>> print(f'{tape.gradient(root, target):.3f}')  # 1 / (2 * 3).
    0.167
  """
  root = tf.stop_gradient(root)
  for _ in range(2):
    value, slope = function(root)
    missing = target - value
    root += (missing - tf.stop_gradient(missing)) / slope
  return root
