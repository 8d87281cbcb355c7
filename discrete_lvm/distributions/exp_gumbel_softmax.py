"""The law of the logarithm of a Gumbel-Softmax sample."""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops
from discrete_lvm.distributions import categorical_relaxation
from discrete_lvm.distributions import parameters as parameters_lib
from discrete_lvm.distributions import simplex_bijector
from discrete_lvm.ops import shapes
from discrete_lvm.ops import temperatures


def gumbel_softmax_log_density(
    y,
    logits,
    temperature,
    log_space=True,
    name='gumbel_softmax_log_density',
):
  """Computes the log-density of a Gumbel-Softmax law from the log of a sample.

  In log space it is `log (K-1)! + (K-1) log T + sum(log_softmax(logits - T y))`
  and on the simplex less by `sum(y)`. It is finite for every finite `y`.

  Where `m < K` coordinates of `y` are -inf, it is the limit as they tend to
  -inf together: -inf in log space; on the simplex +inf if `T (K - m) < m`, -inf
  if `T (K - m) > m`, and finite where they are equal. A class of probability
  zero leaves a law on a face of the simplex, whose density is +inf on the face
  and -inf off it. At a point of the simplex it is never NaN.

  Args:
    y: Floating `Tensor`, shape `[..., K]`, the logarithm of a point of the
      simplex.
    logits: `Tensor` of the dtype of `y`, shape `[..., K]`.
    temperature: Positive `Tensor` of the dtype of `y`, shape `[]` or
      `[..., 1]`.
    log_space: Whether to return the density of `y`, with respect to Lebesgue
      measure on the log-ratios `y[:-1] - y[-1]`, or that of `exp(y)`, with
      respect to Lebesgue measure on its first `K - 1` coordinates.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `y`, shape `[...]`, in nats.

  Raises:
    ValueError: If `K` is not static.

  Example:
    >>> half = tf.math.log([.5, .5])
    >>> log_density = gumbel_softmax_log_density(
    ...     half, tf.zeros([2]), tf.ones([]), log_space=False)
    >>> print(f'{log_density:.4f}')  # K = 2, T = 1: uniform on (0, 1).
    0.0000

  References:
    Chris J. Maddison, Andriy Mnih, Yee Whye Teh. The Concrete Distribution.
    ICLR 2017. https://arxiv.org/abs/1611.00712. Equation 10, Appendix C.3.
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Appendix B.
  """
  with tf.name_scope(name):
    num_classes = ops.static_num_classes(y, 'y')
    lost = tf.equal(y, -math.inf)
    impossible = tf.equal(logits, -math.inf)
    logits = tf.where(impossible, tf.zeros_like(logits), logits)
    # Subtracted exactly where the coordinates are close, which is where `T` is
    # large: there `T * y` itself would round away what tells them apart.
    largest = tf.stop_gradient(tf.reduce_max(y, axis=-1, keepdims=True))
    y = tf.where(lost, largest, y)
    scores = logits - temperature * (y - largest)
    # A common offset cancels, but not its rounding, of which there are K.
    scores -= tf.stop_gradient(tf.reduce_max(scores, axis=-1, keepdims=True))
    # As lost coordinates tend to -inf, their scores outgrow all others.
    num_lost = tf.reduce_sum(tf.cast(lost, y.dtype), axis=-1)
    leading = lost | tf.equal(num_lost, 0)[..., tf.newaxis]
    log_sum = tf.reduce_logsumexp(
        tf.where(leading, scores, tf.constant(-math.inf, y.dtype)),
        axis=-1,
        keepdims=True,
    )
    # Spread over the classes, as the sum of a large K would cancel it.
    constant = (
        math.lgamma(num_classes) + (num_classes - 1) * tf.math.log(temperature)
    ) / num_classes
    log_density = tf.reduce_sum(scores - (log_sum - constant), axis=-1)
    rate = -_drop_column(temperature) * (num_classes - num_lost)
    if not log_space:
      log_density -= tf.reduce_sum(y, axis=-1)
      rate += num_lost
    # +-inf times the rate, and 0 where it is 0.
    limit = tf.math.multiply_no_nan(tf.constant(math.inf, y.dtype), rate)
    zero = tf.zeros([], y.dtype)
    log_density += tf.stop_gradient(tf.where(num_lost > 0, limit, zero))
    return _override_on_faces(log_density, lost, impossible)


def _drop_column(temperature):
  return temperature[..., 0] if temperature.shape.rank else temperature


def _override_on_faces(log_density, lost, impossible):
  infinity = tf.constant(math.inf, log_density.dtype)
  face = tf.where(
      tf.reduce_any(impossible & ~lost, axis=-1), -infinity, infinity
  )
  return tf.where(tf.reduce_any(impossible, axis=-1), face, log_density)


class ExpGumbelSoftmax(categorical_relaxation.CategoricalRelaxation):
  """Law of the logarithm of a Gumbel-Softmax (Concrete) sample.

  A sample is `log_softmax((logits + gumbel) / temperature)`. Its exponential is
  a relaxed one-hot vector, with the law `GumbelSoftmax`. Stay in log space
  wherever a density is wanted: this one is finite for all its samples, at any
  temperature, where the simplex underflows. A divergence between two such laws
  is the same in either space.

  The density is that of Maddison et al., Appendix C.3, with respect to Lebesgue
  measure on the log-ratios `y[:-1] - y[-1]`; `entropy` and `mode` go with it.
  It is -inf where a coordinate is -inf. A class of probability zero leaves no
  density: `log_prob` is -inf, and +inf on its own samples.

  Noise, samples and densities are float32 at the least, so that parameters may
  be bfloat16 or float16.

  Args:
    temperature: Positive floating `Tensor` or variable, of shape `[]`, `[...]`
      or `[..., 1]` for logits `[..., K]`, and no other that broadcasts. Unit
      dimensions do broadcast; logits of shape `[K]` take a temperature of any
      batch shape, of which `[1]` means the batch shape `[]`. Cast to the dtype
      of the samples.
    logits: Floating `Tensor` or variable, shape `[..., K]`, unnormalised
      log-probabilities in nats. Exactly one of `logits` and `probs`.
    probs: Floating `Tensor` or variable, shape `[..., K]`.
    validate_args: Whether to check, at run time, that `temperature` is
      positive, `logits` not NaN, `probs` on the simplex, and samples passed to
      `log_prob` finite and normalised.
    allow_nan_stats: As for `tfd.Distribution`; no statistic here is NaN.
    name: Python `str`, name of the distribution.

  Raises:
    ValueError: If not exactly one of `logits` and `probs` is given, or it is
      not floating, or its `K` is unknown or below 2; if `temperature` is
      statically not positive or does not match.
    NotImplementedError: By `mean` and `variance`, which have no closed form.

  Example:
    >>> q = ExpGumbelSoftmax(.1, logits=[1., 2., 3.])
    >>> y, log_q = q.experimental_sample_and_log_prob(seed=[0, 1])
    >>> print(f'{tf.reduce_sum(tf.exp(y)):.3f}')
    1.000
    >>> q.to_categorical().probs_parameter().numpy().round(2)
    array([0.09, 0.24, 0.67], dtype=float32)

  References:
    Chris J. Maddison, Andriy Mnih, Yee Whye Teh. The Concrete Distribution.
    ICLR 2017. https://arxiv.org/abs/1611.00712. Appendix C.3 (ExpConcrete).
  """

  def __init__(
      self,
      temperature,
      logits=None,
      probs=None,
      validate_args=False,
      allow_nan_stats=True,
      name='ExpGumbelSoftmax',
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
    return categorical_relaxation.parameter_properties(dtype)

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='exp_gumbel_softmax')
    return ops.gumbel_softmax(
        # A temperature of a larger batch shape must not share the noise.
        self._broadcast(self._float_logits()),
        self._column_temperature(),
        seed=seed,
        sample_shape=[n],
        log_space=True,
    )

  def _log_prob(self, y):
    y = shapes.ensure_last(tf.cast(y, self.dtype), self.event_shape)
    return gumbel_softmax_log_density(
        y, self._float_logits(), self._column_temperature()
    )

  def _mode(self):
    return self._broadcast(
        tf.nn.log_softmax(
            temperatures.divide(
                self._float_logits(), self._column_temperature()
            )
        )
    )

  def _entropy(self):
    # E[log q] of the noise itself: `log q = c + sum(log_softmax(-gumbel))`,
    # where -gumbel are logs of exponentials, whose sum is a Gamma(K) variate.
    num_classes = self._num_classes()
    harmonic = np.sum(1.0 / np.arange(1, num_classes))
    entropy = (
        num_classes * harmonic
        - math.lgamma(num_classes)
        - (num_classes - 1)
        * tf.math.log(_drop_column(self._column_temperature()))
    )
    return self._broadcast(entropy, event=False)

  def _mean(self):
    self._no_closed_form('mean', 'a mean of samples')

  def _variance(self):
    self._no_closed_form('variance', 'a variance of samples')

  def _default_event_space_bijector(self):
    return tfp.bijectors.Chain(
        [
            tfp.bijectors.Log(validate_args=self.validate_args),
            simplex_bijector.SimplexBijector(validate_args=self.validate_args),
        ],
        validate_args=self.validate_args,
    )

  def _sample_control_dependencies(self, y):
    self._check_event(y)
    if not self.validate_args:
      return []
    log_sum = tf.reduce_logsumexp(tf.cast(y, self.dtype), axis=-1)
    tolerance = parameters_lib.simplex_tolerance(y.dtype)
    return [
        tf.debugging.Assert(
            tf.reduce_all(y > -math.inf)
            & tf.reduce_all(tf.abs(log_sum) <= tolerance),
            data=[
                'Expected finite logarithms of a point of the simplex; '
                'received:',
                y,
            ],
        )
    ]

  def _broadcast(self, x, event=True):
    return parameters_lib.broadcast_to_batch(self, x, event_ndims=int(event))
