"""Keras layer: features to a normal posterior that cannot collapse."""

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.layers import gaussian_head
from discrete_lvm.layers import head
from discrete_lvm.ops import counts
from discrete_lvm.ops.delta_gaussian import check_gaussian_delta


@keras.saving.register_keras_serializable(package='discrete_lvm')
class DeltaGaussianHead(head.Head):
  """Maps features to normal posteriors of KL at least delta from N(0, 1).

  For independent latents, each of which has the rate `delta` at least, whatever
  the weights and the features: `ops.delta_gaussian` of a projection. For
  latents in time against an AR(1) prior see `GaussianHead`.

  Args:
    units: Python `int`, the dimension of the latents.
    delta: Number in (0, 80], or a list of `units` of them: the least KL of each
      latent in nats. All of them together commit the sum.
    seed: Python `int`, seed of the initial weights.
    validate_args: Python `bool`: whether to check that the projection is finite
      (not under XLA, which drops assertions). What is not is passed on as a
      mean that is not finite.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., features]`.

  Output shape:
    `GaussianParameters`, each `[..., units]`, float32 at the least.

  Raises:
    ValueError: If `units` is below 1, if `delta` is not in (0, 80], or if it is
      neither one number nor `units`.
    tf.errors.InvalidArgumentError: Under `validate_args`, if the projection is
      not finite.

  Example:
    >>> head = dlvm.layers.DeltaGaussianHead(3, delta=.1)
    >>> q = tfd.Normal(*head(tf.zeros([1, 8])))
    >>> print(tfd.kl_divergence(q, tfd.Normal(0., 1.)).numpy().round(4))
    [[0.1 0.1 0.1]]

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """

  def __init__(self, units, delta, seed=None, validate_args=False, **kwargs):
    counts.check_count(units, 'units')
    check_gaussian_delta(delta)
    delta = np.asarray(delta, np.float32)
    if delta.shape not in ((), (units,)):
      raise ValueError(
          f'Expected one `delta` or {units}, as `units`; received shape '
          f'{delta.shape}.'
      )
    super().__init__(2 * units, seed, validate_args, **kwargs)
    self.units = units
    self._delta = delta

  def _parameters(self, outputs):
    loc, scale_logits = tf.split(outputs, 2, axis=-1)
    return gaussian_head.GaussianParameters(
        *ops.delta_gaussian(loc, scale_logits, self._delta)
    )

  def get_config(self):
    return {
        **super().get_config(),
        'units': self.units,
        'delta': self._delta.tolist(),
    }
