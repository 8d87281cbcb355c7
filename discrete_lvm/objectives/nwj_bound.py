"""The lower bound of mutual information of Nguyen, Wainwright and Jordan."""

from typing import Any

import tensorflow as tf

from discrete_lvm.objectives.tuba_bound import tuba_bound


def nwj_bound(
    scores: Any, mask: Any = None, name: str = 'nwj_bound'
) -> tf.Tensor:
  """Computes `E f(x, y) - E_{p(x) p(y)} exp(f(x, y) - 1)` from K pairs.

  It is `tuba_bound` with the baseline `a = e`, also known as f-GAN KL and
  MINE-f. Its expectation is a lower bound of `I(x; y)`, and equal where `f = 1
  + log p(x | y) / p(x)`: that 1 belongs to the critic.

  Args:
    scores: Floating array or `Tensor`, shape `[..., K, K]`, in nats:
      `scores[..., i, j] = f(x_j, y_i)` of K pairs.
    mask: Boolean array or `Tensor`, shape `[..., K]`: which pairs there are; by
      default all. What is not there may be NaN.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`, in nats; float32 at the least. NaN with fewer than
    two pairs.

  Raises:
    ValueError: If `scores` is not square or known to have fewer than two pairs,
      or `mask` is not boolean or not of K.

  Example:
    >>> print(nwj_bound([[3., 1.], [1., 3.]]).numpy())
    2.0

  References:
    XuanLong Nguyen, Martin J. Wainwright, Michael I. Jordan. Estimating
    divergence functionals and the likelihood ratio by convex risk minimization.
    IEEE Transactions on Information Theory, 2010.
    https://arxiv.org/abs/0809.0853.

    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922. I_NWJ.
  """
  with tf.name_scope(name):
    return tuba_bound(scores, 1.0, mask)
