import itertools
import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import bijectors
from discrete_lvm import distributions
from tests.distributions import causal_network

tfd = tfp.distributions

FactorizedCategorical = distributions.FactorizedCategorical


def _logits(*shape, seed=0):
  return np.random.default_rng(seed).normal(0.0, 1.5, shape).astype(np.float32)


def _all_codes(length, num_classes):
  codes = itertools.product(range(num_classes), repeat=length)
  return np.array(list(codes), np.int32)


class FactorizedCategoricalTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(2, 3, 6)
  def test_is_the_product_of_the_positions(self, num_classes):
    logits = _logits(4, 3, num_classes)
    codes = _all_codes(3, num_classes)[:, np.newaxis]
    d = FactorizedCategorical(logits, dtype=tf.int32)
    log_prob = d.log_prob(codes)
    self.assertEqual(log_prob.shape, [num_classes**3, 4])
    self.assertAllClose(tf.reduce_sum(tf.exp(log_prob), axis=0), tf.ones([4]))
    expected = tfd.Independent(tfd.Categorical(logits), 1).log_prob(codes)
    self.assertAllClose(log_prob, expected)
    one_hot = FactorizedCategorical(logits)
    x = np.eye(num_classes, dtype=np.float32)[codes]
    self.assertAllClose(one_hot.log_prob(x), log_prob)
    self.assertEqual(d.event_shape, [3])
    self.assertEqual(one_hot.event_shape, [3, num_classes])
    self.assertEqual(one_hot.batch_shape, [4])

  def test_samples_have_the_law(self):
    logits = _logits(2, 2, 3)
    codes = FactorizedCategorical(logits, dtype=tf.int32).sample(
        [10, 500], seed=[0, 1]
    )
    self.assertEqual(codes.shape, [10, 500, 2, 2])
    self.assertEqual(codes.dtype, tf.int32)
    x = FactorizedCategorical(logits).sample([10, 500], seed=[0, 1])
    self.assertAllEqual(x, tf.one_hot(codes, 3))
    # 5 sigma of a frequency among 5000.
    probs = tf.nn.softmax(logits)
    error = tf.abs(tf.reduce_mean(x, axis=[0, 1]) - probs)
    self.assertAllLess(error / tf.sqrt(probs * (1 - probs) / 5000), 5.0)

  def test_statistics(self):
    logits = _logits(2, 3, 4)
    d = FactorizedCategorical(logits)
    on_codes = FactorizedCategorical(logits, dtype=tf.int32)
    codes = _all_codes(3, 4)[:, np.newaxis]
    log_prob = on_codes.log_prob(codes).numpy()
    entropy = -np.sum(np.exp(log_prob) * log_prob, axis=0)
    self.assertAllClose(d.entropy(), entropy)
    self.assertAllClose(on_codes.entropy(), entropy)
    self.assertAllClose(d.mean(), tf.nn.softmax(logits))
    best = codes[log_prob.argmax(0), 0]
    self.assertAllEqual(on_codes.mode(), best)
    self.assertAllEqual(d.mode(), tf.one_hot(best, 4))
    theirs = tfd.Independent(tfd.OneHotCategorical(logits), 1)
    self.assertAllClose(d.variance(), theirs.variance())
    self.assertAllClose(d.stddev(), theirs.stddev())
    for statistic in (on_codes.mean, on_codes.variance):
      with self.assertRaisesRegex(NotImplementedError, 'received codes'):
        statistic()
    other = FactorizedCategorical(_logits(3, 4, seed=1), dtype=tf.int32)
    kl = np.sum(np.exp(log_prob) * (log_prob - other.log_prob(codes)), axis=0)
    self.assertAllClose(tfd.kl_divergence(on_codes, other), kl)
    self.assertAllEqual(tfd.kl_divergence(d, d), tf.zeros([2]))

  @parameterized.parameters('float32', 'int32')
  def test_impossible_tokens(self, dtype):
    logits = tf.constant([[0.0, -math.inf], [1.0, 2.0]])
    d = FactorizedCategorical(logits, dtype=dtype)
    codes = np.array([[0, 1], [1, 1]], np.int32)
    x = codes if dtype == 'int32' else np.eye(2, dtype=np.float32)[codes]
    log_prob, gradient = tfp.math.value_and_gradient(
        lambda logits: FactorizedCategorical(logits, dtype=dtype).log_prob(
            x[0]
        ),
        logits,
    )
    self.assertAllClose(d.log_prob(x), [log_prob, -math.inf])
    self.assertAllClose(log_prob, -math.log1p(math.exp(-1.0)))
    self.assertAllClose(gradient[1], [-0.2689414, 0.2689414])
    self.assertAllEqual(gradient[0], [0.0, 0.0])

  def test_trains_below_a_flow(self):
    logits = tf.Variable(_logits(3, 4))
    network = causal_network.CachedCausalNetwork([2, 0, 1], 4)
    flow = bijectors.DiscreteAutoregressive(network)
    x = np.eye(4, dtype=np.float32)[_all_codes(3, 4)]
    for base in (
        FactorizedCategorical(logits),
        FactorizedCategorical(tfp.util.DeferredTensor(logits, lambda x: 2 * x)),
    ):
      d = tfd.TransformedDistribution(base, flow)
      self.assertAllClose(tf.reduce_sum(d.prob(x)), 1.0)
      self.assertLen(d.trainable_variables, 3)
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(d.log_prob(x)))
      for gradient in tape.gradient(loss, d.trainable_variables):
        self.assertGreater(tf.reduce_max(tf.abs(gradient)), 1e-3)

  def test_codes_of_many_classes_take_no_memory_a_sample(self):
    logits = tf.constant(_logits(2, 2**16))
    codes = np.random.default_rng(0).integers(2**16, size=[20000, 2])

    @tf.function(jit_compile=True)
    def log_prob(codes):  # Of 10 GB, had the logits a copy for each sample.
      return FactorizedCategorical(logits, dtype=tf.int32).log_prob(codes)

    expected = np.log(tf.nn.softmax(logits))[[0, 1], codes].sum(-1)
    self.assertAllClose(log_prob(codes), expected, rtol=1e-5)

  @parameterized.parameters('int64', 'uint32')
  def test_codes_beyond_32_bits_have_no_mass(self, dtype):
    d = FactorizedCategorical(tf.zeros([1, 3]), dtype=dtype)
    codes = [2**32 - 1] + ([2**32, 2**33 + 1] if dtype == 'int64' else [])
    log_prob = d.log_prob(np.array(codes, dtype)[:, np.newaxis])
    self.assertAllEqual(log_prob, [-math.inf] * len(codes))

  def test_is_a_composite_tensor(self):
    function = tf.function(lambda d: (d, d.sample(seed=[0, 1])))
    d, x = function(FactorizedCategorical(_logits(3, 4)))
    self.assertAllEqual(x, d.sample(seed=[0, 1]))

  def test_rejects_bad_input(self):
    with self.assertRaisesRegex(ValueError, 'floating `logits`'):
      FactorizedCategorical(tf.zeros([2, 3], tf.int32))
    with self.assertRaisesRegex(ValueError, 'static length and K; received'):
      FactorizedCategorical(tf.zeros([3]))
    with self.assertRaisesRegex(ValueError, 'static length and K; received'):
      tf.function(FactorizedCategorical).get_concrete_function(
          tf.TensorSpec([None, 3])
      )
    with self.assertRaisesRegex(ValueError, r'\[..., 2, 3\]; received'):
      FactorizedCategorical(tf.zeros([2, 3])).log_prob(tf.zeros([3, 3]))
    for value in (math.nan, math.inf):
      with self.assertRaisesRegex(tf.errors.InvalidArgumentError, '`logits`'):
        FactorizedCategorical([[0.0, value]], validate_args=True)
    logits = tf.Variable([[0.0, 1.0]])
    d = FactorizedCategorical(logits, validate_args=True)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'one-hot'):
      d.log_prob([[0.5, 0.5]])
    logits.assign([[0.0, math.nan]])
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, '`logits`'):
      d.entropy()

  @parameterized.parameters(
      ([None, None, 3], 'float32', [2, 1, 3]),
      ([None, 4, None], 'float32', [2, 4, 1]),
      ([None, None], 'int32', [2, 1]),
  )
  def test_rejects_events_of_another_shape_in_the_run(self, spec, dtype, shape):
    d = FactorizedCategorical(tf.zeros([4, 3]), dtype=dtype)
    log_prob = tf.function(
        d.log_prob, input_signature=[tf.TensorSpec(spec, dtype)]
    )
    x = d.sample(2, seed=[0, 1])
    self.assertAllClose(log_prob(x), d.log_prob(x))
    with self.assertRaises(tf.errors.InvalidArgumentError):
      log_prob(tf.zeros(shape, dtype))

  @parameterized.parameters(
      ('float32', [2, 1, 3]), ('float32', [3, 4]), ('int32', [2, 1])
  )
  def test_rejects_events_of_unknown_rank_in_the_run(self, dtype, shape):
    d = FactorizedCategorical(tf.zeros([4, 3]), dtype=dtype)
    x = d.sample(2, seed=[0, 1])
    for jit_compile in (False, True):
      log_prob = tf.function(
          d.log_prob,
          input_signature=[tf.TensorSpec(None, dtype)],
          jit_compile=jit_compile,
      )
      self.assertAllClose(log_prob(x), d.log_prob(x))
      with self.assertRaises(tf.errors.InvalidArgumentError):
        log_prob(tf.zeros(shape, dtype))

  # A type may not hold K.
  @parameterized.parameters(('uint8', 256), ('int8', 128), ('int8', 300))
  def test_validates_codes_of_8_bits(self, dtype, num_classes):
    d = FactorizedCategorical(tf.zeros([2, num_classes]), validate_args=True)
    d = d.copy(dtype=tf.int32)
    codes = tf.constant([[3, 127]], dtype)
    self.assertAllClose(d.log_prob(codes), [-2 * math.log(num_classes)])
    d = FactorizedCategorical(tf.zeros([2, 100]), dtype=dtype)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'codes in'):
      d.copy(validate_args=True).log_prob(codes)

  def test_mean_of_any_rank(self):
    logits = tf.constant(_logits(2, 3))
    d = FactorizedCategorical(tf.reshape(logits, [1, 1, 1, 1, 2, 3]))
    self.assertAllClose(d.mean()[0, 0, 0, 0], tf.nn.softmax(logits))

  def test_kl_rejects_events_of_another_shape(self):
    q = FactorizedCategorical(tf.zeros([3, 4]))
    for shape in ([1, 4], [3, 2]):
      with self.assertRaisesRegex(ValueError, r'of `p`.*received \(3, 4\)'):
        tfd.kl_divergence(q, FactorizedCategorical(tf.zeros(shape)))

  def test_an_offset_of_the_logits_changes_no_sample(self):
    def sample(offset):
      d = FactorizedCategorical(tf.fill([1, 2], offset))
      return d.sample(10_000, seed=[0, 1])

    self.assertAllEqual(sample(1e7), sample(0.0))

  @parameterized.parameters(False, True)
  def test_codes_out_of_range_are_impossible(self, jit_compile):
    logits = tf.constant(_logits(2, 3))

    def run(logits):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        d = FactorizedCategorical(logits, dtype=tf.int32)
        log_prob = d.log_prob([[0, 3], [5, 0], [-2, 0], [-1, 1]])
        value = tf.reduce_sum(tf.exp(log_prob))
      return log_prob, tape.gradient(value, logits)

    log_prob, gradient = tf.function(run, jit_compile=jit_compile)(logits)
    self.assertAllEqual(log_prob[:3], 3 * [-math.inf])
    # The code -1 says nothing.
    self.assertAllClose(log_prob[3], tf.nn.log_softmax(logits)[1, 1])
    self.assertAllInSet(tf.math.is_finite(gradient), [True])


if __name__ == '__main__':
  tf.test.main()
