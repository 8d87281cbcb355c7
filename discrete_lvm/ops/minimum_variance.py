"""The quadratic-exact gradient of least variance, for a one-hot sample."""

import tensorflow as tf

from discrete_lvm.ops import floats


def minimum_variance(
    hard: tf.Tensor, logits: tf.Tensor, name: str = 'minimum_variance'
) -> tf.Tensor:
  """Returns a one-hot sample, with the least noisy quadratic-exact gradient.

  Of all matrices `W_i` for which `W_i f'(e_i)` at a sample `e_i` of
  `softmax(logits)` has the gradient of `E[f]` for its mean, whatever the
  quadratic `f`, these have the least `E[|W_i|^2]`. With `p = softmax(logits)`

      W_i e_i = (e_i - p) / 2
      W_i e_j = p_j / (p_i + p_j) C^T (e_j - e_i)

  with `C = G^+ J(p) / 2`, where `J(p) = diag(p) - p p^T` and `G` is the
  Laplacian of the complete graph with weights `p_i p_j / (p_i + p_j)`.
  For to be exact, `F_ij = p_i W_i e_j` must be antisymmetric in the classes and
  have the sums `sum_i F_ij = J(p) e_j / 2` over `i != j`: a flow in that graph,
  of which the electrical one has the least energy. ReinMax's matrices have
  `p_j / 2` for `p_j / (p_i + p_j) C^T`; the two agree at two classes, and for
  uniform probabilities.

  A backward pass solves one `K x K` system a sample: `O(K^3)`. A class with a
  logit of -inf has gradient 0.

  Args:
    hard: One-hot `Tensor`, shape `[..., K]`, a sample of `softmax(logits)`.
    logits: Floating `Tensor`, shape `[..., K]`; at least one is finite.
    name: Python `str`, name scope of the ops.

  Returns:
    `hard`, with a gradient for `logits`.

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
    return _minimum_variance(
        tf.convert_to_tensor(hard), tf.convert_to_tensor(logits)
    )


@tf.custom_gradient
def _minimum_variance(hard, logits):
  def gradient(upstream):
    wide = floats.at_least_float32(logits)
    result = _weighted(
        tf.cast(hard, wide.dtype), wide, tf.cast(upstream, wide.dtype)
    )
    return None, tf.cast(result, logits.dtype)

  return tf.identity(hard), gradient


def _weighted(hard, logits, slopes):
  """Returns `W_i slopes`, for `hard` the one-hot of class `i`.

  `W_i` has rows that sum to zero, so that the slopes count from that of the
  sample, and the formula becomes `J G^+ u / 2` with the currents `u` that leave
  class `i` for the others. `G^+` may not be formed: its entries grow as 1 / p.
  But `x = J G^+ u` solves `(M^T + p 1^T) x = u`, `M = diag(p)^-1 G`, the
  generator of a Markov chain with rates `p_j / (p_i + p_j)`. That matrix has
  columns that are diagonally dominant by exactly one, so that the 1-norm of its
  inverse is one for any logits.
  """
  # Two infinities have no difference.
  logits = tf.maximum(tf.nn.log_softmax(logits), logits.dtype.min / 4)
  probs = tf.exp(logits)[..., tf.newaxis]
  # rates[..., j, i] = p_j / (p_i + p_j).
  rates = tf.sigmoid(logits[..., tf.newaxis] - logits[..., tf.newaxis, :])
  rates = tf.linalg.set_diag(rates, tf.zeros_like(logits))
  total = tf.reduce_sum(rates, axis=-2) + probs[..., 0]
  matrix = tf.linalg.set_diag(probs - rates, total)
  slope = tf.reduce_sum(hard * slopes, axis=-1, keepdims=True)
  currents = tf.linalg.matvec(rates, hard) * (slopes - slope)
  currents -= hard * tf.reduce_sum(currents, axis=-1, keepdims=True)
  return tf.linalg.solve(matrix, currents[..., tf.newaxis])[..., 0] / 2
