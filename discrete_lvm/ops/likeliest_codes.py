"""The likeliest codes of independent latents, without all others."""

import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes


def likeliest_codes(
    logits: tf.Tensor, num_codes: int, name: str = 'likeliest_codes'
) -> tf.Tensor:
  """Lists the likeliest codes of N independent latents, the first one first.

  Those of both halves of the latents are found, and then paired: the `i`-th of
  one goes with the `j`-th of the other only if `i * j <= num_codes`, as every
  pair of earlier ones is at least as likely. So `O(N * M log M)` of the `K**N`
  codes are looked at, for M of them.

  Args:
    logits: Floating `Tensor`, shape `[..., N, K]` with static rank, N and K, of
      N independent latents, in nats; -inf is probability zero.
    num_codes: Number of codes M, from 0 to `K**N`.
    name: Python `str`, name scope of the ops.

  Returns:
    One-hot codes, shape `[M, ..., N, K]`, float32 at the least.

  Raises:
    ValueError: If there are not so many codes, or if N or K is not static.

  Example:
    >>> logits = tf.math.log([[.5, .5 - 1e-3], [.2, .8]])
    >>> tf.argmax(likeliest_codes(logits, num_codes=3), axis=-1).numpy()
    array([[0, 1],
           [1, 1],
           [0, 0]])
  """
  with tf.name_scope(name):
    logits = floats.at_least_float32(logits)
    num_latents, num_classes = shapes.static_event(logits)
    if not 0 <= num_codes <= num_classes**num_latents:
      raise ValueError(
          f'Expected a `num_codes` from 0 to {num_classes}**{num_latents}; '
          f'received {num_codes}.'
      )
    classes = _likeliest(
        _axis_first(tf.nn.log_softmax(logits), -2), max(num_codes, 1)
    )
    codes = tf.one_hot(
        classes[..., :num_codes, :], num_classes, dtype=logits.dtype
    )
    return _axis_first(codes, -3)


def _axis_first(x, axis):
  axes = [*range(x.shape.rank)]
  return tf.transpose(x, [axes.pop(axis), *axes])


def _likeliest(log_q, num_codes):
  """Returns the classes of the likeliest codes, `[..., M, N]`.

  Args:
    log_q: `[N, ..., K]`.
    num_codes: M, from 1 to `K**N`.
  """
  values, classes = tf.math.top_k(log_q, min(num_codes, log_q.shape[-1]))
  # Of each part of the latents: `[P, ..., M]`, and `[P, ..., M, N / P]`.
  parts = values, classes[..., tf.newaxis]
  odd_one = None
  while parts[0].shape[0] > 1:
    num_parts = parts[0].shape[0]
    if num_parts % 2:
      last = _at(parts, slice(-1, None))
      odd_one = _paired(last, odd_one, num_codes) if odd_one else last
    even = num_parts // 2 * 2
    parts = _paired(
        _at(parts, slice(0, even, 2)), _at(parts, slice(1, even, 2)), num_codes
    )
  if odd_one:
    parts = _paired(parts, odd_one, num_codes)
  return parts[1][0]


def _at(parts, index):
  values, classes = parts
  return values[index], classes[index]


def _paired(first, second, num_codes):
  """Returns the likeliest codes of each two parts, taken as one."""
  (first_values, first_classes), (second_values, second_classes) = first, second
  pairs = [
      (i, j)
      for i in range(first_values.shape[-1])
      for j in range(min(second_values.shape[-1], num_codes // (i + 1)))
  ]
  i, j = (list(x) for x in zip(*pairs, strict=True))
  values, best = tf.math.top_k(
      tf.gather(first_values, i, axis=-1)
      + tf.gather(second_values, j, axis=-1),
      min(num_codes, len(pairs)),
  )
  batch_dims = values.shape.rank - 1
  classes = [
      tf.gather(x, tf.gather(k, best), axis=-2, batch_dims=batch_dims)
      for x, k in ((first_classes, i), (second_classes, j))
  ]
  return values, tf.concat(classes, axis=-1)
