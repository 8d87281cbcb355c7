"""The gradient of an expectation over codes, enumerated, and tests against it.

An objective here is a function of codes `[..., N, K]` and of a parameter, one
number an example, `[...]`: each replica has its own, so that its gradient has a
standard error too.
"""

import itertools

import numpy as np
import tensorflow as tf

from discrete_lvm import ops

# The value of every objective's parameter.
PARAMETER = 1.3

# So many replicas at once; more come in chunks.
_CHUNK = 100_000


def logits_of(num_latents, num_classes):
  """Returns float32 logits `[N, K]`, neither flat nor certain."""
  return tf.random.stateless_normal([num_latents, num_classes], [0, 3])


def table(num_latents, num_classes):
  """Returns an objective without structure: a number for each code."""
  values = tf.random.stateless_normal([num_classes**num_latents], [0, 4])

  def objective(codes, parameter):
    joint = codes[..., 0, :]
    for n in range(1, num_latents):
      joint = joint[..., :, tf.newaxis] * codes[..., n, tf.newaxis, :]
      joint = tf.reshape(joint, [*tf.unstack(tf.shape(joint))[:-2], -1])
    return parameter * tf.reduce_sum(joint * values, axis=-1)

  return objective


def linear(num_latents, num_classes):
  """Returns an objective that is linear in each latent."""
  weights = tf.random.stateless_normal([num_latents, num_classes], [0, 5])
  return lambda z, parameter: parameter * tf.reduce_sum(weights * z, [-2, -1])


def quadratic(num_latents, num_classes):
  """Returns the square of a linear objective."""
  root = linear(num_latents, num_classes)
  return lambda z, parameter: parameter * root(z, 1.0) ** 2


def shifted(num_latents, num_classes):
  """Returns an objective whose mean is far above its spread."""
  plain = table(num_latents, num_classes)
  return lambda z, parameter: plain(z, parameter) + 20.0


OBJECTIVES = (table, linear, quadratic, shifted)


def expectation(logits, values, num_samples=1, importance_weighted=False):
  """Returns `E[value]` of an estimator, enumerated.

  Args:
    logits: `[N, K]`.
    values: Values of `ops.all_codes(N, K)`, `[K**N]`.
    num_samples: S; all `K**(N * S)` tuples of codes are enumerated where the
      estimator is importance weighted.
    importance_weighted: As for `Estimator`.
  """
  codes = ops.all_codes(*logits.shape)
  log_q = tf.reduce_sum(codes * tf.nn.log_softmax(logits), [-2, -1])
  if importance_weighted:
    tuples = list(itertools.product(range(len(codes)), repeat=num_samples))
    log_q = tf.reduce_sum(tf.gather(log_q, tuples), -1)
    values = -tf.reduce_logsumexp(-tf.gather(values, tuples), -1)
    values += tf.cast(np.log(num_samples), values.dtype)
  return tf.reduce_sum(tf.exp(log_q) * values)


def exact(logits, objective, **kwargs):
  """Returns the enumerated value and its gradients.

  Args:
    logits: `[N, K]`.
    objective: Of codes and the parameter.
    **kwargs: As for `expectation`.

  Returns:
    The scalar value, and its gradients for the logits and the parameter.
  """
  parameter = tf.constant(PARAMETER)
  with tf.GradientTape() as tape:
    tape.watch([logits, parameter])
    values = objective(ops.all_codes(*logits.shape), parameter)
    value = expectation(logits, values, **kwargs)
  return value, *tape.gradient(value, [logits, parameter])


def draw(estimator, logits, objective, num_draws, seed=(0, 6), **kwargs):
  """Returns values and gradients of independent replicas.

  Args:
    estimator: The estimator.
    logits: `[N, K]`, repeated along a batch axis.
    objective: Of codes and the parameter.
    num_draws: Number of replicas R.
    seed: Their seed.
    **kwargs: Call arguments of the estimator.

  Returns:
    float64 arrays: values `[R]`, and gradients for the logits `[R, N, K]` and
    the parameter `[R]`.
  """
  chunks = []
  for start in range(0, num_draws, _CHUNK):
    size = min(_CHUNK, num_draws - start)
    batch = tf.repeat(logits[tf.newaxis], size, axis=0)
    parameter = tf.fill([size], PARAMETER)
    with tf.GradientTape() as tape:
      tape.watch([batch, parameter])
      values = estimator(
          batch,
          objective=lambda z, p=parameter: objective(z, p),
          seed=ops.fold_in(seed, start),
          **kwargs,
      )
    gradients = tape.gradient(values, [batch, parameter])
    chunks.append([np.float64(x) for x in (values, *gradients)])
  return [np.concatenate(x) for x in zip(*chunks, strict=True)]


def assert_unbiased(
    estimator, logits, objective, num_draws, sigma=4.0, seed=(0, 6), **kwargs
):
  """Checks the mean of value and gradients against the enumeration.

  Args:
    estimator: The estimator; its samples and weighting are those enumerated.
    logits: `[N, K]`.
    objective: Of codes and the parameter.
    num_draws: Number of replicas.
    sigma: Standard errors that each mean, of every logit, may be off.
    seed: Seed of the replicas.
    **kwargs: Call arguments of the estimator.

  Raises:
    AssertionError: If one is off by more.
  """
  expected = exact(
      logits,
      objective,
      num_samples=estimator.num_samples,
      importance_weighted=estimator.importance_weighted,
  )
  drawn = draw(estimator, logits, objective, num_draws, seed, **kwargs)
  assert_means(drawn, expected, sigma)


def assert_unbiased_over_many_codes(estimator):
  """Checks the means of a linear objective of `3**20` codes.

  Args:
    estimator: The estimator.

  Raises:
    AssertionError: If one is off by more than 4.5 standard errors.
  """
  logits, objective = logits_of(20, 3), linear(20, 3)
  parameter = tf.constant(PARAMETER)
  with tf.GradientTape() as tape:
    tape.watch([logits, parameter])
    value = objective(tf.nn.softmax(logits), parameter)
  expected = value, *tape.gradient(value, [logits, parameter])
  # Of 60 logits.
  assert_means(draw(estimator, logits, objective, 20_000), expected, sigma=4.5)


def assert_means(drawn, expected, sigma=4.0):
  """Checks means of what `draw` returns against what `exact` returns.

  Args:
    drawn: Values and gradients of replicas.
    expected: Their expectations.
    sigma: Standard errors that each mean may be off.

  Raises:
    AssertionError: If one is off by more.
  """
  names = ('value', 'gradient for the logits', 'gradient for the parameter')
  # It remains where the variance is zero.
  rounding = 1e-6 * np.abs(drawn[0]).max()
  for name, x, mean in zip(names, drawn, expected, strict=True):
    error = x.std(0) / np.sqrt(len(x)) + rounding
    off = np.abs(x.mean(0) - mean) / error
    np.testing.assert_array_less(
        off, sigma, err_msg=f'standard errors by which the {name} is off'
    )
