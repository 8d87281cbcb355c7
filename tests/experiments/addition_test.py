import math

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from experiments import addition


def _to_numbers(digits):
  return digits @ 10 ** np.arange(digits.shape[-1])[::-1]


class AdditionTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 2, 10)
  def test_sums_are_right(self, length):
    truth = addition.Addition(length)
    context, codes = truth.sample(1000, [0, 1])
    self.assertEqual(codes.dtype, tf.int32)
    self.assertAllEqual(tf.reduce_sum(context, -1), np.full([1000, length], 2))
    first, second = (
        _to_numbers(np.argmax(half, axis=-1))
        for half in np.split(context.numpy(), 2, axis=-1)
    )
    self.assertAllEqual(
        _to_numbers(codes.numpy()), (first + second) % 10**length
    )
    # Uniform summands, within 5 sigma.
    for number in (first, second):
      self.assertAllClose(
          np.mean(number / 10**length),
          0.5 - 0.5 / 10**length,
          atol=5 / math.sqrt(12 * 1000),
      )

  def test_samples_are_a_function_of_the_seed(self):
    truth = addition.Addition(4)
    first = truth.sample(50, [0, 1])
    sample = tf.function(truth.sample)
    for one, other in zip(sample(50, [0, 1]), first, strict=True):
      self.assertAllEqual(one, other)
    self.assertNotAllEqual(sample(50, [0, 2])[1], first[1])

  @parameterized.parameters(1, 2, 3)
  def test_left_to_right_entropy_by_enumeration(self, length):
    # Equally likely summands: the entropy of a digit given the summands' digits
    # up to its place and the sum's before it.
    entropy = 0.0
    total = 10 ** (2 * length)
    a, b = np.divmod(np.arange(total), 10**length)
    digits = np.stack(
        [
            x[:, np.newaxis] // 10 ** np.arange(length)[::-1] % 10
            for x in (a, b, a + b)
        ],
        axis=-1,
    )
    for t in range(length):
      seen = np.concatenate(
          [digits[:, : t + 1, :2].reshape([total, -1]), digits[:, :t, 2]], 1
      )
      joint = np.concatenate([seen, digits[:, t, 2:]], 1)
      entropy += _entropy_of_rows(joint) - _entropy_of_rows(seen)
    truth = addition.Addition(length)
    self.assertAllClose(truth.left_to_right_entropy(), entropy)
    self.assertAllClose(
        truth.factorized_entropy(), _entropy_of_rows(digits[..., 2])
    )
    self.assertEqual(truth.entropy(), 0)


def _entropy_of_rows(rows):
  _, counts = np.unique(_to_numbers(rows), return_counts=True)
  probs = counts / len(rows)
  return -np.sum(probs * np.log(probs))


if __name__ == '__main__':
  absltest.main()
