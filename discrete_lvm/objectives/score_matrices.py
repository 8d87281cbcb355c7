"""What the bounds of mutual information share: means over a score matrix.

The score matrix of K pairs is `scores[..., i, j] = f(x_j, y_i)`: a row has its
y, a column its x, and the pairs that belong together are on the diagonal. All
others are draws of x and y that are independent.
"""

import math
from typing import Any

import tensorflow as tf

from discrete_lvm.ops import broadcasting
from discrete_lvm.ops import floats


def as_scores(
    scores: Any, mask: Any = None, min_size: int = 1, name: str = 'scores'
) -> tuple[tf.Tensor, tf.Tensor]:
  """Converts a score matrix and the mask of its pairs.

  Args:
    scores: Floating array or `Tensor`, shape `[..., K, K]`, in nats.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are;
      by default all. Leading dimensions broadcast.
    min_size: Python `int`, the least K.
    name: Python `str`, what the errors call the scores.

  Returns:
    The scores, float32 at the least, and 0 in the rows and columns of the pairs
    that are not there, so that nothing in them, not even NaN, passes on; and
    the mask, shape `[..., K]`.

  Raises:
    ValueError: If the shapes or the dtype of the mask are not these, or K is
      static and below `min_size`.

  Example:
    >>> scores, mask = as_scores([[1., 2.], [3., np.nan]], [True, False])
    >>> scores.numpy()
    array([[1., 0.],
           [0., 0.]], dtype=float32)
  """
  (scores,) = floats.common_floats(scores)
  shape = scores.shape
  if (
      shape.rank is None
      or shape.rank < 2
      or not shape[-1:].is_compatible_with(shape[-2:-1])
  ):
    raise ValueError(
        f'Expected `{name}` of shape [..., K, K]; received shape {shape}.'
    )
  size = shape[-1] or shape[-2]
  if size is not None and size < min_size:
    raise ValueError(
        f'Expected `{name}` of at least {min_size} pairs; received shape '
        f'{shape}.'
    )
  mask = as_mask(mask, scores[..., 0], name)
  pairs = mask[..., :, tf.newaxis] & mask[..., tf.newaxis, :]
  return tf.where(pairs, scores, tf.zeros([], scores.dtype)), mask


def as_mask(mask: Any, values: tf.Tensor, name: str = 'scores') -> tf.Tensor:
  """Converts the mask of the pairs.

  Args:
    mask: Boolean array or `Tensor`, shape `[..., K]`, or None for all.
    values: `Tensor`, shape `[..., K]`: something of each pair.
    name: Python `str`, what the error calls that of which they are.

  Returns:
    Boolean `Tensor`, shape `[..., K]`.

  Raises:
    ValueError: If the mask is not boolean, or not of K.
  """
  if mask is None:
    return tf.fill(tf.shape(values)[-1:], True)
  mask = tf.convert_to_tensor(mask)
  last = values.shape[-1:]
  if mask.dtype != tf.bool or not mask.shape[-1:].is_compatible_with(last):
    raise ValueError(
        f'Expected a boolean `mask` of shape [..., {last[0]}], the pairs of '
        f'`{name}`; received {mask.dtype.name} of shape {mask.shape}.'
    )
  return mask


def mean(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
  """Computes the mean over the pairs that are there.

  Args:
    values: Floating `Tensor`, shape `[..., K]`.
    mask: Boolean `Tensor`, shape `[..., K]`.

  Returns:
    `Tensor`, shape `[...]`; NaN where there is no pair.

  Example:
    >>> mask = tf.constant([True, True, False])
    >>> print(mean(tf.constant([1., 3., 9.]), mask).numpy())
    2.0
  """
  # Not a product, which would let NaN pass.
  kept = tf.where(mask, values, tf.zeros([], values.dtype))
  return tf.reduce_sum(kept, axis=-1) / count(mask, values.dtype)


def count(mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
  """Counts the pairs that are there: a floating `Tensor`, shape `[...]`."""
  return tf.cast(tf.math.count_nonzero(mask, axis=-1), dtype)


def independent(scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
  """Says which elements are of an x and a y from two different pairs.

  Args:
    scores: `Tensor`, shape `[..., K, K]`.
    mask: Boolean `Tensor`, shape `[..., K]`.

  Returns:
    Boolean `Tensor`, shape `[..., K, K]`.
  """
  diagonal = tf.eye(tf.shape(scores)[-1], dtype=tf.bool)
  pairs = mask[..., :, tf.newaxis] & mask[..., tf.newaxis, :]
  return pairs & ~diagonal


def independent_log_mean_exp(scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
  """Estimates `log E_{p(x) p(y)} exp f(x, y)` from all independent x and y.

  Args:
    scores: Floating `Tensor`, shape `[..., K, K]`, in nats.
    mask: Boolean `Tensor`, shape `[..., K]`.

  Returns:
    `Tensor`, shape `[...]`, in nats; NaN where there are fewer than two pairs.

  Example:
    >>> scores = tf.math.log([[7., 1.], [3., 7.]])
    >>> mask = tf.constant([True, True])
    >>> print(tf.exp(independent_log_mean_exp(scores, mask)).numpy().round(3))
    2.0
  """
  kept = tf.where(independent(scores, mask), scores, _minus_infinity(scores))
  size = count(mask, scores.dtype)
  log_sum = tf.reduce_logsumexp(kept, axis=[-2, -1])
  return log_sum - tf.math.log(size * (size - 1))


def as_rows(
    log_baseline: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
  """Makes a baseline of each y broadcast against a score matrix.

  Args:
    log_baseline: Floating `Tensor`, shape `[]` or `[..., K]`, in nats.
    scores: Floating `Tensor`, shape `[..., K, K]`.
    mask: Boolean `Tensor`, shape `[..., K]`.

  Returns:
    `Tensor`, shape `[..., K, 1]`, 0 for the pairs that are not there.

  Raises:
    ValueError: If the baseline is of another shape.
  """
  check_number_or_pairs(log_baseline, scores[..., 0], 'log_baseline')
  rows = tf.where(mask, log_baseline, tf.zeros([], log_baseline.dtype))
  return rows[..., tf.newaxis]


def check_number_or_pairs(x: tf.Tensor, values: tf.Tensor, name: str) -> None:
  """Checks that `x` is a number, or has one for each pair.

  Args:
    x: `Tensor`, shape `[]` or `[..., K]`, whose leading dimensions broadcast.
    values: `Tensor`, shape `[..., K]`: something of each pair.
    name: Python `str`, what the error calls `x`.

  Raises:
    ValueError: If `x` is of another shape.
  """
  if x.shape.rank == 0:
    return
  if not x.shape[-1:].is_compatible_with(values.shape[-1:]):
    raise ValueError(
        f'Expected `{name}` of shape [] or [..., K] for K of '
        f'{values.shape[-1]}; received shape {x.shape}.'
    )
  broadcasting.check_broadcasts_to(x, values.shape, name)


def present(scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
  """Makes the columns that are not there add nothing to a log-sum of a row.

  Args:
    scores: Floating `Tensor`, shape `[..., K, K]`, in nats.
    mask: Boolean `Tensor`, shape `[..., K]`.

  Returns:
    `Tensor` like `scores`: -inf there. But a row that is not there itself is
    all zeros, since the gradient of a log-sum of nothing is NaN.
  """
  absent = tf.where(
      mask[..., :, tf.newaxis], _minus_infinity(scores), tf.zeros_like(scores)
  )
  return tf.where(mask[..., tf.newaxis, :], scores, absent)


def present_others(scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
  """Does the same as `present`, and leaves out the diagonal, too."""
  diagonal = tf.eye(tf.shape(scores)[-1], dtype=tf.bool)
  return tf.where(diagonal, _minus_infinity(scores), present(scores, mask))


def _minus_infinity(x):
  return tf.constant(-math.inf, x.dtype)
