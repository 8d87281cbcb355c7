"""Rows of a table, looked up by the joint code of the positions seen.

A context is a joint value of the positions that an output sees. Its row in the
table is a number with one digit a position, `first_row + sum(strides * codes)`.
"""

import numpy as np
import tensorflow as tf

_MAX_NUMBERS = 2**27


def check_size(rows, columns):
  """Raises if a table is larger than makes sense.

  Args:
    rows: Python `int`.
    columns: Python `int`.

  Raises:
    ValueError: If it has more than 2**27 numbers, half a gigabyte in float32.
  """
  if rows * columns > _MAX_NUMBERS:
    raise ValueError(
        f'Expected a table of at most 2**27 = {_MAX_NUMBERS} numbers; received '
        f'a problem that takes {rows} rows of {columns}.'
    )


def lookup(table, inputs, first_rows, strides):
  """Returns the row of the context that each of P outputs sees.

  As a function of one-hot vectors a row is multilinear,

      f(x) = sum over codes c of table[row(c)] * prod_j x[j, c[j]]

  over the positions j seen, and this is its value (zero where one of them is
  the zero vector) and its gradient: that to `x[j, c]` is the upstream gradient
  times the row of the context with c at j. So it takes K lookups for each pair
  of an output and a position seen, where the sum above takes K to their number.
  A graph computes it only where it is used. Second derivatives in `x` are zero
  instead of those of f.

  Args:
    table: Floating `Tensor`, shape `[rows, C]`.
    inputs: Floating `Tensor`, shape `[..., length, K]`, of one-hot or zero
      vectors; or integer codes, shape `[..., length]`, -1 for the latter.
    first_rows: int array, shape `[P]`: the row of the codes 0.
    strides: int array, shape `[P, length]`: the rows from one code of a
      position to the next; 0 where an output does not see it.

  Returns:
    `Tensor` of the dtype of the table, shape `[..., P, C]`.

  Example:
    >>> from discrete_lvm.layers import context_lookup
    >>> table = tf.constant([[10.], [11.], [12.], [13.]])
    >>> codes = tf.constant([[0, 1], [1, 1], [1, -1]])
    >>> rows = context_lookup.lookup(table, codes, [0], [[2, 1]])
    >>> rows[:, 0, 0].numpy()
    array([11., 13.,  0.], dtype=float32)
  """
  first_rows = np.asarray(first_rows, np.int32)
  strides = np.asarray(strides, np.int32)
  codes = codes_of(inputs)
  expanded = codes[..., tf.newaxis, :]
  rows = first_rows + tf.reduce_sum(tf.maximum(expanded, 0) * strides, axis=-1)
  missing = (expanded < 0) & (strides > 0)
  num_missing = tf.math.count_nonzero(missing, axis=-1, dtype=tf.int32)
  values = gather_or_zero(table, rows, num_missing == 0)
  if inputs.dtype.is_integer:
    return values

  @tf.custom_gradient
  def attach(values, inputs):
    def gradient(upstream):
      slopes = _slopes(
          table, codes, rows, num_missing, strides, inputs.shape[-1], upstream
      )
      return upstream, tf.cast(slopes, inputs.dtype)

    return tf.identity(values), gradient

  return attach(values, inputs)


def codes_of(inputs):
  """Returns int32 codes, -1 for the zero vector, of `inputs` as in `lookup`."""
  if inputs.dtype.is_integer:
    return tf.cast(inputs, tf.int32)
  codes = tf.argmax(inputs, axis=-1, output_type=tf.int32)
  is_something = tf.reduce_any(inputs != 0, axis=-1)
  return tf.where(is_something, codes, -1)


def known_codes(codes, num_classes):
  """Returns int32 codes, -1 for those that are none of `[0, K)`.

  To `tf.one_hot` they are zero vectors. As numbers of rows they could be rows
  of another position, and as 32 bits of 64 another class.

  Args:
    codes: Integer `Tensor`, any shape.
    num_classes: Python `int`: K.
  """
  codes = tf.cast(codes, tf.int64)
  is_known = (codes >= 0) & (codes < num_classes)
  return tf.cast(tf.where(is_known, codes, -1), tf.int32)


def gather_or_zero(table, rows, exists):
  """Returns the rows of a table where they exist, elsewhere zeros.

  Args:
    table: Floating `Tensor`, shape `[rows, C]`.
    rows: int32 `Tensor`, any shape.
    exists: Boolean `Tensor` of that shape.

  Returns:
    `Tensor` of the dtype of the table, the shape of `rows` and then `[C]`.
  """
  return _keep(exists, _gather(table, tf.where(exists, rows, 0)))


@tf.custom_gradient
def _gather(table, rows):
  # Not the sparse gradient of `tf.gather`, whose repeated rows the optimizers
  # of Keras do not add up.
  def gradient(upstream):
    return tf.math.unsorted_segment_sum(upstream, rows, table.shape[0]), None

  return tf.gather(table, rows), gradient


def _slopes(table, codes, rows, num_missing, strides, num_classes, upstream):
  """Returns the gradient to the inputs, shape `[..., length, K]`."""
  # Each pair of an output and a position that it sees.
  outputs, positions = np.nonzero(strides)
  stride = strides[outputs, positions]
  code = tf.gather(codes, positions, axis=-1)
  others_missing = tf.gather(num_missing, outputs, axis=-1)
  others_missing -= tf.cast(code < 0, tf.int32)
  row = tf.gather(rows, outputs, axis=-1) - tf.maximum(code, 0) * stride
  row = row[..., tf.newaxis] + stride[:, np.newaxis] * np.arange(
      num_classes, dtype=np.int32
  )
  upstream = tf.gather(upstream, outputs, axis=-2)[..., tf.newaxis, :]
  slopes = tf.reduce_sum(tf.gather(table, row) * upstream, axis=-1)
  slopes = _keep(others_missing == 0, slopes)
  belongs = positions == np.arange(codes.shape[-1])[:, np.newaxis]
  return tf.matmul(belongs.astype(slopes.dtype.name), slopes)


def _keep(condition, values):
  """Returns vectors where `condition` holds, and zeros elsewhere."""
  return tf.where(condition[..., tf.newaxis], values, tf.zeros_like(values))
