"""A rate of which each group of latents has a share for free."""

import keras

from discrete_lvm import objectives
from discrete_lvm.models import rate_control
from discrete_lvm.objectives.free_bits import check_free_bits


@keras.saving.register_keras_serializable(package='discrete_lvm')
class FreeBits(rate_control.RateControl):
  """Takes the pressure off latents whose rate is below a threshold.

  `objectives.free_bits`, whose docstring has a table of the four objectives of
  this name. A latent may still collapse: nothing pushes its rate up.

  Args:
    free_nats: Number, not negative: the threshold of each group.
    group_ndims: Python `int`: how many of the last axes are summed to make a
      group. At 0 each latent is one; None makes one group of all.
    order: 'mean_then_max' or 'max_then_mean', over the batch.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    kl: Floating `Tensor`, shape `[batch, ...]`: the KL of each latent, in nats.

  Output shape:
    `[batch]`, in nats.

  Raises:
    ValueError: If `free_nats` is negative, `group_ndims` negative or more than
      the axes after the batch, `order` unknown, or `kl` has no batch axis.

  Example:
    >>> control = dlvm.models.FreeBits(1.5, order='max_then_mean')
    >>> control(tf.constant([[1., 2.], [0., 4.]])).numpy()
    array([3.5, 5.5], dtype=float32)

  References:
    Diederik P. Kingma, Tim Salimans, Rafal Jozefowicz, Xi Chen, Ilya Sutskever,
    Max Welling. Improving Variational Inference with Inverse Autoregressive
    Flow. NeurIPS 2016. https://arxiv.org/abs/1606.04934.
  """

  def __init__(
      self,
      free_nats: float,
      group_ndims: int | None = 0,
      order: str = 'mean_then_max',
      **kwargs,
  ):
    super().__init__(**kwargs)
    check_free_bits(free_nats, group_ndims, order)
    self.free_nats = free_nats
    self.group_ndims = group_ndims
    self.order = order

  def _control(self, kl):
    return objectives.free_bits(
        kl, self.free_nats, self.group_ndims, self.order
    )

  def get_config(self):
    return {
        **super().get_config(),
        'free_nats': self.free_nats,
        'group_ndims': self.group_ndims,
        'order': self.order,
    }
