"""A one-hot sample, with a choice of gradients for its logits."""

from typing import Any

import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import gumbel_race
from discrete_lvm.ops import straight_through as st
from discrete_lvm.ops import temperatures


def reinmax(
    hard: tf.Tensor,
    logits: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    name: str = 'reinmax',
) -> tf.Tensor:
  """Returns a one-hot sample `d`, with ReinMax's second-order gradient.

  With `J(p) = diag(p) - p p^T`, the Jacobian of a softmax, the derivative is

      2 J((d + softmax(logits / temperature)) / 2) - J(softmax(logits)) / 2.

  A class with a logit of -inf has gradient 0.

  Args:
    hard: One-hot `Tensor`, shape `[..., K]`, a sample of `softmax(logits)`.
    logits: Floating `Tensor`, shape `[..., K]`; at least one is finite.
    temperature: Positive scalar, or `Tensor` of shape `[...]` or `[..., 1]`; no
      gradient flows to it.
    name: Python `str`, name scope of the ops.

  Returns:
    `hard`, with a gradient for `logits`.

  Raises:
    ValueError: If `temperature` is not positive or does not match the batch
      shape of `logits`.

  Example:
    >>> logits = tf.Variable([0., 0.])
    >>> with tf.GradientTape() as tape:
    ...   value = reinmax([0., 1.], logits)[0]
    >>> tape.gradient(value, logits).numpy()
    array([ 0.25, -0.25], dtype=float32)

  References:
    Liyuan Liu, Chengyu Dong, Xiaodong Liu, Bin Yu, Jianfeng Gao. Bridging
    Discrete and Backpropagation: Straight-Through and Beyond. NeurIPS 2023.
    https://arxiv.org/abs/2304.08612. Algorithm 2.
  """
  with tf.name_scope(name):
    hard, logits, temperature = _prepare(hard, logits, temperature)
    soft = tf.nn.softmax(logits / temperature)
    tilted = (tf.cast(hard, logits.dtype) + soft) / 2
    surrogate = (
        2 * _linear_softmax(tilted, logits)
        - _linear_softmax(tf.nn.softmax(logits), logits) / 2
    )
    return st.straight_through(hard, tf.cast(surrogate, hard.dtype))


def gumbel_rao(
    hard: tf.Tensor,
    logits: tf.Tensor,
    temperature: float | tf.Tensor,
    noise: tf.Tensor,
    name: str = 'gumbel_rao',
) -> tf.Tensor:
  """Returns a one-hot sample, with a Rao-Blackwellised Gumbel gradient.

  The derivative is the mean of that of `softmax((logits + g) / temperature)`
  over draws of Gumbel noise `g` given that `hard` is the argmax of
  `logits + g`. A class with a logit of -inf has gradient 0.

  Args:
    hard: One-hot `Tensor`, shape `[..., K]`.
    logits: Floating `Tensor`, shape `[..., K]`; at least one is finite.
    temperature: Positive scalar, or `Tensor` of shape `[...]` or `[..., 1]`; no
      gradient flows to it.
    noise: Standard Gumbel noise that is independent of `hard`, from which `g`
      is made, shape `[num_resamples, ..., K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `hard`, with a gradient for `logits`.

  Raises:
    ValueError: If `temperature` is not positive or does not match the batch
      shape of `logits`.

  Example:
    >>> logits = tf.Variable([0., math.log(3.)])
    >>> with tf.GradientTape() as tape:
    ...   value = gumbel_rao([0., 1.], logits, .5, noise=[[0., 0.]])[1]
    >>> tape.gradient(value, logits).numpy().round(2)
    array([-0.07,  0.07], dtype=float32)

  References:
    Max B. Paulus, Chris J. Maddison, Andreas Krause. Rao-Blackwellizing the
    Straight-Through Gumbel-Softmax Gradient Estimator. ICLR 2021.
    https://arxiv.org/abs/2010.04838. Section 3.
  """
  with tf.name_scope(name):
    hard, logits, temperature = _prepare(hard, logits, temperature)
    perturbed = gumbel_race.perturb_given_argmax(
        logits, tf.cast(noise, logits.dtype), hard
    )
    probs = tf.nn.softmax(perturbed / temperature)
    surrogate = tf.reduce_mean(
        _linear_softmax(probs, logits / temperature), axis=0
    )
    return st.straight_through(hard, tf.cast(surrogate, hard.dtype))


def gapped_straight_through(
    hard: tf.Tensor,
    logits: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    gap: float = 1.0,
    name: str = 'gapped_straight_through',
) -> tf.Tensor:
  """Returns a one-hot sample, with the gradient of logits moved to agree.

  The derivative is that of `softmax((logits + m) / temperature)`, where the
  constant `m` raises the logit of the sample to the largest, and lowers those
  of the others to at most `gap` below. A class with a logit of -inf has
  gradient 0.

  Args:
    hard: One-hot `Tensor`, shape `[..., K]`.
    logits: Floating `Tensor`, shape `[..., K]`; at least one is finite.
    temperature: Positive scalar, or `Tensor` of shape `[...]` or `[..., 1]`; no
      gradient flows to it.
    gap: Non-negative number, in nats.
    name: Python `str`, name scope of the ops.

  Returns:
    `hard`, with a gradient for `logits`.

  Raises:
    ValueError: If `temperature` is not positive or does not match the batch
      shape of `logits`, or if `gap` is statically negative.

  Example:
    >>> logits = tf.Variable([0., 5.])
    >>> with tf.GradientTape() as tape:  # Moved to [5., 4.].
    ...   value = gapped_straight_through([1., 0.], logits)[0]
    >>> tape.gradient(value, logits).numpy().round(2)
    array([ 0.2, -0.2], dtype=float32)

  References:
    Ting-Han Fan, Ta-Chung Chi, Alexander I. Rudnicky, Peter J. Ramadge.
    Training Discrete Deep Generative Models via Gapped Straight-Through
    Estimator. ICML 2022. https://arxiv.org/abs/2206.07235. The perturbations
    `m_1` and `m_2`.
  """
  value = tf.get_static_value(gap)
  if value is not None and not value >= 0:
    raise ValueError(f'Expected a `gap` of at least 0; received {value}.')
  with tf.name_scope(name):
    hard, logits, temperature = _prepare(hard, logits, temperature)
    largest = tf.reduce_max(logits, axis=-1, keepdims=True)
    moved = tf.where(hard > 0, largest, tf.minimum(logits, largest - gap))
    # Centred before a low temperature magnifies the rounding.
    probs = tf.nn.softmax((moved - largest) / temperature)
    surrogate = _linear_softmax(probs, logits / temperature)
    return st.straight_through(hard, tf.cast(surrogate, hard.dtype))


def _prepare(hard: Any, logits: Any, temperature: Any):
  """Returns the sample, wide logits, and the temperature that divides them."""
  logits = floats.at_least_float32(tf.convert_to_tensor(logits))
  temperature = temperatures.align(temperature, logits.shape)
  temperature = tf.cast(temperature, logits.dtype)
  return tf.convert_to_tensor(hard), logits, tf.stop_gradient(temperature)


def _linear_softmax(probs, logits):
  """Returns a linear function of `logits`, of derivative `J(probs)`."""
  probs = tf.stop_gradient(probs)
  # Zero times -inf is NaN.
  logits = tf.where(tf.math.is_inf(logits), tf.zeros_like(logits), logits)
  mean = tf.reduce_sum(probs * logits, axis=-1, keepdims=True)
  return probs * (logits - mean)
