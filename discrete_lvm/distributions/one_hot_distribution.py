"""What the categorical distributions over one-hot vectors have in common."""

import abc

import tensorflow as tf
from tensorflow_probability.python.distributions import distribution
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.distributions import logits_or_probs
from discrete_lvm.distributions import parameters as parameters_lib
from discrete_lvm.ops import floats
from discrete_lvm.ops import numerics
from discrete_lvm.ops import shapes


class OneHotDistribution(
    logits_or_probs.LogitsOrProbs,
    distribution.DiscreteDistributionMixin,
    distribution.AutoCompositeTensorDistribution,
):
  """Abstract categorical distribution over one-hot vectors, all but `sample`.

  Args:
    logits: Floating `Tensor` or variable, shape `[..., K]`, or None.
    probs: Floating `Tensor` or variable, shape `[..., K]`, or None.
    **kwargs: As for `tfd.Distribution`.

  Raises:
    ValueError: If not exactly one of `logits` and `probs` is given, or the
      given one is not floating or has no static `K` of at least 1, or if the
      last axis of an event is not `K`.
    tf.errors.InvalidArgumentError: If it is not, and not static.
  """

  def __init__(self, logits, probs, **kwargs):
    parameters_lib.check_exactly_one(logits, probs)
    self._logits = tensor_util.convert_nonref_to_tensor(
        logits, dtype_hint=tf.float32, name='logits'
    )
    self._probs = tensor_util.convert_nonref_to_tensor(
        probs, dtype_hint=tf.float32, name='probs'
    )
    super().__init__(**kwargs)

  @abc.abstractmethod
  def _sample_n(self, n, seed=None):
    """Draws exact one-hot samples, shape `[n, ..., K]`."""

  def _float_logits(self):
    if self._logits is None:
      return ops.safe_log(floats.at_least_float32(self._probs))
    return floats.at_least_float32(self._logits)

  def _log_prob(self, x):
    x = shapes.ensure_last(x, self.event_shape)
    return ops.one_hot_log_prob(x, self._float_logits())

  def _entropy(self):
    return ops.categorical_entropy(self._float_logits())

  def _mode(self):
    return ops.one_hot_argmax(self._float_logits(), dtype=self.dtype)

  def _float_probs(self):
    if self._probs is None:
      return numerics.softmax(floats.at_least_float32(self._logits))
    return floats.at_least_float32(self._probs)

  def _mean(self):
    return self._float_probs()

  def _variance(self):
    probs = self._mean()
    return probs * (1 - probs)

  def _covariance(self):
    probs = self._mean()
    outer = probs[..., :, tf.newaxis] * probs[..., tf.newaxis, :]
    return tf.linalg.diag(probs) - outer

  def _event_shape(self):
    return self._given_parameter()[0].shape[-1:]

  def _event_shape_tensor(self):
    return tf.shape(self._given_parameter()[0])[-1:]

  def _default_event_space_bijector(self):
    return None

  def _parameter_control_dependencies(self, is_init):
    parameter, name = self._given_parameter()
    if is_init:
      parameters_lib.check_floating(parameter, name)
      ops.static_num_classes(parameter, name)
    # What a variable holds is checked at each use, a constant once.
    if not self.validate_args or is_init == tensor_util.is_ref(parameter):
      return []
    if name == 'logits':
      return parameters_lib.logits_assertions(parameter)
    return parameters_lib.probs_assertions(parameter)

  def _sample_control_dependencies(self, x):
    if not x.shape[-1:].is_compatible_with(self.event_shape):
      raise ValueError(
          f'Expected an event of shape [..., {self.event_shape[0]}]; received '
          f'shape {x.shape}.'
      )
    if not self.validate_args:
      return []
    return [
        tf.debugging.Assert(
            tf.reduce_all(ops.is_one_hot(x)),
            data=['Expected a one-hot event; received:', x],
        )
    ]
