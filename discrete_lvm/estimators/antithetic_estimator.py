"""What estimators share that see a pair of antithetic codes."""

import abc

import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.estimators import estimator


class AntitheticEstimator(estimator.Estimator):
  """Compares the objective at two codes, decided with `u` and with `1 - u`.

  Each code is a sequence of binary decisions, each by a uniform `u` of its own.
  Both codes are exact samples, so that the value is the mean of the objective
  at both, and for the log-odds of the decisions the gradient is
  `(objective(codes) - objective(antithetic codes)) / 2 * weights`.

  The uniforms are those of `ops.gumbel_to_logistic`: of K Gumbel variates of a
  latent, K - 1 independent ones, by their logits `log(u) - log(1 - u)`.

  Args:
    **kwargs: Arguments of `Estimator`.
  """

  def _check_event(self, logits_shape):
    self._decisions(logits_shape[-1])

  def _estimate(self, logits, objective, seed, noise, **context):
    del context
    decisions = self._decisions(logits.shape[-1])
    log_odds = ops.decision_logits(logits, decisions)
    # The noise alone, drawn where there is none.
    noise = ops.perturb(tf.zeros_like(logits), seed=seed, noise=noise)
    logistic = ops.gumbel_to_logistic(noise)
    codes = ops.decide(
        tf.stack([log_odds + logistic, log_odds - logistic]) > 0, decisions
    )
    samples = estimator.evaluate(objective, codes)
    weights = self._weights(codes[0], codes[1], logistic, log_odds, decisions)
    difference = (samples[0] - samples[1]) / 2
    return ops.with_logits_gradient(
        tf.reduce_mean(samples, axis=0),
        log_odds,
        difference[..., tf.newaxis, tf.newaxis] * weights,
    )

  @abc.abstractmethod
  def _decisions(self, num_classes: int) -> np.ndarray:
    """Returns the tree of decisions, `[K - 1, K]`, as `ops.decide` takes it."""

  def _weights(self, codes, antithetic_codes, logistic, log_odds, decisions):
    """Computes the weight of each decision; by default that of DisARM.

    Args:
      codes: One-hot float32 `Tensor`, shape `[..., N, K]`.
      antithetic_codes: Like `codes`.
      logistic: `log(u) - log(1 - u)` of each decision, `[..., N, K - 1]`.
      log_odds: Like `logistic`.
      decisions: The tree.

    Returns:
      float32 `Tensor`, shape `[..., N, K - 1]`.
    """
    del logistic
    return ops.antithetic_score(codes, antithetic_codes, log_odds, decisions)


def binary_decision(num_classes: int) -> np.ndarray:
  """Returns the only tree of two classes.

  Args:
    num_classes: K.

  Returns:
    int64 array, shape `[1, 2]`.

  Raises:
    ValueError: If K is not 2.
  """
  if num_classes != 2:
    raise ValueError(
        'Expected `logits` of K = 2 classes; received K = '
        f'{num_classes}, for which there are ARS, ARSM, DisARMStickBreaking '
        'and DisARMTree.'
    )
  return ops.stick_breaking_decisions(2)
