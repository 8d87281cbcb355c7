"""What the bijectors of one-hot events have in common."""

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops

tfb = tfp.bijectors


def zero_log_det(x):
  """Returns the log-det of a discrete bijection: 0, float32 at the least."""
  return tf.zeros([], tf.float64 if x.dtype == tf.float64 else tf.float32)


def one_hot_assertions(x, name):
  """Returns the run-time checks that the last axis of `x` is one-hot."""
  return [
      tf.debugging.Assert(
          tf.reduce_all(ops.is_one_hot(x)),
          data=[f'Expected `{name}` to be one-hot; received:', x],
      )
  ]


class DiscreteBijector(tfb.Bijector):
  """Abstract permutation of one-hot events; it has no volume term.

  Args:
    event_ndims: Python `int`, the rank of an event: 1 for `[K]`, 2 for
      `[length, K]`.
    **kwargs: As for `tfb.Bijector`.

  Raises:
    ValueError: If the rank of an event is lower, or its last axis not static.
    tf.errors.InvalidArgumentError: Under `validate_args`, if an event is not
      one-hot (not under XLA, which drops assertions).
  """

  def __init__(self, event_ndims, **kwargs):
    super().__init__(
        forward_min_event_ndims=event_ndims, is_constant_jacobian=True, **kwargs
    )

  def _checked(self, x):
    """Returns the event, after its checks."""
    axes = ['length', 'K'][-self.forward_min_event_ndims :]
    rank = x.shape.rank
    if rank is None or rank < len(axes) or x.shape[-1] is None:
      raise ValueError(
          f'Expected an event of shape [..., {", ".join(axes)}] with a static '
          f'K; received shape {x.shape}.'
      )
    if not self.validate_args:
      return x
    with tf.control_dependencies(one_hot_assertions(x, 'event')):
      return tf.identity(x)

  def _forward_log_det_jacobian(self, x):
    return zero_log_det(x)

  def _inverse_log_det_jacobian(self, y):
    return zero_log_det(y)
