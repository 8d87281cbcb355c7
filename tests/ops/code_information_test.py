import itertools

from absl.testing import parameterized
import numpy as np
from scipy import special
from scipy import stats
import tensorflow as tf

from discrete_lvm import ops


def _logits(num_examples, num_latents, num_classes):
  rng = np.random.default_rng(0)
  return 2 * rng.normal(size=[num_examples, num_latents, num_classes])


def _enumerate(logits, prior_logits, weights):
  """Computes rate, information and the rest from the law of (x, z), NumPy."""
  num_latents, num_classes = logits.shape[1:]
  log_q, log_p = (special.log_softmax(x, -1) for x in (logits, prior_logits))
  codes = np.array(
      list(itertools.product(range(num_classes), repeat=num_latents))
  )
  latent = np.arange(num_latents)
  joint_log_q = log_q[:, latent, codes].sum(-1)  # [batch, K**N]
  joint_log_p = log_p[latent, codes].sum(-1)
  x = weights / weights.sum()
  law = x[:, np.newaxis] * np.exp(joint_log_q)
  aggregate = law.sum(0)
  marginals = np.stack(
      [
          [aggregate[codes[:, n] == k].sum() for k in range(num_classes)]
          for n in latent
      ]
  )
  return {
      'aggregate': aggregate,
      'marginals': marginals,
      'rate': np.sum(law * (joint_log_q - joint_log_p)),
      # The KL of the joint law of (x, z) from the product of its marginals.
      'mutual_information': stats.entropy(
          law.ravel(), (x[:, np.newaxis] * aggregate).ravel()
      ),
      'marginal_kl': stats.entropy(aggregate, np.exp(joint_log_p)),
      'total_correlation': stats.entropy(
          aggregate, marginals[latent, codes].prod(-1)
      ),
  }


class CodeInformationTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters((1, 2), (1, 5), (3, 2), (2, 3), (5, 3))
  def test_parts_are_those_of_the_enumerated_law(
      self, num_latents, num_classes
  ):
    logits = _logits(20, num_latents, num_classes)
    prior = _logits(1, num_latents, num_classes)[0][:, ::-1]
    weights = np.random.default_rng(1).uniform(size=20)
    expected = _enumerate(logits, prior, weights)
    statistics = ops.code_statistics(logits, prior, weights)
    latents, joint = ops.code_information(statistics)
    self.assertAllClose(
        statistics.joint / statistics.weight, expected['aggregate'], atol=1e-12
    )
    self.assertAllClose(
        statistics.marginals / statistics.weight,
        expected['marginals'],
        atol=1e-12,
    )
    for name in ('rate', 'mutual_information', 'marginal_kl'):
      self.assertAllClose(getattr(joint, name), expected[name], atol=1e-10)
    self.assertAllClose(
        tf.reduce_sum(latents.entropy) - joint.entropy,
        expected['total_correlation'],
        atol=1e-10,
    )
    self.assertAllClose(tf.reduce_sum(latents.rate), joint.rate, atol=1e-10)
    for n in range(num_latents):
      alone = _enumerate(logits[:, [n]], prior[[n]], weights)
      for name in ('rate', 'mutual_information', 'marginal_kl'):
        self.assertAllClose(getattr(latents, name)[n], alone[name], atol=1e-10)

  def test_rate_is_the_mean_of_the_kl_in_float32(self):
    logits = tf.cast(_logits(50, 4, 4), tf.float32)
    _, joint = ops.code_information(ops.code_statistics(logits))
    rate = tf.reduce_mean(tf.reduce_sum(ops.categorical_kl(logits), -1))
    self.assertAllClose(
        rate, joint.mutual_information + joint.marginal_kl, atol=1e-5, rtol=0
    )

  def test_codes_that_name_the_example(self):
    # Four examples, four codes, no noise: log 4 nats, and the prior met.
    logits = 1e3 * tf.one_hot([[0, 0], [0, 1], [1, 0], [1, 1]], 2)
    latents, joint = ops.code_information(ops.code_statistics(logits))
    self.assertAllClose(joint.mutual_information, np.log(4))
    self.assertAllClose(joint.marginal_kl, 0.0)
    self.assertAllClose(latents.mutual_information, [np.log(2)] * 2)

  def test_zero_probabilities(self):
    logits = tf.constant([[[0.0, -np.inf, 0.0]], [[-np.inf, -np.inf, 0.0]]])
    prior = [[0.0, -np.inf, 0.0]]
    _, joint = ops.code_information(ops.code_statistics(logits, prior))
    self.assertAllClose(joint.rate, 0.5 * np.log(2))
    _, joint = ops.code_information(
        ops.code_statistics(logits, [[-np.inf, 0.0, 0.0]])
    )
    self.assertEqual(joint.rate, np.inf)
    self.assertTrue(np.isfinite(joint.mutual_information))

  def test_example_without_weight_may_hold_anything(self):
    logits = _logits(3, 2, 3)
    expected = ops.code_statistics(logits[:2])
    logits[2] = np.nan
    self.assertAllClose(
        ops.code_statistics(logits, weights=[True, True, False]), expected
    )

  def test_largest_space_adds_up_and_a_larger_one_has_no_joint(self):
    statistics = ops.code_statistics(_logits(3, 16, 2))
    self.assertEqual(statistics.joint.shape, [2**16])
    latents, joint = ops.code_information(statistics)
    self.assertAllClose(tf.reduce_sum(statistics.joint), 3.0)
    # At most the logarithm of the number of examples, and at least the most
    # that one latent says.
    self.assertLess(joint.mutual_information, np.log(3))
    self.assertGreater(
        joint.mutual_information, tf.reduce_max(latents.mutual_information)
    )
    larger = ops.code_statistics(_logits(3, 17, 2))
    self.assertEqual(larger.joint.shape, [0])
    latents, joint = ops.code_information(larger)
    self.assertIsNone(joint)
    self.assertEqual(latents.rate.shape, [17])

  def test_compiles(self):
    logits = tf.constant(_logits(4, 3, 2))

    def information(x):
      return ops.code_information(ops.code_statistics(x))

    eager = information(logits)
    for jit_compile in (False, True):
      compiled = tf.function(information, jit_compile=jit_compile)(logits)
      self.assertAllClose(compiled, eager)

  def test_is_zero_of_no_examples(self):
    _, joint = ops.code_information(ops.code_statistics(tf.zeros([0, 2, 2])))
    self.assertAllEqual(list(joint), [0.0] * 4)

  def test_rejects_other_shapes(self):
    with self.assertRaisesRegex(ValueError, r'\[batch, N, K\]; received \(2'):
      ops.code_statistics(tf.zeros([2, 3]))
    # One class would broadcast to all, each of probability 1.
    for classes in (1, 3):
      with self.assertRaisesRegex(ValueError, r'\[..., 4\]; received shape'):
        ops.code_statistics(tf.zeros([2, 3, 4]), tf.zeros([3, classes]))
    for shape, prior_shape in (
        ([1, 3, 3], [7, 3, 3]),
        ([2, 1, 3], [5, 3]),
        ([2, 3, 3], [2, 3]),
        ([2, 3, 3], [1, 2, 3, 3]),
    ):
      with self.assertRaisesRegex(
          ValueError, '`prior_logits` that broadcasts to'
      ):
        ops.code_statistics(tf.zeros(shape), tf.zeros(prior_shape))
    with self.assertRaisesRegex(ValueError, r'`weights` of shape \(2,\)'):
      ops.code_statistics(tf.zeros([2, 3, 4]), weights=[1.0])

  def test_rejects_another_batch_in_the_run(self):
    statistics = tf.function(
        ops.code_statistics,
        input_signature=[
            tf.TensorSpec([None, 2, 3]),
            tf.TensorSpec([None, 2, 3]),
            tf.TensorSpec([None]),
        ],
    )
    logits = tf.constant(_logits(4, 2, 3), tf.float32)
    expected = ops.code_statistics(logits)
    actual = statistics(logits, tf.zeros([1, 2, 3]), tf.ones([4]))
    self.assertAllClose(actual, expected)
    for prior, weights in ((1, 1), (3, 4)):
      with self.assertRaises(tf.errors.InvalidArgumentError):
        statistics(logits, tf.zeros([prior, 2, 3]), tf.ones([weights]))
    with self.assertRaises(tf.errors.InvalidArgumentError):
      statistics(logits[:1], tf.zeros([3, 2, 3]), tf.ones([1]))


if __name__ == '__main__':
  tf.test.main()
