"""The Bernoulli distribution of pixels."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.distributions import distribution
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.distributions import logits_or_probs
from discrete_lvm.distributions import parameters as parameters_lib
from discrete_lvm.ops import floats


class Bernoulli(
    logits_or_probs.LogitsOrProbs,
    distribution.DiscreteDistributionMixin,
    distribution.AutoCompositeTensorDistribution,
):
  """Bernoulli distribution over floats 0 and 1: a pixel likelihood.

  `log_prob(x) = x * logits - softplus(logits)`, which is also the negative
  cross-entropy of a grey level `x` in [0, 1] taken as a mean. It is that of
  `tfd.Bernoulli` in half the passes over memory, which is most of the time that
  a bound of many samples takes. Where there is a choice give `logits`, which
  take less time than `probs` and tell those close to 1 apart.

  Args:
    logits: Floating `Tensor` or variable, any shape: `log(p / (1 - p))` in
      nats, finite. Exactly one of `logits` and `probs`.
    probs: Floating `Tensor` or variable, any shape, in [0, 1]: of the value 1.
    validate_args: Python `bool`: whether to check that logits are finite, and
      probs and events in [0, 1] (not under XLA, which drops assertions).
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If not exactly one of `logits` and `probs` is given, or it is
      not floating.
    tf.errors.InvalidArgumentError: Under `validate_args`, if logits are not
      finite, or a probability or an event lies outside [0, 1].

  Example:
    >>> d = dlvm.distributions.Bernoulli(logits=[0., 2.])
    >>> print(d.log_prob([1., 0.]).numpy().round(4))
    [-0.6931 -2.1269]
  """

  def __init__(
      self, logits=None, probs=None, validate_args=False, name='Bernoulli'
  ):
    parameters = dict(locals())
    parameters_lib.check_exactly_one(logits, probs)
    with tf.name_scope(name) as name:
      self._logits = tensor_util.convert_nonref_to_tensor(
          logits, dtype_hint=tf.float32, name='logits'
      )
      self._probs = tensor_util.convert_nonref_to_tensor(
          probs, dtype_hint=tf.float32, name='probs'
      )
      parameter, _ = self._given_parameter()
      wide = tf.float64 if parameter.dtype == tf.float64 else tf.float32
      super().__init__(
          # Half precision would round the sum over the pixels.
          dtype=wide,
          reparameterization_type=tfp.distributions.NOT_REPARAMETERIZED,
          validate_args=validate_args,
          # No statistic is undefined.
          allow_nan_stats=True,
          parameters=parameters,
          name=name,
      )

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {
        'logits': tfp.util.ParameterProperties(),
        'probs': tfp.util.ParameterProperties(
            default_constraining_bijector_fn=tfp.bijectors.Sigmoid,
            is_preferred=False,
        ),
    }

  def _event_shape(self):
    return tf.TensorShape([])

  def _event_shape_tensor(self):
    return tf.zeros([0], tf.int32)

  def _default_event_space_bijector(self):
    return None

  def _float_logits(self):
    if self._logits is None:
      log_p, log_not_p = self._log_probs()
      return log_p - log_not_p
    return floats.at_least_float32(self._logits)

  def _log_probs(self):
    """Returns the logarithms of `probs` and of what is left to one."""
    probs = floats.at_least_float32(self._probs)
    return ops.safe_log(probs), ops.safe_log(1 - probs)

  def _log_prob(self, x):
    x = tf.cast(x, self.dtype)
    if self._logits is None:
      log_p, log_not_p = self._log_probs()
      return tf.math.multiply_no_nan(log_p, x) + tf.math.multiply_no_nan(
          log_not_p, 1 - x
      )
    logits = self._float_logits()
    return x * logits - tf.nn.softplus(logits)

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='Bernoulli')
    logits = self._float_logits()
    shape = tf.concat([[n], tf.shape(logits)], axis=0)
    noise = tf.cast(ops.logistic(shape, seed), self.dtype)
    return tf.cast(logits + noise > 0, self.dtype)

  def _float_probs(self):
    if self._logits is None:
      return floats.at_least_float32(self._probs)
    return tf.sigmoid(self._float_logits())

  def _mean(self):
    return self._float_probs()

  def _variance(self):
    if self._logits is None:
      return self._mean() * (1 - self._mean())
    logits = self._float_logits()
    return tf.sigmoid(logits) * tf.sigmoid(-logits)

  def _mode(self):
    return tf.cast(self._float_logits() > 0, self.dtype)

  def _entropy(self):
    # The log-mass is linear in the event.
    return -self._log_prob(self._mean())

  def _parameter_control_dependencies(self, is_init):
    parameter, name = self._given_parameter()
    if is_init:
      parameters_lib.check_floating(parameter, name)
    # What a variable holds is checked at each use, a constant once.
    if not self.validate_args or is_init == tensor_util.is_ref(parameter):
      return []
    if self._logits is None:
      probs = tf.convert_to_tensor(self._probs)
      return [
          tf.debugging.Assert(
              tf.reduce_all((probs >= 0) & (probs <= 1)),
              data=['Expected `probs` in [0, 1]; received:', probs],
          )
      ]
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
