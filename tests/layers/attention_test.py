import numpy as np
import tensorflow as tf

from discrete_lvm.layers import attention


def _normal(*shape, seed=0):
  return tf.random.stateless_normal(shape, [1, seed])


class AttentionTest(tf.test.TestCase):

  def test_equals_the_formula(self):
    queries, keys = _normal(2, 3, 4, 6), _normal(2, 3, 5, 6, seed=1)
    values = _normal(2, 3, 5, 7, seed=2)
    mask = np.array(_normal(4, 5, seed=3) > 0) | np.eye(4, 5, dtype=bool)
    scores = np.einsum('abqd,abkd->abqk', queries, keys) / np.sqrt(6)
    for allowed, weights in (
        (None, np.exp(scores)),
        (mask, np.exp(scores) * mask),
    ):
      weights /= weights.sum(axis=-1, keepdims=True)
      expected = np.einsum('abqk,abkd->abqd', weights, values)
      y = attention.attend(queries, keys, values, allowed)
      self.assertAllClose(y, expected, rtol=1e-5, atol=1e-5)

  def test_a_mask_hides_exactly(self):
    queries, keys, values = (_normal(4, 6, seed=i) for i in range(3))
    mask = np.tri(4, dtype=bool)
    before = attention.attend(queries, keys, values, mask)
    far = tf.constant([[0.0]] * 3 + [[1e6]])
    after = attention.attend(queries, keys + far, values + far, mask)
    self.assertAllEqual(before[:3], after[:3])

  def test_softmax_is_in_float32(self):
    # In bfloat16 the sum of 1000 weights would stop growing at 256.
    values = tf.ones([1000, 1], tf.bfloat16)
    y = attention.attend(tf.zeros([1, 1], tf.bfloat16), values, values)
    self.assertEqual(y.dtype, tf.bfloat16)
    self.assertAllClose(tf.cast(y, tf.float32), [[1.0]], atol=0.01)

  def test_float64_stays_float64(self):
    queries, keys, values = (
        tf.random.stateless_normal([4, 6], [1, i], dtype=tf.float64)
        for i in range(3)
    )
    scores = np.einsum('qd,kd->qk', queries, keys) / np.sqrt(6)
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    y = attention.attend(queries, keys, values)
    self.assertAllClose(y, weights @ values, rtol=1e-13, atol=1e-13)


if __name__ == '__main__':
  tf.test.main()
