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

  def test_rejects_spaces_too_large(self):
    with self.assertRaisesRegex(
        ValueError, r'at most 2\*\*16 = 65536 codes .* received 2\*\*17'
    ):
      ops.all_codes(17, 2)
    with self.assertRaisesRegex(ValueError, r'received 10\*\*1000'):
      ops.all_codes(1000, 10)


if __name__ == '__main__':
  tf.test.main()
