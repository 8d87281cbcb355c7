"""All codes of a small space."""

import numpy as np
import tensorflow as tf

# Enough for 16 binary latents; past it memory goes before patience does.
_MAX_CODES = 2**16


def all_codes(
    num_latents: int, num_classes: int, name: str = 'all_codes'
) -> tf.Tensor:
  """Lists every code of N latents of K classes, the last latent fastest.

  Args:
    num_latents: N, at least 1.
    num_classes: K, at least 1.
    name: Python `str`, name scope of the ops.

  Returns:
    One-hot float32 `Tensor`, shape `[K**N, N, K]`.

  Raises:
    ValueError: If `K**N` is above `2**16`.

  Example:
    >>> tf.argmax(all_codes(num_latents=2, num_classes=2), axis=-1).numpy()
    array([[0, 0],
           [0, 1],
           [1, 0],
           [1, 1]])
  """
  with tf.name_scope(name):
    size = num_codes(num_latents, num_classes)
    shape = [num_classes] * num_latents
    index = np.stack(np.unravel_index(np.arange(size), shape), axis=-1)
    return tf.one_hot(index, num_classes)


def num_codes(num_latents: int, num_classes: int) -> int:
  """Returns `K**N`, where that many codes can be enumerated.

  Args:
    num_latents: N, at least 1.
    num_classes: K, at least 1.

  Returns:
    Python `int`.

  Raises:
    ValueError: If `K**N` is above `2**16`.

  Example:
    >>> num_codes(num_latents=2, num_classes=3)
    9
  """
  size = num_classes**num_latents
  if size > _MAX_CODES:
    raise ValueError(
        f'Expected at most 2**16 = {_MAX_CODES} codes to enumerate; received '
        f'{num_classes}**{num_latents}.'
    )
  return size
