import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import objectives

# Two examples of two positions of two dimensions, in nats.
KL = np.float32([[[3.0, 0.0], [0.5, 1.0]], [[1.0, 0.25], [0.0, 0.75]]])
# With one nat for free, by (group_ndims, order): the value of each example, and
# 1 where the gradient of the mean passes, else 0.
CASES = (
    # Means [[2, .125], [.25, .875]]: of these only the first is above.
    (0, 'mean_then_max', [6.0, 4.0], [[[1, 0], [0, 0]], [[1, 0], [0, 0]]]),
    (0, 'max_then_mean', [6.0, 4.0], [[[1, 0], [0, 1]], [[1, 0], [0, 0]]]),
    # Sums [[3, 1.5], [1.25, .75]], of mean [2.125, 1.125].
    (1, 'mean_then_max', [4.5, 2.0], [[[1, 1], [1, 1]], [[1, 1], [1, 1]]]),
    (1, 'max_then_mean', [4.5, 2.25], [[[1, 1], [1, 1]], [[1, 1], [0, 0]]]),
)


class FreeBitsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*CASES)
  def test_values_and_gradients_by_hand(
      self, group_ndims, order, expected, passes
  ):
    with tf.GradientTape() as tape:
      kl = tf.constant(KL)
      tape.watch(kl)
      rate = objectives.free_bits(kl, 1.0, group_ndims, order)
      objective = tf.reduce_mean(rate)
    self.assertAllClose(rate, expected)
    self.assertAllEqual(tape.gradient(objective, kl), np.array(passes) / 2)

  def test_all_four_differ(self):
    # Of [[3, 0], [.5, .25]] the means are [1.75, .125] and the sums [3, .75].
    kl = [[3.0, 0.0], [0.5, 0.25]]
    expected = {
        (0, 'mean_then_max'): 1.75 + 1.5,
        (0, 'max_then_mean'): (3.0 + 1.5 + 1.5 + 1.5) / 2,
        (1, 'mean_then_max'): (3.0 + 0.75) / 2,
        (1, 'max_then_mean'): (3.0 + 1.5) / 2,
    }
    for arguments, value in expected.items():
      rate = objectives.free_bits(kl, 1.5, *arguments)
      self.assertEqual(tf.reduce_mean(rate), value)

  @parameterized.parameters('mean_then_max', 'max_then_mean')
  def test_is_the_formula_on_any_shape(self, order):
    kl = np.random.default_rng(0).exponential(size=[50, 3, 2, 4])
    for group_ndims in (0, 1, 2, 3, None):
      ndims = 3 if group_ndims is None else group_ndims
      groups = kl.sum(tuple(range(4 - ndims, 4))).reshape([50, -1])
      free = np.median(groups)
      if order == 'mean_then_max':
        expected = np.maximum(groups.mean(0), free).sum()
      else:
        expected = np.maximum(groups, free).sum(1).mean()
      rate = objectives.free_bits(kl, free, group_ndims, order)
      self.assertEqual(rate.shape, [50])
      self.assertAllClose(tf.reduce_mean(rate), expected)

  @parameterized.parameters('mean_then_max', 'max_then_mean')
  def test_gradient_of_the_mean_matches_finite_differences(self, order):
    kl = np.random.default_rng(0).exponential(size=[5, 3])
    theoretical, numerical = tf.test.compute_gradient(
        lambda x: tf.reduce_mean(objectives.free_bits(x, 0.9, 0, order)),
        [kl],
        delta=1e-6,
    )
    self.assertAllClose(theoretical, numerical, atol=1e-8)

  @parameterized.parameters('mean_then_max', 'max_then_mean')
  def test_nothing_free_is_the_sum(self, order):
    self.assertAllClose(objectives.free_bits(KL, 0.0, 0, order), KL.sum((1, 2)))
    self.assertAllClose(objectives.free_bits([2.0, 3.0], 1.0), [2.0, 3.0])

  def test_half_precision_is_computed_in_float32(self):
    kl = tf.constant(KL, tf.bfloat16)
    rate = objectives.free_bits(kl, 0.1)
    self.assertEqual(rate.dtype, tf.float32)
    self.assertAllClose(rate, objectives.free_bits(KL, 0.1))

  def test_compiles_at_unknown_batch_size(self):
    compiled = tf.function(
        lambda kl: objectives.free_bits(kl, 1.0, 1),
        input_signature=[tf.TensorSpec([None, 2, 2])],
        jit_compile=True,
    )
    self.assertAllClose(compiled(KL), objectives.free_bits(KL, 1.0, 1))

  def test_what_is_no_number_shows(self):
    kl = tf.constant([[math.nan, 1.0], [2.0, 0.25]])
    with tf.GradientTape() as tape:
      tape.watch(kl)
      rate = objectives.free_bits(kl, 0.5, 0, 'max_then_mean')
    self.assertAllEqual(rate, [math.nan, 2.5])
    self.assertAllEqual(tape.gradient(rate, kl), [[1, 1], [1, 0]])
    # Of a mean that is none, every example.
    rate = objectives.free_bits(kl, 0.5, 0, 'mean_then_max')
    self.assertAllEqual(rate, [math.nan, 2.25])

  def test_rejects(self):
    for free_nats in (-0.1, math.nan):
      with self.assertRaisesRegex(ValueError, '`free_nats` of at least 0'):
        objectives.free_bits(KL, free_nats)
    with self.assertRaisesRegex(ValueError, 'at least 0, or None; received -1'):
      objectives.free_bits(KL, 1.0, -1)
    with self.assertRaisesRegex(ValueError, 'at most 2, the axes.*received 3'):
      objectives.free_bits(KL, 1.0, 3)
    with self.assertRaisesRegex(ValueError, "'max_then_mean'.*received 'max'"):
      objectives.free_bits(KL, 1.0, 0, 'max')
    with self.assertRaisesRegex(ValueError, r'\[batch, ...\]; received'):
      objectives.free_bits(2.0, 1.0)


if __name__ == '__main__':
  tf.test.main()
