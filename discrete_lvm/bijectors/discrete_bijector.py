"""What the bijectors of discrete events have in common."""

import tensorflow as tf
import tensorflow_probability as tfp

tfb = tfp.bijectors


def zero_log_det(x):
  """Returns the log-det of a discrete bijection: 0, float32 at the least."""
  return tf.zeros([], tf.float64 if x.dtype == tf.float64 else tf.float32)


class DiscreteBijector(tfb.Bijector):
  """Abstract permutation of discrete events; it has no volume term.

  Its Jacobian is not called constant, though its log-det is: TFP would take the
  bijector for affine, and for the mean of a transformed distribution what it
  makes of the mean of the base. So that has no mean, and no other moment.

  Args:
    event_ndims: Python `int`, the rank of an event.
    **kwargs: As for `tfb.Bijector`.
  """

  def __init__(self, event_ndims, **kwargs):
    super().__init__(forward_min_event_ndims=event_ndims, **kwargs)

  def _forward_log_det_jacobian(self, x):
    return zero_log_det(x)

  def _inverse_log_det_jacobian(self, y):
    return zero_log_det(y)
