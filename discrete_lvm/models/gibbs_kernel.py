"""Gibbs sampling of categorical codes as a kernel of `tfp.mcmc`."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops


class LogProb(NamedTuple):
  """What is known of a state: its log-mass in nats, shape `[...]`."""

  target_log_prob: tf.Tensor


class GibbsResults(NamedTuple):
  """Results of a step, as of a proposal that is always accepted.

  Attributes:
    proposed_results: A `LogProb`.
    accepted_results: The same.
  """

  proposed_results: LogProb
  accepted_results: LogProb


class GibbsKernel(tfp.mcmc.TransitionKernel):
  """Draws each categorical latent in turn from its law given the others.

  For any driver of `tfp.mcmc`; see `ops.gibbs_sweep`. A state is a one-hot
  float `Tensor` of shape `[..., N, K]` with static N and K.

  Args:
    target_log_prob_fn: From states `[..., N, K]` to their log-mass in nats,
      `[...]`, not necessarily normalised, for any leading dimensions: they get
      one more, of the K classes.

  Example:
    >>> def log_prob(codes):
    ...   return tf.reduce_sum(codes * tf.math.log([.2, .8]), axis=(-2, -1))
    >>> states = tfp.mcmc.sample_chain(
    ...     1000, tf.constant([[1., 0.]]), kernel=GibbsKernel(log_prob),
    ...     trace_fn=None, seed=[0, 1])
    >>> print(tf.reduce_mean(states, axis=0).numpy().round(1))
    [[0.2 0.8]]
  """

  def __init__(self, target_log_prob_fn: Callable[[tf.Tensor], tf.Tensor]):
    self._target_log_prob_fn = target_log_prob_fn

  @property
  def is_calibrated(self):
    return True

  def one_step(self, current_state, previous_kernel_results, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='GibbsKernel')
    # Of the type that a driver has from the step before.
    dtype = previous_kernel_results.accepted_results.target_log_prob.dtype
    noise = tf.cast(ops.gumbel(tf.shape(current_state), seed), dtype)
    state, log_prob = ops.gibbs_sweep(
        self._target_log_prob_fn, current_state, noise
    )
    return state, _results(tf.cast(log_prob, dtype))

  def bootstrap_results(self, init_state):
    return _results(self._target_log_prob_fn(init_state))


def _results(log_prob):
  return GibbsResults(LogProb(log_prob), LogProb(log_prob))
