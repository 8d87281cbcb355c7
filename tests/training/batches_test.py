from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import training


def _take(dataset, num_batches):
  return [b for b in dataset.take(num_batches).as_numpy_iterator()]


class ShuffledBatchesTest(tf.test.TestCase, parameterized.TestCase):

  def test_every_epoch_is_a_fresh_permutation(self):
    batches = training.ShuffledBatches(np.arange(12), batch_size=4, seed=0)
    epochs = np.reshape(_take(batches(0), 9), [3, 12])
    self.assertAllEqual(np.sort(epochs), [np.arange(12)] * 3)
    self.assertNotAllEqual(epochs[0], epochs[1])
    self.assertNotAllEqual(epochs[1], epochs[2])
    self.assertNotAllEqual(epochs[0], np.arange(12))

  def test_tells_that_it_is_infinite(self):
    batches = training.ShuffledBatches(np.arange(12), batch_size=4, seed=0)
    self.assertEqual(
        batches(0).cardinality().numpy(), tf.data.INFINITE_CARDINALITY
    )

  def test_remainder_is_dropped_and_not_carried_over(self):
    batches = training.ShuffledBatches(np.arange(11), batch_size=4, seed=0)
    self.assertEqual(batches.steps_per_epoch, 2)
    epochs = np.reshape(_take(batches(0), 40), [20, 8])
    for epoch in epochs:
      self.assertLen(set(epoch), 8)
    # A different remainder every time: each example is used.
    self.assertLen(set(epochs.flat), 11)

  def test_order_is_a_function_of_seed_and_step(self):
    def transform(batch, seed):
      return batch + tf.random.stateless_uniform([4], seed, dtype=tf.float64)

    def make(seed):
      return training.ShuffledBatches(np.arange(10.0), 4, seed, transform)

    run = _take(make(1)(0), 7)
    for start_step in range(7):
      self.assertAllEqual(
          _take(make(1)(start_step), 7 - start_step), run[start_step:]
      )
    self.assertNotAllEqual(_take(make(2)(0), 7), run)

  def test_transform_draws_anew_at_every_step(self):
    batches = training.ShuffledBatches(
        np.zeros([4, 2]),
        batch_size=4,
        seed=0,
        transform=lambda batch, seed: tf.random.stateless_uniform([4, 2], seed),
    )
    draws = np.stack(_take(batches(0), 5))
    self.assertLen(np.unique(draws), draws.size)

  def test_far_step_is_cheap(self):
    batches = training.ShuffledBatches(np.arange(10), batch_size=3, seed=0)
    # Reading up to there would take hours.
    self.assertAllEqual(
        _take(batches(10**10 + 1), 1), _take(batches(10**10), 2)[1:]
    )

  def test_structure_and_static_shape(self):
    arrays = {'image': np.arange(6.0).reshape([6, 1]), 'label': np.arange(6)}
    batches = training.ShuffledBatches(arrays, batch_size=3, seed=[1, 2])
    spec = batches(0).element_spec
    self.assertEqual(spec['image'].shape, [3, 1])
    for batch in batches(0).take(2):
      self.assertAllEqual(batch['image'][:, 0], batch['label'])

  def test_batch_size_out_of_range(self):
    with self.assertRaisesRegex(ValueError, '6; received 7'):
      training.ShuffledBatches(np.arange(6), 7, seed=0)

  @parameterized.parameters(0, 2.0, 2.5, True)
  def test_batch_size_that_is_no_count(self, batch_size):
    with self.assertRaisesRegex(
        ValueError, f'an integer `batch_size` of at least 1; .* {batch_size}'
    ):
      training.ShuffledBatches(np.arange(6), batch_size, seed=0)

  def test_scalars(self):
    with self.assertRaisesRegex(ValueError, r'received the scalar 3\.0'):
      training.ShuffledBatches({'x': np.arange(6), 'y': 3.0}, 2, seed=0)

  def test_arrays_of_different_lengths(self):
    with self.assertRaisesRegex(ValueError, r'one length; received \[5, 6\]'):
      training.ShuffledBatches((np.arange(5), np.arange(6)), 2, seed=0)


if __name__ == '__main__':
  tf.test.main()
