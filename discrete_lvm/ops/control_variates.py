"""Gradients for logits, less what has mean zero."""

import tensorflow as tf

from discrete_lvm.ops import categorical
from discrete_lvm.ops import gumbel_race


def rebar_gradient(
    signals: tf.Tensor,
    slopes: tf.Tensor,
    codes: tf.Tensor,
    logits: tf.Tensor,
    noise: tf.Tensor,
    name: str = 'rebar_gradient',
) -> tf.Tensor:
  """Computes `signal * d log q(b) + d c(z) - d c(z~)` for the logits.

  `z = logits + noise` decides the codes `b`, and `z~` is drawn anew given them.
  If the signal is `f(b) - c(z~)`, the mean is the gradient of `E[f(b)]` for any
  function `c`. Here `z~` is made from the noise of `z` so that it has the value
  of `z`: then one evaluation of `c` serves for both, and only their derivatives
  for the logits differ.

  Args:
    signals: float32 or float64 `Tensor`, shape `[...]`: `f(b) - c(z)`.
    slopes: `Tensor`, shape `[..., N, K]`: the derivative of `c` at `z`.
    codes: One-hot `Tensor`, shape `[..., N, K]`: the argmax of `z`.
    logits: `Tensor`, shape `[..., N, K]`, in nats; -inf is probability zero.
    noise: Standard Gumbel noise, shape `[..., N, K]`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` like `logits`, differentiable in `signals` and `slopes`.

  Example:
    >>> noise, codes = tf.constant([[0., 1.]]), [[0., 1.]]
    >>> rebar_gradient(6., [[0., 2.]], codes, tf.zeros([1, 2]), noise).numpy()
    array([[-4.,  4.]], dtype=float32)

  References:
    George Tucker, Andriy Mnih, Chris J. Maddison, Dieterich Lawson, Jascha
    Sohl-Dickstein. REBAR: Low-Variance, Unbiased Gradient Estimates for
    Discrete Latent Variable Models. NeurIPS 2017.
    https://arxiv.org/abs/1703.07370. Section 3.
  """
  with tf.name_scope(name):
    logits = tf.stop_gradient(tf.convert_to_tensor(logits))
    noise = tf.stop_gradient(tf.convert_to_tensor(noise))
    signals = tf.convert_to_tensor(signals)[..., tf.newaxis, tf.newaxis]
    anew = gumbel_race.resample_noise(logits, noise, codes, num_resamples=1)[0]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(logits)
      z_given_codes = gumbel_race.perturb_given_argmax(logits, anew, codes)
    given_codes = tape.gradient(z_given_codes, logits, output_gradients=slopes)
    score = categorical.categorical_score(codes, logits)
    return signals * score + slopes - given_codes


def gibbs_stein(
    neighbours: tf.Tensor,
    codes: tf.Tensor,
    logits: tf.Tensor,
    name: str = 'gibbs_stein',
) -> tf.Tensor:
  """Applies the Gibbs Stein operator to a function: its mean becomes zero.

  `mean_n sum_k q(k at n) h(x with k at n) - h(x)`: by how much one step of a
  Gibbs sampler, at a latent that is drawn evenly, moves `h` on average. It has
  mean zero under `q`, for any function `h`.

  Args:
    neighbours: Floating `Tensor`, shape `[..., N, K]`: entry `[n, k]` is `h` at
      the codes with latent `n` set to class `k`, so that the entries of the
      classes of `codes` are all `h(codes)`.
    codes: One-hot `Tensor`, shape `[..., N, K]`: `x`.
    logits: `Tensor`, shape `[..., N, K]`, in nats; -inf is probability zero.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[...]`.

  Example:
    >>> codes, logits = [[1., 0.]], tf.math.log([[.25, .75]])
    >>> gibbs_stein([[2., 6.]], codes, logits).numpy().item()  # 5 - 2.
    3.0

  References:
    Jiaxin Shi, Yuhao Zhou, Jessica Hwang, Michalis K. Titsias, Lester Mackey.
    Gradient Estimation with Discrete Stein Operators. NeurIPS 2022.
    https://arxiv.org/abs/2202.09497.
  """
  with tf.name_scope(name):
    neighbours = tf.convert_to_tensor(neighbours)
    score = categorical.categorical_score(codes, logits)
    moves = -tf.reduce_sum(score * neighbours, axis=-1)
    return tf.reduce_mean(moves, axis=-1)


def gibbs_stein_score(
    neighbours: tf.Tensor,
    codes: tf.Tensor,
    logits: tf.Tensor,
    name: str = 'gibbs_stein_score',
) -> tf.Tensor:
  """Applies the Gibbs Stein operator to a function times the score.

  `gibbs_stein` of each coordinate of `h(x) * d log q(x) / d logits`, in time
  and memory `O(N K)`: a step at one latent leaves the score of the others.

  Args:
    neighbours: As for `gibbs_stein`.
    codes: As for `gibbs_stein`.
    logits: As for `gibbs_stein`.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor`, shape `[..., N, K]`.

  Example:
    >>> codes, logits = [[1., 0.]], tf.math.log([[.25, .75]])
    >>> gibbs_stein_score([[2., 6.]], codes, logits).numpy().round(3)
    array([[-2.25,  2.25]], dtype=float32)

  References:
    Jiaxin Shi, Yuhao Zhou, Jessica Hwang, Michalis K. Titsias, Lester Mackey.
    Gradient Estimation with Discrete Stein Operators. NeurIPS 2022.
    https://arxiv.org/abs/2202.09497.
  """
  with tf.name_scope(name):
    neighbours = tf.convert_to_tensor(neighbours)
    score = categorical.categorical_score(codes, logits)
    weights = (codes - score) * neighbours
    # The mean of `h` over the classes of a latent, shape `[..., N, 1]`.
    means = tf.reduce_sum(weights, axis=-1, keepdims=True)
    here = tf.reduce_sum(codes * neighbours, axis=-1, keepdims=True)
    elsewhere = tf.reduce_mean(means - here, axis=-2, keepdims=True)
    # At its own latent a step changes the score too.
    own = weights - means * codes
    num_latents = tf.cast(tf.shape(codes)[-2], score.dtype)
    return elsewhere * score + own / num_latents
