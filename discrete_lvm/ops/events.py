"""The two forms of a discrete event: one-hot vectors and integer codes.

A discrete flow or an autoregressive distribution is written once for both: the
two classes have the same methods. One position of an event is a token, a
one-hot vector `[K]` or a code; an event has a rank of `rank`.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import modular
from discrete_lvm.ops import modular_codes
from discrete_lvm.ops import sorting

Argmax = Callable[[tf.Tensor], tf.Tensor]


class OneHotEvents:
  """Events of one-hot vectors, shape `[..., length, K]`, with gradients."""

  rank = 2

  def check(self, x: tf.Tensor) -> tf.Tensor:
    """Returns events after checks of their static shape."""
    shape = x.shape
    if shape.rank is None or shape.rank < 2 or shape[-1] is None:
      raise ValueError(
          'Expected an event of shape [..., length, K] with a static K; '
          f'received shape {shape}.'
      )
    return x

  def num_classes(self, x: tf.Tensor) -> int:
    """Returns `K`."""
    return x.shape[-1]

  def codes(self, x: tf.Tensor) -> tf.Tensor:
    """Returns the classes as int32 codes, `[..., length]`."""
    return tf.argmax(x, axis=-1, output_type=tf.int32)

  def network_inputs(self, x: tf.Tensor) -> tf.Tensor:
    """Returns events or tokens in the type that a network takes."""
    return x if x.dtype == tf.float64 else tf.cast(x, tf.float32)

  def nothing(
      self, shape: tf.Tensor, num_classes: int, dtype: tf.DType
  ) -> tf.Tensor:
    """Returns tokens that say nothing, zero vectors: `shape + [K]`."""
    return tf.zeros(tf.concat([shape, [num_classes]], axis=0), dtype)

  def keep(self, x: tf.Tensor, mask: np.ndarray) -> tf.Tensor:
    """Returns events that say nothing where `mask`, `[length]`, is False."""
    return self.where(mask, x, tf.zeros_like(x))

  def where(self, mask: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns `x` at the positions where `mask` is True, elsewhere `y`."""
    return tf.where(mask[:, tf.newaxis], x, y)

  def choose(
      self, logits: tf.Tensor, argmax: Argmax, dtype: tf.DType
  ) -> tf.Tensor:
    """Returns the token of the largest logit: `argmax`, for its gradient."""
    return tf.cast(argmax(logits), dtype)

  def affine(
      self, x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor | None
  ) -> tf.Tensor:
    """Computes `(scale * x + shift) mod K`."""
    return modular.one_hot_affine(x, shift, scale)

  def affine_inverse(
      self, y: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor | None
  ) -> tf.Tensor:
    """Solves `y = (scale * x + shift) mod K` for `x`."""
    return modular.one_hot_affine_inverse(y, shift, scale)

  def rank_classes(self, x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Maps each class to its rank by `logits`, `[..., length, K]`."""
    return sorting.one_hot_rank(x, logits)

  def unrank_classes(self, x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Maps each rank to its class, the inverse of `rank_classes`."""
    return sorting.one_hot_unrank(x, logits)

  def take(self, x: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """Returns the tokens at positions, int32 `[..., length]`."""
    return tf.gather(x, positions, axis=-2, batch_dims=positions.shape.rank - 1)


class CodeEvents:
  """Events of int32 codes in `[0, K)`, shape `[..., length]`.

  No step of theirs makes a one-hot vector. The code -1 says nothing, as the
  zero vector does among one-hot vectors.

  Args:
    num_classes: Python `int` of at least 2: `K`.

  Raises:
    ValueError: If `num_classes` is below 2.
  """

  rank = 1

  def __init__(self, num_classes: int):
    modular_codes.check_num_classes(num_classes)
    self._num_classes = num_classes

  def check(self, x: tf.Tensor) -> tf.Tensor:
    """Returns events as int32, after checks of their static shape and type."""
    if not x.dtype.is_integer or not x.shape.rank:
      raise ValueError(
          'Expected an event of integer codes, shape [..., length]; received '
          f'{x.dtype.name} of shape {x.shape}.'
      )
    # A cast would wrap codes of 64 bits, into the range perhaps.
    return tf.saturate_cast(tf.cast(x, tf.int64), tf.int32)

  def num_classes(self, x: tf.Tensor) -> int:
    """Returns `K`."""
    del x
    return self._num_classes

  def codes(self, x: tf.Tensor) -> tf.Tensor:
    """Returns the classes as int32 codes, `[..., length]`."""
    return x

  def network_inputs(self, x: tf.Tensor) -> tf.Tensor:
    """Returns events or tokens in the type that a network takes."""
    return x

  def nothing(
      self, shape: tf.Tensor, num_classes: int, dtype: tf.DType
  ) -> tf.Tensor:
    """Returns tokens that say nothing, of shape `shape`."""
    del num_classes
    return tf.fill(shape, tf.constant(-1, dtype))

  def keep(self, x: tf.Tensor, mask: np.ndarray) -> tf.Tensor:
    """Returns events that say nothing where `mask`, `[length]`, is False."""
    return self.where(mask, x, -tf.ones_like(x))

  def where(self, mask: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns `x` at the positions where `mask` is True, elsewhere `y`."""
    return tf.where(mask, x, y)

  def choose(
      self, logits: tf.Tensor, argmax: Argmax, dtype: tf.DType
  ) -> tf.Tensor:
    """Returns the code of the largest logit; `argmax` is for gradients."""
    del argmax
    return tf.argmax(logits, axis=-1, output_type=dtype)

  def affine(
      self, x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor | None
  ) -> tf.Tensor:
    """Computes `(scale * x + shift) mod K`."""
    return modular_codes.modular_affine(
        x, shift, scale, num_classes=self._num_classes
    )

  def affine_inverse(
      self, y: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor | None
  ) -> tf.Tensor:
    """Solves `y = (scale * x + shift) mod K` for `x`."""
    return modular_codes.modular_affine_inverse(
        y, shift, scale, num_classes=self._num_classes
    )

  def rank_classes(self, x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Maps each class to its rank by `logits`, `[..., length, K]`."""
    return sorting.rank_codes(x, logits)

  def unrank_classes(self, x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Maps each rank to its class, the inverse of `rank_classes`."""
    return sorting.unrank_codes(x, logits)

  def take(self, x: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """Returns the tokens at positions, int32 `[..., length]`."""
    return tf.gather(x, positions, axis=-1, batch_dims=positions.shape.rank - 1)


Events = OneHotEvents | CodeEvents


def events_of(num_classes: int | None) -> Events:
  """Returns codes of `num_classes`, or one-hot events if that is None."""
  return OneHotEvents() if num_classes is None else CodeEvents(num_classes)
