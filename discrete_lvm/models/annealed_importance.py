"""Likelihoods of discrete latents from both sides, by annealing."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops
from discrete_lvm.models import discrete_vae
from discrete_lvm.models import gibbs_kernel
from discrete_lvm.ops import counts

LogProb = Callable[[tf.Tensor], tf.Tensor]


class BidirectionalBounds(NamedTuple):
  """Bounds of `log p(x)` of data that the model itself has drawn.

  Attributes:
    lower: float32 `Tensor`, shape `[num_examples]`, in nats.
    upper: The same.

  Example:
    >>> bounds = BidirectionalBounds(lower=tf.zeros([3]), upper=tf.ones([3]))
    >>> print(tf.reduce_mean(bounds.upper - bounds.lower).numpy())
    1.0
  """

  lower: tf.Tensor
  upper: tf.Tensor


def annealed_log_weights(
    log_initial: LogProb,
    log_target: LogProb,
    codes: tf.Tensor,
    num_steps: int,
    seed: Any,
) -> tf.Tensor:
  """Weighs chains of codes on their way from one law to another.

  Step t is a sweep of Gibbs sampling of `f_t = log_initial * (1 - t / T) +
  log_target * t / T`, as a logarithm; before it the log-weight grows by what
  the code gains from `f_t` over `f_{t-1}`. The mean weight is the ratio of the
  normalizers of target and initial law, whatever the number of steps: without
  bias, and with less variance the more there are. `tfp.mcmc` drives it.

  Args:
    log_initial: From one-hot codes `[..., N, K]` to their log-mass in nats,
      `[...]`, finite.
    log_target: The same, of the target.
    codes: One-hot floating `Tensor`, shape `[..., N, K]`: exact samples of the
      initial law.
    num_steps: Python `int`, number of steps T, at least 1.
    seed: As for `ops.as_seed`.

  Returns:
    float32 `Tensor`, shape `[...]`: the log-weight of each chain, in nats.

  Raises:
    ValueError: If `num_steps` is no integer of at least 1.

  Example:
    >>> log_target = lambda codes: tf.reduce_sum(codes * [0., 1.], (-2, -1))
    >>> codes = tf.one_hot(tf.tile([[0], [1]], [500, 1]), 2)
    >>> weights = dlvm.models.annealed_log_weights(
    ...     lambda codes: tf.fill(tf.shape(codes)[:-2], -math.log(2)),
    ...     log_target, codes, num_steps=10, seed=0)
    >>> print(f'{dlvm.ops.log_mean_exp(weights):.1f}, '
    ...       f'{math.log(1 + math.e):.1f}')
    1.3, 1.3

  References:
    Radford M. Neal. Annealed Importance Sampling. Statistics and Computing
    11(2), 2001. https://arxiv.org/abs/physics/9803008. Equation 11.
  """
  counts.check_count(num_steps, 'num_steps')
  _, log_weights, _ = tfp.mcmc.sample_annealed_importance_chain(
      num_steps,
      log_initial,
      log_target,
      codes,
      gibbs_kernel.GibbsKernel,
      parallel_iterations=1,
      seed=ops.as_seed(seed),
  )
  return log_weights


def annealed_bound(
    model: discrete_vae.DiscreteVAE,
    x: tf.Tensor,
    num_steps: int,
    num_chains: int,
    seed: Any,
) -> tf.Tensor:
  """Estimates a lower bound of `log p(x)`, from the posterior to the joint.

  A chain starts with an exact sample of the encoder's posterior `q(z | x)`, so
  that without its steps this would be the importance-weighted bound, which it
  is above in expectation at the same number of samples, and tends to `log p(x)`
  with the number of steps. Each step decodes `N * K` codes of each chain, K of
  them at once.

  Args:
    model: The model.
    x: Data, shape `[batch, *event]`.
    num_steps: Python `int`, number of steps T, at least 1.
    num_chains: Python `int`, number of chains S of each example, at least 1.
    seed: As for `ops.as_seed`.

  Returns:
    float32 `Tensor`, shape `[batch]`, in nats.

  Raises:
    ValueError: If `num_steps` or `num_chains` is no integer of at least 1.

  Example:
    >>> encoder = keras.Sequential([keras.layers.Dense(4 * 3)])
    >>> decoder = keras.Sequential(
    ...     [keras.layers.Flatten(), keras.layers.Dense(5)])
    >>> model = dlvm.models.DiscreteVAE(encoder, decoder, 4, 3)
    >>> dlvm.models.annealed_bound(
    ...     model, tf.zeros([2, 5]), num_steps=3, num_chains=2, seed=0).shape
    TensorShape([2])

  References:
    Yuhuai Wu, Yuri Burda, Ruslan Salakhutdinov, Roger Grosse. On the
    Quantitative Analysis of Decoder-Based Generative Models. ICLR 2017.
    https://arxiv.org/abs/1611.04273. Section 3.
  """
  counts.check_count(num_chains, 'num_chains')
  chain_seed, code_seed = ops.split(seed, 2)
  log_q, log_joint, logits = _laws(model, x)
  codes = ops.sample_one_hot(logits, seed=code_seed, sample_shape=[num_chains])
  log_weights = annealed_log_weights(
      log_q, log_joint, codes, num_steps, chain_seed
  )
  return ops.log_mean_exp(log_weights)


def annealed_upper_bound(
    model: discrete_vae.DiscreteVAE,
    x: tf.Tensor,
    codes: tf.Tensor,
    num_steps: int,
    num_chains: int,
    seed: Any,
) -> tf.Tensor:
  """Estimates an upper bound of `log p(x)`, from the joint to the posterior.

  The mean weight of the chains back estimates `1 / p(x)` without bias if they
  start from exact samples of the model's own posterior `p(z | x)`. Of data that
  the model has drawn, that is the code which they were drawn with.

  Args:
    model: The model.
    x: Data, shape `[batch, *event]`, drawn from `p(x | codes)`.
    codes: One-hot `Tensor`, shape `[batch, N, K]`, drawn from the prior.
    num_steps: Python `int`, number of steps T, at least 1.
    num_chains: Python `int`, number of chains S of each example, at least 1.
    seed: As for `ops.as_seed`.

  Returns:
    float32 `Tensor`, shape `[batch]`, in nats.

  Raises:
    ValueError: If `num_steps` or `num_chains` is no integer of at least 1, or
      `codes` are not one of each example.

  Example:
    >>> encoder = keras.Sequential([keras.layers.Dense(4 * 3)])
    >>> decoder = keras.Sequential(
    ...     [keras.layers.Flatten(), keras.layers.Dense(5)])
    >>> model = dlvm.models.DiscreteVAE(encoder, decoder, 4, 3)
    >>> codes = model.sample_prior(2, seed=0)
    >>> x = model.decode(codes).sample(seed=[0, 1])
    >>> dlvm.models.annealed_upper_bound(
    ...     model, x, codes, num_steps=3, num_chains=2, seed=0).shape
    TensorShape([2])

  References:
    Roger B. Grosse, Zoubin Ghahramani, Ryan P. Adams. Sandwiching the Marginal
    Likelihood Using Bidirectional Monte Carlo. 2015.
    https://arxiv.org/abs/1511.02543. Section 3.
  """
  counts.check_count(num_chains, 'num_chains')
  log_q, log_joint, logits = _laws(model, x)
  codes = tf.convert_to_tensor(codes)
  if not codes.shape.is_compatible_with(logits.shape):
    raise ValueError(
        f'Expected `codes` of shape {logits.shape}, one of each example; '
        f'received shape {codes.shape}.'
    )
  # Of a size that is not static, too; but XLA leaves assertions out.
  tf.debugging.assert_equal(
      tf.shape(codes),
      tf.shape(logits),
      'Expected `codes` of each example.',
  )
  codes = tf.repeat(codes[tf.newaxis], num_chains, axis=0)
  log_weights = annealed_log_weights(log_joint, log_q, codes, num_steps, seed)
  return -ops.log_mean_exp(log_weights)


def bidirectional_bounds(
    model: discrete_vae.DiscreteVAE,
    num_examples: int,
    num_steps: int,
    num_chains: int,
    seed: Any,
) -> BidirectionalBounds:
  """Brackets `log p(x)` of data that the model draws, from both sides.

  How far the bounds are apart is how far `annealed_bound` may be off, with the
  same steps and chains, on data like that of the model.

  Args:
    model: The model, whose likelihood can be sampled.
    num_examples: Python `int`, how much data to draw.
    num_steps: Python `int`, number of steps T, at least 1.
    num_chains: Python `int`, number of chains S of each example, at least 1.
    seed: As for `ops.as_seed`.

  Returns:
    `BidirectionalBounds`, in nats. The expectation of the one is below that of
    the other; the estimates of one example may cross.

  Raises:
    ValueError: If `num_steps` or `num_chains` is no integer of at least 1.

  Example:
    >>> encoder = keras.Sequential([keras.layers.Dense(4 * 3)])
    >>> decoder = keras.Sequential(
    ...     [keras.layers.Flatten(), keras.layers.Dense(5)])
    >>> model = dlvm.models.DiscreteVAE(encoder, decoder, 4, 3)
    >>> bounds = dlvm.models.bidirectional_bounds(
    ...     model, num_examples=2, num_steps=3, num_chains=2, seed=0)
    >>> bounds.lower.shape, bounds.upper.shape
    (TensorShape([2]), TensorShape([2]))

  References:
    Roger B. Grosse, Zoubin Ghahramani, Ryan P. Adams. Sandwiching the Marginal
    Likelihood Using Bidirectional Monte Carlo. 2015.
    https://arxiv.org/abs/1511.02543.
  """
  code_seed, data_seed, lower_seed, upper_seed = ops.split(seed, 4)
  codes = model.sample_prior(num_examples, code_seed)
  x = model.decode(codes).sample(seed=data_seed)
  return BidirectionalBounds(
      lower=annealed_bound(model, x, num_steps, num_chains, lower_seed),
      upper=annealed_upper_bound(
          model, x, codes, num_steps, num_chains, upper_seed
      ),
  )


def _laws(model, x):
  """Returns `log q(z | x)` and `log p(x, z)` as functions; and the logits."""
  logits = model.encode(x)

  def log_q(codes):
    return tf.reduce_sum(ops.one_hot_log_prob(codes, logits), axis=-1)

  return log_q, lambda codes: model.log_joint(x, codes), logits
