import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import ops


class DiscreteBipartiteTest(tf.test.TestCase):

  def test_positions_under_the_mask_pass_and_alone_condition(self):
    seen = []

    def network(x):
      seen.append(x.numpy())
      return tf.roll(x, 1, axis=1)

    mask = ops.alternating_mask(4)
    flow = bijectors.DiscreteBipartite(network, mask)
    x = tf.one_hot([[2, 2, 1, 0]], 3)
    # The odd ones have that on their left added.
    self.assertAllEqual(tf.argmax(flow.forward(x), -1), [[2, 1, 1, 1]])
    self.assertAllEqual(seen[0], x * mask[:, np.newaxis])
    self.assertLen(seen, 1)
    flow.inverse(x.numpy())
    self.assertLen(seen, 2)
    self.assertAllEqual(flow.mask, mask)

  def test_rejects_a_mask(self):
    for mask in ([True, True], [False, False], [1, 0]):
      with self.assertRaisesRegex(ValueError, 'Expected a .*`mask`.*received'):
        bijectors.DiscreteBipartite(tf.identity, mask)

  def test_rejects_an_event_of_another_length(self):
    flow = bijectors.DiscreteBipartite(tf.identity, [True, False])
    for direction in (flow.forward, flow.inverse):
      with self.assertRaisesRegex(
          ValueError, 'length 2, as the mask; received'
      ):
        direction(tf.one_hot([0, 1, 2], 3))
      unknown = tf.function(
          direction, input_signature=[tf.TensorSpec([None, None, 3])]
      )
      self.assertEqual(unknown(tf.zeros([5, 2, 3])).shape, [5, 2, 3])
      with self.assertRaises(tf.errors.InvalidArgumentError):
        unknown(tf.zeros([5, 1, 3]))


if __name__ == '__main__':
  tf.test.main()
