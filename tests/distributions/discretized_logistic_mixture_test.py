import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm.distributions import discretized_logistic_mixture

tfb = tfp.bijectors
tfd = tfp.distributions

DiscretizedLogisticMixture = (
    discretized_logistic_mixture.DiscretizedLogisticMixture
)


def _log_sigmoid(x):
  return -np.logaddexp(0.0, -x)


def _reference(x, logits, loc, scale, low, high):
  """Computes equation 2 of PixelCNN++ in float64, in the left tail."""
  x = np.asarray(x, np.float64)[..., np.newaxis]
  a = np.where(x == low, -np.inf, (x - 0.5 - loc) / scale)
  b = np.where(x == high, np.inf, (x + 0.5 - loc) / scale)
  # sigmoid(b) - sigmoid(a) = sigmoid(-a) - sigmoid(-b), and the left tail is
  # the one that floating point resolves.
  right = a + b > 0
  a, b = np.where(right, -b, a), np.where(right, -a, b)
  log_b, log_a = _log_sigmoid(b), _log_sigmoid(a)
  log_mass = log_b + np.log(-np.expm1(log_a - log_b))
  log_weights = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
  return np.logaddexp.reduce(log_weights + log_mass, axis=-1)


def _small(**kwargs):
  return DiscretizedLogisticMixture(
      logits=[0.5, -0.5],
      loc=[1.2, 6.9],
      scale=[0.7, 1.5],
      high=7,
      **kwargs,
  )


class DiscretizedLogisticMixtureTest(tf.test.TestCase, parameterized.TestCase):

  def test_enumerated_pmf_sums_to_one(self):
    scale, loc = np.meshgrid(
        [1e-7, 1e-3, 0.3, 20.0, 1e4], [-1e3, 0.0, 100.5, 254.9, 1e6]
    )
    d = DiscretizedLogisticMixture(
        logits=[0.0, 1.0],
        loc=np.stack([loc, 30.2 + 0 * loc], axis=-1).astype(np.float32),
        scale=np.stack([scale, 2.0 + 0 * scale], axis=-1).astype(np.float32),
    )
    pmf = d.prob(np.arange(256.0, dtype=np.float32)[:, None, None])
    self.assertAllClose(tf.reduce_sum(pmf, 0), np.ones([5, 5]), rtol=1e-5)

  def test_log_prob_and_gradients_match_float64_at_any_scale(self):
    x = np.arange(256.0, dtype=np.float32)
    scale, loc = np.meshgrid([1e-7, 1e-3, 0.3, 20.0, 1e4], [-1e3, 100.3, 254.9])
    # A copy of the parameters for each integer, whose gradient is its own.
    logits, loc, scale = (
        tf.tile(
            tf.constant(value, tf.float32)[..., tf.newaxis, :], [1, 1, 256, 1]
        )
        for value in (
            np.tile([0.2, -1.0], [3, 5, 1]),
            np.stack([loc, loc + 3.3], axis=-1),
            np.stack([scale, 3 * scale], axis=-1),
        )
    )

    def run(*parameters):
      with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = DiscretizedLogisticMixture(*parameters).log_prob(x)
      gradients = tape.gradient(log_prob, parameters)
      return log_prob, [gradient.numpy() for gradient in gradients]

    log_prob, gradients = run(logits, loc, scale)
    wide = [tf.cast(value, tf.float64) for value in (logits, loc, scale)]
    expected = _reference(x, *(value.numpy() for value in wide), 0, 255)
    # The tail of a mass near one, and of a sum near zero, is float32's.
    self.assertAllClose(log_prob, expected, rtol=1e-5, atol=1e-6)
    for actual, reference in zip(gradients, run(*wide)[1], strict=True):
      self.assertAllEqual(np.isfinite(actual), np.ones(actual.shape, bool))
      bound = 1e-6 * np.abs(reference).max(axis=(-2, -1), keepdims=True)
      error = np.abs(actual - reference) - 1e-3 * np.abs(reference) - bound
      self.assertAllLessEqual(error, 0.0)

  def test_gradients_match_finite_differences(self):
    x = np.arange(8.0)

    def log_prob(*parameters):
      return DiscretizedLogisticMixture(*parameters, high=7).log_prob(x)

    theoretical, numerical = tf.test.compute_gradient(
        log_prob,
        [
            tf.constant(value, tf.float64)
            for value in ([0.5, -0.5], [1.2, 6.9], [0.7, 1.5])
        ],
        delta=1e-5,
    )
    for actual, expected in zip(theoretical, numerical, strict=True):
      self.assertAllClose(actual, expected, atol=1e-7)

  def test_equals_a_mixture_of_quantized_logistics(self):
    d = _small()
    component = tfd.QuantizedDistribution(
        # TFP's bin of x ends at x.
        tfd.TransformedDistribution(
            tfd.Logistic(d.loc, d.scale), tfb.Shift(-0.5)
        ),
        low=0.0,
        high=7.0,
    )
    mixture = tfd.MixtureSameFamily(tfd.Categorical(d.logits), component)
    x = np.arange(8.0, dtype=np.float32)
    self.assertAllClose(d.log_prob(x), mixture.log_prob(x), rtol=1e-4)

  def test_statistics_enumerate_the_range(self):
    d = _small()
    x = np.arange(8.0)
    p = d.prob(x).numpy()
    self.assertAllClose(d.mean(), np.sum(p * x))
    self.assertAllClose(d.variance(), np.sum(p * x**2) - np.sum(p * x) ** 2)
    self.assertAllClose(d.entropy(), -np.sum(p * np.log(p)))
    self.assertAllEqual(d.mode(), x[np.argmax(p)])

  def test_statistics_of_a_range_that_does_not_begin_at_zero(self):
    d = DiscretizedLogisticMixture(
        [[0.0], [0.0]], [[-3.0], [1e3]], [[1e-3], [1e-3]], low=-5, high=5
    )
    self.assertAllClose(d.mean(), [-3.0, 5.0])
    self.assertAllClose(d.mode(), [-3.0, 5.0])
    self.assertAllClose(d.variance(), [0.0, 0.0])

  def test_sample_frequencies(self):
    d = _small()
    num_samples = 100000
    x = d.sample(num_samples, seed=[0, 1])
    frequency = np.bincount(x.numpy().astype(int), minlength=8) / num_samples
    p = d.prob(np.arange(8.0)).numpy()
    self.assertLen(frequency, 8)
    # Five standard errors.
    error = 5 * np.sqrt(p * (1 - p) / num_samples)
    self.assertAllLessEqual(np.abs(frequency - p) - error, 0.0)

  def test_broadcasts_batches_that_draw_independently(self):
    d = DiscretizedLogisticMixture(
        tf.zeros([2, 1, 3]), tf.fill([64, 3], 100.0), tf.fill([3], 10.0)
    )
    self.assertEqual(d.batch_shape, [2, 64])
    self.assertEqual(d.event_shape, [])
    x = d.sample(5, seed=[0, 1])
    self.assertAllEqual(x.shape, [5, 2, 64])
    self.assertGreater(len(np.unique(x[0])), 16)
    self.assertAllEqual(d.mean().shape, [2, 64])
    self.assertAllEqual(d[0, 3:].batch_shape, [61])

  def test_accepts_integers_and_half_precision(self):
    x = np.arange(8)
    self.assertAllClose(_small().log_prob(x), _small().log_prob(1.0 * x))
    d = DiscretizedLogisticMixture(
        *(
            tf.cast(v, tf.bfloat16)
            for v in ([0.0, 1.0], [3.0, 90.0], [1.0, 8.0])
        )
    )
    self.assertEqual(d.dtype, tf.float32)
    self.assertEqual(d.log_prob(x).dtype, tf.float32)
    self.assertEqual(d.sample(seed=[0, 1]).dtype, tf.float32)

  def test_a_component_of_weight_zero(self):
    logits = tf.constant([0.0, -math.inf])
    with tf.GradientTape() as tape:
      tape.watch(logits)
      d = DiscretizedLogisticMixture(logits, [3.0, 90.0], [1.0, 1.0])
      log_prob = d.log_prob(np.arange(256.0))
    alone = DiscretizedLogisticMixture([0.0], [3.0], [1.0])
    self.assertAllClose(log_prob, alone.log_prob(np.arange(256.0)))
    self.assertAllEqual(tape.gradient(log_prob, logits), [0.0, 0.0])

  def test_same_eager_graph_and_xla_and_dynamic_batch(self):
    x = np.array([0.0, 3.0, 7.0], np.float32)
    parameters = [
        np.tile(np.float32(value), [3, 1])
        for value in ([0.5, -0.5], [1.2, 6.9], [0.7, 1.5])
    ]

    def run(x, *parameters):
      d = DiscretizedLogisticMixture(*parameters, high=7)
      return d.log_prob(x), d.mean(), d.mode()

    signature = [tf.TensorSpec([None])] + [tf.TensorSpec([None, 2])] * 3
    eager = run(x, *parameters)
    graph = tf.function(run, input_signature=signature)(x, *parameters)
    xla = tf.function(run, jit_compile=True)(x, *parameters)
    for e, g, j in zip(eager, graph, xla, strict=True):
      self.assertAllClose(e, g, rtol=1e-5)
      self.assertAllClose(e, j, rtol=1e-5)

  def test_composes(self):
    logits = np.zeros([2, 4, 4, 3], np.float32)
    pixels = DiscretizedLogisticMixture(logits, logits + 99.0, logits + 5.0)
    image = tfd.Independent(pixels, 2)
    x = image.sample(6, seed=[0, 1])
    self.assertAllEqual(x.shape, [6, 2, 4, 4])
    self.assertAllClose(
        image.log_prob(x), tf.reduce_sum(pixels.log_prob(x), [-1, -2])
    )
    returned = tf.function(lambda d: d[0])(pixels)
    self.assertIsInstance(returned, DiscretizedLogisticMixture)
    self.assertEqual((returned.low, returned.high), (0, 255))
    sample = tfd.Sample(_small(), 3)
    self.assertAllEqual(sample.log_prob(sample.sample(seed=[0, 1])).shape, [])
    mixture = tfd.MixtureSameFamily(tfd.Categorical([0.0] * 4), pixels[0, 0])
    self.assertAllClose(mixture.prob(99.0), pixels[0, 0, 0].prob(99.0))

    def model():
      x = yield DiscretizedLogisticMixture([0.0], [3.0], [1.0], name='x')
      yield DiscretizedLogisticMixture([0.0], x[..., tf.newaxis], [1.0])

    joint = tfd.JointDistributionCoroutineAutoBatched(model)
    self.assertAllEqual(joint.log_prob(joint.sample(5, seed=0)).shape, [5])

  def test_variables_are_kept_by_reference(self):
    loc = tf.Variable([3.0])
    d = DiscretizedLogisticMixture([0.0], loc, [1e-3])
    self.assertLen(d.trainable_variables, 1)
    loc.assign([7.0])
    self.assertAllEqual(d.mode(), 7.0)

  @parameterized.named_parameters(
      ('nan', [math.nan], [0.0], [1.0], 'logits'),
      ('loc', [0.0], [math.inf], [1.0], 'loc'),
      ('zero', [0.0], [0.0], [0.0], 'scale'),
      ('infinite', [0.0], [0.0], [math.inf], 'scale'),
  )
  def test_validates_parameters(self, logits, loc, scale, message):
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, message):
      DiscretizedLogisticMixture(logits, loc, scale, validate_args=True)

  @parameterized.parameters(-1.0, 8.0, 0.5, math.nan)
  def test_validates_events(self, x):
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, r'in 0\.\.7'):
      _small(validate_args=True).log_prob(x)

  @parameterized.named_parameters(
      ('range', {'low': 3, 'high': 3}, 'below `high`'),
      ('low', {'low': 0.5, 'high': 3}, 'integers `low` and .*received 0.5'),
      ('high', {'high': 3.0}, 'integers `low` and .*received 3.0'),
      ('components', {'loc': [0.0] * 2}, 'same number of components'),
      ('scalar', {'scale': 1.0}, '`scale` of shape'),
      ('integers', {'loc': tf.constant([0])}, 'floating `loc`'),
  )
  def test_raises(self, arguments, message):
    valid = {'logits': [0.0], 'loc': [0.0], 'scale': [1.0]}
    with self.assertRaisesRegex(ValueError, message):
      DiscretizedLogisticMixture(**{**valid, **arguments})

  def test_an_offset_of_the_log_weights_changes_no_sample(self):
    def sample(offset):
      d = DiscretizedLogisticMixture(
          tf.fill([2], offset), loc=[5.0, 50.0], scale=[1.0, 1.0]
      )
      return d.sample(10_000, seed=[0, 1])

    self.assertAllEqual(sample(1e7), sample(0.0))

  @parameterized.parameters(False, True)
  def test_has_no_mass_but_on_integers_of_the_range(self, jit_compile):
    x = tf.constant([-2.0, -1.0, 5.0, 6.0, 1.5, math.inf, 3.0])

    def run(loc):
      with tf.GradientTape() as tape:
        tape.watch(loc)
        d = DiscretizedLogisticMixture([0.0], loc, [2.0], low=0, high=4)
        log_prob = d.log_prob(x)
        value = tf.reduce_sum(tf.exp(log_prob))
      return log_prob, tape.gradient(value, loc)

    log_prob, gradient = tf.function(run, jit_compile=jit_compile)(
        tf.constant([0.0])
    )
    self.assertAllEqual(log_prob[:6], 6 * [-math.inf])
    self.assertTrue(np.isfinite(log_prob[6]))
    self.assertTrue(np.isfinite(gradient[0]) and gradient[0] != 0.0)

  def test_cdf_is_the_mass_up_to_an_integer(self):
    d = DiscretizedLogisticMixture(
        [0.5, -0.5], [1.2, 6.9], [0.7, 1.4], low=-2, high=8
    )
    x = np.arange(-2.0, 9.0, dtype=np.float32)
    expected = np.cumsum(d.prob(x))
    for below in (0.0, 0.25, 0.75):
      self.assertAllClose(d.cdf(x + np.float32(below)), expected)
    self.assertAllEqual(d.cdf([-2.5, -math.inf]), [0.0, 0.0])
    self.assertAllEqual(d.cdf([8.0, 8.5, math.inf]), [1.0, 1.0, 1.0])
    self.assertAllClose(d.survival_function(x), 1 - expected, atol=1e-6)
    # TFP's rounds up.
    components = tfd.Logistic([0.7, 6.4], [0.7, 1.4])
    theirs = tfd.QuantizedDistribution(components, low=-2, high=8)
    theirs = tf.linalg.matvec(
        theirs.cdf(x[:, np.newaxis]), tf.nn.softmax([0.5, -0.5])
    )
    self.assertAllClose(d.cdf(x), theirs)

  def test_shapes_of_parameters_have_the_components(self):
    cls = DiscretizedLogisticMixture
    for properties in cls.parameter_properties(num_classes=3).values():
      self.assertAllEqual(properties.shape_fn([5]), [5, 3])
    with self.assertRaisesRegex(ValueError, 'number of components'):
      tfp.experimental.util.make_trainable(cls, batch_and_event_shape=[5])


if __name__ == '__main__':
  tf.test.main()
