"""Neural variational inference and learning."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import moving_moments
from discrete_lvm.estimators import score_estimator
from discrete_lvm.ops import surrogate_gradients


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class NVIL(score_estimator.ScoreEstimator):
  """Weighs the score with the objective less what a network expects of it.

  `objective(codes)`, plus for the logits the gradient
  `(objective(codes) - b(features) - c) / max(1, s) * d log q(codes) / d logits`

  with `b` a network that learns to predict the objective, and `c` and `s` the
  moving average and standard deviation of `objective(codes) - b(features)`,
  where an example of several samples counts by the mean or bound of them.
  Unbiased but for the positive factor `1 / max(1, s)` of the gradient for the
  logits, which `normalize=False` leaves out. It is no factor of a term beside
  the values, so all of a cost that depends on the logits belongs in the
  objective (`needs_whole_cost`): `log q(z | x) - log p(x, z)`, say. As in
  `MovingAverageBaseline`, a call uses past values alone. (The paper's Algorithm
  1 takes in those of the call first, a bias that falls with the batch size.)
  One evaluation of the objective a sample.

  The gradient of the values for the network's weights, and for those alone, is
  that of `(values - b - c)**2 / (2 max(1, s))`: the network is trained in the
  same step as all else, be it that the values are minimised or maximised.

  Args:
    network: Keras layer or model from features `[batch, *F]` to `[batch, 1]` or
      `[batch]`; by default a hidden layer of 100 tanh units.
    normalize: Whether to divide by `max(1, s)`.
    decay: Share of the past that stays in `c` and `s` at a call, in [0, 1).
    **kwargs: Arguments of `Estimator`.

  Call arguments:
    features: `Tensor`, shape `[..., *F]`, what the network sees of an example,
      such as the data; by default the probabilities of the codes, shape
      `[..., N, K]`. No gradient flows to it.

  Raises:
    ValueError: If `decay` is not in [0, 1), if the features do not have the
      batch shape of the logits, or else a static shape, or the network returns
      another shape, in `weigh`, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.NVIL(keras.layers.Dense(1))
    >>> logits = tf.zeros([5, 2, 3])
    >>> values = estimator(logits, objective=lambda z: z[..., 0, 1],
    ...                    seed=[0, 1], features=tf.ones([5, 7]))
    >>> [tuple(weight.shape) for weight in estimator.trainable_weights]
    [(7, 1), (1,)]

  References:
    Andriy Mnih, Karol Gregor. Neural Variational Inference and Learning in
    Belief Networks. ICML 2014. https://arxiv.org/abs/1402.0030. Equation 8 and
    Algorithm 1.
  """

  def __init__(
      self,
      network: keras.layers.Layer | None = None,
      normalize: bool = True,
      decay: float = 0.8,
      **kwargs,
  ):
    super().__init__(**kwargs)
    self.network = network or keras.Sequential(
        [
            keras.layers.Flatten(dtype='float32'),
            keras.layers.Dense(100, activation='tanh', dtype='float32'),
            keras.layers.Dense(1, dtype='float32'),
        ],
        name='baseline',
    )
    self.normalize = normalize
    self._moments = moving_moments.MovingMoments(decay)

  @property
  def needs_whole_cost(self) -> bool:
    return self.normalize or super().needs_whole_cost

  def build(self, logits_shape, features_shape=None):
    super().build(logits_shape, features_shape)
    shape = estimator.features_event_shape(
        features_shape or logits_shape,
        tf.TensorShape(logits_shape)[:-2],
        is_static=not self.network.built,
    )
    estimator.build_network(self.network, (None, *shape))

  def _estimate(self, logits, objective, seed, noise, **context):
    baseline = self._baseline(logits, context['features'], context['training'])
    expected = tf.stop_gradient(baseline) + self._moments.mean
    scale = tf.ones([])
    if self.normalize:
      scale = tf.maximum(scale, tf.sqrt(self._moments.variance))
    values = super()._estimate(
        logits, objective, seed, noise, expected=expected, scale=scale
    )
    surprise = tf.stop_gradient(values) - expected
    if context['training']:
      self._moments.update(surprise + self._moments.mean)
    # The slope of the squared error, in the baseline alone.
    error = surrogate_gradients.minimized(-surprise / scale * baseline)
    return ops.add_gradient(values, error)

  def weigh(self, samples, log_probs, **context):
    raise ValueError(
        'Expected an estimator without a network for samples that were drawn '
        'elsewhere; received NVIL.'
    )

  def _signals(self, samples, **context):
    return (self._costs(samples) - context['expected']) / context['scale']

  def _baseline(self, logits, features, training):
    """Returns the network's prediction, float32 of the batch shape."""
    if features is None:
      features = tf.nn.softmax(logits)
    features = tf.stop_gradient(tf.convert_to_tensor(features))
    batch_shape = logits.shape[:-2]
    event_shape = estimator.features_event_shape(
        features.shape, batch_shape, is_static=False
    )
    flat = tf.reshape(
        features,
        tf.concat([[-1], tf.shape(features)[batch_shape.rank :]], axis=0),
    )
    flat = tf.ensure_shape(flat, [None, *event_shape])
    baseline = tf.cast(self.network(flat, training=training), tf.float32)
    if baseline.shape.rank not in (1, 2) or baseline.shape[1:] not in ([], [1]):
      raise ValueError(
          'Expected a `network` from features to [batch, 1] or [batch]; '
          f'received an output of shape {baseline.shape}.'
      )
    baseline = tf.reshape(baseline, tf.shape(logits)[:-2])
    return tf.ensure_shape(baseline, batch_shape)

  def get_config(self):
    return {
        **super().get_config(),
        'network': keras.saving.serialize_keras_object(self.network),
        'normalize': self.normalize,
        'decay': self._moments.decay,
    }

  @classmethod
  def from_config(cls, config):
    network = keras.saving.deserialize_keras_object(config['network'])
    return cls(**{**config, 'network': network})
