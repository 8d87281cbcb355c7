import math

from absl.testing import parameterized
import numpy as np
from scipy import special
from scipy import stats
import tensorflow as tf

from discrete_lvm import ops


class CategoricalTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 2, 7)
  def test_equals_scipy(self, num_classes):
    rng = np.random.default_rng(0)
    q = rng.normal(scale=5, size=[20, num_classes])
    p = rng.normal(scale=5, size=[20, num_classes])
    probs_q, probs_p = special.softmax(q, -1), special.softmax(p, -1)
    self.assertAllClose(
        ops.categorical_entropy(q), stats.entropy(probs_q, axis=-1), atol=1e-12
    )
    self.assertAllClose(
        ops.categorical_kl(q, p),
        stats.entropy(probs_q, probs_p, axis=-1),
        atol=1e-12,
    )

  def test_uniform_prior_gives_log_k_minus_entropy(self):
    logits = tf.random.stateless_normal([50, 10], [0, 1])
    kl = ops.categorical_kl(logits)
    self.assertAllClose(
        kl, math.log(10) - ops.categorical_entropy(logits), atol=1e-6
    )
    self.assertAllEqual(kl, ops.categorical_kl(logits, tf.zeros([10])))

  @parameterized.product(num_classes=(2, 10, 256), jit_compile=(False, True))
  def test_small_divergence_keeps_its_digits(self, num_classes, jit_compile):
    rng = np.random.default_rng(0)
    p = rng.normal(size=[1, 50, num_classes])
    scale = np.logspace(-5, 0, 11).reshape([-1, 1, 1])
    q = np.float32(p + scale * rng.normal(size=p.shape))
    p = np.float32(p)
    log_q, log_p = (special.log_softmax(np.float64(x), -1) for x in (q, p))
    d = log_q - log_p
    exact = np.sum(np.exp(log_q) * (d + np.expm1(-d)), -1)
    kl = tf.function(ops.categorical_kl, jit_compile=jit_compile)(q, p)
    self.assertAllGreaterEqual(kl, 0)
    error = np.abs(kl - exact) / (np.sqrt(exact) + exact + 1e-6)
    self.assertAllLess(error, 1e-6)

  def test_zero_probability_counts_for_nothing(self):
    logits = tf.constant([0.0, -math.inf, 0.0])
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(logits)
      entropy = ops.categorical_entropy(logits)
      kl = ops.categorical_kl(logits, [0.0, -math.inf, 1.0])
    self.assertAllClose(entropy, math.log(2))
    self.assertAllClose(
        kl, stats.entropy([0.5, 0.5], special.softmax([0.0, 1.0]))
    )
    for value in (entropy, kl):
      gradient = tape.gradient(value, logits).numpy()
      self.assertAllEqual(np.isfinite(gradient), [True] * 3)
      self.assertEqual(gradient[1], 0.0)

  @parameterized.parameters(False, True)
  def test_mass_off_the_support_is_infinite_with_finite_gradients(self, jit):
    prior = tf.constant([0.0, -math.inf, 0.0])

    @tf.function(jit_compile=jit)
    def value_and_gradient(logits):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        kl = ops.categorical_kl(logits, prior)
      return kl, tape.gradient(kl, logits)

    kl, gradient = value_and_gradient(tf.constant([[0.0, 1.0, 2.0], [0.0] * 3]))
    self.assertAllEqual(kl, [math.inf, math.inf])
    self.assertAllEqual(np.isfinite(gradient), np.full([2, 3], True))

  def test_gradients_match_finite_differences(self):
    logits = tf.constant([0.3, -1.0, 0.5], tf.float64)
    prior = tf.constant([0.1, 0.2, -0.5], tf.float64)
    for function, args in (
        (ops.categorical_entropy, [logits]),
        (ops.categorical_kl, [logits, prior]),
    ):
      theoretical, numerical = tf.test.compute_gradient(
          function, args, delta=1e-5
      )
      self.assertAllClose(theoretical, numerical, atol=1e-8)

  def test_gradients_of_the_divergence_are_those_of_its_definition(self):
    rng = np.random.default_rng(0)
    # Laws that meet, near ones and far ones, and priors that broadcast.
    prior = tf.constant(rng.normal(size=[5, 3]))
    scale = np.logspace(-3, 1, 4).reshape([4, 1, 1])
    logits = tf.constant(prior + scale * rng.normal(size=[4, 5, 3]))

    def define(logits, prior):
      log_q, log_p = tf.nn.log_softmax(logits), tf.nn.log_softmax(prior)
      return tf.reduce_sum(tf.exp(log_q) * (log_q - log_p), axis=-1)

    found = {}
    for function in (ops.categorical_kl, define):
      with tf.GradientTape(persistent=True) as outer:
        outer.watch([logits, prior])
        with tf.GradientTape() as inner:
          inner.watch([logits, prior])
          kl = tf.math.sqrt(1 + function(logits, prior))
        first = inner.gradient(kl, [logits, prior])
        moment = tf.add_n([tf.reduce_sum(tf.sin(x)) for x in first])
      found[function] = first + outer.gradient(moment, [logits, prior])
    for ours, theirs in zip(*found.values(), strict=True):
      self.assertAllClose(ours, theirs, rtol=1e-8, atol=1e-10)

  def test_gradient_of_a_small_divergence_keeps_its_digits(self):
    rng = np.random.default_rng(0)
    q = tf.constant(np.float32(1e-4 * rng.normal(size=[50, 8])))
    gradients = []
    for dtype in (tf.float32, tf.float64):
      logits = tf.cast(q, dtype)
      with tf.GradientTape() as tape:
        tape.watch(logits)
        kl = ops.categorical_kl(logits)
      gradients.append(tape.gradient(kl, logits))
    # Each is some 1e-5; the log-ratios are known to 1e-7.
    self.assertAllClose(*gradients, rtol=0, atol=4e-8)

  def test_half_precision_is_computed_in_float32(self):
    logits = tf.constant([0.0, 1.0, 2.0], tf.bfloat16)
    entropy = ops.categorical_entropy(logits)
    self.assertEqual(entropy.dtype, tf.float32)
    self.assertAllClose(
        entropy, ops.categorical_entropy([0.0, 1.0, 2.0]), rtol=1e-6
    )

  def test_rejects_another_number_of_classes(self):
    with self.assertRaisesRegex(ValueError, 'as many classes as `logits`, 3'):
      ops.categorical_kl(tf.zeros([3]), tf.zeros([2]))

  def test_rejects_an_unknown_number_of_classes(self):
    with self.assertRaisesRegex(ValueError, 'static K'):
      tf.function(
          ops.categorical_entropy, input_signature=[tf.TensorSpec([None])]
      )(tf.zeros([3]))

  def test_log_prob_and_score_are_safe_at_probability_zero(self):
    logits = tf.constant([[0.3, -math.inf, 1.0], [0.0, 0.5, -0.2]])
    codes = tf.one_hot([[0, 1], [1, 2]], 3)
    log_prob = ops.one_hot_log_prob(codes, logits)
    self.assertAllClose(
        log_prob[1, 1], np.log(special.softmax([0.0, 0.5, -0.2])[2])
    )
    self.assertEqual(float(log_prob[1, 0]), -math.inf)
    self.assertAllClose(
        ops.categorical_score(codes[0], logits),
        codes[0] - special.softmax(logits.numpy(), -1),
    )

  def test_score_is_the_gradient_of_the_log_prob(self):
    logits = tf.constant([[0.3, -math.inf, 1.0], [0.0, 0.5, -0.2]])
    codes = tf.one_hot([0, 1], 3)
    with tf.GradientTape() as tape:
      tape.watch(logits)
      log_prob = ops.one_hot_log_prob(codes, logits)
    self.assertAllClose(
        ops.categorical_score(codes, logits), tape.gradient(log_prob, logits)
    )

  @parameterized.parameters(ops.one_hot_log_prob, ops.categorical_score)
  def test_rejects_one_class_that_would_broadcast(self, function):
    with self.assertRaisesRegex(
        ValueError, r'whose shape ends with \(3,\); received \(1,\)'
    ):
      function([1.0], tf.zeros([3]))

  def test_kl_is_float64_if_one_of_the_laws_is(self):
    q, p = tf.zeros([2]), tf.constant([0.0, 1.0], tf.float64)
    for kl in (ops.categorical_kl(q, p), ops.categorical_kl(p, q)):
      self.assertEqual(kl.dtype, tf.float64)
    self.assertAllClose(
        ops.categorical_kl(q, p), -0.5 - math.log(2 / (1 + math.e)), atol=1e-12
    )

  def test_kl_of_some_rows_has_the_gradient_of_those(self):
    logits = tf.random.stateless_normal([4, 3], [0, 1])
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(logits)
      kl = ops.categorical_kl(logits)
      gathered = tf.reduce_sum(tf.gather(kl, [0, 2, 2]))
      weighted = tf.reduce_sum(kl * [1.0, 0.0, 2.0, 0.0])
    self.assertAllClose(
        tape.gradient(gathered, logits), tape.gradient(weighted, logits)
    )

  def test_kl_from_what_is_no_number_is_none(self):
    kl = ops.categorical_kl([0.0, 1.0], [math.nan, 0.0])
    self.assertTrue(np.isnan(kl))


if __name__ == '__main__':
  tf.test.main()
