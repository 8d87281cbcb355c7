from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


class BatchMeanTest(tf.test.TestCase, parameterized.TestCase):

  # Parts of 2, 2 and 1; of 1, 1, and, for the fourth replica, none.
  @parameterized.parameters((5, 2), (3, 4))
  def test_weighs_every_example_alike(self, size, num_replicas):
    x = np.random.default_rng(0).normal(size=[size, 3]).astype('float32')
    strategy = tf.distribute.MirroredStrategy(
        [f'CPU:{i}' for i in range(num_replicas)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    parts = np.array_split(x, num_replicas)
    part = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )
    run = tf.function(lambda: strategy.run(ops.batch_mean, args=(part,)))
    for mean in strategy.experimental_local_results(run()):
      self.assertAllClose(mean, x.mean(axis=0), rtol=1e-6)

  def test_outside_of_replicas_it_is_that_of_the_batch(self):
    x = tf.constant([[1.0, 2.0], [3.0, 6.0]])
    self.assertAllClose(ops.batch_mean(x), [2.0, 4.0])
    jitted = tf.function(ops.batch_mean, jit_compile=True)
    self.assertAllClose(jitted(x), [2.0, 4.0])
    strategy = tf.distribute.OneDeviceStrategy('CPU:0')
    with strategy.scope():
      self.assertAllClose(ops.batch_mean(x), [2.0, 4.0])

  def test_stops_the_gradient(self):
    x = tf.constant([[1.0], [3.0]])
    with tf.GradientTape() as tape:
      tape.watch(x)
      mean = ops.batch_mean(x)
    self.assertIsNone(tape.gradient(mean, x))

  def test_is_zero_of_nothing(self):
    mean = tf.function(
        ops.batch_mean, input_signature=[tf.TensorSpec([None, 2])]
    )
    self.assertAllEqual(mean(tf.zeros([0, 2])), [0.0, 0.0])
    x = tf.constant([[1.0, 2.0], [3.0, 6.0]])
    self.assertAllEqual(mean(x), [2.0, 4.0])
    self.assertAllEqual(ops.batch_mean(tf.zeros([0])), 0.0)
    self.assertTrue(np.isnan(ops.batch_mean([1.0, np.nan])))
    strategy = tf.distribute.MirroredStrategy(
        ['CPU:0', 'CPU:1'],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    run = tf.function(
        lambda: strategy.run(ops.batch_mean, args=(tf.zeros([0, 2]),))
    )
    for mean in strategy.experimental_local_results(run()):
      self.assertAllEqual(mean, [0.0, 0.0])


if __name__ == '__main__':
  tf.test.main()
