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

  def test_rejects_one_sample(self):
    for function in (ops.leave_one_out_mean, ops.leave_one_out_log_mean_exp):
      for x in (tf.zeros([1, 3]), tf.zeros([])):
        with self.assertRaisesRegex(ValueError, 'static S of at least 2'):
          function(x)


if __name__ == '__main__':
  tf.test.main()
