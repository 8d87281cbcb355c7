from absl.testing import parameterized
import numpy as np
from scipy import stats
import tensorflow as tf

from discrete_lvm import metrics


class MeanWithErrorTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 32, 1000)
  def test_equals_scipy_at_any_batch_size(self, batch_size):
    # A large mean over a small spread, which float32 sums would lose.
    values = np.random.default_rng(0).normal(1e4, 1.0, 1000).astype('float32')
    metric = metrics.MeanWithError(name='nll')
    for begin in range(0, 1000, batch_size):
      metric.update_state(values[begin : begin + batch_size])
    result = metric.result()
    values = values.astype('float64')
    self.assertAllClose(result['nll'], values.mean(), rtol=1e-7)
    self.assertAllClose(result['nll_stderr'], stats.sem(values), rtol=1e-4)

  def test_has_no_error_for_one_example(self):
    metric = metrics.MeanWithError()
    metric.update_state([3.0])
    self.assertEqual(float(metric.result()['mean']), 3.0)
    self.assertTrue(np.isnan(metric.result()['mean_stderr']))

  def test_counts_what_the_mask_tells(self):
    metric, other = metrics.MeanWithError(), metrics.MeanWithError()
    metric.update_state(
        [1.0, np.nan, 3.0, 7.0], sample_weight=[True, False, True, True]
    )
    metric.update_state([5.0], sample_weight=[False])
    other.update_state([1.0, 3.0, 7.0])
    self.assertAllEqual([*metric.result().values()], [*other.result().values()])

  def test_rejects_weights(self):
    with self.assertRaisesRegex(ValueError, 'boolean `sample_weight`.*float32'):
      metrics.MeanWithError().update_state([1.0], sample_weight=[2.0])

  def test_rejects_other_shapes(self):
    mask = tf.constant([True, True, False])
    metric = metrics.MeanWithError()
    for values in ([[1.0], [2.0], [3.0]], 1.0):
      with self.assertRaisesRegex(ValueError, r'of shape \[batch\]; received'):
        metric.update_state(values)
    for other in (mask[:, tf.newaxis], mask[:2]):
      with self.assertRaisesRegex(ValueError, r'the values, \(3,\); received'):
        metric.update_state([1.0, 2.0, 3.0], sample_weight=other)

  def test_rejects_other_sizes_that_are_not_static(self):
    metric = metrics.MeanWithError()
    update = tf.function(
        metric.update_state,
        input_signature=[
            tf.TensorSpec([None]),
            tf.TensorSpec([None], tf.bool),
        ],
    )
    values = tf.constant([1.0, 2.0, 3.0])
    update(values, tf.constant([True, True, False]))
    self.assertEqual(float(metric.result()['mean']), 1.5)
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, '`sample_weight` of each example'
    ):
      update(values, tf.constant([True]))


if __name__ == '__main__':
  tf.test.main()
