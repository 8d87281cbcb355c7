from unittest import mock

from absl.testing import parameterized
import tensorflow as tf

from discrete_lvm import ops

SEED = [3, 4]
# Sums of the words of their keys wrap around.
SEEDS = (SEED, [2**31 - 1, -(2**31)], [-1, -1], [0, 0])
SHAPES = ([100, 20, 2], [7, 3], [1], [], [0], [2, 0, 3])


def _mode(draw, jit_compile):
  """Returns a function of a seed; an eager one where `jit_compile` is None."""
  if jit_compile is None:
    return draw
  return tf.function(draw, jit_compile=jit_compile)


def _logical_device(device_type):
  return tf.config.LogicalDevice(f'{device_type}:0', device_type)


class DrawsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(shape=SHAPES, jit_compile=(None, False, True))
  def test_bits_are_those_of_tensorflow(self, shape, jit_compile):
    def draw(seed):
      bits = ops.random_bits(shape, seed)
      theirs = tf.random.stateless_uniform(shape, seed, None, None, tf.uint32)
      return bits, theirs

    draw = _mode(draw, jit_compile)
    for seed in SEEDS:
      bits, expected = draw(tf.constant(seed))
      self.assertEqual(bits.dtype, tf.uint32)
      self.assertAllEqual(bits, expected)

  @parameterized.product(
      shape=SHAPES,
      dtype=(tf.float32, tf.float64),
      jit_compile=(None, False, True),
  )
  def test_normal_noise_is_that_of_tensorflow(self, shape, dtype, jit_compile):
    def draw(seed):
      noise = ops.normal_noise(shape, seed, dtype=dtype)
      return noise, tf.random.stateless_normal(shape, seed, dtype=dtype)

    draw = _mode(draw, jit_compile)
    for seed in SEEDS:
      noise, expected = draw(tf.constant(seed))
      self.assertEqual(noise.dtype, dtype)
      self.assertAllEqual(noise, expected)

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
