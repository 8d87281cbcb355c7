"""The real vectors onto the simplex, with the volume of its coordinates."""

import tensorflow_probability as tfp
from tensorflow_probability.python.internal import prefer_static as ps


class SimplexBijector(tfp.bijectors.SoftmaxCentered):
  """`softmax([u, 0])`, whose volume is that of the first `K - 1` coordinates.

  That is the measure of the density of `GumbelSoftmax`. TFP's has the area of
  the surface in `K` dimensions, which is larger by `sqrt(K)` everywhere.

  Args:
    validate_args: Python `bool`, as for `tfb.SoftmaxCentered`.
    name: Python `str`, prefix of the ops.

  Example:
    >>> from discrete_lvm.distributions import simplex_bijector
    >>> bijector = simplex_bijector.SimplexBijector()
    >>> # At [1/2, 1/2] the slope of a sigmoid is 1/4.
    >>> print(tf.exp(bijector.forward_log_det_jacobian([0.])).numpy())
    0.25
  """

  def __init__(self, validate_args=False, name='simplex_bijector'):
    super().__init__(validate_args=validate_args, name=name)

  def _inverse_log_det_jacobian(self, y):
    num_classes = ps.cast(ps.shape(y)[-1], y.dtype)
    return super()._inverse_log_det_jacobian(y) + 0.5 * ps.log(num_classes)

  def _forward_log_det_jacobian(self, x):
    num_classes = ps.cast(1 + ps.shape(x)[-1], x.dtype)
    return super()._forward_log_det_jacobian(x) - 0.5 * ps.log(num_classes)
