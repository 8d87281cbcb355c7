from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops

Z = np.random.default_rng(0).normal(size=[2, 7, 3])
ALPHA = np.array([-0.9, 0.0, 0.99])


class AR1InnovationsTest(tf.test.TestCase, parameterized.TestCase):

  def test_formula(self):
    u = ops.ar1_innovations(Z, ALPHA).numpy()
    self.assertAllEqual(u[:, 0], Z[:, 0])
    for t in range(1, 7):
      expected = (Z[:, t] - ALPHA * Z[:, t - 1]) / np.sqrt(1 - ALPHA**2)
      self.assertAllClose(u[:, t], expected, rtol=1e-12)

  def test_round_trip(self):
    u = ops.ar1_innovations(Z, ALPHA).numpy()
    self.assertAllClose(ops.ar1_from_innovations(u, ALPHA), Z, rtol=1e-10)

  def test_one_step(self):
    z = Z[:, :1]
    self.assertAllEqual(ops.ar1_innovations(z, ALPHA), z)
    self.assertAllEqual(ops.ar1_from_innovations(z, ALPHA), z)

  def test_scalar_alpha_serves_all_dimensions(self):
    self.assertAllClose(
        ops.ar1_innovations(Z, 0.5), ops.ar1_innovations(Z, [0.5] * 3)
    )
    self.assertAllClose(
        ops.ar1_from_innovations(Z, 0.5),
        ops.ar1_from_innovations(Z, [0.5] * 3),
    )

  def test_xla(self):
    z = Z.astype('float32')
    for op in (ops.ar1_innovations, ops.ar1_from_innovations):
      compiled = tf.function(op, jit_compile=True)
      self.assertAllClose(compiled(z, ALPHA), op(z, ALPHA), atol=1e-4)

  @parameterized.parameters((ops.ar1_innovations,), (ops.ar1_from_innovations,))
  def test_alpha_out_of_range(self, op):
    with self.assertRaisesRegex(ValueError, r'in \(-1, 1\); received'):
      op(Z, [0.0, 1.0, 0.0])

  @parameterized.parameters((ops.ar1_innovations,), (ops.ar1_from_innovations,))
  def test_shapes_that_do_not_match(self, op):
    for dim in (1, 2):
      with self.assertRaisesRegex(
          ValueError, rf'or \[..., {dim}\]; received shape \(3,\)'
      ):
        op(np.zeros([5, dim]), [0.5] * 3)
    in_run = tf.function(
        lambda z: op(z, [0.5] * 3),
        input_signature=[tf.TensorSpec([5, None], tf.float32)],
    )
    with self.assertRaises(tf.errors.InvalidArgumentError):
      in_run(tf.zeros([5, 1]))
    with self.assertRaisesRegex(ValueError, r'\[..., length, dim\]; received'):
      op(np.zeros([5]), 0.5)


if __name__ == '__main__':
  tf.test.main()
