"""What the flows that are conditioned by a network have in common."""

import abc

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm.bijectors import discrete_bijector
from discrete_lvm.ops import assertions as assertions_lib
from discrete_lvm.ops import conditioners


class ConditionedBijector(discrete_bijector.DiscreteBijector):
  """Abstract permutation of sequences, by way of a network.

  Its batch shape is that of the context, which broadcasts against the events.
  Results have the type of the events.

  Args:
    conditioner: Callable of events, as `ops.conditioners.Conditioner` takes.
    context: `Tensor`, shape `[..., length, features]`, or None.
    num_classes: Python `int`, `K` of codes `[length]`; None: events are
      one-hot, `[length, K]`.
    **kwargs: As for `tfb.Bijector`.

  Raises:
    ValueError: If `num_classes` is below 2, the context of a shape that does
      not fit the events, or an event of another shape or type, or codes of a
      type that does not hold `num_classes`.
    tf.errors.InvalidArgumentError: Under `validate_args`, if a token is not
      one-hot, or no code in `[0, K)` (not under XLA, which drops assertions).
  """

  def __init__(self, conditioner, context, num_classes, **kwargs):
    context = tensor_util.convert_nonref_to_tensor(
        context, dtype_hint=tf.float32, name='context'
    )
    self._conditioner = conditioners.Conditioner(
        conditioner, context, num_classes
    )
    super().__init__(event_ndims=self._conditioner.events.rank, **kwargs)

  @classmethod
  def _parameter_properties(cls, dtype):
    return {'context': tfp.util.ParameterProperties(event_ndims=2)}

  @abc.abstractmethod
  def _forward_events(self, x):
    """Maps events that are checked; codes are int32, both ways."""

  @abc.abstractmethod
  def _inverse_events(self, y):
    """Inverts `_forward_events`."""

  def _forward(self, x):
    return tf.cast(self._forward_events(self._checked(x)), x.dtype)

  def _inverse(self, y):
    return tf.cast(self._inverse_events(self._checked(y)), y.dtype)

  def _checked(self, x):
    """Returns events, after their checks, of the batch shape of the result."""
    dtype = x.dtype
    x = self._conditioner.events.check(x)
    num_classes = self.parameters['num_classes']
    if num_classes is not None and dtype.max < num_classes - 1:
      raise ValueError(
          'Expected codes of a type that holds '
          f'{num_classes - 1}; received {dtype.name}.'
      )
    if self.validate_args:
      if num_classes is None:
        assertions = assertions_lib.one_hot_assertions(x, 'event')
      else:
        assertions = assertions_lib.code_assertions(x, num_classes)
      with tf.control_dependencies(assertions):
        x = tf.identity(x)
    return self._conditioner.broadcast(x)
