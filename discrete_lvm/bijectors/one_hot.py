"""Integer codes as one-hot vectors."""

import numbers

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops
from discrete_lvm.bijectors import discrete_bijector
from discrete_lvm.ops import assertions as assertions_lib

tfb = tfp.bijectors


class OneHot(tfb.Bijector):
  """Maps int32 codes, event `[]`, to one-hot vectors, event `[K]`.

  It turns a distribution over codes into one over one-hot vectors, and its
  `tfb.Invert` one of a discrete flow into one over codes. The inverse is the
  argmax. There is no volume term, and no gradient.

  Args:
    num_classes: Python `int` of at least 2: `K`.
    dtype: Type of the one-hot vectors.
    validate_args: Python `bool`: whether to check that codes are in `[0, K)`
      and that vectors are one-hot (not under XLA, which drops assertions).
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If `num_classes` is no integer of at least 2, or the last axis
      of a vector is not `K`.
    tf.errors.InvalidArgumentError: Under `validate_args`, if a code is out of
      range or a vector not one-hot.

  Example:
    >>> bijector = dlvm.bijectors.OneHot(3)
    >>> bijector.forward([2, 0]).numpy()
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    >>> base = tfd.Categorical(probs=[.5, .25, .25])
    >>> d = tfd.TransformedDistribution(base, bijector)
    >>> print(d.prob([0., 1., 0.]).numpy())
    0.25
  """

  def __init__(
      self,
      num_classes,
      dtype=tf.float32,
      validate_args=False,
      name='OneHot',
  ):
    parameters = dict(locals())
    if not isinstance(num_classes, numbers.Integral) or num_classes < 2:
      raise ValueError(
          'Expected an integer `num_classes` of at least 2; received '
          f'{num_classes}.'
      )
    self._num_classes = num_classes
    self._one_hot_dtype = tf.as_dtype(dtype)
    with tf.name_scope(name) as name:
      super().__init__(
          forward_min_event_ndims=0,
          inverse_min_event_ndims=1,
          validate_args=validate_args,
          parameters=parameters,
          name=name,
      )

  @classmethod
  def _parameter_properties(cls, dtype):
    return {}

  def _forward(self, x):
    checks = []
    if self.validate_args:
      checks = assertions_lib.code_assertions(x, self._num_classes)
    with tf.control_dependencies(checks):
      x = tf.identity(x)
    return tf.one_hot(x, self._num_classes, dtype=self._one_hot_dtype)

  def _inverse(self, y):
    if ops.static_num_classes(y, 'event') != self._num_classes:
      raise ValueError(
          f'Expected an event of shape [..., {self._num_classes}]; received '
          f'shape {y.shape}.'
      )
    checks = []
    if self.validate_args:
      checks = assertions_lib.one_hot_assertions(y, 'event')
    with tf.control_dependencies(checks):
      return tf.argmax(y, axis=-1, output_type=tf.int32)

  def _forward_log_det_jacobian(self, x):
    return discrete_bijector.zero_log_det(x)

  def _inverse_log_det_jacobian(self, y):
    return discrete_bijector.zero_log_det(y)

  def _forward_event_shape(self, input_shape):
    return input_shape.concatenate([self._num_classes])

  def _forward_event_shape_tensor(self, input_shape):
    return tf.concat([input_shape, [self._num_classes]], axis=0)

  def _inverse_event_shape(self, output_shape):
    return output_shape[:-1]

  def _inverse_event_shape_tensor(self, output_shape):
    return output_shape[:-1]

  def _forward_dtype(self, input_dtype, **kwargs):
    return self._one_hot_dtype

  def _inverse_dtype(self, output_dtype, **kwargs):
    return tf.int32
