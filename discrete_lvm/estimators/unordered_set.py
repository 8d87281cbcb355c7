"""The unordered set estimator."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.ops import shapes
from discrete_lvm.ops import without_replacement

# The ratios take 2**S terms.
_MAX_NUM_SAMPLES = 10


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class UnorderedSet(estimator.Estimator):
  """Weighs the scores of a set D of S codes, drawn without replacement.

  `sum_{s in D} q(s) R(D, s) objective(s)`, plus for the logits the gradient
  `sum_{s in D} q(s) R(D, s) (objective(s) - b(s)) d log q(s) / d logits` with
  `b(s) = q(s) objective(s)
  + sum_{r in D, r != s} q(r) R(D - s, r) objective(r)`

  where `R(D, s)` is the leave-one-out ratio: of the probability to draw the
  rest of D once s is gone to that of D. Unbiased, for any objective, and exact
  if S is `K**N`. S evaluations of the objective, none of them twice at the same
  code. The codes are those of all N latents together, which are not enumerated;
  the ratios take `2**S` terms.

  Args:
    num_samples: Size S of the set, from 2 to 10.
    importance_weighted: Only False: the samples are not independent, as the
      bound of many samples has them.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If `importance_weighted`, if S is not in its range or above
      `K**N`, if N is not static, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.UnorderedSet(num_samples=2)
    >>> logits = tf.Variable([[0., 0.]])
    >>> with tf.GradientTape() as tape:
    ...   value = estimator(
    ...       logits, objective=lambda z: 6. * z[..., 0, 1], seed=[0, 1])
    >>> value.numpy().item(), tape.gradient(value, logits).numpy().tolist()
    (3.0, [[-1.5, 1.5]])

  References:
    Wouter Kool, Herke van Hoof, Max Welling. Estimating Gradients for Discrete
    Random Variables by Sampling without Replacement. ICLR 2020.
    https://arxiv.org/abs/2002.06043. The unordered set policy gradient
    estimator with the built-in baseline.
  """

  min_num_samples = 2

  def __init__(
      self, num_samples: int = 2, importance_weighted: bool = False, **kwargs
  ):
    super().__init__(num_samples, importance_weighted, **kwargs)
    if num_samples > _MAX_NUM_SAMPLES:
      raise ValueError(
          f'Expected a `num_samples` of at most {_MAX_NUM_SAMPLES}; received '
          f'{num_samples}.'
      )
    if importance_weighted:
      raise ValueError(
          'Expected `importance_weighted` False, as samples without '
          'replacement are not independent; received True.'
      )

  def _check_event(self, logits_shape):
    num_latents, num_classes = shapes.static_event(tf.TensorSpec(logits_shape))
    without_replacement.check_num_samples(
        self.num_samples, num_latents, num_classes
    )

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    noise = ops.perturb(
        tf.zeros_like(logits),
        seed=seed,
        noise=noise,
        sample_shape=[self.num_samples] if noise is None else (),
    )
    codes, log_probs, log_rest = ops.sample_without_replacement(logits, noise)
    weights, baseline_weights = ops.unordered_set_weights(log_probs, log_rest)
    samples = estimator.evaluate(objective, codes)
    # The infinite value of a code that never comes counts for nothing.
    weigh = tf.math.multiply_no_nan
    baselines = tf.reduce_sum(weigh(samples, baseline_weights), axis=1)
    signals = weigh(samples - baselines, weights)
    score = ops.categorical_score(codes, logits)
    return ops.with_logits_gradient(
        tf.reduce_sum(weigh(samples, tf.stop_gradient(weights)), axis=0),
        logits,
        tf.reduce_sum(signals[..., tf.newaxis, tf.newaxis] * score, axis=0),
    )

  def _estimate_samples(self, logits, objective, seed, noise, **context):
    # All at once, as each depends on those before.
    return self._estimate(logits, objective, seed, noise, **context)
