"""The Barber-Agakov lower bound of mutual information."""

from typing import Any

import tensorflow as tf

from discrete_lvm.objectives import score_matrices
from discrete_lvm.ops import broadcasting
from discrete_lvm.ops import floats


def barber_agakov_bound(
    log_q: Any,
    entropy: Any,
    mask: Any = None,
    name: str = 'barber_agakov_bound',
) -> tf.Tensor:
  """Computes `E log q(x | y) + h(x)`, a lower bound of `I(x; y)`.

  It is below by `E_y KL(p(x | y) || q(x | y))`, and needs the entropy of x; so
  does it with the roles of x and y exchanged.

  Args:
    log_q: Floating array or `Tensor`, shape `[..., K]`, in nats: `log q(x_i |
      y_i)` of K pairs.
    entropy: Number or `Tensor` that broadcasts to `[...]`, in nats: the
      (differential) entropy of x.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are; by
      default all. What is not there may be NaN.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least. NaN without pairs.

  Raises:
    ValueError: If `log_q` is a scalar, `mask` not boolean or not of K, or
      `entropy` of a shape that does not broadcast to `[...]`.

  Example:
    >>> print(barber_agakov_bound([-1., -2., -9.], 3., [True, True, False])
    ...       .numpy())
    1.5

  References:
    David Barber, Felix Agakov. The IM Algorithm: A variational approach to
    Information Maximization. NeurIPS 2003.

    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. I_BA.
  """
  with tf.name_scope(name):
    log_q, entropy = floats.common_floats(log_q, entropy)
    if log_q.shape.rank == 0:
      raise ValueError('Expected `log_q` of shape [..., K]; received a scalar.')
    mask = score_matrices.as_mask(mask, log_q, 'log_q')
    mean = score_matrices.mean(log_q, mask)
    broadcasting.check_broadcasts_to(entropy, mean.shape, 'entropy')
    return mean + entropy
