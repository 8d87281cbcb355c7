from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


def _loop(x, alpha):
  y = np.zeros_like(x, np.float64)
  state = np.zeros_like(y[..., 0, :])
  for t in range(x.shape[-2]):
    state = np.float64(alpha) * state + x[..., t, :]
    y[..., t, :] = state
  return y


class LinearRecurrenceTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 2, 5, 8)
  def test_equals_a_loop(self, length):
    rng = np.random.default_rng(0)
    x = rng.normal(size=[4, length, 3])
    for alpha in ([-0.9, 0.0, 1.0], rng.uniform(size=[4, 3])):
      y = ops.linear_recurrence(x, np.float64(alpha))
      self.assertAllClose(y, _loop(x, alpha), atol=1e-12)
    y = ops.linear_recurrence(x, np.float64(0.5))
    self.assertAllClose(y, _loop(x, 0.5), atol=1e-12)

  def test_float32_keeps_digits_at_length_4096(self):
    x = np.random.default_rng(0).normal(size=[4096, 2]).astype('float32')
    alpha = np.float32([0.9999, -0.9999])
    expected = _loop(x, alpha)
    compiled = tf.function(ops.linear_recurrence, jit_compile=True)
    for function in (ops.linear_recurrence, compiled):
      # Squares of squares would be 1e-5 off.
      self.assertAllClose(
          function(x, alpha) / np.abs(expected).max(),
          expected / np.abs(expected).max(),
          atol=1e-6,
      )

  def test_gradients_match_finite_differences(self):
    x = np.random.default_rng(0).normal(size=[6, 3])
    alpha = np.array([-0.8, 0.0, 0.9])
    theoretical, numerical = tf.test.compute_gradient(
        ops.linear_recurrence, [x, alpha], delta=1e-6
    )
    self.assertAllClose(theoretical, numerical, atol=1e-7)

  def test_rejects_an_unknown_length(self):
    with self.assertRaisesRegex(ValueError, 'static length; received'):
      tf.function(ops.linear_recurrence).get_concrete_function(
          tf.TensorSpec([None, 2]), 0.5
      )
    with self.assertRaisesRegex(ValueError, 'static length; received'):
      ops.linear_recurrence(tf.zeros([2]), 0.5)

  @parameterized.parameters(1, 2)
  def test_has_the_batch_shape_of_alpha_at_any_length(self, length):
    y = ops.linear_recurrence(tf.ones([length, 2]), tf.fill([5, 2], 0.5))
    self.assertEqual(y.shape, [5, length, 2])

  def test_second_derivative_at_zero(self):
    x = tf.constant([[1.0], [2.0], [4.0], [8.0], [16.0]], tf.float64)
    alpha = tf.zeros([1], tf.float64)
    with tf.GradientTape() as outer:
      outer.watch(alpha)
      with tf.GradientTape() as inner:
        inner.watch(alpha)
        loss = tf.reduce_sum(ops.linear_recurrence(x, alpha))
      slope = inner.gradient(loss, alpha)
    # Each entry enters with alpha**2 two steps later.
    self.assertAllClose(outer.gradient(slope, alpha), [2.0 * (1 + 2 + 4)])


if __name__ == '__main__':
  tf.test.main()
