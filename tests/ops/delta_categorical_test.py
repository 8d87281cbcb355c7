import itertools
import math

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import ops

PRIOR = np.array([0.5, -1.0, 2.0, 0.0, -3.0], np.float32)
# Some of its probabilities are zero in float32.
FAR_PRIOR = np.array([0.5, -120.0, 2.0, 0.0, -1e4], np.float32)


def _kl(logits, prior_logits):
  """KL in float64 of what may be float32."""
  log_q = special.log_softmax(np.float64(logits), axis=-1)
  log_p = special.log_softmax(np.float64(prior_logits), axis=-1)
  return np.sum(np.exp(log_q) * (log_q - log_p), axis=-1)


def _adversarial_logits(n, prior):
  """Logits of all sizes to 1e4: ties, near the prior, certain, zero."""
  rng = np.random.default_rng(0)
  num_classes = len(prior)
  logits = rng.normal(size=[n, num_classes])
  logits *= 10.0 ** rng.uniform(-8, 4, size=[n, 1])
  logits[: n // 4] = np.round(logits[: n // 4])
  logits[n // 4 : n // 2] += prior
  logits[-n // 4 :] = rng.choice([-1e4, 0, 1e4], size=[n // 4, num_classes])
  logits[:3] = [[0] * num_classes, prior, [1e4] * num_classes]
  return np.float32(np.clip(logits, -1e4, 1e4))


class DeltaCategoricalTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      prior=(np.zeros(2), np.zeros(10), PRIOR, FAR_PRIOR),
      fraction=(0.002, 0.3, 1.0),
  )
  def test_rate_is_at_least_delta_and_reaches_it(self, prior, fraction):
    delta = fraction * -special.log_softmax(prior).max()
    logits = _adversarial_logits(20_000, prior)
    with tf.GradientTape() as tape:
      x = tf.constant(logits)
      tape.watch(x)
      y = ops.delta_categorical(x, delta, prior)
      value = tf.reduce_sum(tf.nn.softmax(y)[..., 0])
    before, kl = _kl(logits, prior), _kl(y, prior)
    self.assertGreaterEqual(kl.min(), delta * (1 - 1e-5))
    active = before < delta * (1 - 1e-5)
    self.assertGreater(active.sum(), 1000)
    self.assertAllClose(kl[active], np.full(active.sum(), delta), atol=1e-5)
    slack = before > delta * (1 + 1e-5)
    self.assertAllEqual(y.numpy()[slack], logits[slack])
    self.assertAllInRange(tape.gradient(value, x).numpy(), -3.0, 3.0)

  @parameterized.product(
      prior=(np.zeros(3), np.zeros(256), PRIOR), delta=(1e-6, 1e-4, 1e-2)
  )
  def test_rounding_takes_nothing_of_a_small_delta(self, prior, delta):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=[2000, len(prior)])
    logits = prior + noise * np.exp(rng.uniform(-12, 2, size=[2000, 1]))
    kl = _kl(ops.delta_categorical(np.float32(logits), delta, prior), prior)
    self.assertGreaterEqual(kl.min(), np.float32(delta))
    excess = kl[_kl(logits, prior) < delta] / delta - 1
    self.assertLess(excess.max(), 1e-6 / math.sqrt(delta))

  @parameterized.product(jit_compile=(False, True), value=(math.nan, math.inf))
  def test_logits_that_are_no_numbers_stay_visible(self, jit_compile, value):
    function = tf.function(ops.delta_categorical, jit_compile=jit_compile)
    y = function(tf.constant([[value, 0, 0, 0], [1, 0, 0, 0]]), 0.5)
    self.assertAllEqual(np.isnan(y), [[True] * 4, [False] * 4])

  def test_takes_variables(self):
    delta, prior = tf.Variable(0.3), tf.Variable(PRIOR)
    logits = np.zeros_like(PRIOR)
    self.assertAllClose(
        ops.delta_categorical(logits, delta, prior),
        ops.delta_categorical(logits, 0.3, PRIOR),
    )

  def test_ties_go_to_the_first_class(self):
    y = tf.nn.softmax(ops.delta_categorical(tf.zeros([4]), 0.5)).numpy()
    self.assertEqual(y.argmax(), 0)
    self.assertAllEqual(y[1:], [y[1]] * 3)
    y = ops.delta_categorical([0.0, 1.0, 1.0, 0.0], 1.2).numpy()
    self.assertEqual(y.argmax(), 1)
    # Of the prior itself every class is the leader, up to rounding.
    self.assertAllClose(
        _kl(ops.delta_categorical(PRIOR, 0.2, PRIOR), PRIOR), 0.2
    )

  def test_raises_one_logit(self):
    logits = np.float32([0.0, 0.3, -0.2, 0.1])
    shift = ops.delta_categorical(logits, 0.7) - logits
    self.assertAllClose(shift - shift[0], [0, shift[1] - shift[0], 0, 0])
    self.assertGreater(shift[1] - shift[0], 1.0)

  def test_leader_is_the_class_that_gains_most_on_the_prior(self):
    # Class 2 is likeliest, but less so than under the prior.
    logits = np.float32(PRIOR + [0.0, 0.0, -0.2, 0.0, 0.3])
    q = special.softmax(logits)
    self.assertEqual(q.argmax(), 2)
    y = tf.nn.softmax(ops.delta_categorical(logits, 0.1, PRIOR))
    self.assertAllClose(y[:4] / q[:4], [y[0] / q[0]] * 4)
    self.assertGreater(y[4], q[4])

  def test_certainty_at_the_largest_delta(self):
    y = ops.delta_categorical([0.2, 0.1, 0.0], math.log(3))
    self.assertAllClose(tf.nn.softmax(y), [1.0, 0.0, 0.0])
    self.assertAllEqual(np.isfinite(y), [True] * 3)

  @parameterized.parameters(
      (np.zeros(4), 0.3), (np.zeros(4), 1.2), (PRIOR, 0.3)
  )
  def test_gradients_match_finite_differences(self, prior, delta):
    logits = np.random.default_rng(1).normal(size=[3, len(prior)]) * 0.3
    logits += prior

    @tf.function
    def probs(logits):
      # The solution in float64 resolves 32 halvings, 2e-10.
      return tf.nn.softmax(ops.delta_categorical(logits, delta, prior))

    theoretical, numerical = tf.test.compute_gradient(
        probs, [logits], delta=1e-4
    )
    self.assertGreater(np.abs(theoretical[0]).max(), 1e-3)
    self.assertAllClose(theoretical, numerical, atol=1e-5)

  def test_gradients_to_prior_and_delta_match_finite_differences(self):
    logits = np.random.default_rng(1).normal(size=[3, 5]) * 0.3 + PRIOR

    @tf.function
    def probs(delta, prior):
      return tf.nn.softmax(ops.delta_categorical(logits, delta, prior))

    theoretical, numerical = tf.test.compute_gradient(
        probs, [np.float64(0.3), np.float64(PRIOR)], delta=1e-4
    )
    self.assertAllClose(theoretical, numerical, atol=1e-5)

  def test_broadcasts(self):
    logits = np.float32(np.random.default_rng(0).normal(size=[6, 1, 3]))
    prior = np.float32([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    y = ops.delta_categorical(logits, np.float32([0.1, 0.4]), prior)
    self.assertEqual(y.shape, [6, 2, 3])
    for i, delta in enumerate((0.1, 0.4)):
      expected = ops.delta_categorical(logits[:, 0], delta, prior[i])
      self.assertAllClose(y[:, i], expected)

  def test_compiled_equals_eager_in_any_precision(self):
    logits = np.float32(_adversarial_logits(100, PRIOR))
    compiled = tf.function(ops.delta_categorical, jit_compile=True)
    self.assertAllClose(
        tf.nn.softmax(compiled(logits, 0.3, PRIOR)),
        tf.nn.softmax(ops.delta_categorical(logits, 0.3, PRIOR)),
        atol=1e-6,
    )
    low = ops.delta_categorical(tf.cast(logits, tf.bfloat16), 0.3, PRIOR)
    self.assertEqual(low.dtype, tf.float32)
    self.assertGreaterEqual(_kl(low, PRIOR).min(), 0.3 * (1 - 1e-5))

  @parameterized.parameters(False, True)
  def test_logits_near_the_largest_float(self, jit_compile):
    function = tf.function(ops.delta_categorical, jit_compile=jit_compile)
    for logits, delta in itertools.product(
        (
            [3e38, -3e38, 0.0],
            [0.0, -3.4e38, -3.4e38],
            [3.4e38, 3.4e38, -3.4e38],
        ),
        (0.0, 0.5, 1.0),
    ):
      with tf.GradientTape() as tape:
        x = tf.constant(logits)
        tape.watch(x)
        y = function(x, tf.constant(delta))
        value = tf.reduce_sum(tf.square(y / 3.4e38))
      self.assertAllEqual(np.isfinite(y), [True] * 3)
      self.assertGreaterEqual(_kl(y, np.zeros(3)), delta * (1 - 1e-5))
      self.assertAllEqual(np.isfinite(tape.gradient(value, x)), [True] * 3)

  def test_odds_of_the_others_are_kept_however_far_they_are(self):
    far = np.float32([3.3e38, 3.3e38, -3.3e38, -3.3e38])
    y = ops.delta_categorical(far, 1.0)
    self.assertAllClose(y[2] - y[3], 0.0)
    self.assertGreater(y[1] - y[2], 1e38)

  def test_rejects(self):
    for delta in (-0.1, 1.1, math.nan):
      with self.assertRaisesRegex(ValueError, '0 to 1.098612 nats.*received'):
        ops.delta_categorical(tf.zeros([3]), delta)
    # The likeliest class has probability 2 / 3.
    with self.assertRaisesRegex(ValueError, '0 to 0.4054651 nats, -log of'):
      ops.delta_categorical(tf.zeros([2]), 0.5, [math.log(2), 0.0])
    with self.assertRaisesRegex(ValueError, 'finite `prior_logits`'):
      ops.delta_categorical(tf.zeros([2]), 0.5, [0.0, -math.inf])
    with self.assertRaisesRegex(ValueError, r'\[..., 3\]; received'):
      ops.delta_categorical(tf.zeros([3]), 0.5, [0.0, 1.0])
    for shape in ([4, 1], [2], [1, 4]):
      with self.assertRaisesRegex(ValueError, r'broadcasts to \(4,\); rec'):
        ops.delta_categorical(tf.zeros([4, 3]), tf.fill(shape, 0.5))
    with self.assertRaisesRegex(ValueError, 'static K of at least 2'):
      ops.delta_categorical(tf.zeros([1]), 0.0)


if __name__ == '__main__':
  tf.test.main()
