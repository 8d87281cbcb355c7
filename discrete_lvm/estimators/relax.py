"""The RELAX estimator."""

import math

import keras
import tensorflow as tf

from discrete_lvm.estimators import estimator
from discrete_lvm.estimators import relaxed_control
from discrete_lvm.ops import shapes

# In nats: how far below the likeliest class its network tells classes apart.
_RANGE = 10.0


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class RELAX(relaxed_control.RelaxedControl):
  """Adds a trained network to the control variate of REBAR.

  `f(b)`, plus for the logits the gradient
  `(f(b) - c(z~)) * d log q(b) + d c(z) - d c(z~)`, with
  `c(z) = scale * f(softmax(z / temperature)) + r(z)`, `z = logits + gumbel`,
  `b = one_hot(argmax(z))`, and `z~` drawn as `z` is given `b`

  Unbiased, for any objective that is differentiable in relaxed codes. The
  network `r`, the scale and the temperature are trained on the variance in the
  same step as all else; the gradient for them differentiates the objective
  twice. Unlike in the paper `z~` is tied to `z` as in `REBAR`, so that two
  evaluations of the objective a sample do, one of them at relaxed codes, and
  one of the network. That sees `z` no further than 10 nats below its largest,
  so that a class without probability drowns none of the others.

  Args:
    network: Keras layer or model from `[batch, M]` to `[batch, 1]` that can be
      differentiated twice, with `M = N * K`, and more with features. By default
      a hidden layer of 100 tanh units, and almost zero at first: RELAX starts
      as REBAR.
    temperature: Positive number, the initial temperature; the weight
      `log_temperature` is its logarithm.
    scale: Number, the initial value of the weight `scale`.
    **kwargs: Arguments of `Estimator`.

  Call arguments:
    features: `Tensor`, shape `[..., *F]`, what the network sees of an example
      after its perturbed logits, such as the data. No gradient flows to it.

  Raises:
    ValueError: If `temperature` is not positive, if N is not static, if the
      features do not have the batch shape of the logits or the network returns
      another shape, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.RELAX(keras.layers.Dense(1))
    >>> values = estimator(
    ...     tf.zeros([5, 2, 3]), objective=lambda z: z[..., 0, 1], seed=[0, 1],
    ...     features=tf.ones([5, 7]))
    >>> [tuple(weight.shape) for weight in estimator.trainable_weights]
    [(), (), (13, 1), (1,)]

  References:
    Will Grathwohl, Dami Choi, Yuhuai Wu, Geoffrey Roeder, David Duvenaud.
    Backpropagation through the Void: Optimizing Control Variates for Black-Box
    Gradient Estimation. ICLR 2018. https://arxiv.org/abs/1711.00123. Section 3.
  """

  def __init__(
      self,
      network: keras.layers.Layer | None = None,
      temperature: float = 0.5,
      scale: float = 1.0,
      **kwargs,
  ):
    super().__init__(temperature, scale, **kwargs)
    self.network = network or keras.Sequential(
        [
            keras.layers.Dense(100, activation='tanh', dtype='float32'),
            # Small, not zero, so that a gradient reaches every layer at once.
            keras.layers.Dense(
                1,
                kernel_initializer=keras.initializers.RandomNormal(0.0, 1e-3),
                dtype='float32',
            ),
        ],
        name='control',
    )

  def build(self, logits_shape, features_shape=None):
    shape = tf.TensorShape(logits_shape)
    estimator.check_logits_shape(shape)
    size = math.prod(shapes.static_event(tf.TensorSpec(shape)))
    if self.importance_weighted:
      size *= self.num_samples
    if features_shape is not None:
      size += math.prod(
          estimator.features_event_shape(features_shape, shape[:-2])
      )
    estimator.build_network(self.network, (None, size))

  def _control(self, z, objective, **context):
    features = context['features']
    control = self._relaxed_objective(z, objective)
    # What stands for -inf would drown, or saturate, all else that it sees.
    floor = tf.reduce_max(z, axis=-1, keepdims=True) - _RANGE
    parts = [_flatten(tf.maximum(z, floor), z.shape.rank - 2)]
    if features is not None:
      parts.append(self._features_like(control, features))
    seen = tf.concat(parts, axis=-1)
    size = seen.shape[-1]
    seen = tf.reshape(seen, [-1, size])
    r = tf.cast(self.network(seen, training=context['training']), tf.float32)
    if r.shape.rank != 2 or r.shape[-1] != 1:
      raise ValueError(
          f'Expected a `network` from [batch, {size}] to [batch, 1]; received '
          f'an output of shape {r.shape}.'
      )
    return control + tf.reshape(r, tf.shape(control))

  def _features_like(self, control, features):
    """Returns float32 features `[..., M]` of the batch shape of the control."""
    features = tf.cast(features, tf.float32)
    # Where samples are not latents of one example, they come before the batch.
    has_samples = self.num_samples > 1 and not self.importance_weighted
    batch_shape = control.shape[1:] if has_samples else control.shape
    estimator.features_event_shape(features.shape, batch_shape)
    features = _flatten(features, batch_shape.rank)
    shape = tf.concat([tf.shape(control), [features.shape[-1]]], axis=0)
    features = shapes.with_shape(
        features,
        tf.TensorShape([*batch_shape, features.shape[-1]]),
        lambda: shape[1:] if has_samples else shape,
        '`features`',
    )
    return tf.broadcast_to(features, shape)

  def get_config(self):
    return {
        **super().get_config(),
        'network': keras.saving.serialize_keras_object(self.network),
    }

  @classmethod
  def from_config(cls, config):
    network = keras.saving.deserialize_keras_object(config['network'])
    return cls(**{**config, 'network': network})


def _flatten(x, batch_ndims):
  """Makes one dimension of all that follow the batch."""
  size = math.prod(x.shape[batch_ndims:])
  shape = tf.concat([tf.shape(x)[:batch_ndims], [size]], axis=0)
  return tf.ensure_shape(tf.reshape(x, shape), x.shape[:batch_ndims] + [size])
