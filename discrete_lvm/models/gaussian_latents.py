"""Normal latents of a delta-VAE: an AR(1) prior, or constrained scales."""

from collections.abc import Sequence
import math

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm import bijectors
from discrete_lvm import distributions
from discrete_lvm import layers
from discrete_lvm import ops
from discrete_lvm.models import latents
from discrete_lvm.ops import counts

# softplus of it is 1.
_UNIT_LOGIT = math.log(math.expm1(1.0))
# An auxiliary prior keeps a spread, however few the data.
_LEAST_SCALE = 1e-3


@keras.saving.register_keras_serializable(package='discrete_lvm')
class GaussianLatents(latents.Latents):
  """Independent normal posteriors that cannot match the prior.

  By one of two reasons, or by none, as in an ordinary VAE:

  - `alpha`: the prior is a stationary AR(1) sequence, while the posterior is
    independent over time: `ops.ar1_committed_rate`. The encoder itself is free.
  - `delta`: the prior is N(0, 1), and the encoder's means and scales are kept
    where the KL of each latent is at least `delta`: `layers.DeltaGaussianHead`.

  An auxiliary prior, of `autoregressive`, models the innovations of the AR(1)
  law, so that a network whose outputs are zero leaves that law as it is: each
  step is a mixture of M normals, given the steps before, for a network of
  `M * (1 + 2 * dim)` outputs.

  Args:
    length: Python `int`, the number of steps.
    dim: Python `int`, the dimension of a step.
    alpha: Number in [0, 1), or a list of `dim` of them: the correlation of a
      step of the prior with the one before.
    max_alpha: Number below 1. If given, the correlation of each dimension is
      learned, between its `alpha`, which is what the rate is committed by, and
      `max_alpha`. By default it is fixed.
    delta: Number in (0, 80], or a list of `dim` of them: the least KL of each
      latent in nats; not beside `alpha`. By default none.
    seed: Python `int`, seed of the initial weights.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[batch, length, features]`.

  Output shape:
    `(loc, scale)`, a NamedTuple, each `[batch, length, dim]`, float32.

  Raises:
    ValueError: If an argument is out of its range or of another shape, if
      `alpha` and `delta` are both given, if `max_alpha` is not above `alpha`,
      if the features are not of the length, or if the network of an auxiliary
      prior has another number of outputs.

  Example:
    >>> latents = dlvm.models.GaussianLatents(length=16, dim=4, alpha=.95)
    >>> q = latents(tf.zeros([1, 16, 8]))
    >>> print(f'{latents.committed_rate:.2f}')
    22.66
    >>> print(tf.reduce_sum(latents.kl(q)).numpy().round(2))
    23.34

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """

  def __init__(
      self,
      length: int,
      dim: int,
      alpha: float | Sequence[float] = 0.0,
      max_alpha: float | None = None,
      delta: float | Sequence[float] | None = None,
      seed: int | None = None,
      **kwargs,
  ):
    # Keras would cast the features down under a mixed policy.
    super().__init__(autocast=False, **kwargs)
    counts.check_count(length, 'length')
    counts.check_count(dim, 'dim')
    self.length, self.dim = length, dim
    self._config = {
        'alpha': np.asarray(alpha).tolist(),
        'max_alpha': max_alpha,
        'delta': None if delta is None else np.asarray(delta).tolist(),
        'seed': seed,
    }
    self._least_alpha = _as_alpha(alpha, dim)
    if delta is None:
      squares = np.square(self._least_alpha)
      scale = np.sqrt((1 - squares) / (1 + squares))
      self._head = layers.GaussianHead(
          dim, scale.tolist(), seed, dtype=self.dtype_policy
      )
    elif np.any(self._least_alpha) or max_alpha is not None:
      raise ValueError(
          'Expected either `alpha` or `delta`; received '
          f'alpha={alpha} and delta={delta}.'
      )
    else:
      self._head = layers.DeltaGaussianHead(
          dim, delta, seed, dtype=self.dtype_policy
      )
    self._alpha_logits = None
    if max_alpha is not None:
      # As float32, which is what they become.
      least, most = np.float32(self._least_alpha), np.float32(max_alpha)
      if not np.max(least) < most < 1:
        raise ValueError(
            'Expected a `max_alpha` above `alpha` and below 1; received '
            f'{max_alpha} for alpha={alpha}.'
        )
      self._alpha_logits = self.add_weight(
          name='alpha_logits',
          shape=(dim,),
          dtype='float32',
          autocast=False,
          # Near the least, where the head's initial scales fit.
          initializer=keras.initializers.Constant(-3.0),
      )

  def build(self, input_shape):
    self._head.build(input_shape)

  @property
  def alpha(self) -> tf.Tensor:
    """The prior's correlation, float32 of shape `[dim]`."""
    least = tf.constant(self._least_alpha, tf.float32)
    if self._alpha_logits is None:
      return least
    part = tf.sigmoid(self._alpha_logits.value)
    return least + (self._config['max_alpha'] - least) * part

  @property
  def committed_rate(self) -> float:
    if self._config['delta'] is not None:
      delta = np.broadcast_to(self._config['delta'], [self.dim])
      return float(self.length * np.sum(delta))
    # In a graph, too, it is a number.
    with tf.init_scope():
      return float(ops.ar1_committed_rate(self._least_alpha, self.length))

  def call(self, inputs):
    self._check_length(inputs)
    return self._head(inputs)

  def posterior(self, params):
    return tfd.Independent(tfd.Normal(*params), 2)

  def prior(self):
    return distributions.GaussianAR1(self.alpha, self.length)

  def kl(self, params):
    loc, scale = params
    return ops.gaussian_ar1_kl_terms(loc, scale, self.alpha)

  def expect(self, params, objective, seed, training=True):
    del training  # No estimator gathers anything.
    return objective(self.posterior(params).sample(seed=seed))

  def autoregressive(self, network):
    innovations = distributions.Autoregressive(
        network, self._mixture, [self.length, self.dim]
    )
    # It answers to the auxiliary prior's own loss, which must not move this.
    alpha = tf.stop_gradient(self.alpha)
    return tfd.TransformedDistribution(innovations, bijectors.AR1(alpha))

  def _mixture(self, outputs):
    """Makes the law of a step of outputs `[..., M * (1 + 2 * dim)]`."""
    num_components, rest = divmod(outputs.shape[-1], 1 + 2 * self.dim)
    if rest:
      raise ValueError(
          'Expected an auxiliary prior of M * (1 + 2 * dim) outputs, a '
          f'multiple of {1 + 2 * self.dim}; received {outputs.shape[-1]}.'
      )
    outputs = tf.cast(outputs, tf.float32)
    logits, loc, scale = tf.split(
        outputs, [num_components] + [num_components * self.dim] * 2, axis=-1
    )
    shape = tf.concat([tf.shape(logits), [self.dim]], axis=0)
    loc, scale = tf.reshape(loc, shape), tf.reshape(scale, shape)
    scale = _LEAST_SCALE + tf.nn.softplus(scale + _UNIT_LOGIT)
    return tfd.MixtureSameFamily(
        tfd.Categorical(logits=logits),
        tfd.MultivariateNormalDiag(loc, scale),
    )

  def get_config(self):
    return {
        **super().get_config(),
        'length': self.length,
        'dim': self.dim,
        **self._config,
    }


def _as_alpha(alpha, dim):
  array = np.asarray(alpha, np.float64)
  # As float32, which it becomes, it must not round to 1.
  in_range = (array >= 0) & (np.float32(array) < 1)
  if array.shape not in ((), (dim,)) or not np.all(in_range):
    raise ValueError(
        f'Expected one `alpha` in [0, 1) or {dim} of them, as `dim`, in '
        f'float32; received {alpha}.'
    )
  # What the committed rate is of is the value that the law has.
  return np.broadcast_to(np.float64(np.float32(array)), [dim])
