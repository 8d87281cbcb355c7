"""Free bits: a rate below a threshold costs the same as the threshold."""

from typing import Any

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import floats

_ORDERS = ('mean_then_max', 'max_then_mean')


def check_free_bits(
    free_nats: float, group_ndims: int | None, order: str
) -> None:
  """Raises if an argument of `free_bits` is not one of those that it takes.

  Args:
    free_nats: Python number.
    group_ndims: Python `int` or None.
    order: Python `str`.

  Raises:
    ValueError: If `free_nats` is negative or NaN, `group_ndims` negative, or
      `order` unknown.

  Example:
    >>> check_free_bits(-1., 0, 'max_then_mean')
    Traceback (most recent call last):
    ...
    ValueError: Expected `free_nats` of at least 0; received -1.0.
  """
  if not free_nats >= 0:
    raise ValueError(
        f'Expected `free_nats` of at least 0; received {free_nats}.'
    )
  if group_ndims is not None and group_ndims < 0:
    raise ValueError(
        'Expected `group_ndims` of at least 0, or None; received '
        f'{group_ndims}.'
    )
  if order not in _ORDERS:
    raise ValueError(
        f'Expected `order` to be one of {_ORDERS}; received {order!r}.'
    )


def free_bits(
    kl: Any,
    free_nats: float,
    group_ndims: int | None = 0,
    order: str = 'mean_then_max',
    name: str = 'free_bits',
) -> tf.Tensor:
  """Computes a rate in which each group of latents has `free_nats` for free.

  A group below the threshold costs `free_nats` and has no gradient, so that
  nothing presses it to collapse. Four objectives go by this name, and differ in
  what a group is and in whether the batch is averaged before:

  | group_ndims | order           | the objective, and who uses it           |
  |-------------|-----------------|------------------------------------------|
  | 0           | 'mean_then_max' | sum_k max(mean_b kl[b, k], free): Kingma |
  |             |                 | et al. 2016 (a group there may also be a |
  |             |                 | whole feature map, as in their code)     |
  | 0           | 'max_then_mean' | mean_b sum_k max(kl[b, k], free)         |
  | None        | 'mean_then_max' | max(mean_b sum_k kl[b, k], free): the    |
  |             |                 | code of DreamerV2, by default            |
  | None        | 'max_then_mean' | mean_b max(sum_k kl[b, k], free): the    |
  |             |                 | code of DreamerV3                        |

  A maximum of means is at most the mean of maxima, and a threshold for all
  latents together lets one of them use what the others do not. With the mean
  first, an example may have any rate as long as the batch has enough.

  Args:
    kl: Floating array or `Tensor`, shape `[batch, ...]`: the KL of each latent,
      in nats.
    free_nats: Python number, not negative: the threshold of each group.
    group_ndims: Python `int`: how many of the last axes are summed to make a
      group. At 0 each latent is one; None makes one group of all.
    order: 'mean_then_max' or 'max_then_mean', over the batch: that of all
      replicas.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[batch]`, in nats; float32 at the least. Its mean is the
    objective, and has its gradient, in both orders.

  Raises:
    ValueError: If `kl` has no batch axis, `free_nats` is negative,
      `group_ndims` negative or more than the axes after the batch, or `order`
      unknown.

  Example:
    >>> kl = [[3., 0.], [.5, .25]]
    >>> for group_ndims in (0, None):
    ...   for order in ('mean_then_max', 'max_then_mean'):
    ...     rate = free_bits(kl, 1.5, group_ndims, order)
    ...     print(group_ndims, order, tf.reduce_mean(rate).numpy())
    0 mean_then_max 3.25
    0 max_then_mean 3.75
    None mean_then_max 1.875
    None max_then_mean 2.25

  References:
    Diederik P. Kingma, Tim Salimans, Rafal Jozefowicz, Xi Chen, Ilya Sutskever,
    Max Welling. Improving Variational Inference with Inverse Autoregressive
    Flow. NeurIPS 2016. https://arxiv.org/abs/1606.04934. The appendix on the
    objective with free bits.

    Danijar Hafner, Timothy Lillicrap, Mohammad Norouzi, Jimmy Ba. Mastering
    Atari with Discrete World Models. ICLR 2021.
    https://arxiv.org/abs/2010.02193.

    Danijar Hafner, Jurgis Pasukonis, Jimmy Ba, Timothy Lillicrap. Mastering
    Diverse Domains through World Models. 2023.
    https://arxiv.org/abs/2301.04104.
  """
  with tf.name_scope(name):
    check_free_bits(free_nats, group_ndims, order)
    (kl,) = floats.common_floats(kl)
    rank = kl.shape.rank
    if not rank:
      raise ValueError(
          f'Expected `kl` of shape [batch, ...]; received shape {kl.shape}.'
      )
    if group_ndims is None:
      group_ndims = rank - 1
    if group_ndims > rank - 1:
      raise ValueError(
          f'Expected `group_ndims` of at most {rank - 1}, the axes of `kl` '
          f'after the batch; received {group_ndims}.'
      )
    groups = tf.reduce_sum(kl, axis=list(range(rank - group_ndims, rank)))
    decides = groups
    if order == 'mean_then_max':
      # Where the mean is above, each example gives its own rate: they have
      # that mean, and its gradient.
      decides = ops.batch_mean(groups)
    free = tf.cast(free_nats, kl.dtype)
    # Also what is not a number, which has to show.
    rates = tf.where(decides < free, free, groups)
    return tf.reduce_sum(rates, axis=list(range(1, groups.shape.rank)))
