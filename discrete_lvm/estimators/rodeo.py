"""The RODEO estimator."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import score_estimator


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class RODEO(score_estimator.ScoreEstimator):
  """Adds control variates of a Stein operator to the leave-one-out estimator.

  `mean_s f_s`, plus for the logits the gradient
  `mean_s (f_s - mean_{j != s} (f_j + A g_j(x_j))) * d log q(x_s) + A h_s(x_s)`

  with `f_s = objective(x_s)`, `A` the Gibbs Stein operator `ops.gibbs_stein`,
  `(g_s(y), u_s(y)) = mean_{j != s} H(f_j, f'(x_j) (y - x_j))` of a network `H`,
  and `h_s(y) = u_s(y) * d log q(y) / d logits`

  Unbiased, for any objective that is differentiable in relaxed codes: as `g_s`
  and `h_s` do not depend on `x_s`, what the operator makes of them has mean
  zero. The network is trained on the variance in the same step as all else. S
  evaluations of the objective and of its gradient, and of the network
  `S (S - 1) (N (K - 1) + 1)` on two numbers.

  The paper's experiments have two classes, this any number. The default network
  is almost zero at first, in place of two trained factors of the authors that
  start at zero: RODEO starts as `LeaveOneOut`. Importance weighted, the cost
  and the baseline are those of `LeaveOneOut`.

  Args:
    network: Keras layer or model from `[batch, 2]` to `[batch, 2]`. By default
      a hidden layer of 100 units.
    num_samples: Number of samples S of an example, at least 2.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `num_samples` is not an `int` of at least 2, if the network
      returns another shape, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.RODEO(keras.layers.Dense(2))
    >>> values = estimator(
    ...     tf.zeros([5, 2, 3]), objective=lambda z: z[..., 0, 1], seed=[0, 1])
    >>> [tuple(weight.shape) for weight in estimator.trainable_weights]
    [(2, 2), (2,)]

  References:
    Jiaxin Shi, Yuhao Zhou, Jessica Hwang, Michalis K. Titsias, Lester Mackey.
    Gradient Estimation with Discrete Stein Operators. NeurIPS 2022.
    https://arxiv.org/abs/2202.09497. As in the authors' code for more than two
    samples, https://github.com/thjashin/rodeo.
  """

  min_num_samples = 2

  def __init__(
      self,
      network: keras.layers.Layer | None = None,
      num_samples: int = 2,
      **kwargs,
  ):
    super().__init__(num_samples=num_samples, **kwargs)
    self.network = network or keras.Sequential(
        [
            keras.layers.Dense(100, dtype='float32'),
            keras.layers.LeakyReLU(negative_slope=0.3, dtype='float32'),
            # Small, not zero, so that a gradient reaches every layer at once.
            keras.layers.Dense(
                2,
                kernel_initializer=keras.initializers.RandomNormal(0.0, 1e-3),
                dtype='float32',
            ),
        ],
        name='control',
    )

  def build(self, logits_shape, features_shape=None):
    super().build(logits_shape, features_shape)
    estimator.build_network(self.network, (None, 2))

  def _estimate(self, logits, objective, seed, noise, **context):
    fixed = tf.stop_gradient(logits)
    codes = self._draw(fixed, seed, noise)
    samples, slopes = estimator.evaluate_with_slopes(objective, codes)
    values = self._reduce(samples)
    samples = tf.stop_gradient(samples)
    others, changes = _expansions(samples, slopes, codes)

    def compute_gradient():
      g, u = self._functions(others, changes, codes, context['training'])
      signals = self._signals(samples, g=ops.gibbs_stein(g, codes, fixed))
      score = ops.categorical_score(codes, fixed)
      gradients = signals[..., tf.newaxis, tf.newaxis] * score
      gradients += ops.gibbs_stein_score(u, codes, fixed)
      return self._add_up(gradients)

    return self._with_trained_gradient(values, logits, compute_gradient)

  def _signals(self, samples, **context):
    expected = self._costs_of_others(samples)
    # Each depends on all samples, but has mean zero given the others.
    expected += ops.leave_one_out_mean(context['g'])
    return self._costs(samples) - expected

  def weigh(self, samples, log_probs, **context):
    raise ValueError(
        'Expected an estimator without slopes for samples that were drawn '
        'elsewhere; received RODEO.'
    )

  def _functions(self, values, changes, codes, training):
    """Returns `g` and `u` at the neighbours, each `[S, ..., N, K]`."""
    # Of the K neighbours at each latent one is the sample itself.
    own, others = _split(changes, codes)
    changes = tf.concat([own, others], axis=-1)
    values = tf.broadcast_to(values[..., tf.newaxis], tf.shape(changes))
    inputs = tf.stack([values, changes], axis=-1)
    outputs = self.network(tf.reshape(inputs, [-1, 2]), training=training)
    if outputs.shape.rank != 2 or outputs.shape[-1] != 2:
      raise ValueError(
          'Expected a `network` from [batch, 2] to [batch, 2]; received an '
          f'output of shape {outputs.shape}.'
      )
    outputs = tf.reshape(tf.cast(outputs, tf.float32), tf.shape(inputs))
    g, u = tf.unstack(tf.reduce_mean(outputs, axis=1), axis=-1)
    return _join(g, codes), _join(u, codes)

  def get_config(self):
    return {
        **super().get_config(),
        'network': keras.saving.serialize_keras_object(self.network),
    }

  @classmethod
  def from_config(cls, config):
    network = keras.saving.deserialize_keras_object(config['network'])
    return cls(**{**config, 'network': network})


def _expansions(samples, slopes, codes):
  """Expands the objective around the other samples, near each sample.

  Args:
    samples: Values of the objective, `[S, ...]`.
    slopes: Their derivatives in the codes, `[S, ..., N, K]`.
    codes: `[S, ..., N, K]`.

  Returns:
    `[S, S - 1, ...]` and `[S, S - 1, ..., N, K]`: for each sample, and each
    other one `j`, `f_j`, and `f'(x_j) (y - x_j)` at the codes `y` that are the
    sample with one latent `n` set to class `k`.
  """
  num_samples = codes.shape[0]
  others = [
      [j for j in range(num_samples) if j != s] for s in range(num_samples)
  ]
  values, slopes, centres = (
      tf.gather(x, others) for x in (samples, slopes, codes)
  )
  codes = codes[:, tf.newaxis]
  offsets = tf.reduce_sum(slopes * (codes - centres), [-2, -1], keepdims=True)
  # First the slope of the step, so that it is exactly zero where none is made.
  here = tf.reduce_sum(slopes * codes, axis=-1, keepdims=True)
  return values, offsets + (slopes - here)


def _split(neighbours, codes):
  """Tells what is at the sample from what is where a latent changes.

  Args:
    neighbours: `[S, S - 1, ..., N, K]`, alike at the classes of the sample.
    codes: `[S, ..., N, K]`.

  Returns:
    `[S, S - 1, ..., 1]` and `[S, S - 1, ..., N (K - 1)]`.
  """
  codes = codes[:, tf.newaxis]
  own = tf.reduce_sum(neighbours[..., 0, :] * codes[..., 0, :], -1)
  others = tf.where(
      _is_before(codes)[..., :-1], neighbours[..., :-1], neighbours[..., 1:]
  )
  flat = tf.concat([tf.shape(own), [-1]], axis=0)
  return own[..., tf.newaxis], tf.reshape(others, flat)


def _join(values, codes):
  """Undoes `_split`: from `[S, ..., 1 + N (K - 1)]` to `[S, ..., N, K]`."""
  shape = tf.concat([tf.shape(codes)[:-1], [codes.shape[-1] - 1]], axis=0)
  own, others = values[..., :1, tf.newaxis], tf.reshape(values[..., 1:], shape)
  gap = tf.zeros_like(others[..., :1])
  others = tf.where(
      _is_before(codes),
      tf.concat([others, gap], axis=-1),
      tf.concat([gap, others], axis=-1),
  )
  return tf.where(codes > 0, own, others)


def _is_before(codes):
  """Says which classes come before that of the code: bool, `[..., N, K]`."""
  chosen = tf.argmax(codes, axis=-1, output_type=tf.int32)
  return tf.range(codes.shape[-1]) < chosen[..., tf.newaxis]
