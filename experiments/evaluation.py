"""The evaluation that ends a run."""

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import results
from experiments import shared_flags


def test(
    trainer: dlvm.training.Trainer,
    batches: tf.data.Dataset,
    output_dir: pathlib.Path,
    title: str,
) -> dict[str, Any]:
  """Evaluates on the test set, unless `results.json` already says it all.

  Args:
    trainer: The trainer, at the end of its run.
    batches: The test set.
    output_dir: Directory of the run.
    title: The run in a few words.

  Returns:
    What `results.json` holds: 'step', 'num_importance_samples', 'title' and
    'test', the metrics of the model.
  """
  key = {
      'step': trainer.step,
      'num_importance_samples': shared_flags.NUM_IMPORTANCE_SAMPLES.value,
  }
  found = results.read(output_dir, key)
  if found is not None:
    return found
  found = {
      **key,
      'title': title,
      'test': evaluate(trainer, batches, output_dir, shared_flags.SEED.value),
  }
  results.write(output_dir, found)
  return found


def evaluate(
    trainer: dlvm.training.Trainer,
    batches: tf.data.Dataset,
    output_dir: pathlib.Path,
    seed: int,
) -> dict[str, float]:
  """Evaluates with as many importance samples as the flag says.

  Args:
    trainer: The trainer, at the end of its run.
    batches: The test set.
    output_dir: Directory of the run.
    seed: Python `int`, seed of the run.

  Returns:
    The metrics of the model.
  """
  trainer.model.num_importance_samples = (
      shared_flags.NUM_IMPORTANCE_SAMPLES.value
  )
  # Another trainer, since that of the training has traced its evaluation with
  # another number of samples.
  evaluator = dlvm.training.Trainer(
      trainer.model, trainer.optimizer, output_dir, seed=seed
  )
  return evaluator.evaluate(batches)


def bounds(
    model: dlvm.models.DiscreteVAE,
    batches: tf.data.Dataset,
    num_samples: int,
    seed: Any,
) -> dict[str, float]:
  """Computes bounds alone, without what asks the estimator of the model.

  Args:
    model: The model.
    batches: Finite data set.
    num_samples: Number of exact samples of an example.
    seed: As for `ops.as_seed`.

  Returns:
    'elbo' and 'bound', of one and of all samples, and 'rate', the KL of the
    posterior from the prior: means over the examples, in nats.
  """

  @tf.function
  def add_up(batch, index):
    log_weights = model.log_weights(
        batch, num_samples, dlvm.ops.fold_in(seed, index)
    )
    bound = dlvm.objectives.importance_weighted_bound(log_weights)
    elbo = tf.reduce_mean(log_weights, axis=0)
    rate = dlvm.ops.categorical_kl(model.encode(batch), model.prior_logits)
    return [tf.reduce_sum(values) for values in (elbo, bound, rate)]

  sums, size = np.zeros(3), 0
  for index, batch in batches.enumerate():
    sums += np.float64(add_up(batch, index))
    size += batch.shape[0]
  return dict(zip(('elbo', 'bound', 'rate'), sums / size, strict=True))
