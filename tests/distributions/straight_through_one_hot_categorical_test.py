import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm.distributions import one_hot_categorical
from discrete_lvm.distributions import straight_through_one_hot_categorical

tfd = tfp.distributions

StraightThroughOneHotCategorical = (
    straight_through_one_hot_categorical.StraightThroughOneHotCategorical
)


def _logits(shape, seed=0):
  return np.random.RandomState(seed).normal(0.0, 2.0, shape).astype(np.float32)


def _softmax_jacobian(y):
  return np.einsum('...i,ij->...ij', y, np.eye(y.shape[-1])) - np.einsum(
      '...i,...j->...ij', y, y
  )


class StraightThroughOneHotCategoricalTest(
    tf.test.TestCase, parameterized.TestCase
):

  @parameterized.product(
      temperature=(None, 0.5),
      num_classes=(1, 2, 3, 257),
      dtype=(tf.float32, tf.bfloat16),
  )
  def test_samples_are_exactly_one_hot(self, temperature, num_classes, dtype):
    d = StraightThroughOneHotCategorical(
        tf.cast(_logits([2, num_classes]), dtype),
        temperature=temperature,
        dtype=dtype,
    )
    x = d.sample(50, seed=[0, 1])
    self.assertEqual(x.dtype, dtype)
    x = tf.cast(x, tf.float32)
    self.assertAllInSet(x, [0.0, 1.0])
    self.assertAllEqual(tf.reduce_sum(x, -1), np.ones([50, 2]))

  @parameterized.parameters(None, 0.5)
  def test_sample_frequencies(self, temperature):
    logits = _logits([3])
    num_samples = 100000
    d = StraightThroughOneHotCategorical(logits, temperature=temperature)
    frequency = tf.reduce_mean(d.sample(num_samples, seed=[0, 1]), 0)
    p = tf.nn.softmax(logits).numpy()
    # Five standard errors.
    error = 5 * np.sqrt(p * (1 - p) / num_samples)
    self.assertAllLessEqual(np.abs(frequency - p) - error, 0.0)

  # pyro-ppl/pyro#3127: a mass, not the density of the relaxation.
  @parameterized.parameters(None, 0.1)
  def test_log_prob_of_a_sample_is_the_categorical_mass(self, temperature):
    logits = _logits([4, 3])
    d = StraightThroughOneHotCategorical(
        logits, temperature=temperature, validate_args=True
    )
    x, log_prob = d.experimental_sample_and_log_prob(5, seed=[0, 1])
    categorical = tfd.OneHotCategorical(logits, dtype=tf.float32)
    self.assertAllClose(log_prob, categorical.log_prob(x), rtol=1e-5)
    self.assertAllClose(d.log_prob(x.numpy()), log_prob, rtol=1e-6)
    self.assertAllClose(d.entropy(), categorical.entropy(), rtol=1e-5)

  @parameterized.product(jit_compile=(False, True))
  def test_gradient_of_a_sample_is_that_of_the_probabilities(self, jit_compile):
    logits = tf.constant(_logits([3]))

    @tf.function(jit_compile=jit_compile)
    def jacobian(logits):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        x = StraightThroughOneHotCategorical(logits).sample(seed=[0, 1])
      return x, tape.jacobian(x, logits, experimental_use_pfor=False)

    x, actual = jacobian(logits)
    self.assertAllInSet(x, [0.0, 1.0])
    self.assertAllClose(
        actual, _softmax_jacobian(tf.nn.softmax(logits).numpy()), rtol=1e-5
    )

  def test_gradient_of_a_sample_reaches_probs_variables_and_slices(self):
    probs = tf.Variable([[0.2, 0.3, 0.5]] * 2)
    d = StraightThroughOneHotCategorical(probs=probs)
    with tf.GradientTape() as tape:
      loss = tf.reduce_sum(d[1].sample(4, seed=[0, 1]) * [1.0, 2.0, 3.0])
    self.assertAllClose(
        tape.gradient(loss, probs), [[0.0] * 3, [4.0, 8.0, 12.0]]
    )

  def test_gradient_of_a_hot_relaxation_is_that_of_the_uniform_vector(self):
    # At temperature 1000 the relaxed sample is uniform within 2 %, whatever the
    # noise, and its Jacobian that of softmax over the temperature.
    logits = tf.constant([0.0, 1.0, -1.0])
    with tf.GradientTape() as tape:
      tape.watch(logits)
      x = StraightThroughOneHotCategorical(logits, temperature=1e3).sample(
          seed=[0, 1]
      )
    self.assertAllInSet(x, [0.0, 1.0])
    self.assertAllClose(
        1e3 * tape.jacobian(x, logits),
        _softmax_jacobian(np.full([3], 1 / 3)),
        atol=0.02,
    )

  def test_gradient_in_temperature_shrinks_the_winner(self):
    temperature = tf.Variable(1.0)
    d = StraightThroughOneHotCategorical(
        tf.zeros([100, 2]), temperature=temperature
    )
    self.assertLen(d.trainable_variables, 1)
    with tf.GradientTape() as tape:
      x = d.sample(seed=[0, 1])
    # A hotter sample of two classes is nearer to the middle, so the winner of
    # each draw shrinks. That holds if the same noise made both, and only then.
    gradient = tape.jacobian(x, temperature)
    self.assertAllLess(tf.reduce_sum(gradient * x, -1), 0.0)

  @parameterized.parameters(None, 0.5)
  def test_gradient_of_the_mean_log_mass(self, temperature):
    logits = tf.constant(_logits([3]))
    num_samples = 20000
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(logits)
      d = StraightThroughOneHotCategorical(logits, temperature=temperature)
      mean = tf.reduce_mean(d.log_prob(d.sample(num_samples, seed=[0, 1])))
      negative_entropy = -d.entropy()
    gradient = tape.gradient(mean, logits)
    exact = tape.gradient(negative_entropy, logits)
    if temperature is None:
      # The log-mass is linear in the sample, so that the gradient is unbiased.
      # Only the score `x - p` is random: five standard errors of at most 0.5.
      self.assertAllClose(gradient, exact, atol=5 * 0.5 / num_samples**0.5)
    else:
      # Biased, but a descent direction.
      self.assertGreater(tf.tensordot(gradient, exact, 1), 0.0)

  @parameterized.named_parameters(
      ('scalar', [], [5]),
      ('batch', [5], [5]),
      ('keepdims', [5, 1], [5]),
      ('more_than_logits', [2, 5], [2, 5]),
  )
  def test_temperature_shapes(self, shape, batch_shape):
    logits = _logits([3] if len(shape) == 2 and shape[-1] == 5 else [5, 3])
    temperature = np.linspace(0.1, 2.0, math.prod(shape)).reshape(shape)
    d = StraightThroughOneHotCategorical(
        logits, temperature=temperature.astype(np.float32)
    )
    self.assertEqual(d.batch_shape, batch_shape)
    self.assertAllEqual(d.sample(2, seed=[0, 1]).shape, [2, *batch_shape, 3])
    part = d[0]
    self.assertEqual(part.batch_shape, batch_shape[1:])
    self.assertAllEqual(part.sample(seed=[0, 1]).shape, [*batch_shape[1:], 3])

  def test_batches_of_temperatures_draw_independently(self):
    d = StraightThroughOneHotCategorical([0.0, 0.0], temperature=tf.ones([64]))
    x = d.sample(seed=[0, 1])[:, 0]
    # 64 equal draws have probability 1e-19.
    self.assertNotIn(tf.reduce_sum(x).numpy(), (0.0, 64.0))

  def test_zero_probability_keeps_gradients_finite(self):
    logits = tf.constant([0.0, -math.inf, 1.0])
    for temperature in (None, 0.5):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        d = StraightThroughOneHotCategorical(logits, temperature=temperature)
        x = d.sample(100, seed=[0, 1])
        loss = tf.reduce_sum(d.log_prob(x) + x[:, 0])
      self.assertAllEqual(x[:, 1], [0.0] * 100)
      self.assertAllEqual(np.isfinite(tape.gradient(loss, logits)), [True] * 3)

  def test_composes(self):
    d = StraightThroughOneHotCategorical(_logits([2, 3]), temperature=1.0)
    independent = tfd.Independent(d, 1)
    x = independent.sample(4, seed=[0, 1])
    self.assertEqual(
        independent.reparameterization_type, tfd.FULLY_REPARAMETERIZED
    )
    self.assertAllEqual(independent.log_prob(x).shape, [4])
    returned = tf.function(lambda d: d)(d)
    self.assertIsInstance(returned, StraightThroughOneHotCategorical)

    def model():
      z = yield StraightThroughOneHotCategorical(tf.zeros([3]), name='z')
      yield tfd.Normal(tf.reduce_sum(z), 1.0, name='x')

    joint = tfd.JointDistributionCoroutineAutoBatched(model)
    self.assertAllEqual(joint.sample(7, seed=0).z.shape, [7, 3])

  def test_kl_is_the_categorical_one(self):
    q, p = _logits([3]), _logits([3], seed=1)
    expected = tfd.kl_divergence(
        tfd.OneHotCategorical(q), tfd.OneHotCategorical(p)
    )
    ours = StraightThroughOneHotCategorical(q, temperature=0.5)
    for other in (
        StraightThroughOneHotCategorical(p),
        one_hot_categorical.OneHotCategorical(p),
        tfd.OneHotCategorical(p),
    ):
      self.assertAllClose(tfd.kl_divergence(ours, other), expected, rtol=1e-5)

  @parameterized.named_parameters(
      ('neither', {}, 'received neither'),
      ('integers', {'logits': [0.0], 'dtype': tf.int32}, 'floating `dtype`'),
      ('zero', {'logits': [0.0], 'temperature': 0.0}, 'positive'),
      ('empty', {'logits': np.zeros([2, 0])}, 'static K'),
      (
          'mismatch',
          {'logits': np.zeros([2, 3]), 'temperature': np.ones([3])},
          r'shape \[\], \(2,\) or \(2, 1\)',
      ),
  )
  def test_raises(self, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      StraightThroughOneHotCategorical(**arguments)

  def test_validates_values(self):
    temperature = tf.Variable(1.0)
    d = StraightThroughOneHotCategorical(
        [0.0, 0.0], temperature=temperature, validate_args=True
    )
    temperature.assign(-1.0)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'temperature'):
      d.sample(seed=[0, 1])
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'logits'):
      StraightThroughOneHotCategorical([math.nan, 0.0], validate_args=True)

  @parameterized.parameters(
      ([1, 3], [5]), ([3], [5]), ([1, 3], [5, 1]), ([2, 1, 3], [2, 5])
  )
  def test_statistics_have_the_batch_of_the_temperatures(self, shape, batch):
    logits = _logits(shape)
    for kwargs in ({'logits': logits}, {'probs': tf.nn.softmax(logits)}):
      d = StraightThroughOneHotCategorical(
          temperature=tf.fill(batch, 0.5), **kwargs
      )
      broadcast = tf.broadcast_to(logits, d.batch_shape + [3])
      independent, expected = (
          tfd.Independent(each, 1)
          for each in (d, tfd.OneHotCategorical(broadcast, dtype=tf.float32))
      )
      x = expected.sample(seed=[0, 1])
      self.assertEqual(independent.event_shape, [5, 3])
      self.assertAllClose(independent.log_prob(x), expected.log_prob(x))
      for name in ('mean', 'variance', 'mode', 'entropy'):
        actual = getattr(independent, name)()
        self.assertAllClose(actual, getattr(expected, name)(), rtol=1e-5)
      self.assertAllClose(d.covariance(), expected.distribution.covariance())
      prior = tfd.Independent(
          tfd.OneHotCategorical(tf.zeros_like(broadcast)), 1
      )
      self.assertAllClose(
          tfd.kl_divergence(independent, prior),
          tfd.kl_divergence(expected, prior),
          rtol=1e-5,
      )

  @parameterized.parameters(None, 0.5)
  def test_an_offset_of_the_logits_changes_no_sample(self, temperature):
    def sample(offset):
      d = StraightThroughOneHotCategorical(
          tf.fill([2], offset), temperature=temperature
      )
      return d.sample(10_000, seed=[0, 1])

    self.assertAllEqual(sample(1e7), sample(0.0))

  def test_temperature_is_annotated_as_that_of_the_relaxations(self):
    properties = StraightThroughOneHotCategorical.parameter_properties()
    properties = properties['temperature']
    bijector = properties.default_constraining_bijector_fn()
    self.assertGreater(bijector.forward(-200.0), 0.0)
    self.assertEqual(properties.shape_fn([5, 3]), [5])
    self.assertFalse(properties.is_preferred)


if __name__ == '__main__':
  tf.test.main()
