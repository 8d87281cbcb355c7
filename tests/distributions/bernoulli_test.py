from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import distributions

tfd = tfp.distributions

LOGITS = np.float32([-90.0, -3.0, 0.0, 0.7, 90.0])


class BernoulliTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(0.0, 1.0, 0.3)
  def test_log_prob_equals_tfp_on_bits_and_grey_levels(self, x):
    ours = distributions.Bernoulli(LOGITS).log_prob(x)
    self.assertAllClose(
        ours, tfd.Bernoulli(logits=LOGITS, dtype=tf.float32).log_prob(x)
    )

  def test_pmf_sums_to_one(self):
    d = distributions.Bernoulli(LOGITS)
    self.assertAllClose(d.prob(0.0) + d.prob(1.0), np.ones(5))

  def test_statistics_equal_tfp(self):
    ours = distributions.Bernoulli(LOGITS[1:4])
    theirs = tfd.Bernoulli(logits=LOGITS[1:4])
    for name in ('mean', 'variance', 'mode', 'entropy'):
      self.assertAllClose(getattr(ours, name)(), getattr(theirs, name)())

  def test_gradients_match_finite_differences(self):
    logits = tf.constant([-3.0, 0.0, 0.7], tf.float64)
    x = tf.constant([1.0, 0.0, 0.4], tf.float64)
    theoretical, numerical = tf.test.compute_gradient(
        lambda *args: distributions.Bernoulli(args[0]).log_prob(args[1]),
        [logits, x],
        1e-5,
    )
    self.assertAllClose(theoretical, numerical, atol=1e-8)

  def test_samples_have_the_mean(self):
    logits = np.float32([-3.0, 0.0, 0.7])
    x = distributions.Bernoulli(logits).sample(40_000, seed=[0, 1])
    self.assertAllInSet(x, [0.0, 1.0])
    p = 1 / (1 + np.exp(-logits))
    error = np.sqrt(p * (1 - p) / 40_000)
    self.assertAllLess(np.abs(tf.reduce_mean(x, 0) - p) / error, 4.0)

  def test_half_precision_logits_are_computed_in_float32(self):
    d = distributions.Bernoulli(tf.constant([0.5], tf.bfloat16))
    self.assertEqual(d.dtype, tf.float32)
    self.assertEqual(d.log_prob([1.0]).dtype, tf.float32)
    self.assertEqual(d.sample(seed=[0, 1]).dtype, tf.float32)

  def test_composes(self):
    x = np.float32([1, 0, 1, 1, 0])
    independent = tfd.Independent(distributions.Bernoulli(LOGITS), 1)
    expected = tf.reduce_sum(distributions.Bernoulli(LOGITS).log_prob(x))
    for jit_compile in (False, True):
      compiled = tf.function(lambda d: d.log_prob(x), jit_compile=jit_compile)
      self.assertAllClose(compiled(independent), expected)
    sliced = distributions.Bernoulli(LOGITS)[1:3]
    self.assertAllEqual(sliced.logits, LOGITS[1:3])
    sample = tfd.Sample(distributions.Bernoulli(0.0), [4])
    self.assertAllClose(sample.log_prob(tf.ones([4])), -4 * np.log(2))

  def test_variable_is_kept_by_reference(self):
    logits = tf.Variable([0.0])
    d = distributions.Bernoulli(logits)
    self.assertLen(d.trainable_variables, 1)
    logits.assign([2.0])
    self.assertAllClose(d.mean(), tf.sigmoid([2.0]))

  def test_rejects(self):
    with self.assertRaisesRegex(ValueError, 'Expected floating `logits`'):
      distributions.Bernoulli(tf.constant([1]))
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'finite'):
      distributions.Bernoulli([np.nan], validate_args=True)
    d = distributions.Bernoulli([0.0], validate_args=True)
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, r'events in \[0, 1\]'
    ):
      d.log_prob([1.5])

  def test_probs_equal_tfp_at_the_ends_too(self):
    probs = tf.constant([0.0, 0.2, 0.5, 1.0])
    ours = distributions.Bernoulli(probs=probs)
    theirs = tfd.Bernoulli(probs=probs, dtype=tf.float32)
    for x in (0.0, 1.0):
      self.assertAllClose(ours.log_prob(x), theirs.log_prob(x))
    for name in ('mean', 'variance', 'mode', 'entropy'):
      self.assertAllClose(getattr(ours, name)(), getattr(theirs, name)())
    self.assertAllClose(ours.logits_parameter(), theirs.logits_parameter())
    self.assertAllClose(ours.probs_parameter(), probs)
    with tf.GradientTape() as tape:
      tape.watch(probs)
      x = tf.constant([0.0, 1.0, 0.0, 1.0])
      log_prob = distributions.Bernoulli(probs=probs).log_prob(x)
    gradient = tape.gradient(log_prob, probs)
    self.assertAllClose(gradient[1:3], [5.0, -2.0])
    self.assertAllInSet(tf.math.is_finite(gradient), [True])

  def test_samples_of_probs_have_the_mean(self):
    p = np.float32([0.0, 0.2, 0.5, 1.0])
    draw = tf.function(
        lambda p: distributions.Bernoulli(probs=p).sample(40_000, seed=[0, 1]),
        jit_compile=True,
    )
    error = np.sqrt(p * (1 - p) / 40_000)
    distance = np.abs(tf.reduce_mean(draw(p), 0) - p)
    self.assertAllLessEqual(distance - 4 * error, 0.0)

  def test_half_precision_probs_are_computed_in_float32(self):
    d = distributions.Bernoulli(probs=tf.constant([0.5], tf.bfloat16))
    self.assertEqual(d.dtype, tf.float32)
    self.assertEqual(d.log_prob([1.0]).dtype, tf.float32)
    self.assertEqual(d.sample(seed=[0, 1]).dtype, tf.float32)

  def test_rejects_improper_probs(self):
    for kwargs in ({}, {'logits': [0.0], 'probs': [0.5]}):
      with self.assertRaisesRegex(ValueError, 'one of `logits` and `probs`'):
        distributions.Bernoulli(**kwargs)
    with self.assertRaisesRegex(ValueError, 'Expected floating `probs`'):
      distributions.Bernoulli(probs=tf.constant([1]))
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, r'`probs` in \[0, 1\]'
    ):
      distributions.Bernoulli(probs=[1.5], validate_args=True)


if __name__ == '__main__':
  tf.test.main()
