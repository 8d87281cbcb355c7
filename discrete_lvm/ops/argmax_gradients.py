"""The argmax as an exact one-hot vector, with a choice of gradients."""

import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import gumbel as gumbel_lib
from discrete_lvm.ops import numerics
from discrete_lvm.ops import sample_gradients
from discrete_lvm.ops import straight_through as st
from discrete_lvm.ops import temperatures


def softmax_argmax(
    logits: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    name: str = 'softmax_argmax',
) -> tf.Tensor:
  """Returns the one-hot argmax, with the gradient of a tempered softmax.

  The straight-through estimator: the derivative is that of
  `softmax(logits / temperature)`. A class with a logit of -inf is never chosen
  and has gradient 0.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`; at least one is finite.
    temperature: Positive scalar, or `Tensor` of shape `[...]` or `[..., 1]`; no
      gradient flows to it.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `logits`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static, or `temperature` is not positive or does
      not match the batch shape of `logits`.

  Example:
    >>> logits = tf.Variable([0., math.log(3.)])
    >>> with tf.GradientTape() as tape:
    ...   y = softmax_argmax(logits, temperature=.5)
    ...   value = y[1]
    >>> y.numpy(), tape.gradient(value, logits).numpy().round(2)
    (array([0., 1.], dtype=float32), array([-0.18,  0.18], dtype=float32))

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 4.3.
  """
  with tf.name_scope(name):
    logits = tf.convert_to_tensor(logits)
    hard = st.one_hot_argmax(logits)
    logits = floats.at_least_float32(logits)
    temperature = temperatures.align(temperature, logits.shape)
    temperature = tf.stop_gradient(tf.cast(temperature, logits.dtype))
    surrogate = numerics.softmax(logits / temperature)
    return st.straight_through(hard, tf.cast(surrogate, hard.dtype))


def gumbel_argmax(
    logits: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    seed: tf.Tensor | None = None,
    noise: tf.Tensor | None = None,
    name: str = 'gumbel_argmax',
) -> tf.Tensor:
  """Returns the one-hot argmax, with a straight-through Gumbel gradient.

  The derivative is that of `softmax((logits + g) / temperature)` for Gumbel
  noise `g` drawn from its law given that the argmax of the logits is that of
  `logits + g` too: that of the straight-through Gumbel-Softmax, given its
  outcome. The value has no noise, so that a flow stays invertible. A class with
  a logit of -inf is never chosen and has gradient 0.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`; at least one is finite.
    temperature: Positive scalar, or `Tensor` of shape `[...]` or `[..., 1]`; no
      gradient flows to it.
    seed: int32 `Tensor`, shape `[2]`. Exactly one of `seed` and `noise`.
    noise: Standard Gumbel noise, of the shape of `logits`, from which `g` is
      made.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `logits`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static, `temperature` is not positive or does not
      match the batch shape of `logits`, not exactly one of `seed` and `noise`
      is given, or the shape of `noise` is not that of `logits`.

  Example:
    >>> logits = tf.Variable([0., math.log(3.)])
    >>> with tf.GradientTape() as tape:
    ...   y = gumbel_argmax(logits, temperature=.5, noise=[0., 0.])
    ...   value = y[1]
    >>> y.numpy(), tape.gradient(value, logits).numpy().round(2)
    (array([0., 1.], dtype=float32), array([-0.07,  0.07], dtype=float32))

  References:
    Max B. Paulus, Chris J. Maddison, Andreas Krause. Rao-Blackwellizing the
    Straight-Through Gumbel-Softmax Gradient Estimator. ICLR 2021.
    https://arxiv.org/abs/2010.04838. Section 3.
  """
  with tf.name_scope(name):
    logits = tf.convert_to_tensor(logits)
    hard = st.one_hot_argmax(logits)
    zeros = tf.zeros_like(floats.at_least_float32(logits))
    noise = gumbel_lib.perturb(zeros, seed=seed, noise=noise)
    if not noise.shape.is_compatible_with(logits.shape):
      raise ValueError(
          f'Expected `noise` of the shape of `logits`, {logits.shape}; '
          f'received {noise.shape}.'
      )
    return sample_gradients.gumbel_rao(
        hard, logits, temperature, noise[tf.newaxis]
    )


def reinmax_argmax(
    logits: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    name: str = 'reinmax_argmax',
) -> tf.Tensor:
  """Returns the one-hot argmax `d`, with ReinMax's second-order gradient.

  The derivative is that of `reinmax`. The paper has a sample for `d`, for which
  this is second-order accurate; at an argmax, as here, it is the same formula
  without that guarantee. A class with a logit of -inf is never chosen and has
  gradient 0.

  Args:
    logits: Floating `Tensor`, shape `[..., K]`; at least one is finite.
    temperature: Positive scalar, or `Tensor` of shape `[...]` or `[..., 1]`; no
      gradient flows to it.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` of the dtype of `logits`, shape `[..., K]`, exactly one-hot.

  Raises:
    ValueError: If `K` is not static, or `temperature` is not positive or does
      not match the batch shape of `logits`.

  Example:
    >>> logits = tf.Variable([0., 0.])
    >>> with tf.GradientTape() as tape:
    ...   y = reinmax_argmax(logits)
    ...   value = y[0]
    >>> y.numpy(), tape.gradient(value, logits).numpy()
    (array([1., 0.], dtype=float32), array([ 0.25, -0.25], dtype=float32))

  References:
    Liyuan Liu, Chengyu Dong, Xiaodong Liu, Bin Yu, Jianfeng Gao. Bridging
    Discrete and Backpropagation: Straight-Through and Beyond. NeurIPS 2023.
    https://arxiv.org/abs/2304.08612. Algorithm 2.
  """
  with tf.name_scope(name):
    logits = tf.convert_to_tensor(logits)
    return sample_gradients.reinmax(
        st.one_hot_argmax(logits), logits, temperature
    )
