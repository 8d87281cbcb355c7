"""What `evaluate` measures of a trained model of images."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import math
from typing import Any

import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm

_BATCH_SIZE = 100


def bounds(
    model: dlvm.models.DiscreteVAE | dlvm.models.DeltaVAE,
    images: np.ndarray,
    num_samples: int,
    seed: Any,
) -> dict[str, float]:
  """Bounds the log-likelihood; computes it where the codes are few.

  Args:
    model: The model.
    images: Test images, shape `[size, height, width, 1]`.
    num_samples: Importance samples of each image.
    seed: As for `ops.as_seed`.

  Returns:
    'elbo' and 'importance_weighted_bound' in nats, of which 'log_marginal' is
    the truth; each with '..._stderr' over the images; 'effective_sample_size';
    'bits_per_dim' of the bound.
  """
  names = ['elbo', 'importance_weighted_bound', 'effective_sample_size']
  is_discrete = isinstance(model, dlvm.models.DiscreteVAE)
  has_marginal = is_discrete and dlvm.ops.is_enumerable(
      model.num_latents, model.num_classes
  )
  if has_marginal:
    names.append('log_marginal')
  means = {name: dlvm.metrics.MeanWithError(name=name) for name in names}

  @tf.function
  def measure(x, seed):
    estimate = model.importance_weighted_estimate(x, num_samples, seed)
    marginal = [model.log_marginal(x)] if has_marginal else []
    return [
        estimate.elbo,
        estimate.bound,
        estimate.effective_sample_size,
        *marginal,
    ]

  for index, x in enumerate(_batches(images)):
    values = measure(x, dlvm.ops.fold_in(seed, index))
    for name, value in zip(names, values, strict=True):
      means[name].update_state(value)
  results = {
      name: float(value)
      for mean in means.values()
      for name, value in mean.result().items()
  }
  results['bits_per_dim'] = float(
      dlvm.ops.bits_per_dim(
          -results['importance_weighted_bound'], math.prod(images.shape[1:])
      )
  )
  return results


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
    mean = dlvm.metrics.MeanWithError(name=name)
    mean.update_state(value)
    results |= {key: float(number) for key, number in mean.result().items()}
  return results


def codes(
    model: dlvm.models.DiscreteVAE, images: np.ndarray, seed: Any
) -> tuple[dict[str, float], dlvm.metrics.CodeInformation]:
  """Splits the rate into what the codes tell of the images, and the rest.

  Args:
    model: The model.
    images: Test images, shape `[size, height, width, 1]`.
    seed: As for `ops.as_seed`.

  Returns:
    The results of `metrics.CodeInformation`, and the metric. Where there are
    too many codes to enumerate, 'latent_mutual_information' is an estimate from
    one sample of each image, and has a '..._stderr'.
  """
  metric = dlvm.metrics.CodeInformation(model.num_latents, model.num_classes)
  prior_logits = _prior_logits(model)
  all_logits = _encode(model, images)
  for logits in _batches(all_logits):
    metric.update_state(logits, prior_logits)
  results = {name: float(value) for name, value in metric.result().items()}
  name = 'latent_mutual_information'
  if name not in results:
    mean = dlvm.metrics.MeanWithError(name=name)
    log_q = tf.reshape(tf.nn.log_softmax(all_logits), [len(images), -1])
    for index, logits in enumerate(_batches(all_logits)):
      z = dlvm.ops.one_hot_argmax(
          dlvm.ops.perturb(logits, seed=dlvm.ops.fold_in(seed, index))
      )
      own = tf.reduce_sum(dlvm.ops.one_hot_log_prob(z, logits), axis=-1)
      under_all = tf.matmul(
          tf.reshape(z, [len(logits), -1]), log_q, transpose_b=True
      )
      mean.update_state(dlvm.objectives.aggregate_information(under_all, own))
    results |= {key: float(value) for key, value in mean.result().items()}
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
  prior = tf.nn.log_softmax(_prior_logits(model))

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
        for index, x in enumerate(_batches(images))
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


def _encode(model, images):
  encode: Callable = tf.function(model.encode)
  return np.concatenate([encode(x).numpy() for x in _batches(images)])


def _prior_logits(model):
  if model.prior_logits is None:
    return tf.zeros([model.num_latents, model.num_classes])
  return tf.convert_to_tensor(model.prior_logits)


def _batches(values: np.ndarray) -> Iterator[tf.Tensor]:
  for begin in range(0, len(values), _BATCH_SIZE):
    yield tf.constant(values[begin : begin + _BATCH_SIZE])
