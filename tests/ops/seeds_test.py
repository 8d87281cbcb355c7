from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


class SeedsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(0, 7, -1, 2**31, 2**40 + 3)
  def test_int_becomes_a_pair(self, seed):
    pair = ops.as_seed(seed)
    self.assertEqual(pair.dtype, tf.int32)
    self.assertEqual(pair.shape, [2])

  def test_different_ints_give_different_pairs(self):
    seeds = (0, 1, -1, 2**31, 2**32, 2**40 + 3, 3)
    pairs = {tuple(ops.as_seed(seed).numpy()) for seed in seeds}
    self.assertLen(pairs, len(seeds))

  @parameterized.parameters(np.int64, np.int32, np.uint8)
  def test_numpy_integer_is_as_an_int(self, dtype):
    self.assertAllEqual(ops.as_seed(dtype(3)), ops.as_seed(3))
    least = np.iinfo(dtype).min
    self.assertAllEqual(ops.as_seed(dtype(least)), ops.as_seed(int(least)))

  def test_seed_generator_advances_and_gives_int32(self):
    generator = keras.random.SeedGenerator(5)
    a, b = ops.as_seed(generator), ops.as_seed(generator)
    self.assertEqual(a.dtype, tf.int32)
    self.assertNotAllEqual(a, b)
    tf.random.stateless_uniform([1], a)

  def test_fold_in_separates_steps_names_and_replicas(self):
    names = (('prior',), ('posterior',), ('prior', 0), (0, 'prior'))
    steps = ((), (0,), (1,), (tf.constant(2, tf.int64),))
    seeds = [ops.fold_in([1, 2], *data) for data in names + steps]
    self.assertLen({tuple(s.numpy()) for s in seeds}, len(seeds))

  def test_fold_in_agrees_for_static_and_dynamic_steps(self):
    compiled = tf.function(lambda step: ops.fold_in([1, 2], step))
    self.assertAllEqual(
        compiled(tf.constant(3, tf.int64)), ops.fold_in([1, 2], 3)
    )

  def test_name_does_not_depend_on_the_process(self):
    # Python's own hash of a string would.
    self.assertAllEqual(ops.fold_in([1, 2], 'prior'), [1105988140, 249477861])

  def test_split_gives_different_seeds(self):
    seeds = ops.split([1, 2], 5)
    self.assertLen({tuple(s.numpy()) for s in seeds}, 5)

  def test_replicas_draw_different_noise(self):
    # A second collective strategy in one process would clash with the first.
    strategy = tf.distribute.MirroredStrategy(
        ['CPU:0', 'CPU:1'],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    noise = strategy.run(lambda: ops.gumbel([4], ops.fold_in_replica([1, 2])))
    a, b = strategy.experimental_local_results(noise)
    self.assertNotAllClose(a, b)

  @parameterized.parameters(
      ([1],), ([1, 2, 3],), ([0.5, 1.0],), ([[1, 2]],), (True,)
  )
  def test_rejects_what_is_no_pair_of_integers(self, seed):
    with self.assertRaisesRegex(ValueError, r'Expected an integer `seed`'):
      ops.as_seed(seed)

  @parameterized.parameters(0.5, 1.0, True)
  def test_fold_in_rejects_what_is_no_integer(self, item):
    with self.assertRaisesRegex(ValueError, 'Expected an integer or a name'):
      ops.fold_in([0, 1], item)

  @parameterized.parameters(np.int64, np.uint64)
  def test_fold_in_takes_all_bits_of_a_number(self, dtype):
    numbers = np.array([5, 2**31 + 5, 2**32 + 5, 2**33 + 5], dtype)
    found = {tuple(ops.fold_in([0, 1], number).numpy()) for number in numbers}
    self.assertLen(found, 4)
    self.assertAllEqual(
        ops.fold_in([0, 1], tf.constant(5, tf.int64)), ops.fold_in([0, 1], 5)
    )
    compiled = tf.function(ops.fold_in, jit_compile=True)
    found = {
        tuple(compiled([0, 1], tf.constant(number)).numpy())
        for number in numbers
    }
    self.assertLen(found, 4)


if __name__ == '__main__':
  tf.test.main()
