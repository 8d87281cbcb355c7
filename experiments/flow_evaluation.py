"""How far a discrete flow is from the distribution that it models."""

import math
from typing import Any

import numpy as np
from scipy import stats
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
    batches = _list_cells(truth)
  else:
    codes = truth.sample(num_events, dlvm.ops.as_seed(seed)).numpy()
    batches = _split(codes)
  log_prob = _compile(model)
  pairs = [(truth.log_prob(codes), log_prob(codes)) for codes in batches]
  true_log_probs, model_log_probs = (
      np.concatenate(parts) for parts in zip(*pairs, strict=True)
  )
  if is_listed:
    measures = _exact_measures(true_log_probs, model_log_probs)
  else:
    measures = _sampled_measures(true_log_probs - model_log_probs)
  measures['nats'] = truth.entropy() + measures['nats_above_entropy']
  shown = slice(None, None, math.ceil(len(true_log_probs) / _NUM_SHOWN))
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
  log_prob = _compile(model)
  parts = [
      log_prob(*batch)
      for batch in zip(_split(codes), _split(context), strict=True)
  ]
  measures = _sampled_measures(-np.concatenate(parts))
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
  return {
      'nats_above_entropy': float(np.mean(differences)),
      'nats_above_entropy_stderr': float(stats.sem(differences)),
  }


def _list_cells(truth):
  """Yields all events in their order, batch by batch."""
  shape = [truth.num_classes] * truth.length
  for cells in _split(np.arange(truth.num_classes**truth.length)):
    codes = np.stack(np.unravel_index(cells, shape), axis=-1)
    yield codes.astype(np.int32)


def _split(values):
  return (
      values[begin : begin + _BATCH_SIZE]
      for begin in range(0, len(values), _BATCH_SIZE)
  )


def _compile(model):
  """Returns the model's log-probabilities as a function to float64 arrays."""
  log_prob = tf.function(model.log_prob, reduce_retracing=True)
  return lambda *batch: log_prob(*batch).numpy().astype(np.float64)


def _sample(model, context, seed):
  """Draws one event for each context."""
  sample = tf.function(lambda: model.sample(1, seed, context)[0])
  return sample()
