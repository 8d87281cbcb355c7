from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import bijectors

tfd = tfp.distributions


class OneHotTest(tf.test.TestCase, parameterized.TestCase):

  # 257 classes do not fit the integers that bfloat16 holds.
  @parameterized.product(num_classes=(2, 257), dtype=('bfloat16', 'int32'))
  def test_maps_each_code(self, num_classes, dtype):
    bijector = bijectors.OneHot(num_classes, dtype=dtype)
    codes = np.arange(num_classes, dtype=np.int32)
    y = bijector.forward(codes)
    self.assertEqual(y.dtype, dtype)
    self.assertAllEqual(
        tf.cast(y, tf.int32), np.eye(num_classes, dtype=np.int32)
    )
    again = bijector.inverse(tf.identity(y))
    self.assertEqual(again.dtype, tf.int32)
    self.assertAllEqual(again, codes)

  def test_shapes(self):
    bijector = bijectors.OneHot(3)
    self.assertEqual(bijector.forward_event_shape([]), [3])
    self.assertEqual(bijector.forward_event_shape([2]), [2, 3])
    self.assertEqual(bijector.inverse_event_shape([2, 3]), [2])
    self.assertAllEqual(bijector.forward_event_shape_tensor([2]), [2, 3])
    self.assertAllEqual(bijector.inverse_event_shape_tensor([2, 3]), [2])

  def test_log_det_is_zero(self):
    bijector = bijectors.OneHot(3)
    forward = bijector.forward_log_det_jacobian([0, 1], event_ndims=1)
    inverse = bijector.inverse_log_det_jacobian(
        tf.one_hot([0, 1], 3), event_ndims=2
    )
    for log_det in (forward, inverse):
      self.assertEqual(log_det.dtype, tf.float32)
      self.assertAllEqual(log_det, 0.0)

  def test_transforms_a_categorical(self):
    probs = [0.2, 0.3, 0.5]
    base = tfd.Sample(tfd.Categorical(probs=probs), 2)
    d = tfd.TransformedDistribution(base, bijectors.OneHot(3))
    self.assertEqual(d.event_shape, [2, 3])
    self.assertEqual(d.dtype, tf.float32)
    x = tf.one_hot([[0, 2], [1, 1]], 3)
    self.assertAllClose(d.prob(x), [0.2 * 0.5, 0.3 * 0.3])
    self.assertEqual(d.sample(4, seed=[0, 1]).shape, [4, 2, 3])

  def test_has_no_mean_of_names(self):
    codes = tfd.TransformedDistribution(
        tfd.OneHotCategorical(probs=[0.2, 0.3, 0.5], dtype=tf.float32),
        tfp.bijectors.Invert(bijectors.OneHot(3)),
    )
    with self.assertRaisesRegex(NotImplementedError, '`mean`'):
      codes.mean()

  def test_rejects(self):
    for num_classes in (1, 2.5):
      with self.assertRaisesRegex(
          ValueError, f'at least 2; received {num_classes}'
      ):
        bijectors.OneHot(num_classes)
    with self.assertRaisesRegex(ValueError, r'\[..., 3\]; received'):
      bijectors.OneHot(3).inverse(tf.one_hot(0, 4))
    checked = bijectors.OneHot(3, validate_args=True)
    for code in (-1, 3):
      with self.assertRaisesRegex(
          tf.errors.InvalidArgumentError, r'codes in \[0, 3\)'
      ):
        checked.forward(code)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'one-hot'):
      checked.inverse([0.0, 0.0, 0.0])


if __name__ == '__main__':
  tf.test.main()
