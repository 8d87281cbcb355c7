import heapq
import itertools

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


def _log_q(codes, logits):
  return tf.reduce_sum(codes * tf.nn.log_softmax(logits), [-2, -1])


class LikeliestCodesTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      shape=((1, 2), (1, 5), (2, 3), (3, 2), (5, 3), (7, 2)),
      share=(0.0, 0.1, 0.5, 1.0),
  )
  def test_are_those_of_a_table(self, shape, share):
    logits = 2.0 * tf.random.stateless_normal([3, 4, *shape], [0, 1])
    joint = np.sort(ops.joint_log_probs(logits), -1)[..., ::-1]
    size = int(np.ceil(share * joint.shape[-1]))
    codes = ops.likeliest_codes(logits, size)
    self.assertEqual(codes.shape, [size, *logits.shape])
    self.assertTrue(np.all(ops.is_one_hot(codes)))
    self.assertAllClose(
        np.moveaxis(_log_q(codes, logits), 0, -1), joint[..., :size], atol=1e-5
    )
    distinct = np.unique(codes.numpy()[:, 0, 0], axis=0)
    self.assertLen(distinct, size)

  @parameterized.parameters((200, 2, 300), (37, 5, 300))
  def test_many_latents(self, num_latents, num_classes, num_codes):
    logits = tf.random.stateless_normal([num_latents, num_classes], [0, 1])
    codes = ops.likeliest_codes(logits, num_codes)
    # One latent after another keeps the best of all that it extends.
    best = [0.0]
    for row in np.float64(tf.nn.log_softmax(logits)):
      extended = (x + y for x, y in itertools.product(best, row))
      best = heapq.nlargest(num_codes, extended)
    self.assertAllClose(_log_q(codes, logits), best, rtol=1e-5)
    self.assertLen(np.unique(codes, axis=0), num_codes)

  def test_impossible_codes_come_last(self):
    logits = tf.constant([[0.0, -np.inf], [-np.inf, 0.0], [1.0, 0.0]])
    codes = ops.likeliest_codes(logits, 8)
    self.assertAllEqual(np.argmax(codes[:2], -1), [[0, 1, 0], [0, 1, 1]])
    self.assertLen(np.unique(codes, axis=0), 8)

  def test_has_no_gradient(self):
    # Rather than one that is missing: the list is constant in between.
    logits = tf.zeros([2, 3])
    with tf.GradientTape() as tape:
      tape.watch(logits)
      codes = ops.likeliest_codes(logits, 2)
    self.assertIsNone(tape.gradient(codes, logits))

  def test_rejects(self):
    for size in (-1, 10):
      with self.assertRaisesRegex(
          ValueError, rf'from 0 to 3\*\*2; received {size}'
      ):
        ops.likeliest_codes(tf.zeros([2, 3]), size)
    compiled = tf.function(
        lambda x: ops.likeliest_codes(x, 1),
        input_signature=[tf.TensorSpec([None, 3])],
    )
    with self.assertRaisesRegex(ValueError, 'with a static N and K'):
      compiled(tf.zeros([2, 3]))

  def test_rejects_no_latents(self):
    with self.assertRaisesRegex(ValueError, 'at least 1'):
      ops.likeliest_codes(tf.zeros([4, 0, 2]), 1)


if __name__ == '__main__':
  tf.test.main()
