"""Gradients for logits, less what has mean zero."""

import tensorflow as tf

from discrete_lvm.ops import categorical
from discrete_lvm.ops import shapes
from discrete_lvm.ops import straight_through


def rebar_gradient(
    signals: tf.Tensor,
    slopes: tf.Tensor,
    z: tf.Tensor,
    logits: tf.Tensor,
    name: str = 'rebar_gradient',
) -> tf.Tensor:
  """Computes `signal * d log q(b) + d c(z) - d c(z~)` for the logits.

  `z = logits + gumbel` has the argmax `b`, and `z~` is drawn as `z` is given
  `b`. With the signal `f(b) - c(z~)` the mean is the gradient of `E[f(b)]`, for
  any function `c`. The draw is tied to `z`, so that `z~` has its value and one
  evaluation of `c` serves for both, but another derivative for the logits,
  which `ops.perturb_given_argmax` shows: `z_k` less the largest has
  `(1 - exp(z_k - max(z))) * (1[j = k] - p_j)`, and the largest has `p_j`.

  Args:
    signals: Floating `Tensor`, shape `[...]`: `f(b) - c(z)`.
    slopes: `Tensor`, shape `[..., N, K]`: the derivative of `c` at `z`.
    z: `Tensor`, shape `[..., N, K]`: the perturbed logits.
    logits: `Tensor`, shape `[..., N, K]`, in nats; -inf is probability zero.
    name: Python `str`, name scope of the ops.

  Returns:
    `Tensor` like `logits`.

  Raises:
    ValueError: If N or K of `slopes` or `z` is not that of `logits`.

  Example:
    >>> z, logits = tf.constant([[-20., 1.]]), tf.zeros([1, 2])
    >>> rebar_gradient(6., [[-2., 2.]], z, logits).numpy()
    array([[-4.,  4.]], dtype=float32)

  References:
    George Tucker, Andriy Mnih, Chris J. Maddison, Dieterich Lawson, Jascha
    Sohl-Dickstein. REBAR: Low-Variance, Unbiased Gradient Estimates for
    Discrete Latent Variable Models. NeurIPS 2017.
    https://arxiv.org/abs/1703.07370. Section 3, for two classes.
  """
  with tf.name_scope(name):
    logits, z = tf.convert_to_tensor(logits), tf.convert_to_tensor(z)
    slopes = tf.convert_to_tensor(slopes, z.dtype)
    shapes.check_same_last(z, logits, 'z', num_axes=2)
    shapes.check_same_last(slopes, logits, 'slopes', num_axes=2)
    signals = tf.convert_to_tensor(signals)[..., tf.newaxis, tf.newaxis]
    codes = straight_through.one_hot_argmax(z)
    score = categorical.categorical_score(codes, logits)
    ratios = tf.exp(z - tf.reduce_max(z, axis=-1, keepdims=True))
    ties = slopes * ratios
    probs = codes - score
    return (
        signals * score
        + ties
        - probs * tf.reduce_sum(ties, axis=-1, keepdims=True)
    )


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

  Raises:
    ValueError: If N or K of `neighbours` or `codes` is not that of `logits`.

  Example:
    >>> codes, logits = [[1., 0.]], tf.math.log([[.25, .75]])
    >>> print(f'{gibbs_stein([[2., 6.]], codes, logits):.3f}')  # 5 - 2.
    3.000

  References:
    Jiaxin Shi, Yuhao Zhou, Jessica Hwang, Michalis K. Titsias, Lester Mackey.
    Gradient Estimation with Discrete Stein Operators. NeurIPS 2022.
    https://arxiv.org/abs/2202.09497.
  """
  with tf.name_scope(name):
    neighbours, codes, logits = _checked(neighbours, codes, logits)
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

  Raises:
    ValueError: As `gibbs_stein` raises.

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
    neighbours, codes, logits = _checked(neighbours, codes, logits)
    score = categorical.categorical_score(codes, logits)
    codes = tf.cast(codes, score.dtype)
    weights = (codes - score) * neighbours
    # The mean of `h` over the classes of a latent, shape `[..., N, 1]`.
    means = tf.reduce_sum(weights, axis=-1, keepdims=True)
    here = tf.reduce_sum(codes * neighbours, axis=-1, keepdims=True)
    elsewhere = tf.reduce_mean(means - here, axis=-2, keepdims=True)
    # At its own latent a step changes the score too.
    own = weights - means * codes
    num_latents = tf.cast(tf.shape(codes)[-2], score.dtype)
    return elsewhere * score + own / num_latents


def _checked(neighbours, codes, logits):
  """Returns the three as `Tensor`s, after checks of their static shapes."""
  logits = tf.convert_to_tensor(logits)
  neighbours = tf.convert_to_tensor(neighbours)
  codes = tf.convert_to_tensor(codes)
  shapes.check_same_last(neighbours, logits, 'neighbours', num_axes=2)
  shapes.check_same_last(codes, logits, 'codes', num_axes=2)
  return neighbours, codes, logits
