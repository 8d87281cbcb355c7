from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


def _tabulated(logits, excluded, noise):
  """Samples from a table of all codes, and sums up what is left there."""
  num_latents, num_classes = logits.shape[-2:]
  log_mass = np.array(ops.joint_log_probs(logits))
  place_values = num_classes ** np.arange(num_latents)[::-1]
  for index in np.argmax(excluded, -1) @ place_values:
    np.put_along_axis(log_mass, index[..., np.newaxis], -np.inf, axis=-1)
  codes, _ = ops.sample_joint(log_mass, noise)
  return codes, tf.reduce_logsumexp(log_mass, axis=-1)


def _bits(integers, num_latents):
  """Returns one-hot codes of latents of two classes, the first one fastest."""
  digits = np.array(
      [[i >> n & 1 for n in range(num_latents)] for i in integers]
  )
  return tf.one_hot(digits, 2)


class ExcludedCodesTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      shape=((1, 2), (1, 5), (2, 2), (3, 3), (5, 2)),
      num_excluded=(1, 2, 3, 7),
      spread=(0.5, 3.0, 30.0),
      likeliest=(False, True),
  )
  def test_equals_a_table_of_all_codes(
      self, shape, num_excluded, spread, likeliest
  ):
    num_latents, num_classes = shape
    num_excluded = min(num_excluded, num_classes**num_latents)
    logits = spread * tf.random.stateless_normal([300, *shape], [0, 1])
    noise = ops.gumbel(logits.shape, [0, 2])
    excluded = (
        ops.likeliest_codes(logits, num_excluded)
        if likeliest
        # Some of them twice.
        else tf.one_hot(
            tf.random.stateless_uniform(
                [num_excluded, 300, num_latents],
                [0, 3],
                maxval=num_classes,
                dtype=tf.int32,
            ),
            num_classes,
        )
    )
    codes, log_mass = _tabulated(logits, excluded, noise)
    found, found_log_mass = ops.sample_excluding(logits, excluded, noise)
    self.assertAllClose(found_log_mass, log_mass, rtol=1e-5, atol=1e-4)
    has_mass = np.isfinite(log_mass)
    self.assertAllEqual(found[has_mass], codes[has_mass])
    self.assertAllEqual(
        ops.log_mass_excluding(logits, excluded), found_log_mass
    )

  def test_none_is_excluded(self):
    logits = tf.random.stateless_normal([50, 2, 3], [0, 1])
    noise = ops.gumbel(logits.shape, [0, 2])
    none = tf.zeros([0, 50, 2, 3])
    code, log_mass = ops.sample_excluding(logits, none, noise)
    self.assertAllEqual(code, ops.one_hot_argmax(logits + noise))
    self.assertAllEqual(log_mass, np.zeros(50))
    self.assertAllEqual(ops.log_mass_excluding(logits, none), np.zeros(50))

  def test_impossible_classes(self):
    logits = tf.constant([[-np.inf, 0.0, 0.0], [0.0, -np.inf, 0.0]])
    noise = ops.gumbel([200, 2, 3], [0, 1])
    codes = tf.one_hot([[1, 0], [1, 2], [2, 0], [0, 1]], 3)
    excluded = tf.repeat(codes[:, tf.newaxis], 200, axis=1)
    found, log_mass = ops.sample_excluding(
        tf.repeat(logits[tf.newaxis], 200, axis=0), excluded, noise
    )
    self.assertAllEqual(np.argmax(found, -1), [[2, 2]] * 200)
    self.assertAllClose(np.exp(log_mass), np.full(200, 0.25))
    everything = tf.concat([codes, tf.one_hot([[2, 2]], 3)], axis=0)
    self.assertAllEqual(ops.log_mass_excluding(logits, everything), -np.inf)

  def test_many_latents(self):
    # Of 2**200 codes; the likeliest one has all but e**-14 of the mass.
    logits = tf.constant([[20.0, 0.0]] * 200)
    excluded = _bits([0, 1, 2, 2**100], 200)
    log_off = -np.logaddexp(0.0, 20.0)
    log_on = -np.logaddexp(0.0, -20.0)
    # Any one latent of the 197 others; two latents are 2e-7 times that.
    expected = np.log(197) + log_off + 199 * log_on
    self.assertAllClose(
        ops.log_mass_excluding(logits, excluded), expected, rtol=1e-6
    )
    draws = 2000
    code, _ = ops.sample_excluding(
        tf.repeat(logits[tf.newaxis], draws, axis=0),
        tf.repeat(excluded[:, tf.newaxis], draws, axis=1),
        ops.gumbel([draws, 200, 2], [0, 1]),
    )
    on = code[..., 1].numpy()
    self.assertAllEqual(on.sum(-1), np.ones(draws))
    self.assertAllEqual(on[:, [0, 1, 100]].sum(0), np.zeros(3))
    counts = np.delete(on.sum(0), [0, 1, 100])
    # Chi-squared with 196 degrees of freedom, 5 sigma.
    chi_squared = np.sum((counts - draws / 197) ** 2) / (draws / 197)
    self.assertLess(abs(chi_squared - 196), 5 * np.sqrt(2 * 196))

  def test_unknown_sizes(self):
    logits = tf.random.stateless_normal([4, 5, 3], [0, 1])
    excluded = ops.likeliest_codes(logits, 3)
    noise = ops.gumbel(logits.shape, [0, 2])
    sample = tf.function(
        ops.sample_excluding,
        input_signature=[
            tf.TensorSpec([None, None, 3]),
            tf.TensorSpec([3, None, None, 3]),
            tf.TensorSpec([None, None, 3]),
        ],
    )
    for x, y in zip(
        sample(logits, excluded, noise),
        ops.sample_excluding(logits, excluded, noise),
        strict=True,
    ):
      self.assertAllClose(x, y)

  def test_half_precision_is_computed_in_float32(self):
    logits = tf.cast(tf.random.stateless_normal([4, 5, 3], [0, 1]), tf.bfloat16)
    code, log_mass = ops.sample_excluding(
        logits, ops.likeliest_codes(logits, 3), tf.zeros_like(logits)
    )
    self.assertEqual((code.dtype, log_mass.dtype), (tf.float32, tf.float32))

  def test_rejects(self):
    logits = tf.zeros([4, 2, 3])
    for shape in ([4, 2, 3], [1, 4, 2, 2], [1, 1, 2, 3], []):
      with self.assertRaisesRegex(ValueError, r'`excluded` of shape \[D, ...,'):
        ops.log_mass_excluding(logits, tf.zeros(shape))
    with self.assertRaisesRegex(ValueError, r'`noise` of shape \(4, 2, 3\);'):
      ops.sample_excluding(logits, tf.zeros([1, 4, 2, 3]), tf.zeros([2, 3]))
    compiled = tf.function(
        ops.log_mass_excluding,
        input_signature=[
            tf.TensorSpec([2, 3]),
            tf.TensorSpec([None, 2, 3]),
        ],
    )
    with self.assertRaisesRegex(ValueError, '`excluded` with a static D'):
      compiled(tf.zeros([2, 3]), tf.zeros([1, 2, 3]))

  @parameterized.parameters(
      ([[0, 0], [0, 1]],),
      ([[0, 0], [1, 1]],),
      ([[0, 0], [0, 1], [1, 0], [1, 1]],),
  )
  def test_gradient_is_that_of_the_sum(self, excluded):
    logits = tf.constant([[0.3, 0.1], [0.2, 0.5]])
    left = [
        code
        for code in ([0, 0], [0, 1], [1, 0], [1, 1])
        if code not in excluded
    ]
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(logits)
      found = ops.log_mass_excluding(logits, tf.one_hot(excluded, 2))
      log_q = tf.nn.log_softmax(logits)
      terms = [log_q[0, a] + log_q[1, b] for a, b in left]
      expected = tf.reduce_logsumexp(tf.stack(terms)) if terms else None
    gradient = tape.gradient(found, logits)
    if expected is None:
      self.assertAllEqual(gradient, tf.zeros_like(logits))
    else:
      self.assertAllClose(gradient, tape.gradient(expected, logits))

  def test_noise_of_one_example_does_not_broadcast_in_a_graph(self):
    @tf.function(input_signature=[tf.TensorSpec([None, 2, 3])] * 2)
    def sample(logits, noise):
      return ops.sample_excluding(logits, tf.zeros([0, 4, 2, 3]), noise)

    with self.assertRaises(tf.errors.InvalidArgumentError):
      sample(tf.zeros([4, 2, 3]), tf.zeros([1, 2, 3]))


if __name__ == '__main__':
  tf.test.main()
