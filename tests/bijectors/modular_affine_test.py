from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import bijectors
from discrete_lvm import distributions
from discrete_lvm import ops

tfb = tfp.bijectors
tfd = tfp.distributions


class ModularAffineTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(2, 3, 6)
  def test_permutes_the_classes_as_the_formula(self, num_classes):
    eye = np.eye(num_classes, dtype=np.float32)
    codes = np.arange(num_classes)
    for scale in [None, *np.flatnonzero(ops.invertible_scales(num_classes))]:
      bijector = bijectors.ModularAffine(
          eye[:, np.newaxis], None if scale is None else eye[scale]
      )
      y = bijector.forward(eye).numpy()
      factor = 1 if scale is None else scale
      self.assertAllEqual(
          y.argmax(-1), (factor * codes + codes[:, np.newaxis]) % num_classes
      )
      again = bijector.inverse(y)
      self.assertAllEqual(again, np.broadcast_to(eye, again.shape))

  def test_has_no_moments_as_if_it_were_linear(self):
    base = distributions.OneHotCategorical(probs=[0.5, 0.3, 0.2])
    d = tfd.TransformedDistribution(
        base, bijectors.ModularAffine(tf.one_hot(1, 3))
    )
    for moment in (d.mean, d.covariance, d.stddev):
      with self.assertRaisesRegex(NotImplementedError, 'not implemented'):
        moment()

  def test_pmf_and_gradient_of_trained_logits(self):
    logits = tf.Variable([[0.1, 0.5, 0.2], [0.0, -1.0, 1.0]])
    bijector = bijectors.ModularAffine(
        tfp.util.DeferredTensor(logits, ops.softmax_argmax)
    )
    base = distributions.OneHotCategorical(probs=[0.2, 0.3, 0.5])
    d = tfd.TransformedDistribution(base, bijector)
    self.assertEqual(d.batch_shape, [2])
    self.assertLen(tfb.Chain([bijector]).trainable_variables, 1)
    x = np.eye(3, dtype=np.float32)[:, np.newaxis]
    with tf.GradientTape() as tape:
      prob = d.prob(x)
      first = prob[0]
    # The shifts are 1 and 2.
    expected = np.transpose([[0.5, 0.2, 0.3], [0.3, 0.5, 0.2]])
    self.assertAllClose(prob, expected)
    gradient = tape.gradient(first, logits)
    self.assertAllGreater(tf.reduce_max(tf.abs(gradient), -1), 1e-3)

  @parameterized.parameters('float64', 'bfloat16', 'int32')
  def test_takes_events_of_any_dtype(self, dtype):
    bijector = bijectors.ModularAffine(tf.one_hot(1, 3), tf.one_hot(2, 3))
    x = tf.one_hot([0, 1, 2], 3, dtype=dtype)
    y = bijector.forward(x)
    self.assertEqual(y.dtype, dtype)
    self.assertAllEqual(tf.argmax(y, -1), [1, 0, 2])
    log_det = bijector.forward_log_det_jacobian(x, event_ndims=2)
    self.assertTrue(log_det.dtype.is_floating)
    self.assertAllEqual(log_det, 0.0)

  @parameterized.named_parameters(
      ('shift', [0.5, 0.5, 0, 0], None, '`shift` to be one-hot'),
      ('scale', [1.0, 0, 0, 0], [1.0, 1.0, 0, 0], '`scale` to be one-hot'),
      ('inverse', [1.0, 0, 0, 0], [0, 0, 1.0, 0], '`scale` coprime with 4'),
  )
  def test_validates_values(self, shift, scale, message):
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, message):
      bijectors.ModularAffine(shift, scale, validate_args=True)
    variables = [
        v and tf.Variable([0.0, 1.0, 0.0, 0.0]) for v in (shift, scale)
    ]
    bijector = bijectors.ModularAffine(*variables, validate_args=True)
    bijector.forward(tf.one_hot(0, 4))
    for variable, value in zip(variables, (shift, scale), strict=True):
      if variable is not None:
        variable.assign(value)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, message):
      bijector.forward(tf.one_hot([1], 4))

  def test_rejects(self):
    bijector = bijectors.ModularAffine(tf.one_hot(1, 3), validate_args=True)
    with self.assertRaisesRegex(ValueError, 'as many classes'):
      bijector.forward(tf.one_hot(1, 4))
    with self.assertRaisesRegex(ValueError, r'`event` of shape \[..., K\]'):
      bijector.forward(1.0)
    with self.assertRaisesRegex(ValueError, '`shift` of shape'):
      bijectors.ModularAffine(tf.ones([2, 1]))
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, '`event`'):
      bijector.inverse([0.0, 0.0, 0.0])


if __name__ == '__main__':
  tf.test.main()
