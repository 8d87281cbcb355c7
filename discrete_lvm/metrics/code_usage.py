"""How many of its codes a model uses."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.metrics import dtypes


@keras.saving.register_keras_serializable(package='discrete_lvm')
class CodeUsage(keras.metrics.Metric):
  """Counts codes over an epoch; reports their perplexity and usage.

  The perplexity of a latent is `exp(entropy)` of its empirical marginal, from 1
  (collapsed) to K (uniform); its usage is the share of the K classes seen at
  least once. Both are means over the latents. They come from counts over the
  whole epoch and all replicas, so they do not depend on the batch size; usage
  rises with the number of examples, so compare it at the same number.

  Args:
    num_latents: Number of latents N.
    num_classes: Number of classes K.
    name: Python `str`, prefix of the results.
    dtype: Must be None; the counts are int64.

  Call arguments:
    codes: int `Tensor` of shape `[..., N]`, or floating one-hot `Tensor` of
      shape `[..., N, K]`; leading dimensions are examples. What is no class,
      such as -1 or NaN, is not counted.

  Raises:
    ValueError: If `codes` are not one of the two, or ints that have the shape
      of both, with three dimensions or more: such ints may be one-hot; or if
      `dtype` is not None.

  Example:
    >>> usage = CodeUsage(num_latents=1, num_classes=4)
    >>> usage.update_state([[0], [1], [0], [1]])
    >>> {k: round(float(v), 3) for k, v in usage.result().items()}
    {'code_perplexity': 2.0, 'code_usage': 0.5}
  """

  def __init__(self, num_latents, num_classes, name='code', dtype=None):
    super().__init__(name=name, dtype=dtype)
    dtypes.check_none(dtype)
    self.num_latents = num_latents
    self.num_classes = num_classes
    # Not floats: float32 stops counting at 2**24.
    self.counts = self.add_weight(
        shape=(num_latents, num_classes),
        initializer='zeros',
        dtype='int64',
        name='counts',
    )

  def update_state(self, codes, sample_weight=None):
    if sample_weight is not None:
      raise ValueError('Expected no `sample_weight`: codes are counted.')
    codes = tf.convert_to_tensor(codes)
    has_classes = codes.shape[-2:] == [self.num_latents, self.num_classes]
    if codes.dtype.is_floating and has_classes:
      codes = modes(codes)
    elif (
        codes.dtype.is_integer
        and codes.shape.rank
        and codes.shape[-1] == self.num_latents
        and not (has_classes and codes.shape.rank > 2)
    ):
      codes = tf.saturate_cast(codes, tf.int32)
    else:
      raise ValueError(
          f'Expected int codes of shape [..., {self.num_latents}] or floating '
          f'one-hot codes of shape [..., {self.num_latents}, '
          f'{self.num_classes}]; received {codes.dtype.name} of shape '
          f'{codes.shape}. Cast one-hot codes to floats, and give codes of one '
          'shape with them as [examples, N].'
      )
    is_class = (codes >= 0) & (codes < self.num_classes)
    # One-hot codes of a joint of many classes would need much memory.
    segments = codes + self.num_classes * tf.range(self.num_latents)
    counts = tf.math.unsorted_segment_sum(
        tf.ones([tf.size(codes)], tf.int64),
        tf.reshape(tf.where(is_class, segments, -1), [-1]),
        self.num_latents * self.num_classes,
    )
    self.counts.assign_add(tf.reshape(counts, self.counts.shape))

  def frequencies(self):
    """Returns the empirical marginals, float32 `Tensor` of shape `[N, K]`."""
    counts = tf.cast(tf.convert_to_tensor(self.counts), tf.float64)
    total = tf.reduce_sum(counts, axis=-1, keepdims=True)
    return tf.cast(tf.math.divide_no_nan(counts, total), tf.float32)

  def result(self):
    frequencies = self.frequencies()
    entropy = ops.entropy(frequencies)
    used = tf.cast(frequencies > 0, tf.float32)
    return {
        f'{self.name}_perplexity': tf.reduce_mean(tf.exp(entropy)),
        f'{self.name}_usage': tf.reduce_mean(used),
    }

  def get_config(self):
    return {
        'num_latents': self.num_latents,
        'num_classes': self.num_classes,
        'name': self.name,
    }


def modes(values: tf.Tensor) -> tf.Tensor:
  """Returns the class of the greatest of `K` values, or -1 if one is NaN.

  Args:
    values: Floating `Tensor`, shape `[..., K]`.

  Returns:
    int32 `Tensor`, shape `[...]`.
  """
  is_nan = tf.reduce_any(tf.math.is_nan(values), axis=-1)
  return tf.where(is_nan, -1, tf.argmax(values, axis=-1, output_type=tf.int32))
