from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import bijectors
from discrete_lvm import distributions

tfb = tfp.bijectors
tfd = tfp.distributions

ALPHA = tf.constant([-0.5, 0.0, 0.9], tf.float64)


class AR1Test(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 2, 6)
  def test_makes_the_ar1_law_of_standard_normals(self, length):
    base = tfd.Independent(tfd.Normal(np.zeros([length, 3]), 1.0), 2)
    law = tfd.TransformedDistribution(base, bijectors.AR1(ALPHA))
    z = np.random.default_rng(0).normal(size=[4, length, 3])
    expected = distributions.GaussianAR1(ALPHA, length).log_prob(z)
    self.assertAllClose(law.log_prob(z), expected, rtol=1e-10)
    self.assertEqual(law.event_shape, [length, 3])

  def test_log_det_is_that_of_the_dense_jacobian(self):
    bijector = bijectors.AR1(ALPHA)
    u = tf.constant(np.random.default_rng(1).normal(size=[5, 3]))
    with tf.GradientTape() as tape:
      tape.watch(u)
      z = bijector.forward(u)
    jacobian = tf.reshape(tape.jacobian(z, u), [15, 15])
    log_det = np.linalg.slogdet(jacobian.numpy())[1]
    self.assertAllClose(bijector.forward_log_det_jacobian(u, 2), log_det)
    # By way of NumPy, since TFP would remember `u`.
    self.assertAllClose(
        bijector.inverse_log_det_jacobian(z.numpy(), 2), -log_det
    )
    self.assertAllClose(bijector.inverse(z.numpy()), u)

  def test_variable_alpha_is_tracked_and_trained(self):
    alpha = tfp.util.TransformedVariable([0.5], tfb.Tanh())
    bijector = bijectors.AR1(alpha)
    self.assertLen(bijector.trainable_variables, 1)
    with tf.GradientTape() as tape:
      value = tf.reduce_sum(bijector.inverse(np.ones([3, 1], 'float32')))
      value += bijector.forward_log_det_jacobian(tf.ones([3, 1]))
    self.assertIsNotNone(tape.gradient(value, alpha.trainable_variables[0]))

  def test_xla(self):
    u = np.random.default_rng(2).normal(size=[5, 3]).astype('float32')
    bijector = bijectors.AR1(tf.cast(ALPHA, tf.float32))
    forward = tf.function(lambda x: bijector.forward(x), jit_compile=True)
    self.assertAllClose(forward(u), bijector.forward(u), atol=1e-5)

  @parameterized.parameters(0.5, [[1.0]], [[-2.0, 0.0]])
  def test_bad_alpha(self, alpha):
    with self.assertRaisesRegex(ValueError, 'Expected `alpha`'):
      bijectors.AR1(alpha)

  @parameterized.parameters(1, 2, 4)
  def test_rejects_sequences_of_another_dim(self, dim):
    bijector = bijectors.AR1(ALPHA)
    x = tf.zeros([5, dim], tf.float64)
    for method in (
        bijector.forward,
        bijector.inverse,
        bijector.forward_log_det_jacobian,
        bijector.inverse_log_det_jacobian,
    ):
      with self.assertRaisesRegex(ValueError, rf'length, 3\].*\(5, {dim}\)'):
        method(x)

  @parameterized.parameters(False, True)
  def test_rejects_sequences_of_unknown_rank_in_the_run(self, jit_compile):
    bijector = bijectors.AR1(ALPHA)
    inverse = tf.function(
        lambda x: bijector.inverse(x),
        input_signature=[tf.TensorSpec(None, tf.float64)],
        jit_compile=jit_compile,
    )
    x = tf.ones([5, 3], tf.float64)
    self.assertAllClose(inverse(x), bijector.inverse(x))
    with self.assertRaises(tf.errors.InvalidArgumentError):
      inverse(x[:, :1])

  def test_rejects_alpha_of_a_dim_that_only_the_graph_knows(self):
    # The volume of one would be counted where it broadcasts to many.
    with self.assertRaisesRegex(ValueError, r'static dim; received .*\(None,'):
      tf.function(
          lambda alpha: bijectors.AR1(alpha).forward(tf.ones([2, 3])),
          input_signature=[tf.TensorSpec([None])],
      )(tf.constant([0.5]))

  def test_rejects_sequences_of_another_dim_in_the_run(self):
    bijector = bijectors.AR1(ALPHA)
    for method in (bijector.forward, bijector.inverse):
      method = tf.function(
          lambda x, method=method: method(x),
          input_signature=[tf.TensorSpec([5, None], tf.float64)],
      )
      self.assertEqual(method(tf.ones([5, 3], tf.float64)).shape[-1], 3)
      with self.assertRaises(tf.errors.InvalidArgumentError):
        method(tf.ones([5, 1], tf.float64))


if __name__ == '__main__':
  tf.test.main()
