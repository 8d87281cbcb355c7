import math

from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import ops

NUM_CLASSES = (2, 3, 6, 20, 257)


class ModularAffineTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*NUM_CLASSES)
  def test_equals_the_formula_on_all_of_z_k(self, num_classes):
    codes = np.arange(num_classes)
    x, shift = np.meshgrid(codes, codes)
    for scale in (None, 0, num_classes - 1, num_classes // 2):
      y = ops.modular_affine(x, shift, scale, num_classes=num_classes)
      self.assertEqual(y.dtype, tf.int32)
      factor = 1 if scale is None else scale
      self.assertAllEqual(y, (factor * x + shift) % num_classes)

  @parameterized.product(
      num_classes=(*NUM_CLASSES, 65536), jit_compile=(False, True)
  )
  def test_inverse_solves_for_every_class(self, num_classes, jit_compile):
    invertible = np.flatnonzero(ops.invertible_scales(num_classes))
    x = np.arange(num_classes)
    # The largest scale and shift give the largest product.
    scales = np.unique(invertible[[0, len(invertible) // 2, -1]])[:, np.newaxis]
    shifts = num_classes - 1 - scales // 2

    @tf.function(jit_compile=jit_compile)
    def run(function, values):
      return function(values, shifts, scales, num_classes=num_classes)

    y = run(ops.modular_affine, tf.constant(x)).numpy()
    self.assertAllEqual(y, (scales * x + shifts) % num_classes)
    again = run(ops.modular_affine_inverse, tf.constant(y)).numpy()
    self.assertAllEqual(again, np.broadcast_to(x, again.shape))
    again = run(ops.modular_affine, tf.constant(again)).numpy()
    self.assertAllEqual(again, y)

  # 7e6 symbols in all, each through 32 layers and back.
  @parameterized.product(
      num_classes=(2, 3, 6, 20, 40, 257, 65536), jit_compile=(False, True)
  )
  @pytest.mark.slow
  def test_a_deep_stack_inverts(self, num_classes, jit_compile):
    rng = np.random.default_rng(num_classes)
    invertible = np.flatnonzero(ops.invertible_scales(num_classes))
    size = [32, 500_000]
    shifts = tf.constant(rng.integers(num_classes, size=size), tf.int32)
    scales = tf.constant(rng.choice(invertible, size=size), tf.int32)
    x = tf.constant(rng.integers(num_classes, size=size[1]), tf.int32)

    @tf.function(jit_compile=jit_compile)
    def run(function, x, layers):
      for i in layers:
        x = function(x, shifts[i], scales[i], num_classes=num_classes)
      return x

    y = run(ops.modular_affine, x, range(32))
    self.assertNotAllEqual(y, x)
    again = run(ops.modular_affine_inverse, y, range(31, -1, -1))
    self.assertAllEqual(again, x)

  # Just below and above the K at which products leave int32.
  @parameterized.parameters(46341, 46342, 65536)
  def test_largest_product_does_not_overflow(self, num_classes):
    last = num_classes - 1
    y = ops.modular_affine(last, last, last, num_classes=num_classes)
    self.assertAllEqual(y, (last * last + last) % num_classes)

  def test_inverse_without_scale_subtracts(self):
    x = ops.modular_affine_inverse([0, 1, 2], [1], num_classes=3)
    self.assertAllEqual(x, [2, 0, 1])

  def test_a_scale_without_inverse_gives_zero(self):
    x = ops.modular_affine_inverse([1, 2, 5], 0, [0, 2, 3], num_classes=6)
    self.assertAllEqual(x, [0, 0, 0])

  @parameterized.parameters(
      lambda k: ops.modular_affine([0], 0, num_classes=k),
      lambda k: ops.modular_affine_inverse([0], 0, num_classes=k),
      lambda k: ops.invertible_scales(k),
      lambda k: ops.modular_inverse_table(k),
  )
  def test_rejects_fewer_than_two_classes(self, function):
    for num_classes in (-1, 0, 1):
      with self.assertRaisesRegex(ValueError, 'at least 2; received'):
        function(num_classes)

  @parameterized.parameters('int8', 'uint8', 'int64')
  def test_takes_any_integers(self, dtype):
    x = tf.constant([3, 4, 9], dtype)
    shift, scale = (tf.constant(number, dtype) for number in (2, 7))
    y = ops.modular_affine(x, shift, scale=scale, num_classes=10)
    inverse = ops.modular_affine_inverse(
        tf.cast(y, dtype), shift, scale=scale, num_classes=10
    )
    self.assertAllEqual(inverse, tf.cast(x, tf.int32))


class TablesTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*NUM_CLASSES, 65536)
  def test_inverses_are_those_of_the_coprime_residues(self, num_classes):
    invertible = ops.invertible_scales(num_classes)
    table = ops.modular_inverse_table(num_classes)
    codes = np.arange(num_classes)
    self.assertAllEqual(
        invertible, [math.gcd(i, num_classes) == 1 for i in codes]
    )
    product = codes * table.astype(np.int64) % num_classes
    self.assertAllEqual(product, np.where(invertible, 1, 0))

  @parameterized.parameters(ops.invertible_scales, ops.modular_inverse_table)
  def test_is_cached_and_so_read_only(self, function):
    self.assertIs(function(7), function(7))
    with self.assertRaisesRegex(ValueError, 'read-only'):
      function(7)[0] = 1

  @parameterized.parameters('x', 'shift', 'scale')
  def test_rejects_codes_that_are_not_integers(self, name):
    codes = {'x': [1, 2], 'shift': [1, 2], 'scale': [1, 2], name: [1.0, 2.0]}
    with self.assertRaisesRegex(ValueError, f'integer codes `{name}`'):
      ops.modular_affine(**codes, num_classes=5)
    codes['y'] = codes.pop('x')
    name = 'y' if name == 'x' else name
    with self.assertRaisesRegex(ValueError, f'integer codes `{name}`'):
      ops.modular_affine_inverse(**codes, num_classes=5)


if __name__ == '__main__':
  tf.test.main()
