"""The Bernoulli distribution of pixels."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.distributions import distribution
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.distributions import parameters as parameters_lib
from discrete_lvm.ops import floats


class Bernoulli(
    distribution.DiscreteDistributionMixin,
    distribution.AutoCompositeTensorDistribution,
):
  """Bernoulli distribution over floats 0 and 1, by logits: a pixel likelihood.

  `log_prob(x) = x * logits - softplus(logits)`, which is also the negative
  cross-entropy of a grey level `x` in [0, 1] taken as a mean. It is that of
  `tfd.Bernoulli` in half the passes over memory, which is most of the time that
  a bound of many samples takes.

  Args:
    logits: Floating `Tensor` or variable, any shape: `log(p / (1 - p))` in
      nats, finite.
    validate_args: Python `bool`: whether to check that logits are finite and
      events in [0, 1] (not under XLA, which drops assertions).
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If `logits` is not floating.
    tf.errors.InvalidArgumentError: Under `validate_args`, if logits are not
      finite or an event lies outside [0, 1].

  Example:
    >>> d = dlvm.distributions.Bernoulli(logits=[0., 2.])
    >>> print(d.log_prob([1., 0.]).numpy().round(4))
    [-0.6931 -2.1269]
  """

  def __init__(self, logits, validate_args=False, name='Bernoulli'):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._logits = tensor_util.convert_nonref_to_tensor(
          logits, dtype_hint=tf.float32, name='logits'
      )
      super().__init__(
          # Half precision would round the sum over the pixels.
          dtype=floats.at_least_float32(self._logits).dtype,
          reparameterization_type=tfp.distributions.NOT_REPARAMETERIZED,
          validate_args=validate_args,
          # No statistic is undefined.
          allow_nan_stats=True,
          parameters=parameters,
          name=name,
      )

  @property
  def logits(self):
    """The argument `logits`."""
    return self._logits

  def logits_parameter(self, name='logits_parameter'):
    """Returns the logits, float32 at the least."""
    with self._name_and_control_scope(name):
      return self._float_logits()

  def probs_parameter(self, name='probs_parameter'):
    """Returns the probabilities of a 1, float32 at the least."""
    with self._name_and_control_scope(name):
      return self._mean()

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {'logits': tfp.util.ParameterProperties()}

  def _event_shape(self):
    return tf.TensorShape([])

  def _event_shape_tensor(self):
    return tf.zeros([0], tf.int32)

  def _default_event_space_bijector(self):
    return None

  def _float_logits(self):
    return floats.at_least_float32(self._logits)

  def _log_prob(self, x):
    logits = self._float_logits()
    return tf.cast(x, self.dtype) * logits - tf.nn.softplus(logits)

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='Bernoulli')
    logits = self._float_logits()
    shape = tf.concat([[n], tf.shape(logits)], axis=0)
    noise = tf.cast(ops.logistic(shape, seed), self.dtype)
    return tf.cast(logits + noise > 0, self.dtype)

  def _mean(self):
    return tf.sigmoid(self._float_logits())

  def _variance(self):
    logits = self._float_logits()
    return tf.sigmoid(logits) * tf.sigmoid(-logits)

  def _mode(self):
    return tf.cast(self._float_logits() > 0, self.dtype)

  def _entropy(self):
    logits = self._float_logits()
    return tf.nn.softplus(logits) - logits * tf.sigmoid(logits)

  def _parameter_control_dependencies(self, is_init):
    if is_init:
      parameters_lib.check_floating(self._logits, 'logits')
    # What a variable holds is checked at each use, a constant once.
    if not self.validate_args or is_init == tensor_util.is_ref(self._logits):
      return []
    return [
        tf.debugging.assert_all_finite(self._logits, 'Expected finite `logits`')
    ]

  def _sample_control_dependencies(self, x):
    if not self.validate_args:
      return []
    x = tf.cast(x, self.dtype)
    return [
        tf.debugging.Assert(
            tf.reduce_all((x >= 0) & (x <= 1)),
            data=['Expected events in [0, 1]; received:', x],
        )
    ]
