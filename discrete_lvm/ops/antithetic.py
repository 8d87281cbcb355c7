"""Antithetic pairs of binary decisions."""

import numpy as np
import tensorflow as tf

from discrete_lvm.ops import decisions as decisions_lib
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes


def gumbel_to_logistic(
    gumbel: tf.Tensor, name: str = 'gumbel_to_logistic'
) -> tf.Tensor:
  """Turns K Gumbel variates into K - 1 independent logistic ones, exactly.

  The variates are exponential, `E = exp(-gumbel)`, and the share of one in what
  is left of their sum is independent of the shares of the later ones: it has
  the law Beta(1, number of the later ones). With K = 2 the logistic variate is
  `gumbel[1] - gumbel[0]`, so that a decision by its sum with log-odds
  `logits[1] - logits[0]` is the argmax of the perturbed logits. With more it
  takes memory for `K**2` numbers a vector.

  Args:
    gumbel: Standard Gumbel noise, floating `Tensor` of shape `[..., K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., K - 1]`, float32 at the least, with both tails in
    full.

  Raises:
    ValueError: If K is not static or below 2.

  Example:
    >>> gumbel_to_logistic([1., 3.]).numpy()
    array([2.], dtype=float32)
  """
  with tf.name_scope(name):
    log_e = -floats.at_least_float32(gumbel)
    num_classes = shapes.static_num_classes(log_e, 'gumbel', minimum=2)
    if num_classes == 2:
      # Nothing to add up, which is the slow part.
      return log_e[..., :1] - log_e[..., 1:]
    # Not `cumulative_logsumexp`, which `tf.vectorized_map` cannot convert.
    is_later = decisions_lib.stick_breaking_decisions(num_classes) == 1
    nothing = tf.constant(-np.inf, log_e.dtype)
    later = tf.where(is_later, log_e[..., tf.newaxis, :], nothing)
    log_odds = log_e[..., :-1] - tf.reduce_logsumexp(later, axis=-1)
    num_later = np.arange(num_classes - 1, 0, -1)
    # With u the value of the law of the share: x = -log(1 - u).
    x = tf.cast(num_later, log_e.dtype) * tf.math.softplus(log_odds)
    return tf.where(
        num_later == 1, log_odds, x + tf.math.log(-tf.math.expm1(-x))
    )


def antithetic_score(
    codes: tf.Tensor,
    antithetic_codes: tf.Tensor,
    log_odds: tf.Tensor,
    decisions: np.ndarray,
    name: str = 'antithetic_score',
) -> tf.Tensor:
  """Computes what weighs the difference of an antithetic pair in DisARM.

  Half of the difference of the objective at two codes times this estimates the
  gradient for the log-odds, without bias, if the decisions of the second are
  those of the first with `1 - u` for each uniform `u`. Where both codes pass a
  decision, it is `(-1)^{b~} 1[b != b~] sigmoid(|log_odds|)`. Where only one
  does, the other's decision is integrated out, and what remains is the score
  of the one, with a minus for the second. Where none does, it is zero.

  Args:
    codes: One-hot floating `Tensor`, shape `[..., K]`.
    antithetic_codes: The second of the pair, like `codes`.
    log_odds: Floating `Tensor`, shape `[..., K - 1]`, of each decision.
    decisions: The tree, shape `[K - 1, K]`; see `ops.decisions`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., K - 1]`.

  Example:
    >>> tree = dlvm.ops.stick_breaking_decisions(2)
    >>> antithetic_score([0., 1.], [1., 0.], [0.], tree).numpy()
    array([0.5], dtype=float32)

  References:
    Zhe Dong, Andriy Mnih, George Tucker. DisARM: An Antithetic Gradient
    Estimator for Binary Latent Variables. NeurIPS 2020.
    https://arxiv.org/abs/2006.10680. The estimator of Section 3.
    Zhe Dong, Andriy Mnih, George Tucker. Coupled Gradient Estimators for
    Discrete Latent Variables. NeurIPS 2021. https://arxiv.org/abs/2106.08056.
    The Rao-Blackwellised estimators DisARM-SB and DisARM-Tree.
  """
  with tf.name_scope(name):
    log_odds = floats.at_least_float32(log_odds)
    first, second = (
        decisions_lib.decisions_of(tf.cast(x, log_odds.dtype), decisions)
        for x in (codes, antithetic_codes)
    )

    def score(decision):
      # 1 - sigmoid(x) for a yes and -sigmoid(x) for a no, zero for neither.
      return decision * tf.sigmoid(-decision * log_odds)

    both = tf.not_equal(first * second, 0)
    return tf.where(
        both,
        (first - second) / 2 * tf.sigmoid(tf.abs(log_odds)),
        score(first) - score(second),
    )
