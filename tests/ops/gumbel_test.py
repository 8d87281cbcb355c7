import math
from unittest import mock

from absl.testing import parameterized
import keras
import numpy as np
import pytest
from scipy import special
from scipy import stats
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import centering
from discrete_lvm.ops import draws

SEED = [3, 4]


class GumbelTest(tf.test.TestCase, parameterized.TestCase):

  def test_follows_the_gumbel_law(self):
    noise = ops.gumbel([100_000], SEED).numpy()
    # Kolmogorov-Smirnov at 4 sigma: p = 6e-5.
    self.assertGreater(stats.kstest(noise, 'gumbel_r').pvalue, 6e-5)

  def test_extreme_bits_give_finite_noise_and_the_full_upper_tail(self):
    bits = tf.constant([0, 1, 2**32 - 1], tf.uint32)
    with mock.patch.object(draws, 'random_bits', return_value=bits):
      noise = ops.gumbel([3], SEED)
    log_2 = math.log(2)
    expected = [33 * log_2, 33 * log_2 - math.log(3), -math.log(24 * log_2)]
    self.assertAllClose(noise, expected, rtol=1e-6)

  def test_logistic_noise_has_its_law_and_both_tails_in_full(self):
    noise = ops.logistic([100_000], SEED).numpy()
    # Kolmogorov-Smirnov at 4 sigma: p = 6e-5.
    self.assertGreater(stats.kstest(noise, 'logistic').pvalue, 6e-5)
    bits = [
        tf.constant([0, 2**32 - 1], tf.uint32),
        tf.constant([2**32 - 1, 0], tf.uint32),
    ]
    with mock.patch.object(draws, 'random_bits', side_effect=bits):
      extremes = ops.logistic([2], SEED)
    extreme = 33 * math.log(2) + math.log(24 * math.log(2))
    self.assertAllClose(extremes, [extreme, -extreme], rtol=1e-6)

  @pytest.mark.slow
  def test_upper_tail_on_1e8_draws(self):
    draw = tf.function(lambda seed: ops.gumbel([10_000_000], seed))
    thresholds = np.array([8.0, 12.0, 16.0])
    counts = np.zeros(3)
    for i in range(10):
      noise = draw(tf.constant([5, i]))
      counts += [tf.math.count_nonzero(noise > t).numpy() for t in thresholds]
    p = -np.expm1(-np.exp(-thresholds))
    error = np.sqrt(1e8 * p * (1 - p))
    self.assertAllLess(np.abs(counts - 1e8 * p) / error, 4.0)

  @parameterized.parameters('mixed_bfloat16', 'mixed_float16')
  def test_is_float32_under_any_policy(self, policy):
    previous = keras.mixed_precision.dtype_policy()
    self.addCleanup(keras.mixed_precision.set_dtype_policy, previous)
    keras.mixed_precision.set_dtype_policy(policy)
    self.assertEqual(ops.gumbel([2], SEED).dtype, tf.float32)
    logits = tf.zeros([2, 3], tf.bfloat16)
    self.assertEqual(ops.perturb(logits, seed=SEED).dtype, tf.float32)

  def test_is_a_function_of_the_seed(self):
    self.assertAllEqual(ops.gumbel([9], SEED), ops.gumbel([9], SEED))
    self.assertNotAllClose(ops.gumbel([9], SEED), ops.gumbel([9], [3, 5]))

  def test_shape_may_be_dynamic(self):
    draw = tf.function(
        lambda x: ops.gumbel(tf.shape(x), SEED),
        input_signature=[tf.TensorSpec([None, 3])],
    )
    self.assertEqual(draw(tf.zeros([5, 3])).shape, [5, 3])

  @parameterized.parameters(([1, 2, 3],), ([1.0, 2.0],), ([[1, 2]],))
  def test_rejects_a_seed_that_is_no_pair(self, seed):
    with self.assertRaisesRegex(ValueError, r'`seed` of shape \[2\]; received'):
      ops.gumbel([1], seed)

  def test_perturbed_argmax_is_a_categorical_sample(self):
    logits = tf.math.log([0.1, 0.2, 0.7])
    draws = 100_000
    codes = ops.one_hot_argmax(
        ops.perturb(logits, seed=SEED, sample_shape=[draws])
    )
    p = np.array([0.1, 0.2, 0.7])
    error = np.sqrt(p * (1 - p) / draws)
    self.assertAllLess(np.abs(tf.reduce_mean(codes, 0) - p) / error, 4.0)

  def test_center_subtracts_a_finite_largest_logit(self):
    inf = math.inf
    logits = tf.constant(
        [[1.0, 3.0, -inf], [-inf, -inf, -inf], [inf, 0.0, -inf]], tf.bfloat16
    )
    with tf.GradientTape() as tape:
      tape.watch(logits)
      y = centering.center(logits)
      value = tf.reduce_sum(y[0, :2] * [1.0, 5.0])
    self.assertEqual(y.dtype, tf.float32)
    expected = [[-2.0, 0.0, -inf], [-inf, -inf, -inf], [inf, 0.0, -inf]]
    self.assertAllEqual(y, expected)
    gradient = tape.gradient(value, logits)
    self.assertAllEqual(tf.cast(gradient[0], tf.float32), [1.0, 5.0, 0.0])


class GumbelSoftmaxTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(False, True)
  def test_an_offset_of_the_logits_changes_no_law(self, jit_compile):
    def draw(offset):
      return ops.gumbel_softmax(
          tf.fill([2], offset),
          0.5,
          seed=SEED,
          sample_shape=[10_000],
          hard=True,
      )

    draw = tf.function(draw, jit_compile=jit_compile)
    self.assertAllEqual(draw(tf.constant(1e7)), draw(tf.constant(0.0)))

  @parameterized.product(
      temperature=(1e-3, 0.1, 1.0, 100.0),
      num_classes=(2, 5),
      scale=(1.0, 50.0),
  )
  def test_equals_a_float64_reference(self, temperature, num_classes, scale):
    rng = np.random.default_rng(0)
    logits = rng.uniform(-scale, scale, [100, num_classes]).astype('float32')
    noise = rng.gumbel(size=[100, num_classes]).astype('float32')
    # The sum is rounded as in the op: what is tested is all that follows.
    centred = logits - logits.max(-1, keepdims=True)
    scaled = (centred + noise).astype('float64') / temperature
    log_relaxed = ops.gumbel_softmax(
        logits, temperature, noise=noise, log_space=True
    )
    self.assertAllClose(
        log_relaxed, special.log_softmax(scaled, -1), rtol=1e-6, atol=1e-6
    )
    relaxed = ops.gumbel_softmax(logits, temperature, noise=noise)
    # The division rounds |scaled| <= 55 / temperature to 24 bits.
    self.assertAllClose(
        relaxed,
        special.softmax(scaled, -1),
        rtol=max(1e-6, 2**-24 * 2 * np.abs(scaled).max()),
        atol=1e-7,
    )

  @parameterized.parameters(([],), ([4],), ([4, 1],))
  def test_temperature_divides_each_row(self, *shape):
    (shape,) = shape
    logits = tf.zeros([4, 3])
    noise = tf.random.stateless_normal([4, 3], SEED)
    temperature = tf.fill(shape, 0.5) * (
        tf.reshape([1.0, 2.0, 3.0, 4.0], shape) if shape else 1.0
    )
    expected = tf.nn.softmax(
        noise / (0.5 * np.array([[1.0], [2.0], [3.0], [4.0]]) if shape else 0.5)
    )
    self.assertAllClose(
        ops.gumbel_softmax(logits, temperature, noise=noise), expected
    )

  @parameterized.parameters(([3],), ([4, 3],), ([1, 4],), ([4, 1, 1],))
  def test_rejects_a_temperature_that_would_broadcast(self, shape):
    with self.assertRaisesRegex(
        ValueError, 'Expected a `temperature` of shape'
    ):
      ops.gumbel_softmax(tf.zeros([4, 3]), tf.ones(shape), seed=SEED)

  @parameterized.parameters(([2],), ([3],), ([1, 1],))
  def test_rejects_a_temperature_of_more_than_one_vector(self, shape):
    temperature = tf.ones(shape)
    hard, logits = tf.constant([1.0, 0.0, 0.0]), tf.zeros([3])
    for function in (
        lambda: ops.gumbel_softmax(logits, temperature, seed=SEED),
        lambda: ops.minimum_variance(hard, logits, temperature),
        lambda: ops.gumbel_rao(hard, logits, temperature, tf.zeros([2, 3])),
        lambda: ops.reinmax(hard, logits, temperature),
    ):
      with self.assertRaisesRegex(
          ValueError, r'`temperature` of shape \[\], \(\) or \(1,\)'
      ):
        function()
    self.assertAllEqual(
        ops.gumbel_softmax(logits, [2.0], seed=SEED),
        ops.gumbel_softmax(logits, 2.0, seed=SEED),
    )

  @parameterized.parameters(
      0.0, -1.0, math.nan, math.inf, 'a', ([1.0, 0.0, 1.0, 1.0],)
  )
  def test_rejects_a_temperature_that_is_not_positive(self, temperature):
    with self.assertRaisesRegex(
        ValueError, 'Expected a positive `temperature`'
    ):
      ops.gumbel_softmax(tf.zeros([4, 3]), temperature, seed=SEED)

  @parameterized.parameters('float64', 'float32', 'bfloat16', 'float16')
  def test_hard_sample_is_exactly_one_hot(self, dtype):
    logits = tf.cast(tf.random.stateless_normal([50, 7], SEED), dtype)
    hard = ops.gumbel_softmax(logits, 0.7, seed=SEED, hard=True)
    self.assertEqual(hard.dtype, dtype)
    hard = tf.cast(hard, tf.float64).numpy()
    self.assertAllInSet(hard, [0.0, 1.0])
    self.assertAllEqual(hard.sum(-1), np.ones(50))

  def test_hard_gradient_is_that_of_the_relaxed_sample(self):
    logits = tf.random.stateless_normal([5, 4], SEED)
    noise = ops.gumbel([5, 4], SEED)
    weights = tf.random.stateless_normal([5, 4], [9, 9])

    def gradient(hard):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        sample = ops.gumbel_softmax(logits, 0.6, noise=noise, hard=hard)
        value = tf.reduce_sum(weights * sample)
      return tape.gradient(value, logits)

    self.assertAllClose(gradient(True), gradient(False), rtol=1e-6, atol=1e-6)

  def test_gradients_match_finite_differences(self):
    noise = tf.constant([0.3, -0.2, 1.1], tf.float64)
    weights = tf.constant([1.0, -2.0, 0.5], tf.float64)

    def value(logits, temperature):
      sample = ops.gumbel_softmax(logits, temperature, noise=noise)
      return tf.reduce_sum(weights * sample)

    args = [
        tf.constant([0.1, 0.7, -0.4], tf.float64),
        tf.constant(0.8, tf.float64),
    ]
    theoretical, numerical = tf.test.compute_gradient(value, args, delta=1e-5)
    self.assertAllClose(theoretical, numerical, atol=1e-8)

  def test_compiled_equals_eager_given_the_noise(self):
    logits = tf.random.stateless_normal([6, 5], SEED)
    noise = ops.gumbel([6, 5], SEED)
    for options in ({}, {'hard': True}, {'log_space': True}):

      def sample(logits, noise, options=options):
        return ops.gumbel_softmax(logits, 0.5, noise=noise, **options)

      eager = sample(logits, noise)
      for jit_compile in (False, True):
        compiled = tf.function(sample, jit_compile=jit_compile)(logits, noise)
        self.assertAllClose(compiled, eager, rtol=1e-5, atol=1e-6)

  def test_draws_under_xla(self):
    draw = tf.function(
        lambda seed: ops.gumbel_softmax(tf.zeros([100, 4]), 0.5, seed=seed),
        jit_compile=True,
    )
    self.assertAllClose(tf.reduce_sum(draw(SEED), -1), np.ones(100))

  @parameterized.named_parameters(
      ('neither', {}, 'exactly one of `seed` and `noise`; received neither'),
      (
          'both',
          {'seed': SEED, 'noise': [0.0, 0.0]},
          'exactly one of `seed` and `noise`; received both',
      ),
      (
          'noise_shape',
          {'noise': [0.0, 0.0, 0.0]},
          'Expected `noise` of a shape',
      ),
      (
          'sample_shape_beside_noise',
          {'noise': [0.0, 0.0], 'sample_shape': [3]},
          'Expected `sample_shape` only with `seed`',
      ),
      (
          'sample_shape_beside_noise_as_a_tensor',
          {'noise': [0.0, 0.0], 'sample_shape': tf.constant([3])},
          'Expected `sample_shape` only with `seed`',
      ),
      (
          'hard_and_log_space',
          {'seed': SEED, 'hard': True, 'log_space': True},
          'at most one of `hard` and `log_space`',
      ),
  )
  def test_rejects(self, kwargs, message):
    with self.assertRaisesRegex(ValueError, message):
      ops.gumbel_softmax(tf.zeros([2]), 1.0, **kwargs)

  @parameterized.parameters(([1, 2],), (1.0,))
  def test_rejects_logits_that_are_no_floating_vectors(self, logits):
    with self.assertRaisesRegex(
        ValueError, r'Expected floating `logits` of shape \[\.\.\., K\]'
    ):
      ops.gumbel_softmax(tf.constant(logits), 0.5, seed=SEED)

  @parameterized.parameters({}, {'hard': True}, {'log_space': True})
  def test_an_impossible_class_leaves_the_temperature_its_gradient(
      self, **options
  ):
    def gradient(logit):
      temperature = tf.Variable(0.5)
      with tf.GradientTape() as tape:
        y = ops.gumbel_softmax(
            tf.constant([0.0, 1.0, logit]),
            temperature,
            noise=[0.5, 0.0, 0.0],
            **options,
        )
        y = tf.reduce_sum(y[:2] * [1.0, 3.0])
      return tape.gradient(y, temperature)

    self.assertNotAllClose(gradient(-80.0), 0.0)
    self.assertAllClose(gradient(-math.inf), gradient(-80.0))

  def test_noise_of_one_example_does_not_broadcast_in_a_graph(self):
    @tf.function(input_signature=[tf.TensorSpec([None, 3])] * 2)
    def perturb(logits, noise):
      return ops.perturb(logits, noise=noise)

    self.assertEqual(perturb(tf.zeros([4, 3]), tf.zeros([4, 3])).shape, [4, 3])
    with self.assertRaises(tf.errors.InvalidArgumentError):
      perturb(tf.zeros([4, 3]), tf.zeros([1, 3]))


if __name__ == '__main__':
  tf.test.main()
