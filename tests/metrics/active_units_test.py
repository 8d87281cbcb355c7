from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import metrics


class ActiveUnitsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 7, 100)
  def test_equals_numpy_over_the_epoch_at_any_batch_size(self, batch_size):
    rng = np.random.default_rng(0)
    # Around a large mean float32 sums would lose the variance of all.
    scale = np.array([0.0, 0.05, 0.09, 0.11, 0.2, 3.0])
    means = np.float32(1e3 + scale * rng.normal(size=[100, 2, 6]))
    metric = metrics.ActiveUnits([2, 6])
    for begin in range(0, 100, batch_size):
      metric.update_state(means[begin : begin + batch_size])
    variances = means.astype('float64').var(0)
    self.assertAllClose(metric.variances(), variances, rtol=1e-5, atol=1e-8)
    self.assertEqual(float(metric.result()), np.sum(variances > 0.01))
    self.assertBetween(float(metric.result()), 5.0, 7.0)

  def test_categorical_latent_counts_once_by_the_trace(self):
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), size=[50, 3])
    probs[:, 1] = probs[0, 1]  # The same for all.
    # Each class varies by less than the threshold, all of them by more.
    probs[:, 2] = 0.25 + 0.09 * rng.choice([-1, 1], size=[50, 1]) * [
        1,
        -1,
        1,
        -1,
    ]
    metric = metrics.ActiveUnits([3, 4], event_ndims=1)
    metric.update_state(np.float32(probs))
    trace = [np.trace(np.cov(probs[:, n].T, ddof=0)) for n in range(3)]
    self.assertAllClose(metric.variances(), trace, atol=1e-6)
    self.assertLess(probs[:, 2].var(0).max(), 0.01)
    self.assertEqual(float(metric.result()), 2.0)

  def test_code_that_tells_half_of_the_data_from_the_other_half(self):
    metric = metrics.ActiveUnits([1, 2], threshold=0.49, event_ndims=1)
    metric.update_state(tf.one_hot([[0], [1], [0], [1]], 2))
    self.assertAllClose(metric.variances(), [0.5])

  def test_sums_over_replicas(self):
    strategy = tf.distribute.MirroredStrategy(
        ['CPU:0', 'CPU:1'],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    with strategy.scope():
      metric = metrics.ActiveUnits([2])

    @tf.function
    def update():
      replica = tf.distribute.get_replica_context().replica_id_in_sync_group
      # Constant in each replica, so that only together they vary.
      metric.update_state(tf.cast(replica, tf.float32) * tf.ones([3, 2]))

    strategy.run(update)
    self.assertAllClose(metric.variances(), [0.25, 0.25])
    self.assertEqual(float(metric.result()), 2.0)

  def test_is_zero_before_any_example_and_after_a_reset(self):
    metric = metrics.ActiveUnits([2])
    self.assertEqual(float(metric.result()), 0.0)
    metric.update_state([[1.0, 2.0], [3.0, 4.0]])
    self.assertEqual(float(metric.result()), 2.0)
    metric.reset_state()
    self.assertAllEqual(metric.variances(), [0.0, 0.0])

  def test_weighs_examples(self):
    means = np.random.default_rng(0).normal(size=[5, 2]).astype('float32')
    means[3] = np.nan
    weighted, repeated = metrics.ActiveUnits([2]), metrics.ActiveUnits([2])
    weighted.update_state(means, sample_weight=[1.0, 2.0, 0.0, 0.0, 3.0])
    repeated.update_state(np.repeat(means, [1, 2, 0, 0, 3], axis=0))
    self.assertAllClose(weighted.variances(), repeated.variances())

  def test_updates_under_xla(self):
    metric = metrics.ActiveUnits([2])
    update = tf.function(metric.update_state, jit_compile=True)
    update(tf.constant([[1.0, 2.0], [3.0, 2.0]]))
    self.assertAllClose(metric.variances(), [1.0, 0.0])

  def test_survives_its_config(self):
    metric = metrics.ActiveUnits((3, 5), 0.1, 1, name='units')
    restored = metrics.ActiveUnits.from_config(metric.get_config())
    self.assertEqual(restored.get_config(), metric.get_config())
    self.assertEqual(restored.name, 'units')

  def test_rejects(self):
    for shape in ([3], [4, 2], [4, 3, 1]):
      with self.assertRaisesRegex(ValueError, r'\[None, 3\]; received'):
        metrics.ActiveUnits([3]).update_state(tf.zeros(shape))
    with self.assertRaisesRegex(ValueError, r'of shape \(1,\), one an example'):
      metrics.ActiveUnits([1]).update_state([[1.0]], sample_weight=[2.0, 1.0])
    update = tf.function(
        metrics.ActiveUnits([2]).update_state,
        input_signature=[tf.TensorSpec([None, 2]), tf.TensorSpec([None])],
    )
    update(tf.zeros([3, 2]), tf.ones([3]))
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, '`sample_weight` of each example'
    ):
      update(tf.zeros([3, 2]), tf.ones([1]))
    for cls, arguments in (
        (metrics.ActiveUnits, ([2],)),
        (metrics.CodeInformation, (2, 3)),
        (metrics.CodeUsage, (2, 3)),
        (metrics.MeanWithError, ()),
    ):
      with self.assertRaisesRegex(ValueError, "None; received 'float16'"):
        cls(*arguments, dtype='float16')
    with self.assertRaisesRegex(ValueError, 'of at least 0; received -1'):
      metrics.ActiveUnits([3], threshold=-1)
    for event_ndims in (-1, 2):
      with self.assertRaisesRegex(ValueError, 'from 0 to 1, the rank'):
        metrics.ActiveUnits([3], event_ndims=event_ndims)

  @parameterized.parameters(np.nan, np.inf)
  def test_is_nan_where_a_mean_is_not_finite(self, value):
    metric = metrics.ActiveUnits([2, 3])
    means = np.random.default_rng(0).normal(size=[4, 2, 3])
    means[1, 0, 2] = value
    metric.update_state(np.float32(means))
    self.assertTrue(np.isnan(metric.result()))
    self.assertTrue(np.isnan(tf.function(metric.result)()))
    self.assertAllEqual(
        np.isnan(metric.variances()), [[False, False, True], [False] * 3]
    )


if __name__ == '__main__':
  tf.test.main()
