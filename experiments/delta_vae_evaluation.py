"""What the latents of a trained model carry: information, probes, bounds."""

from typing import Any

import numpy as np
from scipy import stats
from sklearn import linear_model
from sklearn import pipeline
from sklearn import preprocessing
import tensorflow as tf

import discrete_lvm as dlvm

_BATCH_SIZE = 250
# Each of them is compared with each: that many squared densities.
_NUM_COMPARED = 2000


def encode(
    model: dlvm.models.DeltaVAE, x: np.ndarray
) -> tuple[np.ndarray, ...]:
  """Computes the parameters of the posteriors of many examples.

  Args:
    model: The model.
    x: Data, shape `[size, *event]`.

  Returns:
    The parameters, a tuple of arrays, shape `[size, length, dim]`.
  """
  encode_batch = tf.function(
      lambda batch: tf.nest.flatten(model.encode(batch)), reduce_retracing=True
  )
  parts = [
      [array.numpy() for array in encode_batch(x[begin : begin + _BATCH_SIZE])]
      for begin in range(0, len(x), _BATCH_SIZE)
  ]
  return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def information(
    model: dlvm.models.DeltaVAE, x: np.ndarray, seed: Any
) -> dict[str, float]:
  """Estimates the mutual information of the latents and the data.

  Args:
    model: The model.
    x: Data, shape `[size, *event]`, of which the first 2000 are used.
    seed: As for `dlvm.ops.as_seed`.

  Returns:
    'information', in nats, at most `log(min(size, 2000))`; and its standard
    error, 'information_stderr'.
  """
  params = encode(model, x[:_NUM_COMPARED])
  size = len(params[0])

  @tf.function(reduce_retracing=True)
  def log_densities(z, *params):
    # [examples of the chunk, all posteriors].
    return _posterior(model, params).log_prob(z[:, tf.newaxis])

  z = _posterior(model, params).sample(seed=dlvm.ops.as_seed(seed)).numpy()
  matrix = np.concatenate(
      [
          log_densities(z[begin : begin + _BATCH_SIZE], *params).numpy()
          for begin in range(0, size, _BATCH_SIZE)
      ]
  )
  values = dlvm.objectives.aggregate_information(matrix).numpy()
  return {
      'information': float(np.mean(values)),
      'information_stderr': float(stats.sem(np.float64(values))),
  }


def probes(
    model: dlvm.models.DeltaVAE,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    seed: Any,
) -> dict[str, float]:
  """Measures how well a linear classifier reads the labels off the latents.

  Args:
    model: The model.
    train: Images and labels, on which the classifier is fitted.
    test: Images and labels, on which it is tested.
    seed: As for `dlvm.ops.as_seed`.

  Returns:
    Accuracies in percent: 'probe_samples', of one sample of each posterior, in
    training and test; and 'probe_means', of the posterior's means.
  """
  features = {}
  for split, (x, _) in (('train', train), ('test', test)):
    posterior = _posterior(model, encode(model, x))
    z_seed = dlvm.ops.fold_in(seed, split)
    features[split] = {
        'probe_samples': posterior.sample(seed=z_seed).numpy(),
        'probe_means': posterior.mean().numpy(),
    }
  return {
      name: _accuracy(
          features['train'][name], train[1], features['test'][name], test[1]
      )
      for name in ('probe_samples', 'probe_means')
  }


def _posterior(model, params):
  # A posterior with several parameters takes them as a tuple.
  return model.latents.posterior(params if len(params) > 1 else params[0])


def _accuracy(train_features, train_labels, test_features, test_labels):
  classifier = pipeline.make_pipeline(
      preprocessing.StandardScaler(),
      linear_model.LogisticRegression(max_iter=500),
  )
  classifier.fit(train_features.reshape([len(train_labels), -1]), train_labels)
  return 100 * float(
      classifier.score(
          test_features.reshape([len(test_labels), -1]), test_labels
      )
  )
