"""Classes renamed to their ranks by predicted probability, and back.

The likeliest class has rank 0; of classes with equal logits the lower has the
lower rank. It is a permutation of the classes whatever the logits are: NaN
counts as -inf. The logits decide by their order alone and get no gradient.
"""

import math

import tensorflow as tf

from discrete_lvm.ops import shapes


def one_hot_rank(
    x: tf.Tensor, logits: tf.Tensor, name: str = 'one_hot_rank'
) -> tf.Tensor:
  """Maps each class, a one-hot vector, to its rank, a one-hot vector.

  It permutes the coordinates of `x`, exactly, and so does its gradient.

  Args:
    x: One-hot `Tensor`, shape `[..., K]`.
    logits: Floating `Tensor`, shape `[..., K]`, in nats.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` like `x`.

  Raises:
    ValueError: If `K` is not static, or the shapes differ.

  Example:
    >>> one_hot_rank([[1., 0., 0.], [0., 1., 0.]], [[0., 5., 2.]] * 2).numpy()
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)

  References:
    Alexandra Lindt, Emiel Hoogeboom. Discrete Denoising Flows. INNF+ workshop
    at ICML 2021. https://arxiv.org/abs/2107.11625.
  """
  with tf.name_scope(name):
    x, logits = tf.convert_to_tensor(x), tf.convert_to_tensor(logits)
    _check_shape(x, logits, logits.shape)
    return _take(x, _order(logits))


def one_hot_unrank(
    x: tf.Tensor, logits: tf.Tensor, name: str = 'one_hot_unrank'
) -> tf.Tensor:
  """Maps each rank to its class: the inverse of `one_hot_rank`.

  Args:
    x: One-hot `Tensor`, shape `[..., K]`.
    logits: Floating `Tensor`, shape `[..., K]`, in nats.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` like `x`.

  Raises:
    ValueError: If `K` is not static, or the shapes differ.

  Example:
    >>> one_hot_unrank([1., 0., 0.], [0., 5., 2.]).numpy()  # The likeliest.
    array([0., 1., 0.], dtype=float32)
  """
  with tf.name_scope(name):
    x, logits = tf.convert_to_tensor(x), tf.convert_to_tensor(logits)
    _check_shape(x, logits, logits.shape)
    return _take(x, tf.argsort(_order(logits), axis=-1))


def rank_codes(
    codes: tf.Tensor, logits: tf.Tensor, name: str = 'rank_codes'
) -> tf.Tensor:
  """Maps each class, an integer code, to its rank: `one_hot_rank` of codes.

  It sorts nothing: a rank is the number of classes before it, in `O(K)`.

  Args:
    codes: Integer `Tensor` of codes in `[0, K)`, shape `[...]`.
    logits: Floating `Tensor`, shape `[..., K]`, in nats.
    name: Python `str`, name scope of the ops.

  Returns:
    int32 `Tensor` of ranks in `[0, K)`, shape `[...]`.

  Raises:
    ValueError: If `K` is not static, the shapes differ, or the type is not
      integer.

  Example:
    >>> rank_codes([0, 1, 2], [[0., 5., 2.]] * 3).numpy()
    array([2, 0, 1], dtype=int32)
  """
  with tf.name_scope(name):
    codes, logits = tf.convert_to_tensor(codes), tf.convert_to_tensor(logits)
    _check_shape(codes, logits, logits.shape[:-1])
    logits = _canonical(logits)
    code = _as_int32(codes, 'codes')[..., tf.newaxis]
    own = tf.gather(logits, code, batch_dims=codes.shape.rank)
    is_lower = tf.range(logits.shape[-1]) < code
    is_before = (logits > own) | (tf.equal(logits, own) & is_lower)
    return tf.reduce_sum(tf.cast(is_before, tf.int32), axis=-1)


def unrank_codes(
    ranks: tf.Tensor, logits: tf.Tensor, name: str = 'unrank_codes'
) -> tf.Tensor:
  """Maps each rank to its class, an integer code: inverts `rank_codes`.

  Args:
    ranks: Integer `Tensor` of ranks in `[0, K)`, shape `[...]`.
    logits: Floating `Tensor`, shape `[..., K]`, in nats.
    name: Python `str`, name scope of the ops.

  Returns:
    int32 `Tensor` of codes in `[0, K)`, shape `[...]`.

  Raises:
    ValueError: If `K` is not static, the shapes differ, or the type is not
      integer.

  Example:
    >>> unrank_codes([0, 1, 2], [[0., 5., 2.]] * 3).numpy()
    array([1, 2, 0], dtype=int32)
  """
  with tf.name_scope(name):
    ranks, logits = tf.convert_to_tensor(ranks), tf.convert_to_tensor(logits)
    _check_shape(ranks, logits, logits.shape[:-1])
    rank = _as_int32(ranks, 'ranks')[..., tf.newaxis]
    return _take(_order(logits), rank)[..., 0]


def _order(logits):
  """Returns the classes from the likeliest to the least, int32 `[..., K]`."""
  return tf.argsort(
      _canonical(logits), axis=-1, direction='DESCENDING', stable=True
  )


def _canonical(logits):
  """Returns logits whose order is the same to every sort and comparison."""
  logits = tf.stop_gradient(logits)
  logits = tf.where(
      tf.math.is_nan(logits), tf.constant(-math.inf, logits.dtype), logits
  )
  # XLA sorts -0 below 0. A subnormal number is 0 to some comparisons.
  return tf.where(tf.equal(logits, 0), tf.zeros_like(logits), logits)


def _as_int32(codes, name):
  if not codes.dtype.is_integer:
    raise ValueError(f'Expected integer `{name}`; received {codes.dtype.name}.')
  return tf.cast(codes, tf.int32)


def _take(x, indices):
  return tf.gather(x, indices, batch_dims=indices.shape.rank - 1)


def _check_shape(x, logits, expected):
  shapes.static_num_classes(logits, 'logits', minimum=2)
  if not x.shape.is_compatible_with(expected):
    raise ValueError(
        f'Expected an event of shape {expected} beside logits of shape '
        f'{logits.shape}; received {x.shape}.'
    )
