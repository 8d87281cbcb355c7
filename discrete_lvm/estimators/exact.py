"""The exact gradient."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.ops import shapes


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class Exact(estimator.Estimator):
  """Enumerates all codes: the expectation itself, and its gradient.

  `sum_codes q(codes) objective(codes)`

  Without bias or variance: what the others are checked against. `K**N`
  evaluations of the objective, which gets codes of shape `[K**N, ..., N, K]`;
  `K**N` is at most `2**16`. It draws nothing, and ignores `seed` and `noise`,
  which may be left out. Importance weighted, it enumerates the `K**(N * S)`
  tuples of S samples.

  Args:
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If there are too many codes, if N is not static, or as
      `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.Exact()
    >>> logits = tf.math.log([[.25, .75]])
    >>> value = estimator(logits, objective=lambda z: 6. * z[..., 0, 1])
    >>> print(f'{value:.2f}')
    4.50
  """

  def _check_event(self, logits_shape):
    num_latents, num_classes = shapes.static_event(tf.TensorSpec(logits_shape))
    samples = self.num_samples if self.importance_weighted else 1
    ops.num_codes(samples * num_latents, num_classes)

  def _estimate(self, logits, objective, seed, noise, **context):
    del seed, noise, context
    codes = ops.all_codes(*shapes.static_event(logits))
    shape = tf.concat([tf.shape(codes)[:1], tf.shape(logits)], axis=0)
    batch_ndims = logits.shape.rank - 2
    codes = tf.reshape(
        codes, [codes.shape[0], *[1] * batch_ndims, *codes.shape[1:]]
    )
    static_shape = [codes.shape[0], *logits.shape]
    codes = tf.ensure_shape(tf.broadcast_to(codes, shape), static_shape)
    values = estimator.evaluate(objective, codes)
    log_q = tf.reduce_sum(ops.one_hot_log_prob(codes, logits), axis=-1)
    return tf.reduce_sum(estimator.weighted(values, tf.exp(log_q)), axis=0)
