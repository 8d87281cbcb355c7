"""The evidence lower bound."""

import tensorflow as tf

from discrete_lvm.ops import floats


def elbo(
    log_likelihood: tf.Tensor,
    rate: tf.Tensor,
    rate_weight: float | tf.Tensor = 1.0,
    name: str = 'elbo',
) -> tf.Tensor:
  """Computes `log p(x | z) - rate_weight * KL(q(z | x) || p(z))`.

  Its expectation over `z ~ q(z | x)` is a lower bound of `log p(x)` where
  `rate_weight` is at least 1 and `z` an exact sample of `q`; with a relaxed
  sample beside a categorical rate it is not a bound.

  Args:
    log_likelihood: Floating or integer `Tensor`, shape `[...]`, in nats.
    rate: `Tensor` like `log_likelihood`, the KL per example in nats.
    rate_weight: Scalar, the weight of the rate.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats: float64 if either is, else float32.

  Raises:
    ValueError: If the shapes differ, either is neither floating nor integer, or
      `rate_weight` is no scalar.

  Example:
    >>> print(elbo(tf.constant([-90.]), tf.constant([12.])).numpy())
    [-102.]

  References:
    Diederik P. Kingma, Max Welling. Auto-Encoding Variational Bayes. ICLR 2014.
    https://arxiv.org/abs/1312.6114. Equation 3.
  """
  with tf.name_scope(name):
    log_likelihood, rate = floats.common_floats(log_likelihood, rate)
    if not log_likelihood.shape.is_compatible_with(rate.shape):
      raise ValueError(
          'Expected `rate` of the shape of `log_likelihood`, '
          f'{log_likelihood.shape}; received {rate.shape}.'
      )
    # A number gets all digits of the type; what has a type does not decide.
    rate_weight = tf.convert_to_tensor(rate_weight, dtype_hint=rate.dtype)
    rate_weight = tf.cast(rate_weight, rate.dtype)
    if rate_weight.shape.rank not in (None, 0):
      raise ValueError(
          'Expected a scalar `rate_weight`; received shape '
          f'{rate_weight.shape}.'
      )
    return log_likelihood - rate_weight * rate
