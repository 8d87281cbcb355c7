"""Keras layer: features to a normal posterior without a constraint."""

import math
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import head
from discrete_lvm.ops import counts

# The least scale, as a part of the initial one: the KL stays finite whatever
# the projection gives.
_LEAST_SCALE = 1e-4
# softplus of it is 1.
_UNIT_LOGIT = math.log(math.expm1(1.0))


class GaussianParameters(NamedTuple):
  """The arguments of `tfd.Normal`.

  Attributes:
    loc: `Tensor`, shape `[..., dim]`: means.
    scale: Positive `Tensor` of the same shape: standard deviations.
  """

  loc: tf.Tensor
  scale: tf.Tensor


@keras.saving.register_keras_serializable(package='discrete_lvm')
class GaussianHead(head.Head):
  """Maps features to the mean and scale of a diagonal normal posterior.

  The sequential head of a delta-VAE: on features `[..., length, features]`,
  against a `distributions.GaussianAR1` prior, every posterior that is
  independent over time has at least the rate `ops.ar1_committed_rate`. The
  prior commits it, so the head constrains nothing; with `initial_scale` it
  starts near that rate, where a scale of 1 against an `alpha` of .99 would
  start at 47 nats a number. Means are counted in it too, for one that is off by
  the initial scale costs half a nat at any `alpha`:

      loc = initial_scale * .
      scale = initial_scale * (least + (1 - least) * softplus(. + log(e - 1)))

  Args:
    units: Python `int`, the dimension of the latents.
    initial_scale: Positive number, or a list of `units` of them: the unit of
      means, and the scale where the projection gives zero; for an AR(1) prior
      `sqrt((1 - alpha**2) / (1 + alpha**2))`, that of `ops.ar1_optimal_scale`
      between the ends.
    seed: Python `int`, seed of the initial weights.
    validate_args: Python `bool`: whether to check that the projection is finite
      (not under XLA, which drops assertions).
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., features]`.

  Output shape:
    `GaussianParameters`, each `[..., units]`, float32 at the least.

  Raises:
    ValueError: If `units` is below 1, or `initial_scale` is not positive or
      neither one number nor `units`.
    tf.errors.InvalidArgumentError: Under `validate_args`, if the projection is
      not finite.

  Example:
    >>> head = dlvm.layers.GaussianHead(2, initial_scale=.1)
    >>> q = tfd.Independent(tfd.Normal(*head(tf.zeros([1, 16, 8]))), 2)
    >>> p = dlvm.distributions.GaussianAR1([.99, .99], length=16)
    >>> print(tfd.kl_divergence(q, p).numpy().round(2))
    [13.86]
    >>> print(f'{dlvm.ops.ar1_committed_rate(p.alpha, 16):.2f}')
    13.48

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """

  def __init__(
      self, units, initial_scale=1.0, seed=None, validate_args=False, **kwargs
  ):
    counts.check_count(units, 'units')
    initial_scale = np.asarray(initial_scale, np.float32)
    if initial_scale.shape not in ((), (units,)) or not np.all(
        initial_scale > 0
    ):
      raise ValueError(
          f'Expected one positive `initial_scale` or {units}, as `units`; '
          f'received {initial_scale.tolist()}.'
      )
    super().__init__(2 * units, seed, validate_args, **kwargs)
    self.units = units
    self._initial_scale = initial_scale

  def _parameters(self, outputs):
    loc, logits = tf.split(outputs, 2, axis=-1)
    relative = _LEAST_SCALE + (1 - _LEAST_SCALE) * tf.nn.softplus(
        logits + _UNIT_LOGIT
    )
    return GaussianParameters(
        self._initial_scale * loc, self._initial_scale * relative
    )

  def get_config(self):
    return {
        **super().get_config(),
        'units': self.units,
        'initial_scale': self._initial_scale.tolist(),
    }
