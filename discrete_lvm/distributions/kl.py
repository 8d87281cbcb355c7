"""The three objectives that people call the KL of a relaxed posterior.

They differ in value, gradient and in what they bound, so that
`tfd.kl_divergence` refuses to choose one for a relaxed distribution.
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops
from discrete_lvm.distributions import bernoulli
from discrete_lvm.distributions import binary_relaxation
from discrete_lvm.distributions import categorical_relaxation
from discrete_lvm.distributions import exp_gumbel_softmax
from discrete_lvm.distributions import factorized_categorical
from discrete_lvm.distributions import gumbel_softmax
from discrete_lvm.distributions import logit_relaxed_bernoulli
from discrete_lvm.distributions import one_hot_categorical
from discrete_lvm.distributions import one_hot_distribution
from discrete_lvm.distributions import parameters
from discrete_lvm.distributions import relaxation
from discrete_lvm.distributions import relaxed_bernoulli
from discrete_lvm.ops import floats

tfd = tfp.distributions

_BINARY = (
    bernoulli.Bernoulli,
    binary_relaxation.BinaryRelaxation,
    tfd.Bernoulli,
    tfd.RelaxedBernoulli,
)
_CATEGORICAL = (
    categorical_relaxation.CategoricalRelaxation,
    one_hot_distribution.OneHotDistribution,
    tfd.Categorical,
    tfd.ExpRelaxedOneHotCategorical,
    tfd.OneHotCategorical,
    tfd.RelaxedOneHotCategorical,
)
# Whose divergence from one another is no matter of choice.
_EXACT = (
    one_hot_distribution.OneHotDistribution,
    tfd.Categorical,
    tfd.OneHotCategorical,
)


def categorical_kl(q, p, name='categorical_kl'):
  """Computes `sum_k q_k (log q_k - log p_k)` of the discrete laws, exactly.

  It is the rate of the discrete model: with samples of the discrete `q` in the
  likelihood, `E[log p(x | z)] - KL` is a lower bound of `log p(x)`. With
  relaxed samples in the likelihood, as in Jang et al., it is a bound neither of
  the discrete nor of the relaxed model; it has the least variance of the three
  and depends on no temperature.

  Args:
    q: Distribution with a `logits_parameter`: of ours or TFP's, categorical,
      one-hot or relaxed, or Bernoulli or its relaxation; `tfd.Independent` of
      one; or a `FactorizedCategorical`, which counts as such.
    p: As `q`, of as many classes; its batch shape broadcasts with that of `q`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the broadcast batch shape, in nats; +inf where `q` has mass off
    the support of `p`.

  Raises:
    ValueError: If `q` or `p` is none of these, or they differ in classes or in
      the dimensions that `tfd.Independent` sums over.

  Example:
    >>> q = dlvm.distributions.GumbelSoftmax(.5, logits=[0., -math.inf])
    >>> p = dlvm.distributions.GumbelSoftmax(1., logits=[0., 0.])
    >>> print(f'{categorical_kl(q, p):.4f}')  # log 2.
    0.6931

  References:
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Section 3.
  """
  with tf.name_scope(name):
    q, p, num_summed = _without_independent(q, p)
    return _sum_last(
        ops.categorical_kl(_class_logits(q), _class_logits(p)), num_summed
    )


def relaxed_kl(q, p, num_samples=1, seed=None, name='relaxed_kl'):
  """Estimates `KL(q || p) = E_q[log q(y) - log p(y)]` of the relaxed densities.

  An unbiased estimate, in log space, where densities are finite. The only one
  of the three that gives a true bound with relaxed samples: `E[log p(x | y)] -
  KL` is a lower bound of the log-likelihood of the relaxed model, in which
  latents are drawn from the relaxed `p`; that is not the discrete model. It
  depends on the temperatures of both.

  Args:
    q: `GumbelSoftmax`, `ExpGumbelSoftmax`, `RelaxedBernoulli`,
      `LogitRelaxedBernoulli`, or `tfd.Independent` of one.
    p: As `q`, on as many classes; its batch shape broadcasts with that of `q`
      and has no more dimensions.
    num_samples: How many samples to average over, at least 1.
    seed: As for `tfd.Distribution.sample`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the broadcast batch shape, in nats; differentiable in the
    parameters of both, through the sample too. NaN where a class is impossible
    in both, which have no densities there.

  Raises:
    ValueError: If `q` or `p` is none of these, or one is binary and the other
      not, or they differ in classes or in the dimensions that
      `tfd.Independent` sums over, or the batch shape of `p` has more dimensions
      than that of `q`, or `num_samples` is below 1.

  Example:
    >>> q = dlvm.distributions.GumbelSoftmax(.1, logits=[3., 0., 0.])
    >>> p = dlvm.distributions.GumbelSoftmax(.1, logits=[3., 0., 0.])
    >>> print(f'{relaxed_kl(q, p, seed=[0, 1]):.4f}')
    0.0000

  References:
    Chris J. Maddison, Andriy Mnih, Yee Whye Teh. The Concrete Distribution.
    ICLR 2017. https://arxiv.org/abs/1611.00712. Appendix C.3.
  """
  with tf.name_scope(name):
    _check_num_samples(num_samples)
    q, p, num_summed = _without_independent(q, p)
    q, p = _unbounded(q), _unbounded(p)
    if type(q) is not type(p):
      raise ValueError(
          'Expected `q` and `p` both categorical or both binary; received '
          f'{q.name} and {p.name}.'
      )
    if p.batch_shape.rank > q.batch_shape.rank:
      raise ValueError(
          'Expected a batch shape of `p` with no more dimensions than that of '
          f'`q`, {q.batch_shape}; received {p.batch_shape}.'
      )
    y, log_q = q.experimental_sample_and_log_prob(num_samples, seed=seed)
    log_ratio = tf.reduce_mean(log_q - p.log_prob(y), axis=0)
    return _sum_last(log_ratio, num_summed)


def plug_in_kl(q, p, num_samples=1, seed=None, name='plug_in_kl'):
  """Estimates `E_q[sum_k x_k (log q_k - log p_k)]`, with relaxed samples `x`.

  The discrete log-mass at a relaxed sample. It bounds nothing: in expectation
  it is neither the discrete divergence (it is where `E[x_k] = q_k`, as in the
  limit of temperature 0) nor that of the relaxed densities, and it may be
  negative.

  Args:
    q: As for `relaxed_kl`.
    p: As for `categorical_kl`.
    num_samples: How many samples to average over, at least 1.
    seed: As for `tfd.Distribution.sample`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the broadcast batch shape, in nats; differentiable in the
    parameters of both, through the sample too.

  Raises:
    ValueError: If `q` or `p` is none of these, or they differ in classes or in
      the dimensions that `tfd.Independent` sums over, or `num_samples` is below
      1.

  Example:
    >>> q = dlvm.distributions.GumbelSoftmax(100., probs=[.9, .1])
    >>> p = dlvm.distributions.OneHotCategorical(probs=[.5, .5])
    >>> bool(plug_in_kl(q, p, seed=[0, 1]) < 0.)
    True

  References:
    Chris J. Maddison, Andriy Mnih, Yee Whye Teh. The Concrete Distribution.
    ICLR 2017. https://arxiv.org/abs/1611.00712. Appendix C.3.
  """
  with tf.name_scope(name):
    _check_num_samples(num_samples)
    q, p, num_summed = _without_independent(q, p)
    log_q, log_p = [tf.nn.log_softmax(_class_logits(d)) for d in (q, p)]
    if log_q.shape[-1] != log_p.shape[-1]:
      raise ValueError(
          f'Expected `p` with as many classes as `q`, {log_q.shape[-1]}; '
          f'received {log_p.shape[-1]}.'
      )
    y = _unbounded(q).sample(num_samples, seed=seed)
    if isinstance(q, binary_relaxation.BinaryRelaxation):
      x = tf.stack([tf.sigmoid(-y), tf.sigmoid(y)], axis=-1)
    else:
      x = tf.exp(y)
    # Averaged first: the log-ratio is the same for all samples.
    x = tf.reduce_mean(x, axis=0)
    # An infinity would spoil the gradient of the zero that it meets in `x`.
    is_impossible = tf.equal(log_q, -math.inf)
    log_ratio = tf.where(is_impossible, tf.zeros_like(log_q), log_q - log_p)
    log_ratio = tf.math.multiply_no_nan(log_ratio, x)
    return _sum_last(tf.reduce_sum(log_ratio, axis=-1), num_summed)


@tfd.RegisterKL(
    one_hot_distribution.OneHotDistribution,
    one_hot_distribution.OneHotDistribution,
)
@tfd.RegisterKL(one_hot_distribution.OneHotDistribution, tfd.OneHotCategorical)
@tfd.RegisterKL(tfd.OneHotCategorical, one_hot_distribution.OneHotDistribution)
def _one_hot_kl(q, p, name=None):
  return categorical_kl(q, p, name=name or 'one_hot_kl')


@tfd.RegisterKL(bernoulli.Bernoulli, bernoulli.Bernoulli)
@tfd.RegisterKL(bernoulli.Bernoulli, tfd.Bernoulli)
@tfd.RegisterKL(tfd.Bernoulli, bernoulli.Bernoulli)
def _bernoulli_kl(q, p, name=None):
  return categorical_kl(q, p, name=name or 'bernoulli_kl')


@tfd.RegisterKL(
    factorized_categorical.FactorizedCategorical,
    factorized_categorical.FactorizedCategorical,
)
@tfd.RegisterKL(factorized_categorical.FactorizedCategorical, tfd.Independent)
@tfd.RegisterKL(tfd.Independent, factorized_categorical.FactorizedCategorical)
def _factorized_kl(q, p, name=None):
  if not q.event_shape.is_compatible_with(p.event_shape):
    raise ValueError(
        f'Expected `q` of the event shape of `p`, {p.event_shape}; received '
        f'{q.event_shape}.'
    )
  for law in (q, p):
    law, _ = _unwrap(law)
    if not isinstance(law, _EXACT):
      raise NotImplementedError(
          'Expected a divergence between categorical laws; received '
          f'{type(law).__name__}.'
      )
  return categorical_kl(q, p, name=name or 'factorized_kl')


@tfd.RegisterKL(relaxation.Relaxation, tfd.Distribution)
@tfd.RegisterKL(tfd.Distribution, relaxation.Relaxation)
def _refuse_to_choose(q, p, name=None):
  del name
  raise NotImplementedError(
      f'Expected one of `categorical_kl`, `relaxed_kl` and `plug_in_kl` of '
      '`discrete_lvm.distributions`, which differ in what they bound; received '
      f'a request for the divergence from {type(q).__name__} to '
      f'{type(p).__name__}, one of them relaxed.'
  )


def _check_num_samples(num_samples):
  value = tf.get_static_value(num_samples)
  if value is not None and value < 1:
    raise ValueError(f'Expected `num_samples` of at least 1; received {value}.')


def _without_independent(q, p):
  (q, q_summed), (p, p_summed) = _unwrap(q), _unwrap(p)
  if q_summed != p_summed:
    raise ValueError(
        'Expected `q` and `p` to sum over as many dimensions in '
        f'`tfd.Independent`; received {q_summed} and {p_summed}.'
    )
  q_shape, p_shape = (d.batch_shape[-q_summed:] for d in (q, p))
  if q_summed and not q_shape.is_compatible_with(p_shape):
    raise ValueError(
        'Expected `tfd.Independent` of `q` and of `p` to sum over the same '
        f'shape; received {q_shape} and {p_shape}.'
    )
  return q, p, q_summed


def _unwrap(distribution):
  num_summed = 0
  while isinstance(distribution, tfd.Independent):
    num_summed += int(distribution.reinterpreted_batch_ndims)
    distribution = distribution.distribution
  if isinstance(distribution, factorized_categorical.FactorizedCategorical):
    num_summed += 1
    distribution = one_hot_categorical.OneHotCategorical(distribution.logits)
  return distribution, num_summed


def _sum_last(x, num_dims):
  return tf.reduce_sum(x, axis=list(range(-num_dims, 0))) if num_dims else x


def _class_logits(distribution):
  if not isinstance(distribution, _BINARY + _CATEGORICAL):
    raise ValueError(
        'Expected a categorical or Bernoulli distribution, or a relaxation of '
        f'one; received {type(distribution).__name__}.'
    )
  logits = floats.at_least_float32(distribution.logits_parameter())
  if isinstance(distribution, _BINARY):
    logits = tf.stack(
        [tf.math.log_sigmoid(-logits), tf.math.log_sigmoid(logits)], axis=-1
    )
  # The batch of a relaxation may be that of its temperatures.
  return parameters.broadcast_to_batch(distribution, logits, event_ndims=1)


def _unbounded(distribution):
  if isinstance(distribution, gumbel_softmax.GumbelSoftmax):
    return distribution.to_log_space()
  if isinstance(distribution, relaxed_bernoulli.RelaxedBernoulli):
    return distribution.to_logit_space()
  if isinstance(
      distribution,
      (
          exp_gumbel_softmax.ExpGumbelSoftmax,
          logit_relaxed_bernoulli.LogitRelaxedBernoulli,
      ),
  ):
    return distribution
  raise ValueError(
      'Expected a relaxed distribution of `discrete_lvm`; received '
      f'{type(distribution).__name__}.'
  )
