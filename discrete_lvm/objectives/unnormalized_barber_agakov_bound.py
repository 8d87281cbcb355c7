"""The lower bound of mutual information of an energy with its partition sum."""

from typing import Any

import tensorflow as tf

from discrete_lvm.objectives import score_matrices
from discrete_lvm.objectives.barber_agakov_bound import barber_agakov_bound
from discrete_lvm.ops import floats


def unnormalized_barber_agakov_bound(
    joint_scores: Any,
    log_partition: Any,
    mask: Any = None,
    name: str = 'unnormalized_barber_agakov_bound',
) -> tf.Tensor:
  """Computes `E f(x, y) - E log Z(y)`, a lower bound of `I(x; y)`.

  With `Z(y) = E_{p(x)} exp f(x, y)`: it is the bound of Barber and Agakov for
  `q(x | y) = p(x) exp(f(x, y)) / Z(y)`, where the entropy cancels. Z has to be
  exact, or an upper bound of it. An estimate from samples makes `log Z` too
  small in expectation, and the result no bound; `tuba_bound` is one. Of the K
  - 1 other x it makes `leave_one_out_upper_bound`.

  Args:
    joint_scores: Floating array or `Tensor`, shape `[..., K]`, in nats:
      `f(x_i, y_i)` of K pairs.
    log_partition: Number or floating `Tensor`, shape `[..., K]`, in nats: `log
      Z(y_i)`.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are; by
      default all. What is not there may be NaN.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least. NaN without pairs.

  Raises:
    ValueError: If `joint_scores` is a scalar, or `log_partition` or `mask` not
      of K, or `mask` not boolean.

  Example:
    >>> print(unnormalized_barber_agakov_bound([2., 3.], [1., .5]).numpy())
    1.75

  References:
    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. I_UBA.
  """
  with tf.name_scope(name):
    scores, log_partition = floats.common_floats(joint_scores, log_partition)
    if scores.shape.rank == 0:
      raise ValueError(
          'Expected `joint_scores` of shape [..., K]; received a scalar.'
      )
    score_matrices.check_number_or_pairs(log_partition, scores, 'log_partition')
    return barber_agakov_bound(scores - log_partition, 0.0, mask)
