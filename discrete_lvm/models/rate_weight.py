"""A weighted rate, as in a beta-VAE, with a weight to anneal."""

import keras

from discrete_lvm.models import rate_control


@keras.saving.register_keras_serializable(package='discrete_lvm')
class RateWeight(rate_control.RateControl):
  """Multiplies the rate by a weight.

  At 1 the loss is the evidence lower bound; above it compresses more. Annealed
  from 0 by `training.WeightSchedule(layer.rate_weight, schedule)`, it lets the
  decoder learn to use the latents before they cost.

  Args:
    weight: Number, not negative, the initial value of the weight
      `rate_weight`: a weight, so that a schedule can set it inside a compiled
      step and a checkpoint restores it.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    kl: Floating `Tensor`, shape `[batch, ...]`: the KL of each latent, in nats.

  Output shape:
    `[batch]`, in nats: the sum over the latents, times the weight.

  Raises:
    ValueError: If `weight` is negative, or `kl` has no batch axis.

  Example:
    >>> control = dlvm.models.RateWeight(.5)
    >>> control(tf.constant([[1., 2.], [3., 4.]])).numpy()
    array([1.5, 3.5], dtype=float32)

  References:
    Irina Higgins et al. beta-VAE: Learning Basic Visual Concepts with a
    Constrained Variational Framework. ICLR 2017.
    https://openreview.net/forum?id=Sy2fzU9gl.

    Samuel R. Bowman et al. Generating Sentences from a Continuous Space.
    CoNLL 2016. https://arxiv.org/abs/1511.06349. Section 3.1.
  """

  def __init__(self, weight: float = 1.0, **kwargs):
    super().__init__(**kwargs)
    if not weight >= 0:
      raise ValueError(f'Expected `weight` of at least 0; received {weight}.')
    self._initial_weight = weight
    self.rate_weight = self.add_weight(
        name='rate_weight',
        shape=(),
        dtype='float32',
        autocast=False,
        initializer=keras.initializers.Constant(weight),
        trainable=False,
        # Every replica sets the same value.
        aggregation='only_first_replica',
    )

  def _control(self, kl):
    return self.rate_weight * rate_control.total(kl)

  def get_config(self):
    # What the constructor received; the weight that moves is in the file.
    return {**super().get_config(), 'weight': self._initial_weight}
