"""What the distributions over sequences of tokens have in common."""

import abc
import math

import tensorflow as tf
from tensorflow_probability.python.distributions import distribution

from discrete_lvm import ops
from discrete_lvm.ops import assertions
from discrete_lvm.ops import counts
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes


def code_log_prob(x, logits, name='code_log_prob'):
  """Computes `log p[x]` of integer codes, by a gather.

  It is `one_hot_log_prob` of `tf.one_hot(x, K)`, without the one-hot vectors.

  Args:
    x: Integer `Tensor`, shape `[...]`, in `[0, K)`. A code of -1 says nothing:
      0 nats, as on the zero vector. Any other has probability zero.
    logits: Floating `Tensor`, shape `[..., K]`; -inf is probability zero.
      Leading dimensions broadcast against those of `x`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats, float32 at the least.

  Example:
    >>> from discrete_lvm.distributions import sequence_distribution
    >>> sequence_distribution.code_log_prob(
    ...     [0, 1, -1, 2], [[0., -math.inf]]).numpy()
    array([  0., -inf,   0., -inf], dtype=float32)
  """
  with tf.name_scope(name):
    log_p = tf.nn.log_softmax(floats.at_least_float32(logits))
    # By way of 64 bits, as there are no kernels for unsigned 32.
    x = tf.saturate_cast(tf.cast(x, tf.int64), tf.int32)
    rows = tf.reshape(log_p, [-1, log_p.shape[-1]])
    # Indices broadcast at no cost, where rows of K would take memory.
    row = tf.reshape(tf.range(tf.shape(rows)[0]), tf.shape(log_p)[:-1])
    row, x = row + tf.zeros_like(x), x + tf.zeros_like(row)
    # Elsewhere a gather is an error on a CPU, and of another code under XLA.
    is_code = (x >= 0) & (x < log_p.shape[-1])
    code = tf.where(is_code, x, tf.zeros_like(x))
    found = tf.gather_nd(rows, tf.stack([row, code], axis=-1))
    infinity = tf.constant(math.inf, found.dtype)
    nothing = tf.where(tf.equal(x, -1), tf.zeros_like(found), -infinity)
    return tf.where(is_code, found, nothing)


class SequenceDistribution(
    distribution.DiscreteDistributionMixin, distribution.Distribution
):
  """Abstract distribution over `length` tokens of `K` classes each.

  Args:
    length: Python `int`, the number of tokens.
    num_classes: Python `int`: `K`.
    dtype: Type of the events: floating, `[length, K]` of one-hot vectors; or
      integer, `[length]` of codes.
    **kwargs: As for `tfd.Distribution`.

  Raises:
    ValueError: If `length` or `num_classes` is below 1, if `dtype` is neither
      floating nor an integer type that holds the codes, or if an event is of
      another shape.
    tf.errors.InvalidArgumentError: If an event is of another shape that is not
      static; under `validate_args`, if a token is not one-hot, or no code in
      `[0, K)` (not under XLA, which drops assertions).
  """

  def __init__(self, length, num_classes, dtype, **kwargs):
    dtype = tf.as_dtype(dtype)
    counts.check_count(length, 'length')
    counts.check_count(num_classes, 'num_classes')
    if not dtype.is_floating and not (
        dtype.is_integer and dtype.max >= num_classes - 1
    ):
      raise ValueError(
          'Expected a floating `dtype` or an integer one that holds codes up '
          f'to {num_classes - 1}; received {dtype.name}.'
      )
    self._length = length
    self._num_classes = num_classes
    super().__init__(dtype=dtype, **kwargs)

  @property
  def length(self):
    """The number of tokens."""
    return self._length

  @property
  def num_classes(self):
    """The number of classes, `K`."""
    return self._num_classes

  @abc.abstractmethod
  def _token_logits(self, x):
    """Returns logits, `[..., length, K]`, that broadcast to the tokens."""

  def _log_prob(self, x):
    x = shapes.ensure_last(x, self.event_shape)
    logits = self._token_logits(x)
    if self.dtype.is_integer:
      log_prob = code_log_prob(x, logits)
    else:
      log_prob = ops.one_hot_log_prob(x, logits)
    return tf.reduce_sum(log_prob, axis=-1)

  def _event_shape(self):
    if self.dtype.is_integer:
      return tf.TensorShape([self._length])
    return tf.TensorShape([self._length, self._num_classes])

  def _event_shape_tensor(self):
    return tf.constant(self._event_shape().as_list(), tf.int32)

  def _default_event_space_bijector(self):
    return None

  def _sample_control_dependencies(self, x):
    rank = self.event_shape.rank
    if x.dtype.is_integer != self.dtype.is_integer or not x.shape[
        -rank:
    ].is_compatible_with(self.event_shape):
      kind = 'an integer' if self.dtype.is_integer else 'a floating'
      raise ValueError(
          f'Expected {kind} event of shape [..., '
          f'{str(self.event_shape.as_list())[1:]}; received {x.dtype.name} of '
          f'shape {x.shape}.'
      )
    if not self.validate_args:
      return []
    if self.dtype.is_integer:
      return assertions.code_assertions(x, self._num_classes)
    return assertions.one_hot_assertions(x, 'event')
