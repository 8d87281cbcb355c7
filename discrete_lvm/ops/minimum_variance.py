"""The gradient of least variance with ReinMax's mean on quadratics."""

import tensorflow as tf

from discrete_lvm.ops import floats
from discrete_lvm.ops import temperatures


def minimum_variance(
    hard: tf.Tensor,
    logits: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    name: str = 'minimum_variance',
) -> tf.Tensor:
  """Returns a one-hot sample, with the least noisy gradient of ReinMax's mean.

  An estimator has a matrix `W_i` for each sample `e_i` of `softmax(logits)`,
  and `W_i f'(e_i)` for gradient. Of all whose mean is that of `reinmax` at this
  temperature, whatever the quadratic `f`, the one here has the least
  `E[|W_i|^2]`. At temperature 1 that mean is the gradient of `E[f]`. With `p =
  softmax(logits)` and the matrices `R_i` of ReinMax

      W_i e_i = R_i e_i
      W_i e_j = (p_i R_i e_j + p_j R_j e_i) / (p_i + p_j)
                + p_j / (p_i + p_j) C^T (e_j - e_i)

  with `C = G^+ S`. `G` is the Laplacian of the complete graph with weights
  `p_i p_j / (p_i + p_j)`, and row `j` of `S` sums `R_i e_j - R_j e_i` over `i`,
  so weighted. For the mean of quadratics depends on `F_ij = p_i W_i e_j` by its
  symmetric part and by its sums over `i`: the first line of `W_i e_j` has the
  former, and the latter are the sources of an antisymmetric rest, a flow in
  that graph, of which the electrical one has the least energy. At temperature 1
  `R_i e_j = p_j (e_j - e_i) / 2`, the first line is zero, and `S = J(p) / 2`,
  `J(p) = diag(p) - p p^T`. `W` and `R` agree at two classes, and for uniform
  probabilities.

  A backward pass solves one `K x K` system a sample: `O(K^3)`. A class with a
  logit of -inf has gradient 0.

  Args:
    hard: One-hot `Tensor`, shape `[..., K]`, a sample of `softmax(logits)`.
    logits: Floating `Tensor`, shape `[..., K]`; at least one is finite.
    temperature: Positive scalar, or `Tensor` of shape `[...]` or `[..., 1]`; no
      gradient flows to it.
    name: Python `str`, name scope of the ops.

  Returns:
    `hard`, with a gradient for `logits`.

  Raises:
    ValueError: If the shapes of `hard` and `logits` differ, or if `temperature`
      is not positive or does not match the batch shape of `logits`.

  Example:
    >>> logits = tf.Variable([0., 0.])
    >>> with tf.GradientTape() as tape:
    ...   value = minimum_variance([0., 1.], logits)[0]
    >>> tape.gradient(value, logits).numpy()
    array([ 0.25, -0.25], dtype=float32)

  References:
    Liyuan Liu, Chengyu Dong, Xiaodong Liu, Bin Yu, Jianfeng Gao. Bridging
    Discrete and Backpropagation: Straight-Through and Beyond. NeurIPS 2023.
    https://arxiv.org/abs/2304.08612. For ReinMax, which this improves on.
  """
  with tf.name_scope(name):
    hard, logits = tf.convert_to_tensor(hard), tf.convert_to_tensor(logits)
    temperature = temperatures.align(temperature, logits.shape)
    if not hard.shape.is_compatible_with(logits.shape):
      raise ValueError(
          f'Expected `hard` of the shape of `logits`, {logits.shape}; received '
          f'{hard.shape}.'
      )
    return _minimum_variance(hard, logits, temperature)


@tf.custom_gradient
def _minimum_variance(hard, logits, temperature):
  def gradient(upstream):
    wide = floats.at_least_float32(logits)
    soft = tf.nn.softmax(wide / tf.cast(temperature, wide.dtype))
    result = _weighted(
        tf.cast(hard, wide.dtype), wide, soft, tf.cast(upstream, wide.dtype)
    )
    return None, tf.cast(result, logits.dtype), None

  return tf.identity(hard), gradient


def _weighted(hard, logits, soft, slopes):
  """Returns `W_i slopes`, for `hard` the one-hot of class `i`.

  `W_i` has rows that sum to zero, as `R_i` has, so that the slopes count from
  that of the sample, and the flow's part is `C^T u` with the currents `u` that
  leave class `i` for the others. `G^+` may not be formed: its entries grow as
  1 / p. But `x = J(p) G^+ u` solves `(M^T + p 1^T) x = u`, `M = diag(p)^-1 G`,
  the generator of a Markov chain with rates `p_j / (p_i + p_j)`. That matrix
  has columns that are diagonally dominant by exactly one, so that the 1-norm of
  its inverse is one for any logits. And `C^T u` is the sum over all pairs of
  `x_j p_i / (p_i + p_j) (R_i e_j - R_j e_i)`.
  """
  # Two infinities have no difference.
  logits = tf.maximum(tf.nn.log_softmax(logits), logits.dtype.min / 4)
  probs = tf.exp(logits)
  # rates[..., j, i] = p_j / (p_i + p_j).
  rates = tf.sigmoid(logits[..., tf.newaxis] - logits[..., tf.newaxis, :])
  rates = tf.linalg.set_diag(rates, tf.zeros_like(logits))
  slopes -= tf.reduce_sum(hard * slopes, axis=-1, keepdims=True)
  currents = tf.linalg.matvec(rates, hard) * slopes
  currents -= hard * tf.reduce_sum(currents, axis=-1, keepdims=True)
  total = tf.reduce_sum(rates, axis=-2) + probs
  matrix = tf.linalg.set_diag(probs[..., tf.newaxis] - rates, total)
  # Of NaN the solver of a CPU raises. The result is NaN by the other factors.
  is_nan = tf.reduce_any(tf.math.is_nan(matrix), axis=[-2, -1], keepdims=True)
  identity = tf.eye(hard.shape[-1], dtype=matrix.dtype)
  matrix = tf.where(is_nan, identity, matrix)
  x = tf.linalg.solve(matrix, currents[..., tf.newaxis])
  # Of each pair, what counts of `R_i e_j`: as mixed, and as flows.
  mixed = _outer(hard, slopes) + _outer(slopes, hard)
  weights = rates * (mixed + tf.linalg.matrix_transpose(x))
  weights -= tf.linalg.matrix_transpose(rates) * x
  return _weighted_reinmax(weights, probs, soft)


def _weighted_reinmax(weights, probs, soft):
  """Returns the sum of `weights_ij R_i e_j`, of weights that are 0 for `i = j`.

  For `i != j`, `R_i e_j = (t_j - p_j / 2) e_j - t_j (t + e_i) / 2 + p_j p / 2`,
  where `t` is `soft`.
  """
  sums = tf.reduce_sum(weights, axis=-2)
  sum_soft = tf.reduce_sum(sums * soft, axis=-1, keepdims=True)
  sum_probs = tf.reduce_sum(sums * probs, axis=-1, keepdims=True)
  return (
      (soft - probs / 2) * sums
      - (soft * sum_soft + tf.linalg.matvec(weights, soft)) / 2
      + probs * sum_probs / 2
  )


def _outer(a, b):
  return a[..., tf.newaxis] * b[..., tf.newaxis, :]
