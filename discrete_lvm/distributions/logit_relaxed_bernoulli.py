"""The law of the logit of a relaxed Bernoulli sample."""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops
from discrete_lvm.distributions import binary_relaxation
from discrete_lvm.ops import temperatures


class LogitRelaxedBernoulli(binary_relaxation.BinaryRelaxation):
  """Law of the logit of a relaxed Bernoulli (BinConcrete) sample.

  A sample is `(logits + noise) / temperature` with standard logistic noise, so
  that the law is `tfd.Logistic(logits / temperature, 1 / temperature)`. Its
  sigmoid has the law `RelaxedBernoulli`. Stay in logit space wherever a density
  is wanted: this one is finite for all its samples, at any temperature, where
  the unit interval underflows. A divergence between two such laws is the same
  in either space.

  The noise has full tails, up to 23 either way (`tfd.Logistic` draws uniforms
  on a grid, whose upper tail stops at 16). Noise, samples and densities are
  float32 at the least, so that parameters may be bfloat16 or float16.

  Args:
    temperature: Positive floating `Tensor` or variable, of shape `[]` or of the
      rank of `logits`, with equal or unit dimensions; logits of shape `[]` take
      one of any shape. Cast to the dtype of the samples.
    logits: Floating `Tensor` or variable, shape `[...]`, log-odds in nats; inf
      and -inf are a probability of one and zero. Exactly one of `logits` and
      `probs`.
    probs: Floating `Tensor` or variable, shape `[...]`, of the value 1.
    validate_args: Whether to check, at run time, that `temperature` is
      positive, `logits` not NaN, `probs` in [0, 1] and samples finite.
    allow_nan_stats: As for `tfd.Distribution`; no statistic here is NaN.
    name: Python `str`, name of the distribution.

  Raises:
    ValueError: If not exactly one of `logits` and `probs` is given, or it is
      not floating; if `temperature` is statically not positive or does not
      match.

  Example:
    >>> q = LogitRelaxedBernoulli(1e-3, probs=[.1, .9])
    >>> u, log_q = q.experimental_sample_and_log_prob(seed=[0, 1])
    >>> bool(tf.reduce_all(tf.math.is_finite(log_q)))
    True

  References:
    Chris J. Maddison, Andriy Mnih, Yee Whye Teh. The Concrete Distribution.
    ICLR 2017. https://arxiv.org/abs/1611.00712. Appendix B.
  """

  def __init__(
      self,
      temperature,
      logits=None,
      probs=None,
      validate_args=False,
      allow_nan_stats=True,
      name='LogitRelaxedBernoulli',
  ):
    parameters = dict(locals())
    super().__init__(
        temperature,
        logits,
        probs,
        unbounded=True,
        validate_args=validate_args,
        allow_nan_stats=allow_nan_stats,
        parameters=parameters,
        name=name,
    )

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return binary_relaxation.parameter_properties(dtype)

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='logit_relaxed_bernoulli')
    shape = tf.concat([[n], self.batch_shape_tensor()], axis=0)
    noise = tf.cast(ops.logistic(shape, seed), self.dtype)
    return temperatures.divide(
        self._float_logits() + noise, self._float_temperature()
    )

  def _log_prob(self, u):
    logits = self._float_logits()
    impossible = tf.math.is_inf(logits)
    u = tf.cast(u, self.dtype)
    zero = tf.zeros_like(logits)
    safe_u = tf.where(impossible, zero, u)
    z = self._float_temperature() * safe_u - tf.where(impossible, zero, logits)
    log_density = (
        tf.math.log(self._float_temperature())
        + tf.math.log_sigmoid(z)
        + tf.math.log_sigmoid(-z)
    )
    infinity = tf.constant(math.inf, self.dtype)
    atom = tf.where(tf.equal(u, logits), infinity, -infinity)
    return tf.where(impossible, atom, log_density)

  def _log_cdf(self, u):
    return tf.math.log_sigmoid(self._cdf_score(u))

  def _cdf(self, u):
    return tf.sigmoid(self._cdf_score(u))

  def _log_survival_function(self, u):
    return tf.math.log_sigmoid(-self._cdf_score(u))

  def _survival_function(self, u):
    return tf.sigmoid(-self._cdf_score(u))

  def _cdf_score(self, u):
    u, logits = tf.cast(u, self.dtype), self._float_logits()
    # At the atom of an infinite logit, inf - inf would be NaN; and elsewhere an
    # infinity times the zero slope of a sigmoid, in the gradient.
    at_end = tf.math.is_inf(u)
    at_atom = at_end & tf.equal(u, logits)
    score = self._float_temperature() * tf.where(at_end, tf.zeros_like(u), u)
    score -= tf.where(at_atom, tf.constant(-math.inf, self.dtype), logits)
    return tf.where(at_end & ~at_atom, u, score)

  def _quantile(self, p):
    p = tf.cast(p, self.dtype)
    logits = self._float_logits()
    # Of an atom, every quantile is that atom.
    logistic = tf.where(
        tf.math.is_inf(logits),
        tf.zeros_like(p),
        tf.math.log(p) - tf.math.log1p(-p),
    )
    return temperatures.divide(logits + logistic, self._float_temperature())

  def _mean(self):
    return temperatures.divide(self._float_logits(), self._float_temperature())

  def _mode(self):
    return self._mean()

  def _stddev(self):
    return self._broadcast(math.pi / math.sqrt(3) / self._float_temperature())

  def _variance(self):
    return tf.square(self._stddev())

  def _entropy(self):
    return self._broadcast(2 - tf.math.log(self._float_temperature()))

  def _default_event_space_bijector(self):
    return tfp.bijectors.Identity(validate_args=self.validate_args)

  def _sample_control_dependencies(self, u):
    if not self.validate_args:
      return []
    return [
        tf.debugging.Assert(
            tf.reduce_all(tf.math.is_finite(u)),
            data=['Expected a finite logit; received:', u],
        )
    ]

  def _broadcast(self, x):
    return tf.broadcast_to(x, self.batch_shape_tensor())
