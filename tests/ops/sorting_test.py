import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


def _oracle_ranks(logits):
  """Returns the rank of each class, ties to the lower class first."""
  order = np.argsort(-logits.astype(np.float64), axis=-1, kind='stable')
  return np.argsort(order, axis=-1)


def _logits(num_classes, dtype, rows=6):
  """Returns logits with many ties, among them of 0 and -0, and -inf."""
  rng = np.random.default_rng(0)
  logits = rng.integers(-2, 3, size=[rows, num_classes]) / 2
  logits = np.where(logits == 0, rng.choice([0.0, -0.0], logits.shape), logits)
  logits = np.where(logits == -1, -math.inf, logits)
  return tf.cast(logits, dtype)


class SortingTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      num_classes=(2, 6, 257),
      dtype=('float64', 'float32', 'bfloat16'),
      jit_compile=(False, True),
  )
  def test_ranks_every_class(self, num_classes, dtype, jit_compile):
    logits = _logits(num_classes, dtype)
    expected = _oracle_ranks(tf.cast(logits, tf.float64).numpy())
    classes = np.arange(num_classes)

    @tf.function(jit_compile=jit_compile)
    def rename(logits):
      logits = tf.repeat(logits[:, tf.newaxis], num_classes, axis=1)
      codes = tf.zeros([len(expected), 1], tf.int32) + classes
      x = tf.one_hot(codes, num_classes, dtype=dtype)
      return (
          ops.rank_codes(codes, logits),
          ops.unrank_codes(codes, logits),
          ops.one_hot_rank(x, logits),
          ops.one_hot_unrank(x, logits),
      )

    ranks, order, one_hot_ranks, one_hot_order = rename(logits)
    self.assertAllEqual(ranks, expected)
    self.assertAllEqual(order, np.argsort(expected))
    self.assertEqual(one_hot_ranks.dtype, dtype)
    self.assertAllEqual(
        tf.cast(one_hot_ranks, tf.int32), np.eye(num_classes)[expected]
    )
    self.assertAllEqual(
        tf.cast(one_hot_order, tf.int32),
        np.eye(num_classes)[np.argsort(expected)],
    )

  @parameterized.parameters(False, True)
  def test_inverts_65536_codes(self, jit_compile):
    logits = _logits(65536, 'float32', rows=2)
    codes = tf.constant([[0, 65535, 7], [40000, 1, 2]])

    @tf.function(jit_compile=jit_compile)
    def there_and_back(codes, logits):
      logits = tf.repeat(logits[:, tf.newaxis], 3, axis=1)
      ranks = ops.rank_codes(codes, logits)
      return ranks, ops.unrank_codes(ranks, logits)

    ranks, again = there_and_back(codes, logits)
    expected = _oracle_ranks(logits.numpy())
    self.assertAllEqual(ranks, np.take_along_axis(expected, codes.numpy(), 1))
    self.assertAllEqual(again, codes)

  @parameterized.parameters(False, True)
  def test_permutes_the_classes_beside_any_logits(self, jit_compile):
    odd = [math.nan, 1e-45, 0.0, -0.0, -1e-45, math.inf, -math.inf, math.nan]

    @tf.function(jit_compile=jit_compile)
    def there_and_back(logits):
      codes = tf.range(8)
      logits = tf.repeat(logits[tf.newaxis], 8, axis=0)
      ranks = ops.rank_codes(codes, logits)
      x = ops.one_hot_unrank(ops.one_hot_rank(tf.eye(8), logits), logits)
      return ranks, ops.unrank_codes(ranks, logits), x

    ranks, codes, x = there_and_back(tf.constant(odd))
    self.assertLen(set(ranks.numpy().tolist()), 8)
    self.assertAllEqual(codes, np.arange(8))
    self.assertAllEqual(x, np.eye(8))

  @parameterized.product(
      function=(ops.one_hot_rank, ops.one_hot_unrank),
      dtype=('float64', 'bfloat16'),
      jit_compile=(False, True),
  )
  def test_gradient_is_that_of_the_permutation(
      self, function, dtype, jit_compile
  ):
    logits = _logits(5, 'float32')
    x = tf.one_hot([0, 1, 2, 3, 4, 0], 5, dtype=dtype)
    weights = tf.cast(np.arange(30).reshape([6, 5]), dtype)

    @tf.function(jit_compile=jit_compile)
    def gradients(x, logits):
      with tf.GradientTape() as tape:
        tape.watch([x, logits])
        y = function(x, logits)
      return tape.gradient(y, [x, logits], weights)

    gradient, no_gradient = gradients(x, logits)
    self.assertIsNone(no_gradient)
    table = _oracle_ranks(logits.numpy())
    if function is ops.one_hot_unrank:
      table = np.argsort(table)
    expected = np.take_along_axis(np.arange(30).reshape([6, 5]), table, 1)
    self.assertEqual(gradient.dtype, dtype)
    self.assertAllEqual(tf.cast(gradient, tf.int32), expected)

  def test_rejects(self):
    for function in (ops.one_hot_rank, ops.one_hot_unrank):
      with self.assertRaisesRegex(ValueError, 'Expected an event .* received'):
        function(tf.zeros([2, 3]), tf.zeros([2, 4]))
    for function in (ops.rank_codes, ops.unrank_codes):
      with self.assertRaisesRegex(ValueError, 'Expected an event .* received'):
        function(tf.constant([1, 2]), tf.zeros([3, 4]))
      with self.assertRaisesRegex(ValueError, 'static K'):
        tf.function(function).get_concrete_function(
            tf.TensorSpec([2], tf.int32), tf.TensorSpec([2, None])
        )

  @parameterized.parameters('int8', 'uint8', 'int64')
  def test_takes_any_integers(self, dtype):
    logits = _logits(5, 'float32', rows=5)
    codes = tf.range(5)
    ranks = ops.rank_codes(tf.cast(codes, dtype), logits)
    self.assertAllEqual(ops.unrank_codes(tf.cast(ranks, dtype), logits), codes)

  @parameterized.parameters(ops.rank_codes, ops.unrank_codes)
  def test_rejects_codes_that_are_not_integers(self, function):
    with self.assertRaisesRegex(ValueError, 'Expected integer'):
      function([1.7], [[0.0, 5.0, 2.0]])


if __name__ == '__main__':
  tf.test.main()
