from unittest import mock

from absl.testing import parameterized
import tensorflow as tf

from discrete_lvm import ops

SEED = [3, 4]
SHAPES = ([100, 20, 2], [7, 3], [1], [], [0], [2, 0, 3])


def _logical_device(device_type):
  return tf.config.LogicalDevice(f'{device_type}:0', device_type)


class DrawsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(shape=SHAPES, jit_compile=(False, True))
  def test_bits_are_those_of_tensorflow_compiled_or_not(
      self, shape, jit_compile
  ):
    expected = tf.random.stateless_uniform(shape, SEED, None, None, tf.uint32)
    self.assertAllEqual(ops.random_bits(shape, SEED), expected)
    draw = tf.function(
        lambda seed: ops.random_bits(shape, seed), jit_compile=jit_compile
    )
    bits = draw(tf.constant(SEED))
    self.assertEqual(bits.dtype, tf.uint32)
    self.assertAllEqual(bits, expected)

  @parameterized.product(shape=SHAPES, dtype=(tf.float32, tf.float64))
  def test_normal_noise_is_that_of_tensorflow(self, shape, dtype):
    for jit_compile in (False, True):
      ours, theirs = (
          tf.function(
              lambda seed, draw=draw: draw(shape, seed, dtype=dtype),
              jit_compile=jit_compile,
          )(tf.constant(SEED))
          for draw in (ops.normal_noise, tf.random.stateless_normal)
      )
      self.assertEqual(ours.dtype, dtype)
      self.assertAllEqual(ours, theirs)

  @parameterized.parameters(0, 1, 4, 5)
  def test_shape_may_be_dynamic(self, size):
    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def draw(x):
      bits = ops.random_bits(tf.shape(x), SEED)
      noise = ops.normal_noise(tf.shape(x), SEED)
      bits.shape.assert_is_compatible_with([None, 3])
      return bits, noise

    bits, noise = draw(tf.zeros([size, 3]))
    self.assertAllEqual(bits, ops.random_bits([size, 3], SEED))
    self.assertAllEqual(noise, ops.normal_noise([size, 3], SEED))

  def test_bits_of_a_seed_that_wraps_around(self):
    for seed in ([2**31 - 1, -(2**31)], [-1, -1], [0, 0]):
      self.assertAllEqual(
          tf.function(ops.random_bits)([33], tf.constant(seed)),
          tf.random.stateless_uniform([33], seed, None, None, tf.uint32),
      )

  @parameterized.parameters(ops.random_bits, ops.normal_noise)
  def test_an_accelerator_changes_no_draw(self, draw):
    expected = draw([7, 3], SEED)
    devices = [_logical_device('CPU'), _logical_device('GPU')]
    with (
        mock.patch.object(
            tf.config, 'list_logical_devices', return_value=devices
        ),
        mock.patch.object(
            tf.raw_ops,
            'StatelessRandomGetKeyCounter',
            side_effect=AssertionError,
        ),
    ):
      self.assertAllEqual(draw([7, 3], SEED), expected)

  @parameterized.parameters(ops.random_bits, ops.normal_noise)
  def test_xla_computes_the_key_once_for_all_draws(self, draw):
    compiled = tf.function(lambda seed: draw([4096], seed), jit_compile=True)
    hlo = compiled.experimental_get_compiler_ir(tf.constant(SEED))(
        stage='optimized_hlo'
    )
    # The generator makes four numbers at a time.
    [loop] = [c for c in hlo.split('\n\n') if 'u32[1024]' in c]
    key = [line for line in loop.splitlines() if 'GetKeyCounter"' in line]
    self.assertLen([line for line in key if ' constant(' in line], len(key))
    self.assertIn('GetKeyCounter"', hlo.replace(loop, ''))

  @parameterized.parameters(ops.random_bits, ops.normal_noise)
  def test_rejects_a_seed_that_is_no_pair(self, draw):
    with self.assertRaisesRegex(ValueError, r'`seed` of shape \[2\]; received'):
      draw([3], [1, 2, 3])


if __name__ == '__main__':
  tf.test.main()
