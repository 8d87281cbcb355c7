import functools
import math

from absl.testing import parameterized
import numpy as np
import pytest
from scipy import special
from scipy import stats
import tensorflow as tf

from discrete_lvm import ops

_SEED = [3, 4]


def _softmax_jacobian(probs):
  return np.diag(probs) - np.outer(probs, probs)


def _expected_jacobian(function, logits, temperature):
  soft = special.softmax(logits / temperature)
  if function is ops.softmax_argmax:
    return _softmax_jacobian(soft) / temperature
  hard = np.eye(logits.size)[logits.argmax()]
  return (
      2 * _softmax_jacobian((hard + soft) / 2)
      - _softmax_jacobian(special.softmax(logits)) / 2
  )


def _perturb_given_argmax(logits, noise):
  """Returns logits plus Gumbel noise that leaves the largest the largest."""
  # Algorithm 1 of Paulus et al.: exponential variables of rates exp(logits).
  exponential = np.exp(-noise)
  winner = logits.argmax()
  smallest = exponential[winner] / np.exp(logits).sum()
  perturbed = -np.log(exponential / np.exp(logits) + smallest)
  perturbed[winner] = -np.log(smallest)
  return perturbed


class ArgmaxGradientsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      function=(ops.softmax_argmax, ops.reinmax_argmax),
      temperature=(0.1, 1.0, 5.0),
      num_classes=(2, 5),
      masked=(False, True),
  )
  def test_value_and_jacobian(self, function, temperature, num_classes, masked):
    logits = np.random.default_rng(0).normal(size=num_classes)
    if masked:
      logits[logits.argmax()] = -math.inf
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
      y = function(variable, temperature)
    self.assertAllEqual(y, np.eye(num_classes)[logits.argmax()])
    self.assertAllClose(
        tape.jacobian(y, variable),
        _expected_jacobian(function, logits, temperature),
        atol=1e-12,
    )

  @parameterized.product(
      function=(ops.softmax_argmax, ops.reinmax_argmax),
      dtype=('float32', 'bfloat16'),
  )
  def test_is_exact_in_any_dtype_under_xla(self, function, dtype):
    self.check_is_exact_in_any_dtype_under_xla(function, dtype)

  @parameterized.product(
      function=(ops.softmax_argmax, ops.reinmax_argmax),
      dtype=('float64', 'float16'),
  )
  @pytest.mark.slow
  def test_is_exact_in_any_dtype_under_xla_slow(self, function, dtype):
    self.check_is_exact_in_any_dtype_under_xla(function, dtype)

  def check_is_exact_in_any_dtype_under_xla(self, function, dtype):
    logits = tf.cast(tf.random.stateless_normal([50, 7], [0, 1]), dtype)
    temperature = tf.fill([50, 1], 0.3)

    @tf.function(jit_compile=True)
    def run(logits):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        y = function(logits, temperature)
      return y, tape.gradient(y, logits, tf.cast(tf.range(7), dtype) + 0 * y)

    y, gradient = run(logits)
    self.assertEqual(y.dtype, dtype)
    self.assertEqual(gradient.dtype, dtype)
    self.assertAllEqual(
        tf.cast(y, tf.int32),
        np.eye(7, dtype=np.int32)[tf.argmax(logits, -1)],
    )
    expected = [
        _expected_jacobian(function, row, 0.3) @ np.arange(7)
        for row in tf.cast(logits, tf.float64).numpy()
    ]
    eps = {'float64': 1e-6, 'float32': 1e-4}.get(dtype, 0.1)
    self.assertAllClose(tf.cast(gradient, tf.float64), expected, eps, eps)

  def test_no_gradient_reaches_the_temperature(self):
    temperature = tf.Variable(0.5)
    gumbel_argmax = functools.partial(ops.gumbel_argmax, seed=_SEED)
    for function in (ops.softmax_argmax, ops.reinmax_argmax, gumbel_argmax):
      with tf.GradientTape() as tape:
        y = function(tf.constant([0.0, -math.inf]), temperature)
      self.assertIsNone(tape.gradient(y, temperature))

  @parameterized.parameters(
      ops.softmax_argmax,
      ops.reinmax_argmax,
      functools.partial(ops.gumbel_argmax, seed=_SEED),
  )
  def test_rejects(self, function):
    with self.assertRaisesRegex(ValueError, 'positive `temperature`'):
      function(tf.zeros([2, 3]), 0.0)
    with self.assertRaisesRegex(ValueError, '`temperature` of shape'):
      function(tf.zeros([2, 3]), tf.ones([3]))
    with self.assertRaisesRegex(ValueError, 'static K'):
      tf.function(function).get_concrete_function(tf.TensorSpec([None]))


class GumbelArgmaxTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      temperature=(0.1, 1.0, 5.0), num_classes=(2, 5), masked=(False, True)
  )
  def test_value_and_jacobian(self, temperature, num_classes, masked):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=num_classes)
    noise = rng.gumbel(size=num_classes)
    if masked:
      logits[logits.argmax()] = -math.inf
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
      y = ops.gumbel_argmax(variable, temperature, noise=noise)
    self.assertAllEqual(y, np.eye(num_classes)[logits.argmax()])
    with np.errstate(divide='ignore'):
      perturbed = _perturb_given_argmax(logits, noise)
    soft = special.softmax(perturbed / temperature)
    self.assertAllClose(
        tape.jacobian(y, variable),
        _softmax_jacobian(soft) / temperature,
        atol=1e-12,
    )

  def test_noise_has_the_law_given_the_argmax(self):
    draws = 20_000
    logits = np.array([0.5, -1.0, 0.2])
    rows = tf.Variable(np.tile(logits, [draws, 1]))
    with tf.GradientTape(persistent=True) as tape:
      y = ops.gumbel_argmax(rows, seed=_SEED)
      first, last = y[:, 0], y[:, 2]
    # At temperature 1 the derivative is diag(p) - p p^T, which gives p.
    p01, p02 = -tape.gradient(first, rows).numpy()[:, 1:].T
    p12 = -tape.gradient(last, rows).numpy()[:, 1]
    probs = np.sqrt([p01 * p02 / p12, p01 * p12 / p02, p02 * p12 / p01])
    self.assertAllEqual(probs.argmax(0), np.zeros(draws))
    # Rejection: of all perturbed logits, those that the first class wins.
    noise = np.random.default_rng(0).gumbel(size=[4 * draws, 3])
    perturbed = logits + noise
    expected = special.softmax(perturbed[perturbed.argmax(-1) == 0], -1).T
    for i in range(3):
      # Kolmogorov-Smirnov at 4 sigma: p = 6e-5.
      self.assertGreater(stats.ks_2samp(probs[i], expected[i]).pvalue, 6e-5)
    # The means over both samples, within 4 sigma, of what no marginal tells.
    ours, theirs = probs[1] * probs[2], expected[1] * expected[2]
    error = np.hypot(ours.std() / draws**0.5, theirs.std() / theirs.size**0.5)
    self.assertLess(abs(ours.mean() - theirs.mean()) / error, 4.0)

  @parameterized.parameters('float64', 'float32', 'bfloat16', 'float16')
  def test_is_exact_in_any_dtype_under_xla(self, dtype):
    logits = tf.cast(tf.random.stateless_normal([50, 7], [0, 1]), dtype)
    noise = ops.gumbel([50, 7], _SEED)

    @tf.function(jit_compile=True)
    def run(logits, noise):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        y = ops.gumbel_argmax(logits, 0.3, noise=noise)
      return y, tape.gradient(y, logits, tf.cast(tf.range(7), dtype) + 0 * y)

    y, gradient = run(logits, noise)
    self.assertEqual(y.dtype, dtype)
    self.assertEqual(gradient.dtype, dtype)
    logits = tf.cast(logits, tf.float64).numpy()
    self.assertAllEqual(tf.cast(y, tf.int32), np.eye(7)[logits.argmax(-1)])
    expected = []
    for row, row_noise in zip(logits, noise.numpy(), strict=True):
      perturbed = _perturb_given_argmax(row, row_noise.astype(np.float64))
      soft = special.softmax(perturbed / 0.3)
      expected.append(_softmax_jacobian(soft) @ np.arange(7) / 0.3)
    eps = {'float64': 1e-6, 'float32': 1e-4}.get(dtype, 0.1)
    self.assertAllClose(tf.cast(gradient, tf.float64), expected, eps, eps)

  def test_draws_under_xla(self):
    rows = tf.zeros([100, 4])

    @tf.function(jit_compile=True)
    def gradient(seed):
      with tf.GradientTape() as tape:
        tape.watch(rows)
        y = ops.gumbel_argmax(rows, 0.5, seed=seed)[:, 0]
      return tape.gradient(y, rows)

    self.assertAllEqual(gradient([0, 1]), gradient([0, 1]))
    self.assertNotAllClose(gradient([0, 1]), gradient([0, 2]))

  @parameterized.named_parameters(
      ('neither', {}, 'exactly one of `seed` and `noise`'),
      ('noise_shape', {'noise': tf.zeros([2, 3])}, '`noise` of the shape'),
  )
  def test_rejects(self, kwargs, message):
    with self.assertRaisesRegex(ValueError, message):
      ops.gumbel_argmax(tf.zeros([3]), **kwargs)


if __name__ == '__main__':
  tf.test.main()
