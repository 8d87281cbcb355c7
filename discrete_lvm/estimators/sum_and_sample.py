"""The sum-and-sample estimator."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator
from discrete_lvm.ops import counts
from discrete_lvm.ops import shapes


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class SumAndSample(estimator.Estimator):
  """Sums over the likeliest codes and samples from the rest.

  `sum_{z in C} q(z) f(z) + (1 - q(C)) f(z')`, plus for the logits the gradient
  `(1 - q(C)) f(z') * d log q(z') / d logits`, with `f = objective`, C the
  `num_summed` likeliest codes and `z' ~ q(z | z not in C)`

  Unbiased, for any objective. The Rao-Blackwellisation of the score-function
  estimator: its variance is at most `1 - q(C)` times that of `ScoreFunction`,
  which it is where `num_summed` is 0. `num_summed + 1` evaluations of the
  objective a sample, at codes `[num_summed + 1, ..., N, K]`.

  The paper has one categorical variable. Here that is the joint code of all N
  latents, since a likeliest set of each latent would leave a sample wherever
  one latent is sampled. They are not enumerated: `q` is a product.

  Args:
    num_summed: How many codes are summed over, at least 0; all, where there are
      fewer.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `num_summed` is negative, if N is not static, or as
      `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.SumAndSample(num_summed=1)
    >>> logits = tf.math.log([[.9, .06, .04]])
    >>> value = estimator(logits, objective=lambda z: z[..., 0, 0] + 1.,
    ...                   seed=[0, 1])
    >>> print(f'{value:.2f}')  # Whatever the sample of the rest is.
    1.90

  References:
    Runjing Liu, Jeffrey Regier, Nilesh Tripuraneni, Michael I. Jordan, Jon
    McAuliffe. Rao-Blackwellized Stochastic Gradients for Discrete
    Distributions. ICML 2019. https://arxiv.org/abs/1810.04777. Equation 4.
  """

  def __init__(self, num_summed: int = 1, **kwargs):
    super().__init__(**kwargs)
    counts.check_count(num_summed, 'num_summed', minimum=0)
    self.num_summed = num_summed

  def _check_event(self, logits_shape):
    shapes.static_event(tf.TensorSpec(logits_shape))

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    noise = ops.perturb(tf.zeros_like(logits), seed=seed, noise=noise)
    num_latents, num_classes = shapes.static_event(logits)
    summed = ops.likeliest_codes(
        logits, min(self.num_summed, num_classes**num_latents)
    )
    sampled, log_rest = ops.sample_excluding(
        tf.stop_gradient(logits), summed, noise
    )
    codes = tf.concat([summed, sampled[tf.newaxis]], axis=0)
    values = estimator.evaluate(objective, codes)
    log_q = tf.reduce_sum(ops.one_hot_log_prob(codes, logits), axis=-1)
    weights = tf.exp(tf.concat([log_q[:-1], log_rest[tf.newaxis]], axis=0))
    weighted = estimator.weighted(values, weights)
    return ops.add_gradient(
        tf.reduce_sum(weighted, axis=0),
        tf.stop_gradient(weighted[-1]) * log_q[-1],
    )

  def get_config(self):
    return {**super().get_config(), 'num_summed': self.num_summed}
