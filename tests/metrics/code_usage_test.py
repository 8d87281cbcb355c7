from absl.testing import parameterized
import numpy as np
from scipy import stats
import tensorflow as tf

from discrete_lvm import metrics


class CodeUsageTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(batch_size=(1, 7, 60), one_hot=(False, True))
  def test_equals_the_whole_epoch_at_any_batch_size(self, batch_size, one_hot):
    codes = (
        np.random.default_rng(0).integers(0, 4, size=[60, 3]).astype('int32')
    )
    codes[:, 0] = 2
    metric = metrics.CodeUsage(num_latents=3, num_classes=5)
    for begin in range(0, 60, batch_size):
      batch = tf.constant(codes[begin : begin + batch_size])
      metric.update_state(tf.one_hot(batch, 5) if one_hot else batch)
    counts = np.stack([np.bincount(c, minlength=5) for c in codes.T])
    result = metric.result()
    self.assertAllClose(
        result['code_perplexity'], np.exp(stats.entropy(counts, axis=1)).mean()
    )
    self.assertAllClose(result['code_usage'], (counts > 0).mean())
    self.assertAllClose(metric.frequencies(), counts / 60)

  def test_counts_beyond_the_integers_of_float32(self):
    metric = metrics.CodeUsage(num_latents=1, num_classes=2)
    metric.counts.assign([[2**24, 0]])
    metric.update_state([[0], [1]])
    self.assertAllEqual(metric.counts.value, [[2**24 + 1, 1]])

  def test_is_zero_before_any_code_and_after_a_reset(self):
    metric = metrics.CodeUsage(num_latents=1, num_classes=2)
    metric.update_state([[0]])
    metric.reset_state()
    self.assertAllEqual(metric.frequencies(), [[0.0, 0.0]])
    self.assertAllEqual(metric.result()['code_usage'], 0.0)

  def test_does_not_count_what_is_no_class(self):
    metric = metrics.CodeUsage(num_latents=2, num_classes=3)
    metric.update_state([[-1, 0], [1, 3], [2, -1]])
    self.assertAllEqual(metric.counts.value, [[0, 1, 1], [1, 0, 0]])

  def test_updates_under_xla(self):
    metric = metrics.CodeUsage(num_latents=2, num_classes=3)
    update = tf.function(metric.update_state, jit_compile=True)
    update(tf.constant([[0, 1], [2, 1]]))
    self.assertAllEqual(metric.counts.value, [[1, 0, 1], [0, 2, 0]])

  def test_one_hot_codes_are_floats(self):
    metric = metrics.CodeUsage(num_latents=3, num_classes=3)
    codes = tf.constant([[2, 2, 2]] * 4)
    # These might be codes as well.
    with self.assertRaisesRegex(ValueError, 'Cast one-hot codes to floats'):
      metric.update_state(tf.one_hot(codes, 3, dtype=tf.int32))
    with self.assertRaisesRegex(ValueError, 'Cast one-hot codes to floats'):
      metrics.CodeUsage(3, 5).update_state(tf.one_hot(codes, 5, dtype=tf.int32))
    for twice in (codes, tf.one_hot(codes, 3), tf.one_hot(codes[0], 3)):
      metric.update_state(twice)
    self.assertAllEqual(metric.counts.value, [[0, 0, 9]] * 3)
    # Of ints with three dimensions and another shape there is no doubt.
    metric.update_state(tf.zeros([2, 5, 3], tf.int32))
    self.assertAllEqual(metric.counts.value, [[10, 0, 9]] * 3)

  def test_does_not_count_what_64_bits_alone_hold(self):
    metric = metrics.CodeUsage(num_latents=2, num_classes=3)
    metric.update_state(tf.constant([[2**32, 1]], tf.int64))
    self.assertAllEqual(metric.counts.value, [[0, 0, 0], [0, 1, 0]])

  @parameterized.parameters(([5, 2],), ([5, 3, 4],), ([5, 2, 3],))
  def test_rejects_codes_of_another_shape(self, shape):
    metric = metrics.CodeUsage(num_latents=3, num_classes=5)
    with self.assertRaisesRegex(ValueError, r'Expected int codes of shape'):
      metric.update_state(tf.zeros(shape))

  def test_rejects_a_number(self):
    metric = metrics.CodeUsage(num_latents=3, num_classes=5)
    with self.assertRaisesRegex(ValueError, r'Expected int codes of shape'):
      metric.update_state(3)

  def test_survives_its_config(self):
    metric = metrics.CodeUsage(3, 5, name='z')
    restored = metrics.CodeUsage.from_config(metric.get_config())
    self.assertEqual(restored.get_config(), metric.get_config())
    self.assertIn('z_perplexity', restored.result())

  def test_does_not_count_nan(self):
    metric = metrics.CodeUsage(num_latents=2, num_classes=3)
    codes = tf.one_hot([[2, 1], [1, 1], [1, 0]], 3)
    bad = tf.constant([[True, False], [False, False], [True, False]])
    metric.update_state(tf.where(bad[..., tf.newaxis], np.nan, codes))
    self.assertAllEqual(metric.counts.value, [[0, 1, 0], [1, 2, 0]])


if __name__ == '__main__':
  tf.test.main()
