import itertools

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


def _prob_of_set(probs, gone=0.0):
  """Returns the probability to draw all of `probs` next, in any order."""
  total = np.longdouble(0)
  for order in itertools.permutations(probs):
    before = np.cumsum(np.append(gone, order[:-1]))
    total += np.prod(order / (1 - before))
  return total


def _others(probs, *gone):
  return [p for i, p in enumerate(probs) if i not in gone]


def _weights(probs):
  """The leave-one-out ratios times the probabilities, by all permutations."""
  size = len(probs)
  whole = _prob_of_set(probs)
  weights = np.zeros(size)
  baseline = np.zeros([size, size])
  for s, p in enumerate(probs):
    without = _prob_of_set(_others(probs, s), p)
    weights[s] = p * without / whole
    for r, q in enumerate(probs):
      ratio = 1 if r == s else _prob_of_set(_others(probs, s, r), p + q)
      baseline[s, r] = q if r == s else q * ratio / without
  return weights, baseline


class SampleWithoutReplacementTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters((1, 3, 2), (1, 3, 3), (2, 2, 3), (3, 2, 2))
  def test_sequences_have_their_law(
      self, num_latents, num_classes, num_samples
  ):
    draws = 20_000
    logits = tf.random.stateless_normal([num_latents, num_classes], [0, 1])
    noise = ops.gumbel([num_samples, draws, *logits.shape], [0, 2])
    batch = tf.repeat(logits[tf.newaxis], draws, axis=0)
    codes, log_probs, log_rest = ops.sample_without_replacement(batch, noise)
    joint = np.exp(
        np.sum(
            ops.all_codes(num_latents, num_classes) * tf.nn.log_softmax(logits),
            (-2, -1),
        )
    )
    powers = num_classes ** np.arange(num_latents)[::-1]
    index = np.argmax(codes, -1) @ powers
    self.assertAllClose(np.exp(log_probs), joint[index])
    self.assertAllClose(np.exp(log_rest), 1 - joint[index].sum(0), atol=1e-6)
    for order in itertools.permutations(range(len(joint)), num_samples):
      p = joint[list(order)]
      before = np.cumsum(np.append(0, p[:-1]))
      prob = np.prod(p / (1 - before))
      frequency = (index == np.array(order)[:, np.newaxis]).all(0).mean()
      error = np.sqrt(prob * (1 - prob) / draws) + 1e-6
      self.assertLess(abs(frequency - prob) / error, 4.5)

  def test_first_code_is_the_usual_sample(self):
    logits = tf.random.stateless_normal([50, 2, 3], [0, 1])
    noise = ops.gumbel([2, 50, 2, 3], [0, 2])
    codes, _, _ = ops.sample_without_replacement(logits, noise)
    self.assertAllEqual(codes[0], ops.one_hot_argmax(logits + noise[0]))

  def test_certain_codes_leave_a_law_of_the_others(self):
    # What is left has a mass of 1e-13, which one minus it has not in float32.
    logits = tf.constant([[0.0, -30.0, -31.0]])
    noise = ops.gumbel([2, 20_000, 1, 3], [0, 1])
    codes, _, log_rest = ops.sample_without_replacement(
        tf.repeat(logits[tf.newaxis], 20_000, axis=0), noise
    )
    second = np.argmax(codes[1, :, 0], -1)
    p = np.exp(-1) / (1 + np.exp(-1))
    error = np.sqrt(p * (1 - p) / 20_000)
    self.assertLess(abs((second == 2).mean() - p) / error, 4.0)
    self.assertAllInRange(log_rest, -31.001, -29.999)

  def test_more_codes_than_can_be_listed(self):
    logits = tf.constant([[[8.0, 0.0]] * 60] * 500)
    noise = ops.gumbel([9, *logits.shape], [0, 1])
    codes, log_probs, log_rest = ops.sample_without_replacement(logits, noise)
    on = np.int64(codes[..., 1])
    index = on @ (1 << np.arange(60))
    self.assertAllEqual([len(set(x)) for x in index.T], np.full(500, 9))
    expected = 60 * -np.logaddexp(0.0, -8.0) - 8.0 * on.sum(-1)
    self.assertAllClose(log_probs, expected, atol=1e-4)
    rest = 1.0 - np.exp(expected).sum(0)
    self.assertAllClose(np.exp(log_rest), rest, rtol=1e-3)

  def test_tells_draws_that_found_no_mass(self):
    logits = tf.constant([[-np.inf, 0.0, 0.0]])
    noise = ops.gumbel([3, 1, 3], [0, 1])
    _, log_probs, log_rest = ops.sample_without_replacement(logits, noise)
    self.assertAllClose(np.exp(log_probs), [0.5, 0.5, 0.0])
    self.assertAllEqual(log_rest, -np.inf)

  def test_takes_noise_that_is_no_tensor(self):
    noise = [[[0.0, 1.0]], [[0.0, 2.0]]]
    codes, _, _ = ops.sample_without_replacement(tf.zeros([1, 2]), noise)
    self.assertAllEqual(codes[:, 0], [[0, 1], [1, 0]])

  def test_rejects(self):
    with self.assertRaisesRegex(ValueError, r'at most 3\*\*1 = 3 samples'):
      ops.sample_without_replacement(tf.zeros([1, 3]), tf.zeros([4, 1, 3]))
    with self.assertRaisesRegex(ValueError, r'`noise` of shape \(4, 2\);'):
      ops.sample_without_replacement(tf.zeros([4, 2]), tf.zeros([2, 3, 2]))


class UnorderedSetWeightsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      num_samples=(2, 3, 4, 6), spread=(0.5, 3.0, 10.0), whole=(False, True)
  )
  def test_equals_all_permutations(self, num_samples, spread, whole):
    rng = np.random.default_rng(0)
    log_mass = rng.normal(size=num_samples + 1) * spread
    if whole:
      log_mass[-1] = -np.inf
    log_mass -= np.logaddexp.reduce(log_mass)
    weights, baseline = ops.unordered_set_weights(
        tf.constant(log_mass[:-1], tf.float32), log_mass[-1]
    )
    probs = np.exp(np.longdouble(log_mass[:-1]))
    expected = _weights(probs)
    self.assertAllClose(weights, expected[0], rtol=1e-4)
    self.assertAllClose(baseline, expected[1], rtol=1e-4)
    self.assertAllClose(tf.reduce_sum(weights), 1.0, rtol=1e-5)
    self.assertAllClose(
        tf.reduce_sum(baseline, 1), np.ones(num_samples), rtol=1e-5
    )
    if whole:
      self.assertAllClose(weights, np.float64(probs), rtol=1e-4)

  def test_batches_alike(self):
    log_mass = tf.nn.log_softmax(
        tf.random.stateless_normal([4, 2, 5], [0, 1]), axis=0
    )
    weights, baseline = ops.unordered_set_weights(log_mass[:3], log_mass[3])
    self.assertEqual(weights.shape, [3, 2, 5])
    self.assertEqual(baseline.shape, [3, 3, 2, 5])
    for i, j in itertools.product(range(2), range(5)):
      single = ops.unordered_set_weights(log_mass[:3, i, j], log_mass[3, i, j])
      self.assertAllClose(weights[:, i, j], single[0])
      self.assertAllClose(baseline[:, :, i, j], single[1])

  def test_nothing_cancels_at_tiny_probabilities(self):
    # One code with all of the mass; the others are weighed among themselves.
    log_probs = tf.constant([0.0, -60.0, -61.0, -70.0])
    weights, baseline = ops.unordered_set_weights(log_probs, -65.0)
    self.assertAllClose(weights[0], 1.0)
    self.assertAllClose(tf.reduce_sum(baseline, 1), np.ones(4), rtol=1e-4)
    # With the first one given, that which is left is renormalised.
    rest = tf.constant([-60.0, -61.0, -70.0, -65.0]) + 60.0
    log_mass = tf.nn.log_softmax(rest)
    scaled, _ = ops.unordered_set_weights(log_mass[:3], log_mass[3])
    left = tf.exp(tf.reduce_logsumexp(rest - 60.0))
    self.assertAllClose(baseline[0, 1:] / left, scaled, rtol=1e-3)

  def test_draws_without_mass_weigh_nothing(self):
    half = np.log(0.5)
    weights, baseline = ops.unordered_set_weights(
        tf.constant([half, half, -np.inf], tf.float32), -np.inf
    )
    self.assertAllClose(weights, [0.5, 0.5, 0.0])
    self.assertAllClose(baseline[:2], [[0.5, 0.5, 0.0]] * 2)
    self.assertAllEqual(np.isfinite(baseline), np.ones([3, 3], bool))

  def test_rejects_what_is_not_static(self):
    @tf.function(input_signature=[tf.TensorSpec([None, 2])])
    def sample(logits):
      return ops.sample_without_replacement(logits, tf.zeros([2, 3, 2]))

    with self.assertRaisesRegex(ValueError, 'static N and K'):
      sample(tf.zeros([3, 2]))

  def test_weights_reject_a_set_of_one(self):
    with self.assertRaisesRegex(ValueError, 'S of at least 2'):
      ops.unordered_set_weights([-1.0], -1.0)


if __name__ == '__main__':
  tf.test.main()
