"""What `evaluate` measures of a trained model of latents."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm

_BATCH_SIZE = 100


def bounds(
    model: keras.Model,
    examples: Any,
    num_samples: int,
    num_dims: int,
    seed: Any,
    **options,
) -> dict[str, float]:
  """Bounds the log-likelihood; computes it where the codes are few.

  Args:
    model: A model of latents and data.
    examples: Test examples, as the model takes them: an array, or a tuple.
    num_samples: Importance samples of each example.
    num_dims: Pixels or characters of an example.
    seed: As for `ops.as_seed`.
    **options: Further arguments of `model.importance_weighted_estimate`.

  Returns:
    'elbo' and 'importance_weighted_bound' in nats, of which 'log_marginal' is
    the truth; each with '..._stderr' over the examples;
    'effective_sample_size'; 'bits_per_dim' of the bound.
  """
  names = ['elbo', 'importance_weighted_bound', 'effective_sample_size']
  has_marginal = isinstance(
      model, dlvm.models.DiscreteVAE
  ) and dlvm.ops.is_enumerable(model.num_latents, model.num_classes)
  if has_marginal:
    names.append('log_marginal')

  @tf.function
  def measure(x, seed):
    estimate = model.importance_weighted_estimate(
        x, num_samples, seed, **options
    )
    marginal = [model.log_marginal(x)] if has_marginal else []
    return [
        estimate.elbo,
        estimate.bound,
        estimate.effective_sample_size,
        *marginal,
    ]

  found = [
      measure(x, dlvm.ops.fold_in(seed, index))
      for index, x in enumerate(batches(examples))
  ]
  results = {}
  for name, values in zip(names, zip(*found, strict=True), strict=True):
    results |= mean(name, np.concatenate(values))
  bound = results['importance_weighted_bound']
  return {**results, 'bits_per_dim': bits_per_dim(bound, num_dims)}


def metrics(
    model: keras.Model, examples: Any, num_samples: int, seed: Any
) -> dict[str, float]:
  """Computes the metrics of `evaluate` of a model.

  Args:
    model: The model.
    examples: Test examples, as for `bounds`.
    num_samples: Importance samples of each example.
    seed: As for `ops.as_seed`.

  Returns:
    What `model.get_metrics_result` returns.
  """
  model.num_importance_samples = num_samples
  model.reset_metrics()
  update = tf.function(lambda x, seed: model.update_metrics(x, seed=seed))
  for index, x in enumerate(batches(examples)):
    update(x, dlvm.ops.fold_in(seed, index))
  return {
      name: float(value) for name, value in model.get_metrics_result().items()
  }


def annealing(
    model: dlvm.models.DiscreteVAE,
    num_examples: int,
    num_steps: int,
    num_chains: int,
    seed: Any,
) -> dict[str, float]:
  """Brackets the log-likelihood of images that the model draws.

  Args:
    model: The model.
    num_examples: How many images to draw.
    num_steps: Steps of annealing.
    num_chains: Chains of each image.
    seed: As for `ops.as_seed`.

  Returns:
    'lower', 'upper' and 'bracket', their difference, means in nats; each with
    '..._stderr' over the images.
  """
  found = tf.function(dlvm.models.bidirectional_bounds)(
      model, num_examples, num_steps, num_chains, dlvm.ops.as_seed(seed)
  )
  values = {**found._asdict(), 'bracket': found.upper - found.lower}
  results = {}
  for name, value in values.items():
    results |= mean(name, value)
  return results


def codes(
    all_logits: np.ndarray, prior_logits: tf.Tensor, seed: Any
) -> tuple[dict[str, float], dlvm.metrics.CodeInformation]:
  """Splits the rate into what the codes tell of the examples, and the rest.

  Args:
    all_logits: Logits of the posteriors, shape `[size, N, K]`.
    prior_logits: Those of the prior, shape `[N, K]`.
    seed: As for `ops.as_seed`.

  Returns:
    The results of `metrics.CodeInformation`, and the metric. Where there are
    too many codes to enumerate, 'latent_mutual_information' is an estimate from
    one sample of each example, and has a '..._stderr'.
  """
  size, num_latents, num_classes = all_logits.shape
  metric = dlvm.metrics.CodeInformation(num_latents, num_classes)
  for logits in batches(all_logits):
    metric.update_state(logits, prior_logits)
  results = {name: float(value) for name, value in metric.result().items()}
  name = 'latent_mutual_information'
  if name not in results:
    log_q = tf.reshape(tf.nn.log_softmax(all_logits), [size, -1])
    found = []
    for index, logits in enumerate(batches(all_logits)):
      z = dlvm.ops.one_hot_argmax(
          dlvm.ops.perturb(logits, seed=dlvm.ops.fold_in(seed, index))
      )
      own = tf.reduce_sum(dlvm.ops.one_hot_log_prob(z, logits), axis=-1)
      under_all = tf.matmul(
          tf.reshape(z, [len(logits), -1]), log_q, transpose_b=True
      )
      found.append(dlvm.objectives.aggregate_information(under_all, own))
    results |= mean(name, np.concatenate(found))
  return results, metric


def rate_distortion(
    model: dlvm.models.DiscreteVAE,
    images: np.ndarray,
    powers: Sequence[float],
    seed: Any,
) -> list[dict[str, float]]:
  """Computes points that the model reaches between its prior and its modes.

  The posterior of a point is `p(z)**(1 - t) q(z | x)**t`, normalised: the prior
  at power 0, with a rate of 0, the model's own at 1, and its modes beyond. All
  points are above the curve of the best posteriors for this decoder.

  Args:
    model: The model.
    images: Test images, shape `[size, height, width, 1]`.
    powers: The t of each point.
    seed: As for `ops.as_seed`.

  Returns:
    A dict of each point: 'power', and the means 'rate' and 'distortion' in
    nats, the latter from one sample of each image.
  """
  prior = tf.nn.log_softmax(prior_logits(model))

  @tf.function
  def measure(x, power, seed):
    log_q = tf.nn.log_softmax(model.encode(x))
    logits = (1 - power) * prior + power * log_q
    z = dlvm.ops.one_hot_argmax(dlvm.ops.perturb(logits, seed=seed))
    rate = tf.reduce_sum(dlvm.ops.categorical_kl(logits, prior), axis=-1)
    return rate, -model.decode(z).log_prob(x)

  points = []
  for power in powers:
    found = [
        measure(x, tf.constant(power), dlvm.ops.fold_in(seed, index))
        for index, x in enumerate(batches(images))
    ]
    rate, distortion = (
        float(np.mean(np.concatenate(values)))
        for values in zip(*found, strict=True)
    )
    points.append({'power': power, 'rate': rate, 'distortion': distortion})
  return points


def traversals(
    model: dlvm.models.DiscreteVAE, image: np.ndarray, latents: Sequence[int]
) -> np.ndarray:
  """Decodes the likeliest codes of an image, with each class of a latent.

  Args:
    model: The model.
    image: Shape `[height, width, 1]`.
    latents: Indices of L of the latents.

  Returns:
    Array in [0, 1], shape `[L, K, height, width, 1]`.
  """
  modes = dlvm.ops.one_hot_argmax(model.encode(image[np.newaxis])).numpy()
  classes = np.arange(model.num_classes)
  changed = np.tile(modes, [len(latents), model.num_classes, 1, 1])
  for row, latent in enumerate(latents):
    changed[row, :, latent] = np.eye(model.num_classes)[classes]
  return model.decode(tf.constant(changed)).mean().numpy()


def prior_logits(model: dlvm.models.DiscreteVAE) -> tf.Tensor:
  """Returns the logits of the prior, shape `[N, K]`."""
  if model.prior_logits is None:
    return tf.zeros([model.num_latents, model.num_classes])
  return tf.convert_to_tensor(model.prior_logits)


def over_batches(function: Callable, examples: Any) -> np.ndarray:
  """Computes an array of all examples, a batch at a time.

  Args:
    function: From a batch to a `Tensor`, shape `[batch, ...]`.
    examples: As for `bounds`.

  Returns:
    Array, shape `[size, ...]`.
  """
  compiled = tf.function(function)
  return np.concatenate([compiled(x).numpy() for x in batches(examples)])


def mean(name: str, values: np.ndarray) -> dict[str, float]:
  """Returns the mean of values, and its standard error.

  Args:
    name: Name of the mean.
    values: Floating array, shape `[size]`.

  Returns:
    The mean by its name, and '..._stderr'.
  """
  metric = dlvm.metrics.MeanWithError(name=name)
  metric.update_state(values)
  return {key: float(value) for key, value in metric.result().items()}


def bits_per_dim(log_prob: float, num_dims: int) -> float:
  """Returns the bits that a pixel or a character costs.

  Args:
    log_prob: Of an example, in nats.
    num_dims: Pixels or characters of an example.
  """
  return float(dlvm.ops.bits_per_dim(-log_prob, num_dims))


def batches(examples: Any) -> Iterator[Any]:
  """Cuts an array, or a tuple of arrays, into batches."""
  size = len(tf.nest.flatten(examples)[0])
  for begin in range(0, size, _BATCH_SIZE):
    yield tf.nest.map_structure(
        lambda x, begin=begin: tf.constant(x[begin : begin + _BATCH_SIZE]),
        examples,
    )
