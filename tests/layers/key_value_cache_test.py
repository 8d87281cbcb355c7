from absl.testing import parameterized
import tensorflow as tf

from discrete_lvm.layers import key_value_cache


class KeyValueCacheTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(([],), ([2],), ([2, 3],))
  def test_append_writes_one_position_of_each_head(self, batch_shape):
    rows = tf.random.stateless_normal([2, *batch_shape, 4, 5, 6], [0, 1])
    empty = key_value_cache.empty_cache([*batch_shape, 4, 5, 6], tf.float32)
    cache = empty
    for i in range(3):
      row = rows[..., i : i + 1, :]
      cache = key_value_cache.append(cache, row[0], row[1], i)
    for filled, expected in zip(cache, rows, strict=True):
      self.assertAllEqual(filled[..., :3, :], expected[..., :3, :])
      self.assertAllEqual(filled[..., 3:, :], tf.zeros_like(filled[..., 3:, :]))
    # A caller may go back to an earlier state.
    self.assertAllEqual(empty.keys, tf.zeros_like(empty.keys))

  def test_shapes_stay_in_a_graph_of_unknown_batch_and_length(self):
    @tf.function(
        input_signature=[
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def run(batch, length):
      cache = key_value_cache.empty_cache(
          tf.stack([batch, 2, length, 3]), tf.float32
      )
      row = tf.ones(tf.stack([batch, 2, 1, 3]))
      after = key_value_cache.append(cache, row, row, length - 1)
      self.assertEqual(after.keys.shape.as_list(), cache.keys.shape.as_list())
      return tf.reduce_sum(after.keys, axis=[0, 1, 3])

    self.assertAllEqual(run(5, 4), [0.0, 0.0, 0.0, 30.0])


if __name__ == '__main__':
  tf.test.main()
