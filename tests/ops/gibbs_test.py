import itertools

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import ops


def _table(num_latents, num_classes):
  """Returns the codes `[K**N, N]` and a log-mass of each."""
  codes = list(itertools.product(range(num_classes), repeat=num_latents))
  log_mass = 1.5 * np.random.default_rng(0).normal(size=len(codes))
  return np.array(codes), log_mass.astype('float32')


def _log_prob(log_mass, num_latents, num_classes):
  """Returns the log-mass as a function of one-hot codes."""
  place_values = num_classes ** np.arange(num_latents)[::-1]

  def log_prob(codes):
    digits = tf.argmax(codes, axis=-1)
    return tf.gather(log_mass, tf.reduce_sum(digits * place_values, axis=-1))

  return log_prob


class GibbsSweepTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters((1, 2), (3, 2), (2, 3))
  def test_follows_the_enumerated_transition(self, num_latents, num_classes):
    codes, log_mass = _table(num_latents, num_classes)
    size = len(codes)
    # From one code to another, the product of the steps of the latents.
    transition = np.eye(size)
    for n in range(num_latents):
      others = np.delete(codes, n, axis=1)
      may = (others[:, np.newaxis] == others).all(-1)
      transition = transition @ special.softmax(
          np.where(may, log_mass, -np.inf), axis=1
      )
    law = special.softmax(log_mass)
    self.assertAllClose(law @ transition, law)

    draws = 20_000
    start = tf.one_hot(codes, num_classes)
    start = tf.repeat(start[tf.newaxis], draws, axis=0)
    swept, swept_mass = ops.gibbs_sweep(
        _log_prob(log_mass, num_latents, num_classes),
        start,
        ops.gumbel(start.shape, [0, 1]),
    )
    place_values = num_classes ** np.arange(num_latents)[::-1]
    index = np.argmax(swept, -1) @ place_values  # [draws, size]
    self.assertAllEqual(swept_mass, log_mass[index])
    frequencies = (index[..., np.newaxis] == np.arange(size)).mean(0)
    error = np.sqrt(transition * (1 - transition) / draws)
    # The most of up to 81 counts: 4.5 sigma.
    self.assertAllLess(np.abs(frequencies - transition) / error, 4.5)

  def test_compiled_equals_eager(self):
    _, log_mass = _table(2, 3)
    codes = ops.codes_at(tf.range(9), 2, 3)
    noise = ops.gumbel(codes.shape, [0, 1])

    def sweep(codes, noise):
      return ops.gibbs_sweep(_log_prob(log_mass, 2, 3), codes, noise)

    eager = sweep(codes, noise)
    self.assertNotAllEqual(eager[0], codes)
    for jit_compile in (False, True):
      compiled = tf.function(sweep, jit_compile=jit_compile)(codes, noise)
      self.assertAllEqual(compiled[0], eager[0])
      self.assertAllClose(compiled[1], eager[1])

  def test_never_draws_what_is_impossible(self):
    def log_prob(codes):
      return tf.where(codes[..., 0, 0] > 0, -float('inf'), 0.0)

    codes = tf.one_hot(tf.zeros([100, 2], tf.int32), 2)
    swept, log_mass = ops.gibbs_sweep(
        log_prob, codes, ops.gumbel(codes.shape, [0, 1])
    )
    self.assertAllEqual(swept[:, 0, 0], np.zeros(100))
    self.assertAllEqual(log_mass, np.zeros(100))

  @parameterized.parameters(([2, 3],), ([5, 7, 3],), ([1, 2, 3],))
  def test_rejects_noise_of_another_shape(self, shape):
    with self.assertRaisesRegex(ValueError, r'`codes`, \(5, 2, 3\); received'):
      ops.gibbs_sweep(None, tf.zeros([5, 2, 3]), tf.zeros(shape))

  def test_rejects_codes_of_unknown_length(self):
    @tf.function(input_signature=[tf.TensorSpec([None, None, 3])])
    def sweep(codes):
      return ops.gibbs_sweep(None, codes, codes)

    with self.assertRaisesRegex(ValueError, r'\[..., N, K\] with a static N'):
      sweep(tf.zeros([1, 2, 3]))

  @parameterized.product(
      codes_dtype=(tf.bfloat16, tf.float32, tf.float64),
      noise_dtype=(tf.bfloat16, tf.float32, tf.float64),
      log_prob_dtype=(tf.bfloat16, tf.float32, tf.float64),
  )
  def test_takes_any_floating_type(
      self, codes_dtype, noise_dtype, log_prob_dtype
  ):
    def log_prob(codes):
      weights = tf.range(1.0, 4.0) * tf.cast(codes, tf.float32)
      return tf.cast(tf.reduce_sum(weights, [-2, -1]), log_prob_dtype)

    codes = tf.one_hot([[0, 1], [2, 0]], 3)
    noise = tf.reshape(tf.range(12.0), [2, 2, 3]) % 5
    expected, expected_mass = ops.gibbs_sweep(
        lambda z: tf.cast(log_prob(z), tf.float32), codes, noise
    )
    swept, log_mass = ops.gibbs_sweep(
        log_prob, tf.cast(codes, codes_dtype), tf.cast(noise, noise_dtype)
    )
    self.assertEqual(swept.dtype, codes_dtype)
    self.assertAllEqual(tf.cast(swept, tf.float32), expected)
    self.assertAllEqual(log_mass, expected_mass)

  def test_rejects_a_log_mass_summed_over_the_batch(self):
    with self.assertRaisesRegex(ValueError, r'shape \(2, 4\); received \(2,\)'):
      ops.gibbs_sweep(
          lambda z: tf.reduce_sum(z[..., 0, 0], -1),
          tf.one_hot(tf.zeros([4, 3], tf.int32), 2),
          tf.zeros([4, 3, 2]),
      )

  def test_noise_of_one_example_does_not_broadcast_in_a_graph(self):
    @tf.function(input_signature=[tf.TensorSpec([None, 3, 2])] * 2)
    def sweep(codes, noise):
      return ops.gibbs_sweep(lambda z: tf.reduce_sum(z, [-2, -1]), codes, noise)

    with self.assertRaises(tf.errors.InvalidArgumentError):
      sweep(tf.one_hot(tf.zeros([4, 3], tf.int32), 2), tf.zeros([1, 3, 2]))


if __name__ == '__main__':
  tf.test.main()
