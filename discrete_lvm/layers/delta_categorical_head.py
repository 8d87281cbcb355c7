"""Keras layer: features to a categorical posterior that cannot collapse."""

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.layers import head
from discrete_lvm.ops import counts
from discrete_lvm.ops.delta_categorical import check_categorical_delta


@keras.saving.register_keras_serializable(package='discrete_lvm')
class DeltaCategoricalHead(head.Head):
  """Maps features to categorical posteriors of KL at least delta from a prior.

  Each of N latents has the rate `delta` at least, whatever the weights and the
  features: `ops.delta_categorical` of a projection, which leaves logits as they
  are where the rate is there already. The logits go into
  `layers.GumbelSoftmax`, whose `kl` then is at least `N * delta`.

  Args:
    num_latents: Python `int`, N.
    num_classes: Python `int`, K, at least 2.
    delta: Number, or a list of N: the least KL of each latent in nats, from 0
      to -log of the prior's largest probability, `log K` if uniform.
    prior: 'uniform', or fixed finite logits of shape `[K]` or `[N, K]`.
    seed: Python `int`, seed of the initial weights.
    validate_args: Python `bool`: whether to check that the projection is finite
      (not under XLA, which drops assertions).
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., features]`.

  Output shape:
    `[..., N, K]`, float32 at the least: logits in nats.

  Raises:
    ValueError: If `num_latents` is below 1 or `num_classes` below 2, if `prior`
      or `delta` is of another shape, if a prior logit is not finite, or if
      `delta` is negative or above the largest, which the message says.
    tf.errors.InvalidArgumentError: Under `validate_args`, if the projection is
      not finite.

  Example:
    >>> head = dlvm.layers.DeltaCategoricalHead(4, 3, delta=.5, seed=0)
    >>> sampler = dlvm.layers.GumbelSoftmax(kl='output', seed=0)
    >>> codes, kl = sampler(head(tf.zeros([2, 8])), training=True)
    >>> codes.shape, kl.numpy().round(2).tolist()
    (TensorShape([2, 4, 3]), [2.0, 2.0])

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416. The categorical family is not in it.
  """

  def __init__(
      self,
      num_latents,
      num_classes,
      delta,
      prior='uniform',
      seed=None,
      validate_args=False,
      **kwargs,
  ):
    counts.check_count(num_latents, 'num_latents')
    counts.check_count(num_classes, 'num_classes', minimum=2)
    logits = _prior_logits(prior, num_latents, num_classes)
    delta = np.asarray(delta, np.float32)
    if delta.shape not in ((), (num_latents,)):
      raise ValueError(
          f'Expected one `delta` or {num_latents}, as `num_latents`; received '
          f'shape {delta.shape}.'
      )
    check_categorical_delta(delta, logits)
    super().__init__(num_latents * num_classes, seed, validate_args, **kwargs)
    self.num_latents = num_latents
    self.num_classes = num_classes
    self._delta = delta
    self._prior_logits = logits
    self._prior = prior if isinstance(prior, str) else logits.tolist()

  def _parameters(self, outputs):
    shape = tf.concat(
        [tf.shape(outputs)[:-1], [self.num_latents, self.num_classes]], axis=0
    )
    logits = tf.ensure_shape(
        tf.reshape(outputs, shape),
        outputs.shape[:-1] + [self.num_latents, self.num_classes],
    )
    return ops.delta_categorical(logits, self._delta, self._prior_logits)

  def get_config(self):
    return {
        **super().get_config(),
        'num_latents': self.num_latents,
        'num_classes': self.num_classes,
        'delta': self._delta.tolist(),
        'prior': self._prior,
    }


def _prior_logits(prior, num_latents, num_classes):
  if isinstance(prior, str):
    if prior != 'uniform':
      raise ValueError(
          f"Expected `prior` to be 'uniform' or logits; received {prior!r}."
      )
    return np.zeros([num_classes], np.float32)
  logits = np.asarray(prior, np.float32)
  if logits.shape not in ((num_classes,), (num_latents, num_classes)):
    raise ValueError(
        f'Expected `prior` logits of shape [{num_classes}] or [{num_latents}, '
        f'{num_classes}]; received shape {logits.shape}.'
    )
  return logits
