"""The Gumbel-Softmax law, on the simplex."""

import math

import numpy as np
import tensorflow as tf

from discrete_lvm.distributions import categorical_relaxation
from discrete_lvm.distributions import exp_gumbel_softmax
from discrete_lvm.distributions import parameters as parameters_lib
from discrete_lvm.distributions import simplex_bijector
from discrete_lvm.ops import shapes


class GumbelSoftmax(categorical_relaxation.CategoricalRelaxation):
  """Gumbel-Softmax (Concrete) law: a relaxed one-hot vector on the simplex.

  A sample is `softmax((logits + gumbel) / temperature)`. It tends to an exact
  one-hot sample as the temperature tends to 0, and to the uniform vector as it
  grows.

  A coordinate of a sample underflows at a low temperature, and its density is
  lost with it. `experimental_sample_and_log_prob` goes through the logarithm of
  the sample and is finite regardless, as is everything in `to_log_space()`.
  `log_prob` of a point of the simplex is exact as long as the point holds the
  information. Where `m` of its coordinates are zero (below the smallest normal
  number), it is the limit as they tend to 0 together: +inf at temperatures
  below `m / (K - m)`, -inf above, finite at it, and an error under
  `validate_args`. Where one is negative it is -inf. No value is remembered from
  the sample.

  `log_prob` is float32 at the least; samples have the dtype of the parameters.

  Args:
    temperature: As for `ExpGumbelSoftmax`, cast to float32 at the least.
    logits: Floating `Tensor` or variable, shape `[..., K]`, unnormalised
      log-probabilities in nats. Exactly one of `logits` and `probs`.
    probs: Floating `Tensor` or variable, shape `[..., K]`.
    validate_args: Whether to check, at run time, that `temperature` is
      positive, `logits` not NaN, `probs` on the simplex, and samples passed to
      `log_prob` inside the simplex, none of them underflowed.
    allow_nan_stats: As for `tfd.Distribution`; no statistic here is NaN.
    name: Python `str`, name of the distribution.

  Raises:
    ValueError: If not exactly one of `logits` and `probs` is given, or it is
      not floating, or its `K` is unknown or below 2; if `temperature` is
      statically not positive or does not match.
    NotImplementedError: By `mode`, `mean`, `variance` and `entropy`, which have
      no closed form. The message names what to use instead.

  Example:
    >>> q = GumbelSoftmax(1e-3, probs=[.1, .2, .7])
    >>> x, log_q = q.experimental_sample_and_log_prob(seed=[0, 1])
    >>> x.numpy(), bool(tf.math.is_finite(log_q))
    (array([0., 0., 1.], dtype=float32), True)

  References:
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Appendix B.
    Chris J. Maddison, Andriy Mnih, Yee Whye Teh. The Concrete Distribution.
    ICLR 2017. https://arxiv.org/abs/1611.00712. Equation 10.
  """

  def __init__(
      self,
      temperature,
      logits=None,
      probs=None,
      validate_args=False,
      allow_nan_stats=True,
      name='GumbelSoftmax',
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
    return categorical_relaxation.parameter_properties(dtype)

  def to_log_space(self):
    """Returns the law of the logarithm of a sample, an `ExpGumbelSoftmax`.

    Its parameters are those of this distribution, by reference.
    """
    return exp_gumbel_softmax.ExpGumbelSoftmax(
        self._temperature,
        logits=self._logits,
        probs=self._probs,
        validate_args=self.validate_args,
        allow_nan_stats=self.allow_nan_stats,
    )

  def _sample_n(self, n, seed=None):
    return self._exp(self.to_log_space().sample(n, seed=seed))

  def _sample_and_log_prob(self, sample_shape, seed):
    y, log_prob = self.to_log_space().experimental_sample_and_log_prob(
        sample_shape, seed=seed
    )
    # The Jacobian of the logarithm.
    return self._exp(y), log_prob - tf.reduce_sum(y, axis=-1)

  def _exp(self, y):
    return tf.cast(tf.exp(y), self.dtype)

  def _log_prob(self, x):
    x = shapes.ensure_last(tf.cast(x, self._float_dtype), self.event_shape)
    # Subnormal numbers have few digits left, and some kernels flush them.
    lost = x < np.finfo(x.dtype.as_numpy_dtype).tiny
    log_x = tf.math.log(tf.where(lost, tf.ones_like(x), x))
    log_density = exp_gumbel_softmax.gumbel_softmax_log_density(
        tf.where(lost, tf.constant(-math.inf, x.dtype), log_x),
        self._float_logits(),
        self._column_temperature(),
        log_space=False,
    )
    return tf.where(
        tf.reduce_any(x < 0, axis=-1),
        tf.constant(-math.inf, x.dtype),
        log_density,
    )

  def _mode(self):
    self._no_closed_form('mode', '`to_categorical().mode()`')

  def _mean(self):
    self._no_closed_form('mean', '`to_categorical().mean()`')

  def _variance(self):
    self._no_closed_form('variance', '`to_categorical().variance()`')

  def _entropy(self):
    self._no_closed_form(
        'entropy',
        '`to_categorical().entropy()`, `to_log_space().entropy()`, or the mean '
        'of `-log_prob` from `experimental_sample_and_log_prob`',
    )

  def _default_event_space_bijector(self):
    return simplex_bijector.SimplexBijector(validate_args=self.validate_args)

  def _sample_control_dependencies(self, x):
    self._check_event(x)
    if not self.validate_args:
      return []
    x = tf.convert_to_tensor(x)
    tolerance = parameters_lib.simplex_tolerance(x.dtype)
    x = tf.cast(x, self._float_dtype)
    return [
        tf.debugging.Assert(
            tf.reduce_all(x >= np.finfo(x.dtype.as_numpy_dtype).tiny)
            & tf.reduce_all(tf.abs(tf.reduce_sum(x, axis=-1) - 1) <= tolerance),
            data=[
                'Expected positive coordinates that sum to one; where one has '
                'underflowed to 0, take the log_prob of its logarithm by '
                '`to_log_space()`; received:',
                x,
            ],
        )
    ]
