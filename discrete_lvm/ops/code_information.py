"""What categorical codes carry of the data, exactly."""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from discrete_lvm.ops import assertions
from discrete_lvm.ops import broadcasting
from discrete_lvm.ops import enumeration
from discrete_lvm.ops import shapes


class CodeStatistics(NamedTuple):
  """Sums over examples, float64: those of two sets of examples just add.

  Attributes:
    weight: Scalar, the sum of the weights of the examples.
    marginals: `[N, K]`, the sum of the posteriors of each latent.
    joint: `[K**N]`, the sum of the joint posteriors in the order of
      `all_codes`; `[0]` where there are too many codes to enumerate.
    conditional_entropy: `[N]`, the sum of the entropies of the posteriors, in
      nats.
    cross_entropy: `[N]`, the sum of `-E_q[log p]` of the posteriors `q` and the
      prior `p`, in nats.

  Example:
    >>> first, second = (
    ...     code_statistics(tf.zeros([size, 2, 2])) for size in (3, 5))
    >>> both = CodeStatistics(*(a + b for a, b in zip(first, second)))
    >>> print(both.weight.numpy())
    8.0
  """

  weight: tf.Tensor
  marginals: tf.Tensor
  joint: tf.Tensor
  conditional_entropy: tf.Tensor
  cross_entropy: tf.Tensor


class RateDecomposition(NamedTuple):
  """Means over examples in nats, `[N]` of each latent or `[]` of all jointly.

  Attributes:
    entropy: Of the aggregate posterior.
    rate: `E_x KL(q(z | x) || p(z))`, the sum of the next two.
    mutual_information: Of the code and the example.
    marginal_kl: `KL(q(z) || p(z))` of the aggregate posterior and the prior.

  Example:
    >>> _, joint = code_information(code_statistics(tf.zeros([3, 1, 2])))
    >>> isinstance(joint, RateDecomposition)
    True
  """

  entropy: tf.Tensor
  rate: tf.Tensor
  mutual_information: tf.Tensor
  marginal_kl: tf.Tensor


def code_statistics(
    logits: Any,
    prior_logits: Any = None,
    weights: Any = None,
    name: str = 'code_statistics',
) -> CodeStatistics:
  """Sums what `code_information` needs over examples.

  The joint posterior of an example is never formed: the sum over the examples
  is the product of two matrices, each of half of the latents, `[batch,
  K**(N/2)]`.

  Args:
    logits: Floating array or `Tensor`, shape `[batch, N, K]`, of posteriors of
      N independent latents in nats; -inf is probability zero.
    prior_logits: Floating array or `Tensor`, shape `[N, K]`, or what broadcasts
      to the shape of `logits`. By default the prior is uniform.
    weights: Array or `Tensor`, shape `[batch]`, not negative: the weight of
      each example; one of weight 0 may hold anything. By default ones.
    name: Python `str`, name scope of the ops.

  Returns:
    A `CodeStatistics`.

  Raises:
    ValueError: If `logits` are not of shape `[batch, N, K]` with static N and
      K, `prior_logits` not of K classes or not such that they broadcast, or
      `weights` not of shape `[batch]`.
    tf.errors.InvalidArgumentError: If they are of another batch that is not
      static.

  Example:
    >>> code_statistics(tf.zeros([3, 2, 2])).joint.numpy()
    array([0.75, 0.75, 0.75, 0.75])
  """
  with tf.name_scope(name):
    # The information is a small difference of large sums.
    logits = tf.cast(logits, tf.float64)
    num_latents, num_classes = _latents_and_classes(logits)
    if weights is None:
      weights = tf.ones(tf.shape(logits)[:1], tf.float64)
    weights = tf.cast(weights, tf.float64)
    if not weights.shape.is_compatible_with(logits.shape[:1]):
      raise ValueError(
          f'Expected `weights` of shape {logits.shape[:1]}, one an example; '
          f'received {weights.shape}.'
      )
    assertions.check_one_per_example(weights, logits, 'weights')
    is_counted = weights[:, tf.newaxis, tf.newaxis] > 0
    log_q = tf.nn.log_softmax(tf.where(is_counted, logits, 0.0))
    if prior_logits is None:
      prior_logits = tf.zeros([num_latents, num_classes])
    prior_logits = tf.cast(prior_logits, tf.float64)
    if not prior_logits.shape[-1:].is_compatible_with([num_classes]):
      raise ValueError(
          f'Expected `prior_logits` of shape [..., {num_classes}]; received '
          f'shape {prior_logits.shape}.'
      )
    broadcasting.check_broadcasts_to(prior_logits, logits.shape, 'prior_logits')
    # Of a batch that is not static, too.
    log_p = tf.broadcast_to(tf.nn.log_softmax(prior_logits), tf.shape(logits))
    q = tf.exp(log_q)
    weighted = q * weights[:, tf.newaxis, tf.newaxis]
    axes = [0, 2]
    return CodeStatistics(
        weight=tf.reduce_sum(weights),
        marginals=tf.reduce_sum(weighted, axis=0),
        joint=_sum_joint_probs(log_q, weights),
        conditional_entropy=-tf.reduce_sum(_times(weighted, log_q), axes),
        cross_entropy=-tf.reduce_sum(_times(weighted, log_p), axes),
    )


def code_information(
    statistics: CodeStatistics, name: str = 'code_information'
) -> tuple[RateDecomposition, RateDecomposition | None]:
  """Splits the rate into what the codes tell of the data and what they do not.

      E_x KL(q(z | x) || p(z)) = I(x; z) + KL(q(z) || p(z))

  where `q(z) = E_x q(z | x)` is the aggregate posterior and x one of the
  examples, drawn at random. The same holds of each latent by itself. The sum of
  the entropies of the latents less that of their joint is the total correlation
  of the codes, by which the sum of the information of each latent is above the
  joint information, and that of their `marginal_kl` below the joint one.

  Args:
    statistics: A `CodeStatistics`.
    name: Python `str`, name scope of the ops.

  Returns:
    The `RateDecomposition` of each latent, float64 of shape `[N]`, and of all
    jointly, of shape `[]`: None without the `joint` statistics. Zeros where the
    weight is zero.

  Example:
    >>> logits = tf.math.log([[[.9, .1]], [[.1, .9]]])
    >>> latents, joint = code_information(code_statistics(logits))
    >>> print(f'{joint.mutual_information:.3f} of {math.log(2):.3f} nats')
    0.368 of 0.693 nats

  References:
    Matthew D. Hoffman, Matthew J. Johnson. ELBO surgery: yet another way to
    carve up the variational evidence lower bound. NeurIPS 2016 Workshop on
    Advances in Approximate Bayesian Inference.

    Ricky T. Q. Chen, Xuechen Li, Roger Grosse, David Duvenaud. Isolating
    Sources of Disentanglement in Variational Autoencoders. NeurIPS 2018.
    https://arxiv.org/abs/1802.04942. Equation 2.
  """
  with tf.name_scope(name):
    marginals, joint, conditional_entropy, cross_entropy = (
        tf.math.divide_no_nan(x, statistics.weight) for x in statistics[1:]
    )

    def split(entropy, conditional_entropy, cross_entropy):
      # None is negative but by the rounding of a difference.
      return RateDecomposition(
          entropy=entropy,
          rate=tf.maximum(cross_entropy - conditional_entropy, 0),
          mutual_information=tf.maximum(entropy - conditional_entropy, 0),
          marginal_kl=tf.maximum(cross_entropy - entropy, 0),
      )

    latents = split(entropy(marginals), conditional_entropy, cross_entropy)
    if joint.shape == [0]:
      return latents, None
    # Both are sums over the latents, which are independent given the example,
    # and under the prior.
    return latents, split(
        entropy(joint),
        tf.reduce_sum(conditional_entropy),
        tf.reduce_sum(cross_entropy),
    )


def entropy(probs: Any, axis: int = -1, name: str = 'entropy') -> tf.Tensor:
  """Computes `-sum p log p`, with `0 log 0 = 0`.

  Args:
    probs: Floating array or `Tensor`, shape `[..., K, ...]`: probabilities, not
      logits, of which `categorical_entropy` is.
    axis: Python `int`, the axis of the classes.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]` without the axis, in nats.

  Example:
    >>> print(entropy([.5, .5, 0.]).numpy())
    0.6931472
  """
  with tf.name_scope(name):
    probs = tf.convert_to_tensor(probs)
    return -tf.reduce_sum(tf.math.xlogy(probs, probs), axis=axis)


def _sum_joint_probs(log_q, weights):
  num_latents, num_classes = log_q.shape[-2:]
  if not enumeration.is_enumerable(num_latents, num_classes):
    return tf.zeros([0], log_q.dtype)
  middle = num_latents // 2
  right = tf.exp(enumeration.joint_log_probs(log_q[:, middle:]))
  left = weights[:, tf.newaxis]
  if middle:
    left *= tf.exp(enumeration.joint_log_probs(log_q[:, :middle]))
  return tf.reshape(tf.matmul(left, right, transpose_a=True), [-1])


def _latents_and_classes(logits):
  if logits.shape.rank != 3 or logits.shape[1] is None:
    raise ValueError(
        'Expected `logits` of shape [batch, N, K]; received ' f'{logits.shape}.'
    )
  return logits.shape[1], shapes.static_num_classes(logits, 'logits')


def _times(probs, log_probs):
  """Multiplies, with `0 log 0 = 0`."""
  return tf.math.multiply_no_nan(log_probs, probs)
