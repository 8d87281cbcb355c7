"""Keras layer that samples Gumbel-Softmax codes."""

import keras

from discrete_lvm import ops
from discrete_lvm.layers import categorical_sampler


@keras.saving.register_keras_serializable(package='discrete_lvm')
class GumbelSoftmax(categorical_sampler.CategoricalSampler):
  """Samples relaxed one-hot codes in training, takes the mode in inference.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`,
      which `training.WeightSchedule` can anneal.
    hard: If True, codes are exactly one-hot in training too, with the gradient
      of the relaxed sample (straight-through Gumbel-Softmax).
    inference: What to return outside of training: 'mode', or an exact 'sample'.
    prior: The prior of the codes: 'uniform', 'learned' (a weight of logits,
      shape `[N, K]`), or fixed logits of a shape that broadcasts to `[N, K]`.
    kl: What to do with the categorical KL from the prior, per example in nats:
      'none', 'output' (a second output) or 'loss' (`add_loss` of its mean).
    seed: Python `int`, seed of the noise.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., N, K]`: logits in nats.
    training: Python `bool`, whether to relax.
    noise: Standard Gumbel noise of the shape of `inputs`; by default drawn from
      the layer's seed, differently on each replica.

  Output shape:
    `[..., N, K]` in the compute dtype; with `kl='output'` also `[...]` in
    float32.

  Raises:
    ValueError: If an argument is not one of these, if N or K is not static or
      K below 2, or if `prior` does not match them.

  Example:
    >>> layer = dlvm.layers.GumbelSoftmax(temperature=.5, kl='output', seed=0)
    >>> codes, kl = layer(tf.constant([[[0., 5.], [5., 0.]]]))
    >>> print(codes.numpy(), kl.numpy().round(2))
    [[[0. 1.]
      [1. 0.]]] [1.31]

  References:
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144.
  """

  def __init__(
      self,
      temperature=1.0,
      hard=False,
      inference='mode',
      prior='uniform',
      kl='none',
      seed=None,
      **kwargs,
  ):
    super().__init__(temperature, inference, prior, kl, seed, **kwargs)
    self.hard = hard

  def _sample(self, logits, noise):
    return ops.gumbel_softmax(
        logits, self.temperature.value, noise=noise, hard=self.hard
    )

  def get_config(self):
    return {**super().get_config(), 'hard': self.hard}
