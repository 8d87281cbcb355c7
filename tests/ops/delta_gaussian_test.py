import math

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import ops
from tests import second_derivatives


def _kl(loc, scale):
  """KL from N(0, 1) in float64 of what may be float32."""
  loc, scale = np.float64(loc), np.float64(scale)
  return (loc**2 + scale**2 - 1) / 2 - np.log(scale)


class DeltaGaussianTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(('float32', 4e-7), ('float64', 1e-9))
  def test_scales_are_both_branches_of_lambert_w(self, dtype, rtol):
    delta = np.array([1e-3, 0.05, 0.1, 0.5, 1.0, 5.0, 40.0], dtype)
    argument = -np.exp(-2 * np.float64(delta) - 1)
    low, high = ops.delta_gaussian_scales(delta)
    self.assertEqual(low.dtype, dtype)
    for scale, branch in ((low, 0), (high, -1)):
      expected = np.sqrt(-special.lambertw(argument, branch).real)
      self.assertAllClose(scale, expected, rtol=rtol, atol=0)

  def test_scales_at_the_ends_of_the_range_of_delta(self):
    delta = np.array([1e-12, 80.0])
    for scale in ops.delta_gaussian_scales(delta):
      # At 1e-12 float64 itself leaves 4 digits of the KL.
      self.assertAllClose(_kl(0.0, scale), delta, rtol=1e-3, atol=0)

  def test_scales_have_the_gradient_of_the_inverse(self):
    delta = tf.constant([0.01, 1.0, 10.0], tf.float64)
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(delta)
      scales = ops.delta_gaussian_scales(delta)
    for scale in scales:
      # d delta / d scale = scale - 1 / scale.
      self.assertAllClose(
          tape.gradient(scale, delta) * (scale - 1 / scale), tf.ones(3)
      )

  def test_min_mean_is_the_least_that_reaches_delta(self):
    low, high = ops.delta_gaussian_scales(np.float64(0.7))
    scale = np.linspace(low, high, 21)[1:-1]
    mean = ops.delta_gaussian_min_mean(scale, np.float64(0.7))
    self.assertAllClose(_kl(mean, scale), np.full(19, 0.7), rtol=1e-12)
    self.assertAllEqual(
        ops.delta_gaussian_min_mean([low / 2, 2 * high], 0.7), [0.0, 0.0]
    )

  @parameterized.parameters(
      (1e-6, 'eager'),
      (1e-6, 'graph'),
      (1e-6, 'xla'),
      (1e-3, 'graph'),
      (1e-3, 'xla'),
      (0.1, 'eager'),
      (1.0, 'eager'),
      (80.0, 'eager'),
  )
  def test_rate_is_at_least_delta_and_reaches_it(self, delta, mode):
    function = ops.delta_gaussian
    if mode != 'eager':
      function = tf.function(function, jit_compile=mode == 'xla')
    rng = np.random.default_rng(0)
    size = 10.0 ** rng.uniform(-8, 4, size=[2, 100_000])
    outputs = np.float32(size * rng.choice([-1, 1], size=size.shape))
    outputs[:, :5] = [
        [0.0, 0.0, 1e4, -1e4, -0.0],
        [-1e4, 1e4, 0.0, -1e4, 0.0],
    ]
    with tf.GradientTape() as tape:
      raw = tf.constant(outputs)
      tape.watch(raw)
      loc, scale = function(raw[0], raw[1], delta)
    kl = _kl(loc, scale)
    self.assertGreaterEqual(kl.min(), delta * (1 - 1e-5))
    self.assertLess(kl.min(), delta + min(1e-4, delta * 1e-3))
    gradient = tape.gradient([loc, scale], raw).numpy()
    self.assertAllInRange(gradient, -10.0, 10.0)
    self.assertAllEqual(gradient[0], np.ones(100_000))

  def test_mean_adds_exactly_its_half_square_at_a_narrow_interval(self):
    loc, scale = ops.delta_gaussian(np.float64([3.0, -3.0]), 1e4, 0.2)
    self.assertAllClose(loc, [3.0, -3.0], atol=1e-6)
    self.assertAllClose(_kl(loc, scale), [4.7, 4.7])

  def test_gradients_match_finite_differences(self):
    args = np.array([[0.3, -2.0], [1.0, -3.0], [0.1, 2.0]])
    with tf.GradientTape(persistent=True) as tape:
      tensors = [tf.constant(x) for x in args]
      tape.watch(tensors)
      outputs = ops.delta_gaussian(*tensors)
    for i in range(3):
      step = np.zeros_like(args)
      step[i] = 1e-6
      above, below = [ops.delta_gaussian(*(args + s)) for s in (step, -step)]
      for output, high, low in zip(outputs, above, below, strict=True):
        gradient = tape.gradient(output, tensors[i])
        expected = (high - low) / 2e-6
        self.assertAllClose(
            tf.zeros([2]) if gradient is None else gradient, expected, atol=1e-7
        )

  @parameterized.parameters(1.0, 75.0, 80.0)
  def test_gradients_are_those_of_float64_at_any_size(self, delta):
    rng = np.random.default_rng(0)
    size = 10.0 ** rng.uniform(-3, [[4.0], [2.0]], size=[2, 5000])
    raw = np.float32(size * rng.choice([-1, 1], size=size.shape))
    raw[:, 0] = [1e3, -10.0]

    def gradient(raw):
      with tf.GradientTape() as tape:
        tape.watch(raw)
        loc, scale = ops.delta_gaussian(*tf.unstack(raw), delta)
        kl = ops.standard_normal_kl(loc, scale)
      return tape.gradient(kl, raw).numpy()

    actual = gradient(tf.constant(raw))
    expected = gradient(tf.constant(raw, tf.float64))
    self.assertAllEqual(np.isfinite(actual), np.ones([2, 5000]))
    self.assertAllClose(actual[:, 0], expected[:, 0], rtol=2e-3)
    # Of a small mean, whose slope is that of a root near zero, few digits stay.
    is_middle = np.abs(raw[1]) < 5
    self.assertAllClose(
        actual[:, is_middle], expected[:, is_middle], rtol=1e-3, atol=1e-3
    )

  def test_compiles(self):
    raw = tf.constant([-0.2, 0.0, 3.0])
    compiled = tf.function(ops.delta_gaussian, jit_compile=True)
    self.assertAllClose(
        compiled(raw, raw, 0.1), ops.delta_gaussian(raw, raw, 0.1), rtol=1e-6
    )

  def test_half_precision_is_computed_in_float32(self):
    raw = tf.constant([-0.2, 0.0, 3.0], tf.bfloat16)
    loc, scale = ops.delta_gaussian(raw, raw, 0.1)
    self.assertEqual(loc.dtype, tf.float32)
    self.assertAllGreaterEqual(_kl(loc, scale), 0.1 * (1 - 1e-5))

  def test_rejects(self):
    for function, args in (
        (ops.delta_gaussian_scales, ()),
        (ops.delta_gaussian_min_mean, (1.0,)),
        (ops.delta_gaussian, (1.0, 1.0)),
    ):
      for delta in (0.0, -1.0, [0.1, 81.0], math.nan):
        with self.assertRaisesRegex(ValueError, r'`delta` in \(0, 80\] nats'):
          function(*args, delta)

  def test_second_derivatives(self):
    delta = [0.05, 0.5, 3.0]
    second_derivatives.assert_right(self, ops.delta_gaussian_scales, delta)
    second_derivatives.assert_right(
        self, ops.delta_gaussian, [0.3, -1.0, 0.2], [0.5, -0.2, 0.1], delta
    )


if __name__ == '__main__':
  tf.test.main()
