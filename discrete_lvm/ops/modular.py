"""Arithmetic modulo `K` on one-hot vectors, exact and differentiable.

Each function maps one-hot vectors to a one-hot vector, and has the gradient of
its multilinear extension to the simplex: for `one_hot_add` the circular
convolution. Where all other arguments are one-hot, the derivative in one of
them is a gather from the incoming gradient,

    d one_hot(f(i, j)) / d x[r] = one_hot(f(r, j)),

so that the exact gradient costs `O(K)` time and memory, as the value does. Only
integers are computed with, so that every result is exact in any type.

On a vector that is not one-hot, value and gradients are those at the one-hot
vector of its largest coordinate. Second derivatives are not defined: they raise
`LookupError`.
"""

import functools

import tensorflow as tf

from discrete_lvm.ops import broadcasting
from discrete_lvm.ops import modular_codes
from discrete_lvm.ops import shapes


def one_hot_add(
    x: tf.Tensor, shift: tf.Tensor, name: str = 'one_hot_add'
) -> tf.Tensor:
  """Adds integers modulo `K`, each given as a one-hot vector of length `K`.

  If `x` encodes `i` and `shift` encodes `j`, the result encodes `(i + j) % K`,
  exactly. The gradient is that of the circular convolution, in `O(K)`.

  Args:
    x: Real one-hot `Tensor`, shape `[..., K]`.
    shift: `Tensor` like `x`; leading dimensions broadcast against those of `x`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `x`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static or below 2, or if `K` or the dtype differs
      between `x` and `shift`.
    LookupError: If a second derivative is asked for.

  Example:
    >>> one_hot_add([0., 0., 1.], [0., 1., 0.]).numpy()  # (2 + 1) % 3 == 0.
    array([1., 0., 0.], dtype=float32)

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 4.
  """
  return one_hot_affine(x, shift, name=name)


def one_hot_subtract(
    x: tf.Tensor, shift: tf.Tensor, name: str = 'one_hot_subtract'
) -> tf.Tensor:
  """Subtracts integers modulo `K`, each given as a one-hot vector.

  The inverse of `one_hot_add`: if `x` encodes `i` and `shift` encodes `j`, the
  result encodes `(i - j) % K`, exactly. The gradient is that of the circular
  correlation, in `O(K)`.

  Args:
    x: Real one-hot `Tensor`, shape `[..., K]`.
    shift: `Tensor` like `x`; leading dimensions broadcast against those of `x`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `x`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static or below 2, or if `K` or the dtype differs
      between `x` and `shift`.
    LookupError: If a second derivative is asked for.

  Example:
    >>> one_hot_subtract([1., 0., 0.], [0., 1., 0.]).numpy()  # (0 - 1) % 3.
    array([0., 0., 1.], dtype=float32)
  """
  return one_hot_affine_inverse(x, shift, name=name)


def one_hot_multiply(
    x: tf.Tensor, scale: tf.Tensor, name: str = 'one_hot_multiply'
) -> tf.Tensor:
  """Multiplies integers modulo `K`, each given as a one-hot vector.

  If `x` encodes `i` and `scale` encodes `j`, the result encodes `(i * j) % K`,
  exactly, for any `j`; `one_hot_multiply(result, one_hot_inverse(scale))` is
  `x` again if `j` is coprime with `K`. The gradient in `scale` is that of the
  bilinear form too: it takes in residues that are not coprime.

  Args:
    x: Real one-hot `Tensor`, shape `[..., K]`.
    scale: `Tensor` like `x`; leading dimensions broadcast against those of `x`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `x`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static or below 2, or if `K` or the dtype differs
      between `x` and `scale`.
    LookupError: If a second derivative is asked for.

  Example:
    >>> x = [0., 0., 1.]
    >>> one_hot_multiply(x, x).numpy()  # (2 * 2) % 3 == 1.
    array([0., 1., 0.], dtype=float32)
  """

  def function(i, j, num_classes):
    return modular_codes.modular_affine(i, 0, j, num_classes=num_classes)

  with tf.name_scope(name):
    return _multilinear(function, {'x': x, 'scale': scale})


def one_hot_inverse(x: tf.Tensor, name: str = 'one_hot_inverse') -> tf.Tensor:
  """Inverts integers modulo `K`, each given as a one-hot vector.

  If `x` encodes `i`, the result encodes the `j` with `(i * j) % K == 1`. Where
  `i` is not coprime with `K` there is none, and the result encodes 0.

  Args:
    x: Real one-hot `Tensor`, shape `[..., K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `x`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static or below 2.
    LookupError: If a second derivative is asked for.

  Example:
    >>> int(tf.argmax(one_hot_inverse(tf.one_hot(3, 10))))  # 3 * 7 = 21.
    7
  """

  def function(i, num_classes):
    return tf.gather(modular_codes.modular_inverse_table(num_classes), i)

  with tf.name_scope(name):
    return _multilinear(function, {'x': x})


def one_hot_affine(
    x: tf.Tensor,
    shift: tf.Tensor,
    scale: tf.Tensor | None = None,
    name: str = 'one_hot_affine',
) -> tf.Tensor:
  """Computes `(scale * x + shift) mod K` on one-hot vectors, in one pass.

  Equal to `one_hot_add(one_hot_multiply(x, scale), shift)` in value and
  gradients, without the vector in between.

  Args:
    x: Real one-hot `Tensor`, shape `[..., K]`.
    shift: `Tensor` like `x`; leading dimensions broadcast against those of `x`.
    scale: `Tensor` like `shift`; None is 1.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `x`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static or below 2, or if `K` or the dtype differs
      between the arguments.
    LookupError: If a second derivative is asked for.

  Example:
    >>> x = tf.one_hot([0, 1, 2, 3], 10)
    >>> y = one_hot_affine(x, tf.one_hot(5, 10), scale=tf.one_hot(3, 10))
    >>> tf.argmax(y, -1).numpy()
    array([5, 8, 1, 4])
  """

  def add(x, shift, num_classes):
    del num_classes
    return x + shift

  with tf.name_scope(name):
    if scale is None:
      return _multilinear(add, {'x': x, 'shift': shift})
    return _multilinear(
        modular_codes.modular_affine, {'x': x, 'shift': shift, 'scale': scale}
    )


def one_hot_affine_inverse(
    y: tf.Tensor,
    shift: tf.Tensor,
    scale: tf.Tensor | None = None,
    name: str = 'one_hot_affine_inverse',
) -> tf.Tensor:
  """Solves `y = (scale * x + shift) mod K` for `x` on one-hot vectors.

  Equal in value and gradients to `one_hot_multiply(one_hot_subtract(y, shift),
  one_hot_inverse(scale))`, without the vectors in between.

  Args:
    y: Real one-hot `Tensor`, shape `[..., K]`.
    shift: `Tensor` like `y`; leading dimensions broadcast against those of `y`.
    scale: `Tensor` like `shift`, of residues coprime with `K`; None is 1. Where
      a scale has no inverse, the result encodes 0.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `y`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static or below 2, or if `K` or the dtype differs
      between the arguments.
    LookupError: If a second derivative is asked for.

  Example:
    >>> y = tf.one_hot([5, 8, 1, 4], 10)
    >>> x = one_hot_affine_inverse(y, tf.one_hot(5, 10), tf.one_hot(3, 10))
    >>> tf.argmax(x, -1).numpy()
    array([0, 1, 2, 3])
  """

  def subtract(y, shift, num_classes):
    return y + (num_classes - shift)

  with tf.name_scope(name):
    if scale is None:
      return _multilinear(subtract, {'y': y, 'shift': shift})
    return _multilinear(
        modular_codes.modular_affine_inverse,
        {'y': y, 'shift': shift, 'scale': scale},
    )


def _multilinear(function, arguments):
  """Evaluates a function of codes on one-hot vectors.

  Args:
    function: Callable of one integer `Tensor` for each argument, which
      broadcast, and `num_classes`. It returns an integer `Tensor` of the result
      or, to spare a division for each coordinate, of the result plus `K`.
    arguments: Dictionary of `Tensor`s, shape `[..., K]`, by the names that
      errors call them.

  Returns:
    `Tensor`, shape `[..., K]`, with the gradients of the multilinear extension.
  """
  arguments = {k: tf.convert_to_tensor(v) for k, v in arguments.items()}
  num_classes = _common_num_classes(arguments)

  @tf.custom_gradient
  def evaluate(*one_hots):
    dtype = _index_dtype(one_hots)
    codes = [tf.argmax(x, axis=-1, output_type=dtype) for x in one_hots]
    result = function(*codes, num_classes=num_classes) % num_classes

    def gradients(dy):
      grads = []
      for i in range(len(one_hots)):
        columns = [code[..., tf.newaxis] for code in codes]
        columns[i] = tf.range(num_classes, dtype=dtype)
        index = tf.cast(function(*columns, num_classes=num_classes), dtype)
        grads.append(_first_derivative(dy, index, i, one_hots))
      return grads

    return tf.one_hot(result, num_classes, dtype=one_hots[0].dtype), gradients

  return evaluate(*arguments.values())


def _common_num_classes(arguments):
  """Returns the `K` of all arguments, once it is one and so is the dtype."""
  (name, first), *others = arguments.items()
  num_classes = shapes.static_num_classes(first, name, minimum=2)
  for other_name, other in others:
    if shapes.static_num_classes(other, other_name, minimum=2) != num_classes:
      raise ValueError(
          f'Expected `{other_name}` with as many classes as `{name}`, '
          f'{num_classes}; received {other.shape[-1]}.'
      )
    if other.dtype != first.dtype:
      raise ValueError(
          f'Expected `{other_name}` of the dtype of `{name}`, '
          f'{first.dtype.name}; received {other.dtype.name}.'
      )
  return num_classes


def _first_derivative(dy, index, position, one_hots):
  """Gathers `dy` at `index`, as the gradient of `one_hots[position]`."""

  # The result depends on the other one-hot vectors, but through integers.
  # Without these arguments TensorFlow would take it for a constant in them.
  @tf.custom_gradient
  def gather(dy, *one_hots):
    # Each row twice, so that an index below 2 K needs no modulus.
    rows = tf.concat([dy, dy], axis=-1)
    batch_shape = tf.shape(dy, index.dtype)[:-1]
    starts = rows.shape[-1] * tf.range(tf.reduce_prod(batch_shape))
    starts = tf.reshape(starts, batch_shape)[..., tf.newaxis]
    # For single numbers `gather_nd` takes half the time of `gather`.
    order = (index + starts)[..., tf.newaxis]
    grad = tf.gather_nd(tf.reshape(rows, [-1]), order)
    return (
        broadcasting.sum_to_shape(grad, one_hots[position]),
        _no_second_derivative,
    )

  return gather(dy, *one_hots)


def _index_dtype(one_hots):
  """Returns a type that counts twice the coordinates of a batch."""
  shape = functools.reduce(
      tf.broadcast_static_shape, [x.shape for x in one_hots]
  )
  size = shape.num_elements()
  return tf.int64 if size is None or 2 * size >= 2**31 else tf.int32


def _no_second_derivative(*unused_grads):
  raise LookupError(
      'Expected a first derivative of modular arithmetic; received a request '
      'for a second one, which is not implemented.'
  )
