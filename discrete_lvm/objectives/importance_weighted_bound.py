"""The importance-weighted bound."""

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import floats


def importance_weighted_bound(
    log_weights: tf.Tensor,
    axis: int = 0,
    name: str = 'importance_weighted_bound',
) -> tf.Tensor:
  """Computes `log mean_s w_s`, a lower bound of `log p(x)` in expectation.

  With `w_s = p(x, z_s) / q(z_s | x)` and exact samples `z_s ~ q(z | x)`. One
  sample gives the evidence lower bound; the expectation never falls with more
  samples, and tends to `log p(x)`.

  Args:
    log_weights: Floating `Tensor`, shape `[..., S, ...]`, in nats.
    axis: The axis of the samples.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, the shape of `log_weights` without `axis`, in nats; float32 at the
    least.

  Raises:
    ValueError: If `log_weights` has no such axis, or the axis no samples.

  Example:
    >>> print(importance_weighted_bound(tf.math.log([1., 2., 3.])).numpy())
    0.6931472

  References:
    Yuri Burda, Roger Grosse, Ruslan Salakhutdinov. Importance Weighted
    Autoencoders. ICLR 2016. https://arxiv.org/abs/1509.00519. Equation 8.
  """
  with tf.name_scope(name):
    (log_weights,) = floats.common_floats(log_weights)
    rank = log_weights.shape.rank
    if rank is not None and (
        not -rank <= axis < rank or log_weights.shape[axis] == 0
    ):
      raise ValueError(
          'Expected `log_weights` with at least one sample on axis '
          f'{axis}; received shape {log_weights.shape}.'
      )
    return ops.log_mean_exp(log_weights, axis=axis)
