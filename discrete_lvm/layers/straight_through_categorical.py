"""Keras layer that samples exact codes with a straight-through gradient."""

import keras

from discrete_lvm import ops
from discrete_lvm.layers import categorical_sampler
from discrete_lvm.ops import numerics


@keras.saving.register_keras_serializable(package='discrete_lvm')
class StraightThroughCategorical(categorical_sampler.CategoricalSampler):
  """Samples one-hot codes in training, with the gradient of their mean.

  The gradient is that of `softmax(logits / temperature)`.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`,
      which `training.WeightSchedule` can anneal (slope annealing).
    inference: What to return outside of training: 'mode', or an exact 'sample'.
    prior: The prior of the codes: 'uniform', 'learned' (a weight of logits,
      shape `[N, K]`), or fixed logits of a shape that broadcasts to `[N, K]`.
    kl: What to do with the categorical KL from the prior, per example in nats:
      'none', 'output' (a second output) or 'loss' (`add_loss` of its mean).
    seed: Python `int`, seed of the noise.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., N, K]`: logits in nats.
    training: Python `bool`, whether to sample with a gradient.
    noise: Standard Gumbel noise of the shape of `inputs`; by default drawn from
      the layer's seed, differently on each replica.

  Output shape:
    `[..., N, K]` in the compute dtype, exactly one-hot; with `kl='output'` also
    `[...]` in float32.

  Raises:
    ValueError: If an argument is not one of these, if N or K is not static or
      K below 2, or if `prior` does not match them.

  Example:
    >>> layer = dlvm.layers.StraightThroughCategorical(seed=0)
    >>> layer(tf.constant([[[0., 50.]]]), training=True).numpy()
    array([[[0., 1.]]], dtype=float32)

  References:
    Yoshua Bengio, Nicholas Leonard, Aaron Courville. Estimating or Propagating
    Gradients Through Stochastic Neurons. 2013.
    https://arxiv.org/abs/1308.3432.
  """

  def _sample(self, logits, noise):
    hard = ops.sample_one_hot(logits, noise=noise)
    soft = numerics.softmax(logits / self.temperature.value)
    return ops.straight_through(hard, soft)
