"""The stationary AR(1) law of unit variance: the prior of a delta-VAE."""

import math

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.distributions import distribution
from tensorflow_probability.python.internal import prefer_static as ps
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.distributions import parameters as parameters_lib
from discrete_lvm.ops import ar1
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes

tfd = tfp.distributions


class GaussianAR1(distribution.AutoCompositeTensorDistribution):
  """Stationary first-order autoregressive Gaussian of unit variance.

  `z_1 ~ N(0, 1)` and `z_t | z_{t-1} ~ N(alpha * z_{t-1}, 1 - alpha**2)`, with
  an `alpha` for each of `dim` independent dimensions. For each of them it is
  the multivariate normal of covariance `alpha ** |s - t|`, at a cost linear in
  the length. Samples are differentiable in `alpha`, and drawn in parallel.

  `tfd.kl_divergence(q, p)` is in closed form from a diagonal `q`, whose rate it
  bounds from below by `ops.ar1_committed_rate`: `tfd.Independent` of
  `tfd.Normal` over both dimensions of the event, or of
  `tfd.MultivariateNormalDiag` over time; and between two `GaussianAR1`.

  An `alpha` that is learned stays within bounds as the second example has it.

  Args:
    alpha: Floating `Tensor`, variable or `tfp.util.DeferredTensor` in (-1, 1),
      shape `[..., dim]`: the correlation of a step with the one before.
    length: Python `int`, the number of steps.
    validate_args: Python `bool`: whether to check `alpha` where its value is
      only known when it runs (not under XLA, which drops assertions).
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If `alpha` is not floating, has no static `dim` or is statically
      not in (-1, 1), if `length` is below 1, or if an event or a `q` is of
      another shape.
    NotImplementedError: For the KL from another `tfd.Independent`.
    tf.errors.InvalidArgumentError: If an event is of another shape that is not
      static; under `validate_args`, if `alpha` is not in (-1, 1).

  Example:
    >>> p = dlvm.distributions.GaussianAR1(tf.fill([1], .95), length=16)
    >>> scale = ops.ar1_optimal_scale(p.alpha, 16)
    >>> q = tfd.Independent(tfd.Normal(tf.zeros([16, 1]), scale), 2)
    >>> print(f'{tfd.kl_divergence(q, p):.3f}')  # The least of any q, in nats.
    5.666
    >>> logits = tf.Variable([0., 0.])
    >>> alpha = tfp.util.DeferredTensor(
    ...     logits, tfb.Sigmoid(tf.constant(.5), tf.constant(.99)))
    >>> p = dlvm.distributions.GaussianAR1(alpha, length=3)
    >>> len(p.trainable_variables), p.sample(4, seed=[0, 1]).shape
    (1, TensorShape([4, 3, 2]))

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """

  def __init__(self, alpha, length, validate_args=False, name='GaussianAR1'):
    parameters = dict(locals())
    ar1.check_length(length)
    with tf.name_scope(name) as name:
      self._alpha = tensor_util.convert_nonref_to_tensor(
          alpha, dtype_hint=tf.float32, name='alpha'
      )
      self._length = length
      parameters_lib.check_floating(self._alpha, 'alpha')
      if not self._alpha.shape.rank or self._alpha.shape[-1] is None:
        raise ValueError(
            'Expected `alpha` of shape [..., dim] with a static dim; received '
            f'shape {self._alpha.shape}.'
        )
      if not tensor_util.is_ref(self._alpha):
        ar1.check_alpha(self._alpha)
      super().__init__(
          dtype=tf.float64 if self._alpha.dtype == tf.float64 else tf.float32,
          reparameterization_type=tfd.FULLY_REPARAMETERIZED,
          validate_args=validate_args,
          # No statistic is undefined.
          allow_nan_stats=True,
          parameters=parameters,
          name=name,
      )

  @property
  def alpha(self):
    """The argument `alpha`."""
    return self._alpha

  @property
  def length(self):
    """The argument `length`."""
    return self._length

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {
        'alpha': tfp.util.ParameterProperties(
            event_ndims=1,
            # An event has a time beside.
            shape_fn=lambda shape: ps.concat([shape[:-2], shape[-1:]], axis=0),
            default_constraining_bijector_fn=tfp.bijectors.Tanh,
        )
    }

  def _event_shape(self):
    return tf.TensorShape([self._length, self._alpha.shape[-1]])

  def _event_shape_tensor(self):
    return tf.constant(self._event_shape().as_list(), tf.int32)

  def _default_event_space_bijector(self):
    return tfp.bijectors.Identity(validate_args=self.validate_args)

  def _float_alpha(self):
    """Returns `alpha` with an axis for time, `[..., 1, dim]`."""
    return tf.cast(self._alpha, self.dtype)[..., tf.newaxis, :]

  def _log_prob(self, x):
    if not x.shape[-2:].is_compatible_with(self.event_shape):
      raise ValueError(
          f'Expected events of shape {self.event_shape}; received {x.shape}.'
      )
    x = shapes.ensure_last(x, self.event_shape)
    innovations = ops.ar1_innovations(x, tf.cast(self._alpha, self.dtype))
    squares = tf.reduce_sum(tf.square(innovations), axis=[-2, -1])
    return self._log_normalizer() - squares / 2

  def _log_normalizer(self):
    """Returns the log-density at the mode, of the batch shape."""
    num_elements = self._event_shape().num_elements()
    log_noise = ar1.log_noise_variance(self._float_alpha())
    return -0.5 * (
        num_elements * math.log(2 * math.pi)
        + (self._length - 1) * tf.reduce_sum(log_noise, axis=[-2, -1])
    )

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='GaussianAR1')
    shape = tf.concat(
        [[n], self.batch_shape_tensor(), self.event_shape_tensor()], axis=0
    )
    noise = ops.normal_noise(shape, seed, dtype=self.dtype)
    noise = tf.ensure_shape(
        noise, tf.TensorShape([None]) + self.batch_shape + self.event_shape
    )
    return ops.ar1_from_innovations(noise, tf.cast(self._alpha, self.dtype))

  def _mean(self):
    shape = tf.concat(
        [self.batch_shape_tensor(), self.event_shape_tensor()], axis=0
    )
    return tf.ensure_shape(
        tf.zeros(shape, self.dtype), self.batch_shape + self.event_shape
    )

  _mode = _mean

  def _variance(self):
    return tf.ones_like(self._mean())

  _stddev = _variance

  def _covariance(self):
    """Returns the covariance of the event, flattened as `tf.reshape` does.

    As TFP has it for events that are no vectors: shape `[..., length * dim,
    length * dim]`, zero between dimensions.
    """
    alpha = self._float_alpha()[..., tf.newaxis, :]
    steps = tf.range(self._length)
    lags = tf.cast(tf.abs(steps[:, tf.newaxis] - steps), self.dtype)
    # [..., length, length, dim].
    lags = lags[..., tf.newaxis]
    # The slope of `0 ** 0` would be NaN.
    correlations = tf.where(lags > 0, tf.pow(alpha, tf.maximum(lags, 1)), 1)
    size = self._event_shape().num_elements()
    covariance = tf.linalg.matrix_transpose(tf.linalg.diag(correlations))
    # [..., length, length, dim, dim] to [..., length, dim, length, dim].
    rank = covariance.shape.rank
    order = [*range(rank - 4), rank - 4, rank - 2, rank - 3, rank - 1]
    return tf.reshape(
        tf.transpose(covariance, order),
        tf.concat([self.batch_shape_tensor(), [size, size]], axis=0),
    )

  def _entropy(self):
    return self._event_shape().num_elements() / 2 - self._log_normalizer()

  def _parameter_control_dependencies(self, is_init):
    # What a variable holds is checked at each use, a constant once.
    if not self.validate_args or is_init == tensor_util.is_ref(self._alpha):
      return []
    alpha = tf.convert_to_tensor(self._alpha)
    return [
        tf.debugging.Assert(
            # A comparison with NaN is False.
            tf.reduce_all(tf.abs(alpha) < 1),
            data=['Expected `alpha` in (-1, 1); received:', alpha],
        )
    ]


@tfd.RegisterKL(tfd.Independent, GaussianAR1)
def _diagonal_kl(q, p, name=None):
  """Computes the rate of a diagonal posterior, of the broadcast batch shape."""
  with tf.name_scope(name or 'diagonal_kl'):
    if not isinstance(q.distribution, (tfd.Normal, tfd.MultivariateNormalDiag)):
      raise NotImplementedError(
          'Expected `tfd.Independent` of `tfd.Normal` or '
          '`tfd.MultivariateNormalDiag`; received one of '
          f'`{type(q.distribution).__name__}`.'
      )
    _check_event_shapes(q, p)
    loc, scale = (
        shapes.ensure_last(x, p.event_shape) for x in (q.mean(), q.stddev())
    )
    return ops.gaussian_ar1_kl(*floats.common_floats(loc, scale, p.alpha))


@tfd.RegisterKL(GaussianAR1, GaussianAR1)
def _ar1_kl(q, p, name=None):
  """Computes the sum of the KL of each step given the one before."""
  with tf.name_scope(name or 'ar1_kl'):
    _check_event_shapes(q, p)
    alpha_q, alpha_p = floats.common_floats(q.alpha, p.alpha)
    noise_variance = (1 - alpha_p) * (1 + alpha_p)
    step = ops.standard_normal_kl(
        (alpha_q - alpha_p) / tf.sqrt(noise_variance),
        tf.sqrt((1 - alpha_q) * (1 + alpha_q) / noise_variance),
    )
    return (q.length - 1) * tf.reduce_sum(step, axis=-1)


def _check_event_shapes(q, p):
  if not q.event_shape.is_compatible_with(p.event_shape):
    raise ValueError(
        f'Expected `q` with the events of `p`, of shape {p.event_shape}; '
        f'received {q.event_shape}.'
    )
