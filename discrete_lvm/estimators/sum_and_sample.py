"""The sum-and-sample estimator."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator


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
  one latent is sampled. So `log q` of all `K**N` codes is tabulated, at most
  `2**16`, though the objective never sees most of them.

  Args:
    num_summed: How many codes are summed over, at least 0; all, where there are
      fewer.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `num_summed` is negative, if there are too many codes, if N
      is not static, or as `Estimator` raises.

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
    estimator.check_integer(num_summed, 0, 'num_summed')
    self.num_summed = num_summed

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    noise = ops.perturb(tf.zeros_like(logits), seed=seed, noise=noise)
    summed, sampled, rest = _sum_and_sample(logits, noise, self.num_summed)
    codes = tf.concat([summed, sampled[tf.newaxis]], axis=0)
    values = estimator.evaluate(objective, codes)
    log_q = tf.reduce_sum(ops.one_hot_log_prob(codes, logits), axis=-1)
    weights = tf.concat([tf.exp(log_q[:-1]), rest[tf.newaxis]], axis=0)
    weighted = estimator.weighted(values, weights)
    return ops.add_gradient(
        tf.reduce_sum(weighted, axis=0),
        tf.stop_gradient(weighted[-1]) * log_q[-1],
    )

  def get_config(self):
    return {**super().get_config(), 'num_summed': self.num_summed}


def _sum_and_sample(logits, noise, num_summed):
  """Picks the likeliest codes, and samples from the rest.

  Args:
    logits: `[..., N, K]`.
    noise: Gumbel noise, `[..., N, K]`.
    num_summed: k.

  Returns:
    The k likeliest codes `[k, ..., N, K]`, an exact sample of the others
    `[..., N, K]`, and the probability of the others, `[...]`.
  """
  codes = ops.all_codes(*estimator.static_event(logits))
  log_q = ops.joint_log_probs(tf.stop_gradient(logits))
  num_summed = min(num_summed, codes.shape[0])
  _, top = tf.math.top_k(log_q, num_summed)
  is_summed = _is_among(top, log_q)
  log_rest = tf.where(is_summed, -float('inf'), log_q)
  rest = tf.exp(tf.reduce_logsumexp(log_rest, axis=-1))
  sampled, _ = ops.sample_joint(log_rest, noise)
  batch_ndims = logits.shape.rank - 2
  top = tf.transpose(top, [batch_ndims, *range(batch_ndims)])
  return tf.gather(codes, top), sampled, rest


def _is_among(indices, x):
  """Marks the elements of `x`, `[..., M]`, at the indices `[..., k]`."""
  num_rows = tf.size(x) // tf.shape(x)[-1]
  rows = tf.reshape(indices, [num_rows, indices.shape[-1]])
  shape = tf.stack([num_rows, tf.shape(x)[-1]])
  row = tf.broadcast_to(tf.range(num_rows)[:, tf.newaxis], tf.shape(rows))
  marks = tf.scatter_nd(
      tf.stack([row, rows], axis=-1), tf.ones_like(rows), shape
  )
  return tf.reshape(marks, tf.shape(x)) > 0
