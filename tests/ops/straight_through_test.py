from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


class OneHotArgmaxTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters('float64', 'float32', 'bfloat16', 'float16')
  def test_ties_have_one_winner_in_any_dtype(self, dtype):
    logits = tf.constant([[1, 1, 1], [0, 2, 2], [-1, -2, -1]], dtype)
    one_hot = ops.one_hot_argmax(logits)
    self.assertEqual(one_hot.dtype, dtype)
    expected = [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    self.assertAllEqual(tf.cast(one_hot, tf.int32), expected)

  @parameterized.parameters('float64', 'bfloat16', 'int32')
  def test_ties_of_two_classes_have_one_winner(self, dtype):
    logits = tf.constant([[1, 1], [0, 2], [-1, -2], [0, 0]], dtype)
    one_hot = ops.one_hot_argmax(logits)
    self.assertAllEqual(
        tf.cast(one_hot, tf.int32), [[1, 0], [0, 1], [1, 0], [1, 0]]
    )

  # 257 classes do not fit the integers that bfloat16 holds.
  @parameterized.parameters(1, 2, 257)
  def test_finds_each_class(self, num_classes):
    one_hot = ops.one_hot_argmax(tf.eye(num_classes), dtype=tf.bfloat16)
    self.assertAllEqual(tf.cast(one_hot, tf.float32), np.eye(num_classes))

  def test_rejects_an_unknown_number_of_classes(self):
    function = tf.function(
        ops.one_hot_argmax, input_signature=[tf.TensorSpec([2, None])]
    )
    with self.assertRaisesRegex(ValueError, 'static K of at least 1; received'):
      function(tf.zeros([2, 3]))


class IsOneHotTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters('float64', 'float32', 'bfloat16', 'int32')
  def test_takes_exact_vectors_alone(self, dtype):
    vectors = [[[0, 1, 0], [1, 0, 0]], [[0, 0, 0], [1, 1, 0]], [[2, 0, 0]] * 2]
    actual = ops.is_one_hot(tf.constant(vectors, dtype))
    self.assertAllEqual(actual, [[True, True], [False, False], [False, False]])

  def test_rejects_what_sums_to_one(self):
    x = [[0.5, 0.5], [1.0, float('nan')], [1.0, 1e-30], [-1.0, 2.0]]
    self.assertAllEqual(ops.is_one_hot(x), [False] * 4)


class StraightThroughTest(tf.test.TestCase, parameterized.TestCase):

  # The usual `soft + stop_gradient(hard - soft)` fails this one.
  @parameterized.parameters('float64', 'float32', 'bfloat16', 'float16')
  def test_value_is_exact(self, dtype):
    soft = 10.0 * tf.random.stateless_normal([1000, 3], [0, 1])
    soft = tf.cast(soft, dtype)
    hard = ops.one_hot_argmax(soft)
    value = ops.straight_through(hard, soft)
    self.assertEqual(value.dtype, dtype)
    self.assertAllEqual(tf.cast(value, tf.float32), tf.cast(hard, tf.float32))

  @parameterized.parameters(False, True)
  def test_gradient_is_that_of_the_surrogate(self, jit_compile):
    x = tf.random.stateless_normal([4, 3], [0, 1])
    weights = tf.random.stateless_normal([4, 3], [0, 2])

    @tf.function(jit_compile=jit_compile)
    def gradients():
      with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        soft = tf.nn.softmax(x / 0.3)
        hard = ops.one_hot_argmax(x)
        through = tf.reduce_sum(weights * ops.straight_through(hard, soft))
        plain = tf.reduce_sum(weights * soft)
      return tape.gradient(through, x), tape.gradient(plain, x)

    actual, expected = gradients()
    self.assertAllClose(actual, expected, rtol=1e-6, atol=1e-6)

  def test_no_gradient_reaches_the_value(self):
    hard = tf.constant([0.0, 1.0])
    with tf.GradientTape() as tape:
      tape.watch(hard)
      value = ops.straight_through(hard, tf.constant([0.5, 0.5]))
    self.assertIsNone(tape.gradient(value, hard))

  @parameterized.parameters(
      (tf.zeros([2, 3]), tf.zeros([3]), 'shape of `hard`'),
      (tf.zeros([3]), tf.zeros([3], tf.float64), 'dtype of `hard`'),
  )
  def test_rejects_a_surrogate_that_does_not_match(self, hard, soft, message):
    with self.assertRaisesRegex(ValueError, message):
      ops.straight_through(hard, soft)


if __name__ == '__main__':
  tf.test.main()
