"""The relaxed Bernoulli law, on the unit interval."""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm.distributions import binary_relaxation
from discrete_lvm.distributions import logit_relaxed_bernoulli
from discrete_lvm.ops import floats


class RelaxedBernoulli(binary_relaxation.BinaryRelaxation):
  """Relaxed Bernoulli (BinConcrete) law on (0, 1).

  A sample is `sigmoid((logits + noise) / temperature)` with standard logistic
  noise: the first coordinate of a Gumbel-Softmax sample with the logits
  `[logits, 0]`, and the same density.

  A sample rounds to 0 or 1 at a low temperature, and its density is lost with
  it. `experimental_sample_and_log_prob` goes through the logit of the sample
  and is finite regardless, as is everything in `to_logit_space()`. `log_prob`
  of a bare value is exact as long as the value holds the information; close to
  1 that is to the spacing of floats there. At 0 (or below the smallest normal
  number) and at 1 it is the limit: +inf at temperatures below 1, -inf above,
  finite at it, and an error under `validate_args`. Off [0, 1] the density is 0.

  `log_prob` is float32 at the least; samples have the dtype of the parameters.

  Args:
    temperature: As for `LogitRelaxedBernoulli`, cast to float32 at the least.
    logits: Floating `Tensor` or variable, shape `[...]`, log-odds in nats; inf
      and -inf are a probability of one and zero. Exactly one of `logits` and
      `probs`.
    probs: Floating `Tensor` or variable, shape `[...]`, of the value 1.
    validate_args: Whether to check, at run time, that `temperature` is
      positive, `logits` not NaN, `probs` in [0, 1] and samples inside (0, 1).
    allow_nan_stats: As for `tfd.Distribution`; no statistic here is NaN.
    name: Python `str`, name of the distribution.

  Raises:
    ValueError: If not exactly one of `logits` and `probs` is given, or it is
      not floating; if `temperature` is statically not positive or does not
      match.
    NotImplementedError: By `mode`, `mean`, `variance` and `entropy`, which have
      no closed form. The message names what to use instead.

  Example:
    >>> q = RelaxedBernoulli(.5, probs=[.1, .9])
    >>> print(q.cdf(.5).numpy().round(3))  # Rounding gives the Bernoulli law.
    [0.9 0.1]

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
      name='RelaxedBernoulli',
  ):
    parameters = dict(locals())
    super().__init__(
        temperature,
        logits,
        probs,
        unbounded=False,
        validate_args=validate_args,
        allow_nan_stats=allow_nan_stats,
        parameters=parameters,
        name=name,
    )

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return binary_relaxation.parameter_properties(dtype)

  def to_logit_space(self):
    """Returns the law of the logit of a sample, a `LogitRelaxedBernoulli`.

    Its parameters are those of this distribution, by reference.
    """
    return logit_relaxed_bernoulli.LogitRelaxedBernoulli(
        self._temperature,
        logits=self._logits,
        probs=self._probs,
        validate_args=self.validate_args,
        allow_nan_stats=self.allow_nan_stats,
    )

  def _sample_n(self, n, seed=None):
    return self._sigmoid(self.to_logit_space().sample(n, seed=seed))

  def _sample_and_log_prob(self, sample_shape, seed):
    u, log_prob = self.to_logit_space().experimental_sample_and_log_prob(
        sample_shape, seed=seed
    )
    # The Jacobian of the logit, 1 / (x (1 - x)).
    log_jacobian = -tf.math.log_sigmoid(u) - tf.math.log_sigmoid(-u)
    return self._sigmoid(u), log_prob + log_jacobian

  def _sigmoid(self, u):
    return tf.cast(tf.sigmoid(u), self.dtype)

  def _log_prob(self, x):
    x = tf.cast(x, self._float_dtype)
    # Subnormal numbers have few digits left, and some kernels flush them.
    at_zero = x < np.finfo(x.dtype.as_numpy_dtype).tiny
    at_end = at_zero | (x >= 1)
    inside = tf.where(at_end, tf.constant(0.5, x.dtype), x)
    log_x, log_not_x = tf.math.log(inside), tf.math.log1p(-inside)
    log_density = self.to_logit_space().log_prob(log_x - log_not_x)
    log_density -= log_x + log_not_x
    log_density = tf.where(at_end, self._log_prob_at_end(at_zero), log_density)
    return tf.where(
        (x < 0) | (x > 1), tf.constant(-math.inf, x.dtype), log_density
    )

  def _log_prob_at_end(self, at_zero):
    temperature, logits = self._float_temperature(), self._float_logits()
    toward = tf.where(at_zero, -logits, logits)
    # +-inf times the rate, and 0 where it is 0.
    limit = tf.math.multiply_no_nan(
        tf.constant(math.inf, logits.dtype), tf.stop_gradient(1 - temperature)
    )
    # A probability of one leaves an atom, whatever the temperature.
    return tf.where(
        tf.math.is_inf(toward),
        toward,
        tf.math.log(temperature) + toward + limit,
    )

  def _log_cdf(self, x):
    log_cdf = self.to_logit_space().log_cdf(_logit(x))
    return _below_zero(x, -math.inf, log_cdf)

  def _cdf(self, x):
    return _below_zero(x, 0.0, self.to_logit_space().cdf(_logit(x)))

  def _log_survival_function(self, x):
    log_survival = self.to_logit_space().log_survival_function(_logit(x))
    return _below_zero(x, 0.0, log_survival)

  def _survival_function(self, x):
    survival = self.to_logit_space().survival_function(_logit(x))
    return _below_zero(x, 1.0, survival)

  def _quantile(self, p):
    return self._sigmoid(self.to_logit_space().quantile(p))

  def _mode(self):
    self._no_closed_form('mode', '`to_bernoulli().mode()`')

  def _mean(self):
    self._no_closed_form('mean', '`to_bernoulli().mean()`')

  def _variance(self):
    self._no_closed_form('variance', '`to_bernoulli().variance()`')

  def _entropy(self):
    self._no_closed_form(
        'entropy',
        '`to_bernoulli().entropy()`, `to_logit_space().entropy()`, or the mean '
        'of `-log_prob` from `experimental_sample_and_log_prob`',
    )

  def _default_event_space_bijector(self):
    return tfp.bijectors.Sigmoid(validate_args=self.validate_args)

  def _sample_control_dependencies(self, x):
    if not self.validate_args:
      return []
    return [
        tf.debugging.Assert(
            tf.reduce_all((x > 0) & (x < 1)),
            data=[
                'Expected values inside (0, 1); where one has rounded to its '
                'end, take the log_prob of its logit by `to_logit_space()`; '
                'received:',
                x,
            ],
        )
    ]


def _logit(x):
  """Returns the logit, which is -inf at 0 and below, inf at 1 and above."""
  x = floats.at_least_float32(x)
  at_end = (x <= 0) | (x >= 1)
  inside = tf.where(at_end, tf.constant(0.5, x.dtype), x)
  infinity = tf.constant(math.inf, x.dtype)
  return tf.where(
      at_end,
      tf.where(x <= 0, -infinity, infinity),
      tf.math.log(inside) - tf.math.log1p(-inside),
  )


def _below_zero(x, value, otherwise):
  """Returns `value` below 0: at 0 there may be an atom, of probability one."""
  return tf.where(
      tf.convert_to_tensor(x) < 0,
      tf.constant(value, otherwise.dtype),
      otherwise,
  )
