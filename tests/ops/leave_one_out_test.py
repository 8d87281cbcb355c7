import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import ops


class LeaveOneOutTest(tf.test.TestCase):

  def test_equals_numpy(self):
    for num_samples in (2, 5):
      x = np.random.default_rng(0).normal(scale=20.0, size=[num_samples, 3])
      others = [np.delete(x, s, axis=0) for s in range(num_samples)]
      self.assertAllClose(
          ops.leave_one_out_mean(x), [o.mean(0) for o in others]
      )
      self.assertAllClose(
          ops.leave_one_out_log_mean_exp(x),
          [special.logsumexp(o, 0) - np.log(len(o)) for o in others],
      )
      replaced = [np.concatenate([o, [o.mean(0)]]) for o in others]
      self.assertAllClose(
          ops.leave_one_out_log_mean_exp(x, geometric=True),
          [special.logsumexp(r, 0) - np.log(num_samples) for r in replaced],
      )

  def test_keeps_the_differences_of_large_numbers(self):
    x = tf.constant([[1e6], [1e6 + 1], [1e6 + 2]])
    self.assertAllEqual(x - ops.leave_one_out_mean(x), [[-1.5], [0.0], [1.5]])
    log_mean = ops.leave_one_out_log_mean_exp([-1e4, 0.0, 1e4], geometric=True)
    self.assertAllClose(log_mean, [1e4, 1e4, 0.0] - np.log(3.0))

  def test_log_sum_exp_equals_numpy_where_one_term_dominates(self):
    for size in (1, 2, 5):
      x = np.random.default_rng(0).normal(scale=30.0, size=[4, size])
      x[0] = 1.0  # Ties.
      x[1, 0] = 1e4
      expected = [
          [special.logsumexp(np.delete(row, s)) for s in range(size)]
          if size > 1
          else [-np.inf]
          for row in x
      ]
      self.assertAllClose(ops.leave_one_out_log_sum_exp(x), expected)
      x32 = tf.constant(x, tf.float32)
      self.assertAllClose(
          ops.leave_one_out_log_sum_exp(x32), expected, rtol=1e-6, atol=1e-6
      )

  def test_log_sum_exp_gradient_at_unknown_size_under_xla(self):
    x = np.random.default_rng(0).normal(scale=5.0, size=[3, 4])
    x[:, 1] = -np.inf
    weights = tf.constant(np.random.default_rng(1).normal(size=[3, 4]))

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.float64)],
        jit_compile=True,
    )
    def gradient(x):
      with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(weights * ops.leave_one_out_log_sum_exp(x))
      return tape.gradient(y, x)

    shares = np.zeros([3, 4, 4])
    for s in range(4):
      others = [k for k in range(4) if k != s]
      shares[:, s, others] = special.softmax(x[:, others], axis=-1)
    expected = np.einsum('bs,bsk->bk', weights, shares)
    self.assertAllClose(gradient(x), expected)

  def test_log_sum_exp_gradient_where_one_term_is_not_zero(self):
    x = tf.constant([-np.inf, 2.0, -np.inf])
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = ops.leave_one_out_log_sum_exp(x)
      total = tf.reduce_sum(y * [1.0, 0.0, 3.0])
    self.assertAllEqual(y, [2.0, -np.inf, 2.0])
    self.assertAllEqual(tape.gradient(total, x), [0.0, 4.0, 0.0])

  def test_log_sum_exp_rejects_a_scalar(self):
    with self.assertRaisesRegex(ValueError, 'received a scalar'):
      ops.leave_one_out_log_sum_exp(0.0)

  def test_rejects_one_sample(self):
    for function in (ops.leave_one_out_mean, ops.leave_one_out_log_mean_exp):
      for x in (tf.zeros([1, 3]), tf.zeros([])):
        with self.assertRaisesRegex(ValueError, 'static S of at least 2'):
          function(x)

  def test_mean_of_half_precision_does_not_overflow(self):
    x = tf.constant([60000.0, 60000.0], tf.float16)
    self.assertAllEqual(ops.leave_one_out_mean(x), x)

  def test_log_sum_of_no_entries_is_empty(self):
    self.assertEqual(
        ops.leave_one_out_log_sum_exp(tf.zeros([2, 0])).shape, [2, 0]
    )


if __name__ == '__main__':
  tf.test.main()
