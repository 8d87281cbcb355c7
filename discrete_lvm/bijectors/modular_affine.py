"""Location and scale modulo `K`, on one-hot vectors."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.bijectors import discrete_bijector
from discrete_lvm.ops import assertions as assertions_lib


class ModularAffine(discrete_bijector.DiscreteBijector):
  """Computes `y = (scale * x + shift) mod K` on one-hot vectors, event `[K]`.

  It permutes the `K` classes: `forward` and `inverse` are exact, in any dtype,
  and there is no volume term. Gradients are those of the multilinear extension,
  also in `shift` and `scale`; to train logits, let `ops.softmax_argmax` make
  one-hot vectors of them (of a variable through `tfp.util.DeferredTensor`).

  Args:
    shift: Real one-hot `Tensor`, variable or `tfp.util.DeferredTensor`, shape
      `[..., K]`.
    scale: `Tensor` like `shift`, of residues coprime with `K`; None is 1.
    validate_args: Python `bool`: whether to check the values of parameters and
      events (not under XLA, which drops assertions). What it returns is
      one-hot, whatever the events, so of a stack it is for the map nearest the
      data.
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If `K` is not static or below 2, or differs between parameters
      and events.
    tf.errors.InvalidArgumentError: Under `validate_args`, if a parameter or an
      event is not one-hot, or if a scale has no inverse modulo `K`.

  Example:
    >>> bijector = dlvm.bijectors.ModularAffine(
    ...     shift=tf.one_hot(5, 10), scale=tf.one_hot(3, 10))
    >>> y = bijector.forward(tf.one_hot(4, 10))
    >>> int(tf.argmax(y))  # (3 * 4 + 5) % 10.
    7

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 4.
  """

  def __init__(
      self, shift, scale=None, validate_args=False, name='ModularAffine'
  ):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._shift = tensor_util.convert_nonref_to_tensor(
          shift, dtype_hint=tf.float32, name='shift'
      )
      self._scale = tensor_util.convert_nonref_to_tensor(
          scale, dtype_hint=tf.float32, name='scale'
      )
      for parameter, key in ((self._shift, 'shift'), (self._scale, 'scale')):
        if parameter is not None:
          ops.static_num_classes(parameter, key, minimum=2)
      super().__init__(
          event_ndims=1,
          validate_args=validate_args,
          parameters=parameters,
          name=name,
      )

  @classmethod
  def _parameter_properties(cls, dtype):
    return {
        'shift': tfp.util.ParameterProperties(event_ndims=1),
        'scale': tfp.util.ParameterProperties(event_ndims=1),
    }

  @property
  def shift(self):
    """The argument `shift`."""
    return self._shift

  @property
  def scale(self):
    """The argument `scale`."""
    return self._scale

  def _forward(self, x):
    return ops.one_hot_affine(self._checked(x), *self._parameters_like(x))

  def _inverse(self, y):
    return ops.one_hot_affine_inverse(
        self._checked(y), *self._parameters_like(y)
    )

  def _checked(self, x):
    ops.static_num_classes(x, 'event', minimum=2)
    if not self.validate_args:
      return x
    with tf.control_dependencies(assertions_lib.one_hot_assertions(x, 'event')):
      return tf.identity(x)

  def _parameters_like(self, x):
    return [
        None if parameter is None else tf.cast(parameter, x.dtype)
        for parameter in (self._shift, self._scale)
    ]

  def _parameter_control_dependencies(self, is_init):
    assertions = []
    for parameter, name in ((self._shift, 'shift'), (self._scale, 'scale')):
      # What a variable holds is checked at each use, a constant once.
      if (
          self.validate_args
          and parameter is not None
          and is_init != tensor_util.is_ref(parameter)
      ):
        parameter = tf.convert_to_tensor(parameter)
        assertions += assertions_lib.one_hot_assertions(parameter, name)
        if name == 'scale':
          assertions.append(_invertible_assertion(parameter))
    return assertions


def _invertible_assertion(scale):
  codes = tf.argmax(scale, axis=-1)
  invertible = tf.gather(ops.invertible_scales(scale.shape[-1]), codes)
  return tf.debugging.Assert(
      tf.reduce_all(invertible),
      [f'Expected a `scale` coprime with {scale.shape[-1]}; received:', codes],
  )
