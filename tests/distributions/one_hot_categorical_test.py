import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm.distributions import one_hot_categorical

tfb = tfp.bijectors
tfd = tfp.distributions

OneHotCategorical = one_hot_categorical.OneHotCategorical


def _logits(shape, dtype=np.float32, seed=0):
  return np.random.RandomState(seed).normal(0.0, 2.0, shape).astype(dtype)


class OneHotCategoricalTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(num_classes=(1, 2, 3, 257))
  def test_enumerated_pmf_sums_to_one_and_is_softmax(self, num_classes):
    logits = _logits([4, num_classes])
    d = OneHotCategorical(logits)
    events = np.eye(num_classes, dtype=np.float32)[:, np.newaxis]
    pmf = d.prob(events).numpy()
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    self.assertAllClose(pmf.sum(0), np.ones(4), rtol=1e-5)
    self.assertAllClose(pmf, expected.T, rtol=1e-5)

  @parameterized.named_parameters(('logits', 'logits'), ('probs', 'probs'))
  def test_equals_tfp_where_tfp_is_finite(self, argument):
    value = _logits([2, 1, 5])
    if argument == 'probs':
      value = tf.nn.softmax(value)
    ours = OneHotCategorical(**{argument: value})
    theirs = tfd.OneHotCategorical(**{argument: value}, dtype=tf.float32)
    x = np.eye(5, dtype=np.float32)[[0, 2, 4]]
    self.assertAllClose(ours.log_prob(x), theirs.log_prob(x), rtol=1e-5)
    for statistic in ('mean', 'mode', 'variance', 'covariance', 'entropy'):
      self.assertAllClose(
          getattr(ours, statistic)(), getattr(theirs, statistic)(), rtol=1e-5
      )
    self.assertAllClose(
        tf.nn.softmax(ours.logits_parameter()), theirs.probs_parameter()
    )
    self.assertAllClose(ours.probs_parameter(), theirs.probs_parameter())
    self.assertEqual(ours.batch_shape, theirs.batch_shape)
    self.assertEqual(ours.event_shape, theirs.event_shape)

  def test_gradient_in_the_event_is_the_log_probability(self):
    logits = _logits([3, 4])
    x = tf.constant(np.eye(4, dtype=np.float32)[[0, 3, 3]])
    d = tfd.Independent(OneHotCategorical(logits), 1)
    with tf.GradientTape() as tape:
      tape.watch(x)
      log_prob = d.log_prob(x)
    self.assertAllClose(
        tape.gradient(log_prob, x), tf.nn.log_softmax(logits), rtol=1e-5
    )

  # Float64, central differences: the error is about 1e-9.
  @parameterized.named_parameters(('logits', 'logits'), ('probs', 'probs'))
  def test_gradients_match_finite_differences(self, argument):
    value = 0.3 * _logits([2, 3], np.float64)
    if argument == 'probs':
      value = tf.nn.softmax(value).numpy()
    x = np.array([[0.0, 1.0, 0.0], [0.3, 0.2, 0.5]])

    def log_prob(value, x):
      return OneHotCategorical(**{argument: value}, dtype=tf.float64).log_prob(
          x
      )

    theoretical, numerical = tf.test.compute_gradient(
        log_prob, [tf.constant(value), tf.constant(x)], delta=1e-5
    )
    for ours, theirs in zip(theoretical, numerical, strict=True):
      self.assertAllClose(ours, theirs, atol=1e-7)

  @parameterized.product(jit_compile=(False, True))
  def test_zero_probability(self, jit_compile):
    logits = tf.constant([0.0, -math.inf, math.log(3.0)])
    x = tf.eye(3)

    @tf.function(jit_compile=jit_compile)
    def run(logits, x):
      d = OneHotCategorical(logits)
      with tf.GradientTape() as tape:
        tape.watch([logits, x])
        log_prob = d.log_prob(x)
        entropy = d.entropy()
      gradients = tape.gradient([log_prob, entropy], [logits, x])
      return log_prob, entropy, gradients, d.sample(1000, seed=[0, 1])

    log_prob, entropy, gradients, sample = run(logits, x)
    self.assertAllClose(log_prob, [math.log(0.25), -math.inf, math.log(0.75)])
    self.assertAllClose(entropy, -0.25 * np.log(0.25) - 0.75 * np.log(0.75))
    # The log of the smallest normal float32 stands in for -inf.
    expected = np.log([0.25, np.finfo(np.float32).tiny, 0.75])
    self.assertAllClose(gradients[1], np.tile(expected, [3, 1]))
    self.assertAllEqual(np.isfinite(gradients[0]), [True] * 3)
    self.assertEqual(gradients[0][1], 0.0)
    self.assertEqual(tf.reduce_sum(sample[:, 1]), 0.0)

  def test_zero_probs_are_as_logits_of_minus_infinity(self):
    probs = tf.Variable([0.25, 0.0, 0.75])
    d = OneHotCategorical(probs=probs)
    with tf.GradientTape() as tape:
      loss = d.log_prob([0.0, 0.0, 1.0]) + d.entropy()
    self.assertAllClose(
        d.log_prob(tf.eye(3)), [math.log(0.25), -math.inf, math.log(0.75)]
    )
    self.assertAllEqual(np.isfinite(tape.gradient(loss, probs)), [True] * 3)

  @parameterized.parameters(tf.bfloat16, tf.float16)
  def test_half_precision_parameters_give_float32(self, dtype):
    logits = tf.cast(_logits([257]), dtype)
    d = OneHotCategorical(logits, dtype=dtype, validate_args=True)
    x = d.sample(100, seed=[0, 1])
    self.assertEqual(x.dtype, dtype)
    self.assertAllEqual(tf.reduce_sum(tf.cast(x, tf.int32), -1), [1] * 100)
    reference = tf.nn.log_softmax(tf.cast(logits, tf.float64)).numpy()
    log_prob = d.log_prob(tf.cast(x, tf.float32))
    self.assertEqual(log_prob.dtype, tf.float32)
    self.assertAllClose(
        log_prob, reference[np.argmax(x.numpy(), -1)], rtol=1e-5
    )
    self.assertEqual(d.entropy().dtype, tf.float32)
    # Probabilities that were rounded to half precision are still accepted.
    OneHotCategorical(probs=tf.nn.softmax(logits), validate_args=True)

  def test_integer_events(self):
    d = OneHotCategorical(_logits([3]), dtype=tf.int32, validate_args=True)
    x = d.sample(seed=[0, 1])
    self.assertEqual(x.dtype, tf.int32)
    self.assertEqual(d.mode().dtype, tf.int32)
    self.assertEqual(d.log_prob(x).dtype, tf.float32)
    self.assertAllClose(
        d.log_prob(x), OneHotCategorical(d.logits).log_prob(tf.cast(x, 'float'))
    )

  def test_sample_frequencies(self):
    probs = np.array([[0.001, 0.299, 0.7], [0.5, 0.5, 0.0]], np.float32)
    num_samples = 100000
    x = OneHotCategorical(probs=probs).sample(num_samples, seed=[0, 1])
    self.assertAllEqual(x.shape, [num_samples, 2, 3])
    # Five standard errors, six comparisons: fails once in 3e5 seeds.
    error = 5 * np.sqrt(probs * (1 - probs) / num_samples)
    deviation = np.abs(tf.reduce_mean(x, 0) - probs)
    self.assertAllLessEqual(deviation - error, 1e-7)
    # The entries of a batch are independent.
    both = tf.reduce_mean(x[:, 0, 2] * x[:, 1, 0])
    self.assertAllClose(both, 0.35, atol=5 * 0.5 / np.sqrt(num_samples))

  def test_same_log_prob_eager_graph_and_xla_and_dynamic_batch(self):
    x = np.eye(3, dtype=np.float32)[[0, 1]]
    logits = _logits([2, 3])
    signature = [tf.TensorSpec([None, 3])] * 2

    def run(logits, x):
      return OneHotCategorical(logits).log_prob(x)

    eager = run(logits, x)
    graph = tf.function(run, input_signature=signature)(logits, x)
    xla = tf.function(run, jit_compile=True)(logits, x)
    self.assertAllClose(eager, graph, rtol=1e-6)
    self.assertAllClose(eager, xla, rtol=1e-6)
    sample = tf.function(
        lambda logits: OneHotCategorical(logits).sample(5, seed=[0, 1]),
        input_signature=signature[:1],
    )(logits)
    self.assertAllEqual(sample.shape, [5, 2, 3])

  def test_passes_in_and_out_of_a_function(self):
    d = OneHotCategorical(_logits([2, 3]), validate_args=True)
    returned = tf.function(lambda d: d[0])(d)
    self.assertIsInstance(returned, OneHotCategorical)
    self.assertAllClose(returned.mean(), d.mean()[0])

  def test_variable_is_kept_by_reference(self):
    logits = tf.Variable(_logits([2, 3]))
    d = OneHotCategorical(logits)
    self.assertLen(d.trainable_variables, 1)
    logits.assign([[0.0, 0.0, 90.0]] * 2)
    self.assertAllClose(d.log_prob([0.0, 0.0, 1.0]), [0.0, 0.0])
    with tf.GradientTape() as tape:
      loss = d[1].log_prob([1.0, 0.0, 0.0])
    gradient = tape.gradient(loss, logits)
    self.assertAllClose(gradient, [[0.0] * 3, [1.0, 0.0, -1.0]])

  def test_slices_and_copies(self):
    logits = _logits([4, 2, 3])
    d = OneHotCategorical(logits)
    x = tf.one_hot(1, 3)
    self.assertEqual(d[..., tf.newaxis].batch_shape, [4, 2, 1])
    self.assertAllClose(d[1:3, 0].log_prob(x), d.log_prob(x)[1:3, 0])
    self.assertEqual(d.copy(dtype=tf.int32).dtype, tf.int32)

  def test_composes(self):
    d = OneHotCategorical(_logits([2, 3]))
    sample = tfd.Sample(tfd.Independent(d, 1), 4)
    x = sample.sample(5, seed=[0, 1])
    self.assertAllEqual(x.shape, [5, 4, 2, 3])
    self.assertAllClose(
        sample.log_prob(x), tf.reduce_sum(d.log_prob(x), [-1, -2]), rtol=1e-5
    )
    mixture = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.3, 0.7]), d)
    self.assertAllEqual(mixture.sample(5, seed=[0, 1]).shape, [5, 3])
    self.assertAllClose(
        mixture.prob(tf.eye(3)), tf.linalg.matvec(d.mean(), [0.3, 0.7], True)
    )

  def test_joint_distribution(self):
    table = tf.constant(_logits([3, 2]))

    def model():
      x = yield OneHotCategorical(tf.zeros([3]), name='x')
      yield OneHotCategorical(tf.linalg.matvec(table, x, True), name='y')

    joint = tfd.JointDistributionCoroutineAutoBatched(model)
    total = sum(
        joint.prob(x=tf.one_hot(i, 3), y=tf.one_hot(j, 2)).numpy()
        for i in range(3)
        for j in range(2)
    )
    self.assertAllClose(total, 1.0)
    self.assertAllEqual(joint.sample(7, seed=0).y.shape, [7, 2])

  def test_transforms_as_a_discrete_law(self):
    d = OneHotCategorical(_logits([3]))
    doubled = tfd.TransformedDistribution(d, tfb.Scale(2.0))
    # No Jacobian: 2 x has the mass of x.
    self.assertAllClose(doubled.log_prob(2 * np.eye(3)), d.log_prob(np.eye(3)))

  def test_the_zero_vector_is_no_event(self):
    d = OneHotCategorical(_logits([3]), validate_args=True)
    for x in ([0.0] * 3, [1.0, 1.0, 0.0], [0.5, 0.5, 0.0], [math.nan, 0, 1]):
      with self.assertRaisesRegex(
          tf.errors.InvalidArgumentError, 'one-hot event'
      ):
        d.log_prob(x)

  @parameterized.named_parameters(
      ('nan', {'logits': [0.0, math.nan]}, 'logits'),
      ('inf', {'logits': [0.0, math.inf]}, 'logits'),
      ('no_class', {'logits': [-math.inf, -math.inf]}, 'logits'),
      ('negative', {'probs': [-0.5, 1.5]}, 'probs'),
      ('sum', {'probs': [0.5, 0.6]}, 'probs'),
  )
  def test_validates_values(self, arguments, message):
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, message):
      OneHotCategorical(**arguments, validate_args=True)
    ((name, value),) = arguments.items()
    variable = tf.Variable(tf.ones([2]) / 2)
    d = OneHotCategorical(**{name: variable}, validate_args=True)
    variable.assign(value)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, message):
      d.entropy()

  @parameterized.named_parameters(
      ('neither', lambda: OneHotCategorical(), 'received neither'),
      ('both', lambda: OneHotCategorical([0.0], [1.0]), 'received both'),
      (
          'integers',
          lambda: OneHotCategorical(tf.eye(2, dtype=tf.int32)),
          'int32',
      ),
      ('scalar', lambda: OneHotCategorical(0.0), 'static K'),
      ('empty', lambda: OneHotCategorical(tf.zeros([2, 0])), 'static K'),
      (
          'event',
          lambda: OneHotCategorical([0.0, 0.0]).log_prob([1.0]),
          r'\[..., 2\]',
      ),
  )
  def test_raises(self, fn, message):
    with self.assertRaisesRegex(ValueError, message):
      fn()

  def test_raises_if_num_classes_is_unknown(self):
    @tf.function(input_signature=[tf.TensorSpec([None])])
    def run(logits):
      return OneHotCategorical(logits).entropy()

    with self.assertRaisesRegex(ValueError, 'static K'):
      run([0.0, 1.0])

  def test_rejects_events_of_another_k_in_the_run(self):
    d = OneHotCategorical(tf.zeros([3]))
    log_prob = tf.function(
        d.log_prob, input_signature=[tf.TensorSpec([None, None])]
    )
    self.assertAllClose(log_prob(tf.eye(3)), d.log_prob(tf.eye(3)))
    with self.assertRaises(tf.errors.InvalidArgumentError):
      log_prob(tf.ones([2, 1]))

  @parameterized.parameters(False, True)
  def test_rejects_events_of_unknown_rank_in_the_run(self, jit_compile):
    d = OneHotCategorical(_logits([3]))
    log_prob = tf.function(
        d.log_prob,
        input_signature=[tf.TensorSpec(None)],
        jit_compile=jit_compile,
    )
    self.assertAllClose(log_prob(tf.eye(3)), d.log_prob(tf.eye(3)))
    for shape in ([], [2, 1]):
      with self.assertRaises(tf.errors.InvalidArgumentError):
        log_prob(tf.ones(shape))

  def test_statistics_of_any_rank(self):
    logits = tf.constant(_logits([4, 3]))
    d = OneHotCategorical(tf.reshape(logits, [2, 1, 1, 2, 1, 3]))
    for name in ('mean', 'variance', 'entropy', 'probs_parameter'):
      expected = getattr(OneHotCategorical(logits), name)()
      actual = getattr(d, name)()
      self.assertAllClose(tf.reshape(actual, expected.shape), expected)

  def test_an_offset_of_the_logits_changes_no_sample(self):
    def sample(offset):
      d = OneHotCategorical(tf.fill([2], offset))
      return d.sample(10_000, seed=[0, 1])

    self.assertAllEqual(sample(1e7), sample(0.0))


class OneHotCategoricalKLTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      first=(OneHotCategorical, tfd.OneHotCategorical),
      second=(OneHotCategorical, tfd.OneHotCategorical),
  )
  def test_equals_the_enumerated_sum(self, first, second):
    if first is second is tfd.OneHotCategorical:
      self.skipTest('Not ours.')
    q_logits, p_logits = _logits([2, 1, 4]), _logits([3, 4], seed=1)
    q, p = (tf.nn.softmax(x).numpy() for x in (q_logits, p_logits))
    expected = np.sum(q * np.log(q / p), axis=-1)
    for arguments in ({'logits': p_logits}, {'probs': p}):
      kl = tfd.kl_divergence(first(q_logits), second(**arguments))
      self.assertAllClose(kl, expected, rtol=1e-5)
    cross_entropy = OneHotCategorical(q_logits).cross_entropy(second(p_logits))
    self.assertAllClose(
        cross_entropy, -np.sum(q * np.log(p), axis=-1), rtol=1e-5
    )

  @parameterized.parameters(OneHotCategorical, tfd.OneHotCategorical)
  def test_zero_probability(self, other):
    ours = OneHotCategorical([0.0, -math.inf])
    self.assertAllClose(ours.kl_divergence(other([0.0, 0.0])), math.log(2.0))
    self.assertAllClose(ours.kl_divergence(other(probs=[1.0, 0.0])), 0.0)
    self.assertAllEqual(
        other([0.0, 0.0]).kl_divergence(ours), np.float32(math.inf)
    )


if __name__ == '__main__':
  tf.test.main()
