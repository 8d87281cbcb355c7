from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


class EnumerationTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters((1, 2), (1, 5), (3, 2), (2, 3), (16, 2))
  def test_lists_every_code_once_in_order(self, num_latents, num_classes):
    codes = ops.all_codes(num_latents, num_classes)
    self.assertEqual(
        codes.shape, [num_classes**num_latents, num_latents, num_classes]
    )
    digits = np.argmax(codes, -1)
    self.assertAllEqual(ops.is_one_hot(codes), np.ones(digits.shape, bool))
    powers = num_classes ** np.arange(num_latents)[::-1]
    self.assertAllEqual(digits @ powers, np.arange(len(digits)))

  def test_index_is_modulo_the_number_of_codes(self):
    for index in (-1, 2**31, 2**40 + 5):
      self.assertAllEqual(
          ops.codes_at(tf.constant(index, tf.int64), 2, 3),
          ops.all_codes(2, 3)[index % 9],
      )
    self.assertAllEqual(
        ops.codes_at(tf.constant([255], tf.uint8), 8, 2),
        ops.all_codes(8, 2)[-1:],
    )

  def test_rejects_spaces_too_large(self):
    with self.assertRaisesRegex(
        ValueError, r'at most 2\*\*16 = 65536 codes .* received 2\*\*17'
    ):
      ops.all_codes(17, 2)
    with self.assertRaisesRegex(ValueError, r'received 10\*\*1000'):
      ops.all_codes(1000, 10)

  @parameterized.parameters((1, 3), (2, 3), (4, 2))
  def test_joint_log_probs_are_those_of_all_codes(
      self, num_latents, num_classes
  ):
    logits = tf.random.stateless_normal([5, num_latents, num_classes], [0, 1])
    codes = ops.all_codes(num_latents, num_classes)
    expected = tf.reduce_sum(
        ops.one_hot_log_prob(codes, logits[:, tf.newaxis]), axis=-1
    )
    log_probs = ops.joint_log_probs(logits)
    self.assertAllClose(log_probs, expected)
    # Of independent latents, the sample is that of each.
    noise = ops.gumbel(logits.shape, [0, 2])
    sampled, log_mass = ops.sample_joint(log_probs, noise)
    self.assertAllEqual(sampled, ops.one_hot_argmax(logits + noise))
    self.assertAllClose(
        log_mass,
        tf.reduce_sum(ops.one_hot_log_prob(sampled, logits), axis=-1),
    )

  def test_samples_of_dependent_latents_have_their_law(self):
    draws = 20_000
    log_mass = tf.random.stateless_normal([8], [0, 1]) + 3.0
    codes, _ = ops.sample_joint(
        tf.repeat(log_mass[tf.newaxis], draws, axis=0),
        ops.gumbel([draws, 3, 2], [0, 2]),
    )
    index = np.argmax(codes, -1) @ [4, 2, 1]
    p = tf.nn.softmax(log_mass).numpy()
    error = np.sqrt(p * (1 - p) / draws)
    frequencies = np.bincount(index, minlength=8) / draws
    self.assertAllLess(np.abs(frequencies - p) / error, 4.0)

  def test_rejects_an_unknown_number_of_latents(self):
    @tf.function(input_signature=[tf.TensorSpec([None, 2])])
    def log_probs(logits):
      return ops.joint_log_probs(logits)

    with self.assertRaisesRegex(ValueError, 'static N and K'):
      log_probs(tf.zeros([3, 2]))


if __name__ == '__main__':
  tf.test.main()
