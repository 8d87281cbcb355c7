"""How much a latent says of which example of a data set it is for."""

from typing import Any

import tensorflow as tf

from discrete_lvm.ops import floats


def aggregate_information(
    log_q: Any, own: Any = None, name: str = 'aggregate_information'
) -> tf.Tensor:
  """Estimates the mutual information of the latent and the index of the data.

  Of N examples, one of which is drawn at random, and the latent of its
  posterior. The value of an example j, from a sample `z_j ~ q(z | x_j)`, is

      log q(z_j | x_j) - log mean_i q(z_j | x_i)

  where the mean is the exact aggregate posterior of these N examples. So the
  expectation of the mean over j is exactly the information under the empirical
  distribution, with no bias, and between 0 and log N; of the rate it leaves
  `KL(mean_i q(z | x_i) || p(z))`. Each value by itself is at most log N, and
  may be negative. More samples of each example, in leading dimensions, lower
  the variance. The information about an example drawn from the distribution
  behind the data is another, and may be above log N.

  Args:
    log_q: Floating array or `Tensor`, shape `[..., N, N]`, in nats:
      `log_q[..., j, i] = log q(z_j | x_i)`, its diagonal what each sample has
      under its own posterior. With `own`, shape `[..., J, N]`: the samples of
      any J of the examples, under all N, so that a data set of any size goes
      through in chunks of memory `J * N`.
    own: Floating array or `Tensor`, shape `[..., J]`: `log q(z_j | x_j)`. By
      default the diagonal.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., N]` (or `[..., J]`), in nats; float32 at the least.

  Raises:
    ValueError: If `log_q` is not square where `own` is not given, or of another
      shape than `own` makes it.

  Example:
    >>> log_q = tf.math.log([[.9, .1], [.1, .9]])
    >>> print(aggregate_information(log_q).numpy().round(3))
    [0.588 0.588]

  References:
    Matthew D. Hoffman, Matthew J. Johnson. ELBO surgery: yet another way to
    carve up the variational evidence lower bound. NeurIPS 2016 Workshop on
    Advances in Approximate Bayesian Inference.
  """
  with tf.name_scope(name):
    if own is None:
      (log_q,) = floats.common_floats(log_q)
      _check_square(log_q.shape)
      own = tf.linalg.diag_part(log_q)
    else:
      log_q, own = floats.common_floats(log_q, own)
      _check_rows(log_q.shape, own.shape)
    num_examples = tf.cast(tf.shape(log_q)[-1], log_q.dtype)
    # Taken off before the sum: the own term then is exactly one, so that no
    # value can round to above log N.
    log_sum = tf.reduce_logsumexp(log_q - own[..., tf.newaxis], axis=-1)
    return tf.math.log(num_examples) - log_sum


def _check_square(shape):
  rank = shape.rank
  if (
      rank is None
      or rank < 2
      or not shape[-1:].is_compatible_with(shape[-2:-1])
  ):
    raise ValueError(
        f'Expected `log_q` of shape [..., N, N]; received shape {shape}.'
    )


def _check_rows(shape, own_shape):
  rank = shape.rank
  if rank is None or rank < 2 or not shape[:-1].is_compatible_with(own_shape):
    raise ValueError(
        'Expected `log_q` of shape [..., J, N] and `own` of shape [..., J]; '
        f'received shapes {shape} and {own_shape}.'
    )
