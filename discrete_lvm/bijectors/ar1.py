"""The map from independent innovations to a stationary AR(1) sequence."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.ops import ar1
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes

tfb = tfp.bijectors


class AR1(tfb.AutoCompositeTensorBijector):
  """Drives a stationary AR(1) sequence of unit variance by its innovations.

      forward:  z_1 = u_1,  z_t = alpha * z_{t-1} + sqrt(1 - alpha**2) * u_t

  Of independent standard normal numbers it makes `distributions.GaussianAR1`;
  of a law that differs from them, one that differs from that in as much as was
  learned, as the auxiliary prior of a delta-VAE.

  Args:
    alpha: Floating `Tensor` or variable in (-1, 1), shape `[..., dim]`.
    validate_args: Python `bool`, as for `tfb.Bijector`.
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If `alpha` has no dimension or is statically not in (-1, 1), if
      a sequence is of another `dim`, or in `forward`, if its length is not
      static.
    tf.errors.InvalidArgumentError: If a sequence is of another `dim` that is
      not static.

  Example:
    >>> bijector = dlvm.bijectors.AR1([.6])
    >>> print(bijector.forward([[1.], [1.]]).numpy()[:, 0].round(3))
    [1.  1.4]
    >>> # Here it is the logarithm of .8.
    >>> print(f'{bijector.forward_log_det_jacobian([[1.], [1.]]):.4f}')
    -0.2231
  """

  def __init__(self, alpha, validate_args=False, name='AR1'):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._alpha = tensor_util.convert_nonref_to_tensor(
          alpha, dtype_hint=tf.float32, name='alpha'
      )
      if not self._alpha.shape.rank or self._alpha.shape[-1] is None:
        raise ValueError(
            'Expected `alpha` of shape [..., dim] with a static dim; received '
            f'shape {self._alpha.shape}.'
        )
      if not tensor_util.is_ref(self._alpha):
        ar1.check_alpha(self._alpha)
      super().__init__(
          forward_min_event_ndims=2,
          is_constant_jacobian=True,
          validate_args=validate_args,
          parameters=parameters,
          name=name,
      )

  @property
  def alpha(self):
    """The argument `alpha`."""
    return self._alpha

  @classmethod
  def _parameter_properties(cls, dtype):
    return {
        'alpha': tfp.util.ParameterProperties(
            event_ndims=1,
            default_constraining_bijector_fn=tfb.Tanh,
        )
    }

  def _forward(self, x):
    x = self._checked(x)
    return ops.ar1_from_innovations(x, tf.convert_to_tensor(self._alpha))

  def _inverse(self, y):
    y = self._checked(y)
    return ops.ar1_innovations(y, tf.convert_to_tensor(self._alpha))

  def _forward_log_det_jacobian(self, x):
    x = self._checked(x)
    alpha, _ = floats.common_floats(self._alpha, x)
    log_noise_scale = ar1.log_noise_variance(alpha) / 2
    num_jumps = tf.cast(tf.shape(x)[-2] - 1, alpha.dtype)
    return num_jumps * tf.reduce_sum(log_noise_scale, axis=-1)

  def _checked(self, x):
    dim = self._alpha.shape[-1:]
    if not x.shape[-1:].is_compatible_with(dim):
      raise ValueError(
          'Expected a sequence of shape [..., length, '
          f'{self._alpha.shape[-1]}]; received shape {x.shape}.'
      )
    return shapes.ensure_last(x, dim)
