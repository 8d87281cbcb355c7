"""What all relaxed distributions promise, on each of them."""

import math

from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import distributions

tfb = tfp.bijectors
tfd = tfp.distributions

_CATEGORICAL = (
    ('exp_gumbel_softmax', distributions.ExpGumbelSoftmax),
    ('gumbel_softmax', distributions.GumbelSoftmax),
)
_BINARY = (
    ('logit_relaxed_bernoulli', distributions.LogitRelaxedBernoulli),
    ('relaxed_bernoulli', distributions.RelaxedBernoulli),
)
_ALL = _CATEGORICAL + _BINARY
_SEED = (3, 5)


def _logits(shape, dtype=np.float32, seed=0):
  return np.random.RandomState(seed).normal(0.0, 2.0, shape).astype(dtype)


def _probs(cls, dtype=np.float32):
  # In double precision and then rounded, as a user's would be.
  if issubclass(cls, tuple(c for _, c in _BINARY)):
    return np.array([0.1, 0.7, 0.2], dtype)
  return np.array([[0.1, 0.7, 0.2], [0.3, 0.3, 0.4]], dtype)


class RelaxationTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.named_parameters(*_ALL)
  def test_takes_exactly_one_of_logits_and_probs(self, cls):
    with self.assertRaisesRegex(ValueError, 'received neither'):
      cls(0.5)
    with self.assertRaisesRegex(ValueError, 'received both'):
      cls(0.5, logits=[0.0, 0.0], probs=[0.5, 0.5])

  @parameterized.named_parameters(*_ALL)
  def test_probs_and_their_logits_are_the_same_law(self, cls):
    probs = _probs(cls)
    d = cls(0.5, probs=probs)
    same = cls(0.5, logits=d.logits_parameter())
    self.assertAllClose(same.probs_parameter(), probs, rtol=1e-5)
    self.assertAllClose(d.probs_parameter(), probs)
    x = d.sample(4, seed=_SEED).numpy()
    self.assertAllClose(d.log_prob(x), same.log_prob(x), rtol=1e-4)

  @parameterized.named_parameters(*_ALL)
  def test_rejects_a_static_temperature_that_is_not_positive(self, cls):
    for temperature in (0.0, -1.0, math.nan, [1.0, 0.0], tf.constant(0.0)):
      with self.assertRaisesRegex(ValueError, 'Expected a positive'):
        cls(temperature, logits=[[0.0, 0.0], [0.0, 0.0]])

  @parameterized.named_parameters(*_ALL)
  def test_rejects_integer_parameters(self, cls):
    with self.assertRaisesRegex(ValueError, 'Expected floating `logits`'):
      cls(1.0, logits=tf.constant([0, 1]))

  # A temperature that only the graph knows, and a variable changed later.
  @parameterized.named_parameters(*_ALL)
  def test_validate_args_checks_temperatures_at_run_time(self, cls):
    @tf.function
    def sample(temperature):
      d = cls(temperature, logits=[0.0, 1.0], validate_args=True)
      return d.sample(seed=_SEED)

    sample(tf.constant(1.0))
    for bad in (0.0, math.nan):
      with self.assertRaisesRegex(
          tf.errors.InvalidArgumentError, 'Expected a positive `temperature`'
      ):
        sample(tf.constant(bad))
    temperature = tf.Variable(1.0)
    d = cls(temperature, logits=[0.0, 1.0], validate_args=True)
    d.sample(seed=_SEED)
    temperature.assign(-0.1)
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, 'Expected a positive `temperature`'
    ):
      d.sample(seed=_SEED)

  @parameterized.named_parameters(*_ALL)
  def test_validate_args_rejects_nan_logits(self, cls):
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, 'Expected `logits`'
    ):
      cls(1.0, logits=[0.0, math.nan], validate_args=True)
    logits = tf.Variable([0.0, 1.0])
    d = cls(1.0, logits=logits, validate_args=True)
    logits.assign([math.nan, 1.0])
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, 'Expected `logits`'
    ):
      d.logits_parameter()

  @parameterized.named_parameters(
      (f'{name}_{i}', cls, probs)
      for classes, bad in (
          (_CATEGORICAL, ([0.5, 0.6], [-0.1, 1.1], [math.nan, 1.0])),
          (_BINARY, ([0.5, 1.01], [-0.01, 0.5], [math.nan, 1.0])),
      )
      for name, cls in classes
      for i, probs in enumerate(bad)
  )
  def test_validate_args_rejects_improper_probs(self, cls, probs):
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, r'Expected .*`probs`'
    ):
      cls(1.0, probs=probs, validate_args=True)
    good = [0.5, 0.5]
    variable = tf.Variable(good)
    d = cls(1.0, probs=variable, validate_args=True)
    d.sample(seed=_SEED)
    variable.assign(probs)
    with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, r'Expected .*`probs`'
    ):
      d.sample(seed=_SEED)

  @parameterized.named_parameters(
      ('log_outside', distributions.ExpGumbelSoftmax, [-0.2, -3.0]),
      ('log_infinite', distributions.ExpGumbelSoftmax, [0.0, -math.inf]),
      ('log_nan', distributions.ExpGumbelSoftmax, [0.0, math.nan]),
      ('simplex_outside', distributions.GumbelSoftmax, [0.4, 0.3]),
      ('simplex_zero', distributions.GumbelSoftmax, [1.0, 0.0]),
      ('simplex_subnormal', distributions.GumbelSoftmax, [1.0, 1e-40]),
      ('simplex_nan', distributions.GumbelSoftmax, [math.nan, 0.5]),
      ('logit', distributions.LogitRelaxedBernoulli, [0.0, math.inf]),
      ('unit_zero', distributions.RelaxedBernoulli, [0.5, 0.0]),
      ('unit_one', distributions.RelaxedBernoulli, [0.5, 1.0]),
      ('unit_above', distributions.RelaxedBernoulli, [0.5, 1.2]),
  )
  def test_validate_args_rejects_improper_samples(self, cls, value):
    d = cls(1.0, logits=[0.0, 1.0], validate_args=True)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'Expected '):
      d.log_prob(value)

  @parameterized.product(
      cls=[c for _, c in _ALL], dtype=['float16', 'bfloat16', 'float64']
  )
  def test_own_samples_pass_validation(self, cls, dtype):
    logits = tf.cast(np.random.RandomState(0).normal(size=[3, 4]), dtype)
    d = cls(2.0, logits, validate_args=True)
    x, log_prob = d.experimental_sample_and_log_prob(1000, seed=_SEED)
    if cls is distributions.RelaxedBernoulli and dtype != 'float64':
      # Half precision rounds some values to 1, which is what is to be told.
      x = tf.clip_by_value(
          x, tf.constant(0.01, dtype), tf.constant(0.99, dtype)
      )
    self.assertAllInSet(tf.math.is_finite(d.log_prob(x)), [True])
    self.assertAllInSet(tf.math.is_finite(log_prob), [True])

  @parameterized.product(
      cls=[c for _, c in _ALL], dtype=[tf.float16, tf.bfloat16]
  )
  def test_half_precision_parameters_compute_in_float32(self, cls, dtype):
    half = tf.cast(_logits([2, 5]), dtype)
    d, single = cls(1e-3, half), cls(1e-3, tf.cast(half, tf.float32))
    x, log_prob = d.experimental_sample_and_log_prob(3, seed=_SEED)
    expected_x, expected = single.experimental_sample_and_log_prob(
        3, seed=_SEED
    )
    self.assertEqual(x.dtype, d.dtype)
    self.assertEqual(log_prob.dtype, tf.float32)
    self.assertAllEqual(x, tf.cast(expected_x, x.dtype))
    self.assertAllEqual(log_prob, expected)
    self.assertEqual(d.log_prob(x).dtype, tf.float32)
    # The weight of a Keras model under a mixed policy: float32 beside half.
    self.assertAllEqual(cls(tf.Variable(1e-3), half).sample(3, seed=_SEED), x)

  @parameterized.named_parameters(*_ALL)
  def test_float64_stays_float64(self, cls):
    d = cls(0.5, _logits([2, 3], np.float64))
    x, log_prob = d.experimental_sample_and_log_prob(seed=_SEED)
    self.assertEqual((x.dtype, log_prob.dtype), (tf.float64, tf.float64))

  @parameterized.named_parameters(*_ALL)
  def test_joint_sample_is_the_sample_and_its_log_prob(self, cls):
    d = cls(1.5, _logits([4, 3]))
    x, log_prob = d.experimental_sample_and_log_prob([2, 5], seed=_SEED)
    self.assertAllEqual(x, d.sample([2, 5], seed=_SEED))
    self.assertAllClose(log_prob, d.log_prob(x.numpy()), rtol=1e-4, atol=1e-4)
    self.assertNotAllEqual(x, d.sample([2, 5], seed=(3, 6)))

  # At any temperature, and of the same sample: logits and temperature, through
  # the sample, and the sample itself.
  @parameterized.product(
      cls=[c for _, c in _ALL], temperature=[1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0]
  )
  def test_joint_values_and_gradients_are_finite(self, cls, temperature):
    logits = tf.constant(np.linspace(-50.0, 50.0, 30).reshape(3, 10), 'float32')
    temperature = tf.constant(temperature)
    with tf.GradientTape() as tape:
      tape.watch([logits, temperature])
      d = cls(temperature, logits)
      x, log_prob = d.experimental_sample_and_log_prob(100, seed=_SEED)
    gradients = tape.gradient([x, log_prob], [logits, temperature])
    for value in (x, log_prob, *gradients):
      self.assertAllInSet(tf.math.is_finite(value), [True])

  @parameterized.named_parameters(*_ALL)
  def test_log_prob_of_extreme_values_is_never_nan(self, cls):
    logits = tf.constant(np.linspace(-50.0, 50.0, 30).reshape(3, 10), 'float32')
    for t in (1e-3, 1.0, 100.0):
      temperature = tf.constant(t)
      x = tf.constant(cls(t, logits).sample(100, seed=_SEED).numpy())
      with tf.GradientTape() as tape:
        tape.watch([logits, temperature, x])
        log_prob = cls(temperature, logits).log_prob(x)
      gradients = tape.gradient(log_prob, [logits, temperature, x])
      for value in (log_prob, *gradients):
        self.assertAllInSet(tf.math.is_nan(value), [False])

  # Float64, central differences: the error is about 1e-8.
  @parameterized.product(cls=[c for _, c in _ALL], argument=['logits', 'probs'])
  def test_gradients_match_finite_differences(self, cls, argument):
    probs = _probs(cls, np.float64)
    value = np.log(probs) if argument == 'logits' else probs
    x = cls(0.7, probs=probs).sample(seed=_SEED).numpy()

    def log_prob(value, temperature, x):
      return cls(temperature, **{argument: value}).log_prob(x)

    def sample(value, temperature):
      return cls(temperature, **{argument: value}).sample(seed=_SEED)

    arguments = [tf.constant(value), tf.constant(0.7, tf.float64)]
    for function, inputs in (
        (log_prob, [*arguments, tf.constant(x)]),
        (sample, arguments),
    ):
      theoretical, numerical = tf.test.compute_gradient(
          function, inputs, delta=1e-6
      )
      for ours, theirs in zip(theoretical, numerical, strict=True):
        self.assertAllClose(ours, theirs, rtol=1e-5, atol=1e-6)

  @parameterized.named_parameters(*_ALL)
  def test_variables_are_kept_by_reference(self, cls):
    temperature, logits = tf.Variable(0.5), tf.Variable(_logits([2, 3]))
    d = cls(temperature, logits)
    self.assertLen(d.trainable_variables, 2)
    for derive in (
        lambda: d,
        lambda: d.copy(),
        lambda: d[...],
        lambda: d[tf.newaxis][0],
    ):
      with tf.GradientTape() as tape:
        copy = derive()
        _, log_prob = copy.experimental_sample_and_log_prob(seed=_SEED)
        loss = tf.reduce_sum(copy.sample(seed=_SEED) ** 2) + tf.reduce_sum(
            log_prob
        )
      for gradient in tape.gradient(loss, [temperature, logits]):
        self.assertIsNotNone(gradient)
    before = d.sample(seed=_SEED)
    temperature.assign(2.0)
    self.assertNotAllClose(d.sample(seed=_SEED), before)

  @parameterized.named_parameters(*_ALL)
  def test_passes_in_and_out_of_a_function(self, cls):
    @tf.function
    def double(d):
      return cls(2 * d.temperature, logits=d.logits), d.sample(seed=_SEED)

    d = cls(0.5, logits=_logits([2, 3]))
    doubled, x = double(d)
    self.assertIsInstance(doubled, cls)
    self.assertAllEqual(x, d.sample(seed=_SEED))
    self.assertAllClose(doubled.temperature, 1.0)

  @parameterized.named_parameters(*_ALL)
  def test_shapes_that_only_the_graph_knows(self, cls):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([None, 3], tf.float32),
        ]
    )
    def run(temperature, logits):
      if issubclass(cls, tuple(c for _, c in _BINARY)):
        temperature = temperature[:, tf.newaxis]
      d = cls(temperature, logits)
      x = d.sample(6, seed=_SEED)
      return x, d.log_prob(x), d.batch_shape_tensor(), d.event_shape_tensor()

    logits = _logits([2, 3])
    x, log_prob, batch_shape, event_shape = run([0.5, 1.0], logits)
    d = cls(
        [[0.5], [1.0]] if cls in [c for _, c in _BINARY] else [0.5, 1.0], logits
    )
    self.assertAllEqual(x, d.sample(6, seed=_SEED))
    self.assertAllClose(log_prob, d.log_prob(x.numpy()), rtol=1e-4)
    self.assertAllEqual(batch_shape, d.batch_shape)
    self.assertAllEqual(event_shape, d.event_shape)

  @parameterized.named_parameters(*_ALL)
  def test_xla_equals_eager_given_the_sample(self, cls):
    logits = _logits([2, 3])
    x = cls(2.0, logits).sample(4, seed=_SEED).numpy()

    @tf.function(jit_compile=True)
    def compiled(temperature, logits, x):
      d = cls(temperature, logits)
      return d.log_prob(x), d.experimental_sample_and_log_prob(4, seed=_SEED)

    log_prob, (y, joint) = compiled(tf.constant(2.0), logits, x)
    self.assertAllClose(log_prob, cls(2.0, logits).log_prob(x), rtol=1e-4)
    # XLA draws other bits from the same seed.
    self.assertAllClose(
        joint, cls(2.0, logits).log_prob(y.numpy()), rtol=1e-3, atol=1e-3
    )

  @parameterized.named_parameters(*_ALL)
  def test_event_space_bijector_maps_into_the_support(self, cls):
    d = cls(1.0, _logits([2, 3]), validate_args=True)
    bijector = d.experimental_default_event_space_bijector()
    shape = bijector.inverse_event_shape(d.batch_shape + d.event_shape)
    x = bijector.forward(tf.random.stateless_normal(shape, _SEED))
    self.assertAllInSet(tf.math.is_finite(d.log_prob(x.numpy())), [True])

  @parameterized.named_parameters(*_CATEGORICAL)
  def test_event_space_bijector_keeps_the_mass(self, cls):
    for num_classes in (2, 3):
      d = cls(1.0, _logits([num_classes]))
      bijector = d.experimental_default_event_space_bijector()
      # A grid of step 1/4: the densities are smooth and end before 20.
      axis = np.arange(-20.0, 20.0, 0.25, np.float32)
      u = np.stack(np.meshgrid(*[axis] * (num_classes - 1)), axis=-1)
      x = bijector.forward(u).numpy()
      log_jacobian = bijector.forward_log_det_jacobian(u, event_ndims=1)
      log_density = d.log_prob(x) + log_jacobian
      mass = tf.reduce_sum(tf.exp(log_density)) * 0.25 ** (num_classes - 1)
      self.assertAllClose(mass, 1.0, rtol=1e-4)
      inverse = bijector.inverse_log_det_jacobian(x, event_ndims=1)
      self.assertAllClose(inverse, -log_jacobian, rtol=1e-4, atol=1e-4)

  @parameterized.named_parameters(*_ALL)
  def test_parameters_can_be_built_from_their_annotations(self, cls):
    sample_shape = [5, 3]
    properties = cls.parameter_properties()
    parameters = {
        name: properties[name].default_constraining_bijector_fn()(
            tf.zeros(
                properties[name]
                .default_constraining_bijector_fn()
                .inverse_event_shape(properties[name].shape_fn(sample_shape))
            )
        )
        for name in ('temperature', 'probs')
    }
    d = cls(**parameters, validate_args=True)
    self.assertAllEqual(d.batch_shape + d.event_shape, sample_shape)

  @parameterized.named_parameters(
      (f'{name}_{statistic}', cls, statistic)
      for name, cls, statistics in (
          (*_CATEGORICAL[0], ('mean', 'variance')),
          (*_CATEGORICAL[1], ('mean', 'variance', 'mode', 'entropy')),
          (*_BINARY[1], ('mean', 'variance', 'mode', 'entropy')),
      )
      for statistic in statistics
  )
  def test_statistics_without_closed_form_name_what_to_use(
      self, cls, statistic
  ):
    with self.assertRaisesRegex(
        NotImplementedError, f'`{statistic}` of .* has no closed form; use '
    ):
      getattr(cls(1.0, [0.0, 1.0]), statistic)()

  @parameterized.named_parameters(*_ALL)
  def test_composes_with_independent_sample_and_mixture(self, cls):
    d = cls(1.0, _logits([4, 3]))
    event_ndims = d.event_shape.rank
    independent = tfd.Independent(d, 1)
    x, log_prob = independent.experimental_sample_and_log_prob(2, seed=_SEED)
    self.assertAllClose(
        log_prob, tf.reduce_sum(d.log_prob(x.numpy()), axis=-1), rtol=1e-3
    )
    repeated = tfd.Sample(d, 5)
    y = repeated.sample(seed=_SEED).numpy()
    moved = np.moveaxis(y, -1 - event_ndims, 0)
    self.assertAllClose(
        repeated.log_prob(y),
        tf.reduce_sum(d.log_prob(moved), axis=0),
        rtol=1e-4,
    )
    components = cls(1.0, _logits([4, 3]))
    num_components = components.batch_shape[-1]
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.zeros([num_components])), components
    )
    z = mixture.sample(6, seed=_SEED).numpy()
    expanded = np.expand_dims(z, -1 - event_ndims)
    self.assertAllClose(
        mixture.log_prob(z),
        tf.reduce_logsumexp(components.log_prob(expanded), axis=-1)
        - math.log(num_components),
        rtol=1e-4,
        atol=1e-4,
    )

  @parameterized.named_parameters(*_ALL)
  def test_composes_with_joint_distributions(self, cls):
    @tfd.JointDistributionCoroutineAutoBatched
    def joint():
      scale = yield tfd.LogNormal(0.0, 0.1, name='scale')
      x = yield cls(scale, logits=_logits([3]), name='x')
      yield tfd.Normal(tf.reduce_sum(x), 1.0, name='y')

    # An integer seed: TFP loops over a batch of draws with a stateless one.
    tf.random.set_seed(0)
    sample, log_prob = joint.experimental_sample_and_log_prob(4, seed=0)
    d = cls(sample.scale[:, tf.newaxis], logits=_logits([1, 3]))
    expected = (
        tfd.LogNormal(0.0, 0.1).log_prob(sample.scale)
        + tf.reduce_sum(tf.reshape(d.log_prob(sample.x), [4, -1]), axis=-1)
        + tfd.Normal(tf.reduce_sum(sample.x, axis=-1), 1.0).log_prob(sample.y)
    )
    self.assertAllClose(log_prob, expected, rtol=1e-4, atol=1e-4)

  # The surrogate is of the family of its target, from which it starts at a
  # distance of .24 in probability. The last steps wander by less than .03.
  @parameterized.named_parameters(_CATEGORICAL[0], _BINARY[0])
  def test_composes_with_tfp_vi(self, cls):
    target, logits = cls(1.0, [1.0, 0.0, -1.0]), tf.Variable([0.0, 0.0, 0.0])
    num_summed = target.batch_shape.rank
    target = tfd.Independent(target, num_summed)
    surrogate = tfd.Independent(cls(1.0, logits), num_summed)
    optimizer = tf.optimizers.Adam(0.1)

    @tf.function
    def step(seed):
      with tf.GradientTape() as tape:
        loss = tfp.vi.monte_carlo_variational_loss(
            target.log_prob, surrogate, sample_size=256, seed=seed
        )
      optimizer.apply(tape.gradient(loss, [logits]), [logits])

    for i in range(150):
      step(tf.constant([0, i]))
    self.assertAllClose(
        surrogate.distribution.probs_parameter(),
        target.distribution.probs_parameter(),
        atol=0.03,
    )


class CategoricalRelaxationTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      cls=[c for _, c in _CATEGORICAL],
      shape=[(), (4,), (4, 1), (1,), (1, 1)],
  )
  def test_temperature_shapes_of_batched_logits(self, cls, shape):
    temperature = np.random.RandomState(1).uniform(0.3, 3.0, shape)
    temperature = temperature.astype(np.float32)
    logits = _logits([4, 3])
    d = cls(temperature, logits)
    self.assertEqual(d.batch_shape, [4])
    self.assertAllEqual(d.batch_shape_tensor(), [4])
    x, log_prob = d.experimental_sample_and_log_prob(5, seed=_SEED)
    full = np.broadcast_to(temperature.reshape(-1), [4])
    expected = cls(full, logits)
    self.assertAllEqual(x, expected.sample(5, seed=_SEED))
    self.assertAllEqual(log_prob, expected.log_prob(x) * 0 + log_prob)
    self.assertAllClose(
        d.log_prob(x.numpy()), expected.log_prob(x.numpy()), rtol=1e-6
    )
    for i in range(4):
      one = d[i]
      self.assertEqual(one.batch_shape, [])
      self.assertAllClose(
          one.log_prob(x[:, i].numpy()), d.log_prob(x.numpy())[:, i], rtol=1e-5
      )
    self.assertEqual(d[1:3].batch_shape, [2])
    self.assertEqual(d[tf.newaxis, ..., ::2].batch_shape, [1, 2])
    self.assertAllClose(
        d[tf.newaxis, ..., ::2].log_prob(x[:, tf.newaxis, ::2].numpy()),
        d.log_prob(x.numpy())[:, tf.newaxis, ::2],
        rtol=1e-5,
    )

  @parameterized.product(
      cls=[c for _, c in _CATEGORICAL], shape=[(3,), (4, 3), (1, 4), (4, 4)]
  )
  def test_refuses_temperatures_that_would_only_broadcast(self, cls, shape):
    with self.assertRaisesRegex(
        ValueError, 'Expected a `temperature` of shape'
    ):
      cls(tf.ones(shape), _logits([4, 3]))

  def test_refuses_a_temperature_of_unknown_rank(self):
    @tf.function(input_signature=[tf.TensorSpec(None)])
    def make(temperature):
      return distributions.GumbelSoftmax(temperature, [0.0, 1.0])

    with self.assertRaisesRegex(ValueError, 'of static rank'):
      make.get_concrete_function()

  # Each temperature has noise of its own.
  @parameterized.named_parameters(*_CATEGORICAL)
  def test_logits_of_one_law_take_a_batch_of_temperatures(self, cls):
    d = cls([0.5, 0.5, 2.0], _logits([4]))
    self.assertEqual(d.batch_shape, [3])
    x = d.sample(seed=_SEED)
    self.assertEqual(x.shape, [3, 4])
    self.assertNotAllClose(x[0], x[1])
    self.assertEqual(d[:2].batch_shape, [2])
    self.assertEqual(d.log_prob(x).shape, [3])

  @parameterized.named_parameters(*_CATEGORICAL)
  def test_needs_two_classes_or_more_and_a_static_number(self, cls):
    for logits in (1.0, [0.0], [[0.0], [0.0]]):
      with self.assertRaisesRegex(ValueError, 'static K of at least 2'):
        cls(1.0, logits)

    @tf.function(input_signature=[tf.TensorSpec([2, None])])
    def sample(logits):
      return cls(1.0, logits).sample(seed=_SEED)

    with self.assertRaisesRegex(ValueError, 'static K of at least 2'):
      sample.get_concrete_function()

  @parameterized.named_parameters(*_CATEGORICAL)
  def test_refuses_a_sample_of_other_classes(self, cls):
    with self.assertRaisesRegex(ValueError, 'Expected an event of shape'):
      cls(1.0, [0.0, 1.0, 2.0]).log_prob([0.5, 0.5])

  @parameterized.named_parameters(*_CATEGORICAL)
  def test_number_of_classes_of_a_sample_may_be_unknown(self, cls):
    d = cls(0.5, [0.0, 1.0, 2.0])
    log_prob = tf.function(
        d.log_prob, input_signature=[tf.TensorSpec([None, None])]
    )
    x = d.sample(2, seed=_SEED)
    self.assertAllClose(log_prob(x), d.log_prob(x.numpy()), rtol=1e-4)
    with self.assertRaises(tf.errors.InvalidArgumentError):
      log_prob(x[:, :1])

  # 4.5 standard errors of a frequency, over 20 of them.
  @parameterized.product(
      cls=[c for _, c in _CATEGORICAL], temperature=[0.01, 1.0, 50.0]
  )
  def test_argmax_of_samples_is_categorical(self, cls, temperature):
    num_draws = 40000
    d = cls(temperature, _logits([4, 5]))
    index = tf.argmax(d.sample(num_draws, seed=_SEED), axis=-1)
    frequency = tf.reduce_mean(tf.one_hot(index, 5), axis=0)
    probs = d.to_categorical().probs_parameter()
    sigma = tf.sqrt(probs * (1 - probs) / num_draws)
    self.assertAllInSet(tf.abs(frequency - probs) < 4.5 * sigma + 1e-5, [True])

  # In the same order, so that the random bits of the coordinates pair up: half
  # of them could be constant and no marginal would tell.
  @parameterized.named_parameters(*_CATEGORICAL)
  def test_coordinates_and_draws_are_independent(self, cls):
    x = cls(1.0, tf.zeros([2, 3])).sample(20000, seed=_SEED).numpy()
    ratio = np.log(x) if cls is distributions.GumbelSoftmax else x
    ratio = (ratio[..., :1] - ratio[..., 1:]).reshape(20000, -1)
    correlation = np.corrcoef(ratio.T)
    # One half within a batch member, which shares a coordinate; none across.
    expected = np.kron(np.eye(2), [[1.0, 0.5], [0.5, 1.0]])
    self.assertAllClose(correlation, expected, atol=4.5 / math.sqrt(20000))
    self.assertAllClose(
        np.corrcoef(ratio[1:, 0], ratio[:-1, 0])[0, 1],
        0.0,
        atol=4.5 / math.sqrt(20000),
    )

  @parameterized.named_parameters(*_CATEGORICAL)
  def test_to_categorical_shares_the_parameters(self, cls):
    logits = tf.Variable([0.0, 1.0, 2.0])
    categorical = cls(0.1, logits).to_categorical()
    self.assertAllEqual(categorical.mode(), [0.0, 0.0, 1.0])
    logits.assign([5.0, 1.0, 2.0])
    self.assertAllEqual(categorical.mode(), [1.0, 0.0, 0.0])
    from_probs = cls(0.1, probs=[0.2, 0.8]).to_categorical()
    self.assertAllClose(from_probs.probs_parameter(), [0.2, 0.8])


class BinaryRelaxationTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      cls=[c for _, c in _BINARY], shape=[(), (2, 3), (2, 1), (1, 3)]
  )
  def test_temperature_shapes(self, cls, shape):
    temperature = np.random.RandomState(1).uniform(0.3, 3.0, shape)
    temperature = temperature.astype(np.float32)
    logits = _logits([2, 3])
    d = cls(temperature, logits)
    self.assertEqual(d.batch_shape, [2, 3])
    expected = cls(np.broadcast_to(temperature, [2, 3]), logits)
    x = d.sample(5, seed=_SEED).numpy()
    self.assertAllEqual(x, expected.sample(5, seed=_SEED))
    self.assertAllClose(d.log_prob(x), expected.log_prob(x), rtol=1e-6)
    self.assertAllClose(
        d[1, ::2].log_prob(x[:, 1, ::2]), d.log_prob(x)[:, 1, ::2], rtol=1e-6
    )

  @parameterized.product(
      cls=[c for _, c in _BINARY], shape=[(3,), (3, 2), (4, 3)]
  )
  def test_refuses_temperatures_that_would_only_broadcast(self, cls, shape):
    with self.assertRaisesRegex(
        ValueError, 'Expected a `temperature` of shape'
    ):
      cls(tf.ones(shape), _logits([2, 3]))

  # 4.5 standard errors of a frequency.
  @parameterized.product(
      cls=[c for _, c in _BINARY], temperature=[0.01, 1.0, 50.0]
  )
  def test_rounded_samples_are_bernoulli(self, cls, temperature):
    num_draws = 40000
    d = cls(temperature, probs=[0.01, 0.2, 0.5, 0.9])
    threshold = 0.5 if cls is distributions.RelaxedBernoulli else 0.0
    x = d.sample(num_draws, seed=_SEED)
    frequency = tf.reduce_mean(tf.cast(x > threshold, tf.float32), axis=0)
    probs = d.to_bernoulli().probs_parameter()
    sigma = tf.sqrt(probs * (1 - probs) / num_draws)
    self.assertAllInSet(tf.abs(frequency - probs) < 4.5 * sigma, [True])

  @parameterized.named_parameters(*_ALL)
  def test_an_infinite_logit_leaves_the_temperature_its_gradient(self, cls):
    is_binary = issubclass(cls, tuple(c for _, c in _BINARY))
    infinity = math.inf if is_binary else -math.inf

    def slopes(logit):
      temperature = tf.Variable(0.5)
      with tf.GradientTape(persistent=True) as tape:
        d = cls(temperature, logits=[0.0, 1.0, logit])
        x = d.sample(5, seed=_SEED)
        squash = tf.sigmoid if is_binary else tf.exp
        values = [tf.reduce_sum(squash(x) ** 2)]
        if is_binary:  # Of the others, as the last has no density.
          log_prob = d.log_prob(tf.stop_gradient(x))[..., :2]
          values.append(tf.reduce_sum(log_prob))
      return [tape.gradient(value, temperature) for value in values]

    # All but impossible, or certain, and no infinity.
    expected = slopes(math.copysign(80.0, infinity))
    self.assertNotAllClose(expected[0], 0.0)
    self.assertAllClose(slopes(infinity), expected, rtol=1e-4)


if __name__ == '__main__':
  tf.test.main()
