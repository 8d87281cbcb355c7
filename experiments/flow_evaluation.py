"""How far a discrete flow is from the distribution that it models."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm

# Spaces up to this size are listed, larger ones sampled.
MAX_LISTED = 10_000_000
_BATCH_SIZE = 4096
_NUM_SHOWN = 20_000


def evaluate(
    model: dlvm.models.DiscreteFlow, truth: Any, num_events: int, seed: Any
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
  """Computes a model's nats above the entropy of a known distribution.

  They are the divergence KL(truth || model). Over a space of at most
  `MAX_LISTED` events it is the sum over all of them, exact; over a larger one
  the mean of `log p - log q` over draws, whose spread is much smaller than that
  of `-log q`.

  Args:
    model: The model.
    truth: `table.Table` or `potts.Potts`.
    num_events: Number of draws if the space is not listed.
    seed: Seed of the draws, as for `dlvm.ops.as_seed`.

  Returns:
    A pair of dicts. The first: `nats`, the cross-entropy; `nats_above_entropy`;
    and `nats_above_entropy_stderr`, or, if the space is listed,
    `total_probability`, which is 1 for whatever weights. The second:
    `true_log_probs` and `model_log_probs` of events for a picture.
  """
  num_cells = truth.num_classes**truth.length
  is_listed = num_cells <= MAX_LISTED
  if is_listed:
    shape = [truth.num_classes] * truth.length
    codes = np.stack(np.unravel_index(np.arange(num_cells), shape), axis=-1)
  else:
    codes = truth.sample(num_events, dlvm.ops.as_seed(seed)).numpy()
  codes = codes.astype(np.int32)
  model_log_probs = _log_probs(model, codes)
  true_log_probs = truth.log_prob(codes)
  if is_listed:
    measures = _exact_measures(true_log_probs, model_log_probs)
  else:
    measures = _sampled_measures(true_log_probs - model_log_probs)
  measures['nats'] = truth.entropy() + measures['nats_above_entropy']
  shown = slice(None, None, math.ceil(len(codes) / _NUM_SHOWN))
  return measures, {
      'true_log_probs': true_log_probs[shown],
      'model_log_probs': model_log_probs[shown],
  }


def evaluate_conditional(
    model: dlvm.models.DiscreteFlow, truth: Any, num_events: int, seed: Any
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
  """Computes a model's nats where the context determines the event.

  Args:
    model: The model, conditional.
    truth: `addition.Addition`.
    num_events: Number of draws.
    seed: Seed of the draws, as for `dlvm.ops.as_seed`.

  Returns:
    A pair of dicts. The first: `nats`, `nats_above_entropy`, which is the same,
    and `nats_above_entropy_stderr`. The second: `shares`, of shape `[length]`:
    the share of sampled events that are right at each position.
  """
  context, codes = truth.sample(num_events, dlvm.ops.fold_in(seed, 'data'))
  log_probs = _log_probs(model, codes.numpy(), context.numpy())
  measures = _sampled_measures(-log_probs)
  seed = dlvm.ops.fold_in(seed, 'model')
  samples = _sample(model, context[:_NUM_SHOWN], seed).numpy()
  return (
      {**measures, 'nats': measures['nats_above_entropy']},
      {'shares': np.mean(samples == codes.numpy()[:_NUM_SHOWN], axis=0)},
  )


def _exact_measures(true_log_probs, model_log_probs):
  probs = np.exp(true_log_probs)
  # Cells of probability 0, whose logarithm is -inf, add nothing.
  differences = np.where(probs > 0, true_log_probs - model_log_probs, 0)
  return {
      'nats_above_entropy': float(np.vdot(probs, differences)),
      'total_probability': float(np.exp(model_log_probs).sum()),
  }


def _sampled_measures(differences):
  error = np.std(differences) / math.sqrt(len(differences))
  return {
      'nats_above_entropy': float(np.mean(differences)),
      'nats_above_entropy_stderr': float(error),
  }


def _log_probs(model, codes, context=None):
  """Evaluates a model batch by batch; float64 of shape `[size]`."""
  log_prob = tf.function(model.log_prob, reduce_retracing=True)
  parts = []
  for begin in range(0, len(codes), _BATCH_SIZE):
    batch = slice(begin, begin + _BATCH_SIZE)
    given = {} if context is None else {'context': context[batch]}
    parts.append(log_prob(codes[batch], **given).numpy())
  return np.concatenate(parts).astype(np.float64)


def _sample(model, context, seed):
  """Draws one event for each context."""
  sample = tf.function(lambda: model.sample(1, seed, context)[0])
  return sample()
