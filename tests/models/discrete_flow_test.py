import itertools
import os

from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import layers
from discrete_lvm import models
from discrete_lvm import ops
from discrete_lvm import training

tfd = tfp.distributions

LENGTH, K = 3, 4
MASK = np.array([True, False, True])
CODES = np.array(list(itertools.product(range(K), repeat=LENGTH)), np.int32)
EVENTS = np.eye(K, dtype=np.float32)[CODES]
BASE_LOGITS = np.random.default_rng(1).normal(size=[LENGTH, K])
STACKS = ('none', 'autoregressive', 'bipartite', 'sorting', 'all')
# Three batches of 20.
X = np.random.default_rng(0).integers(K, size=[60, LENGTH]).astype(np.int32)


@keras.saving.register_keras_serializable(package='discrete_flow_test')
class Rotation(keras.layers.Layer):
  """A flow of a user's: adds one to every token; has no weights."""

  def call(self, inputs):
    return tf.roll(inputs, 1, axis=-1)

  def generate(self, inputs):
    return tf.roll(inputs, -1, axis=-1)


@keras.saving.register_keras_serializable(package='discrete_flow_test')
class ContextNetwork(keras.layers.Layer):
  """Outputs that depend on the context at the same position alone."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.dense = keras.layers.Dense(K, use_bias=False)

  def build(self, inputs_shape, context_shape):
    del inputs_shape
    self.dense.build(context_shape)
    self.dense.kernel.assign(
        np.random.default_rng(3).normal(size=[context_shape[-1], K])
    )

  def call(self, inputs, context):
    return self.dense(context) + 0.0 * inputs


def _made(num_outputs, seed, **kwargs):
  return layers.MADE(num_outputs, [16], seed=seed, **kwargs)


def _table(num_outputs, mask, seed):
  return layers.BipartiteContextTable(num_outputs, mask, seed=seed)


def _flows(stack, gradient='softmax'):
  if stack == 'none':
    return []
  if stack == 'autoregressive':
    return [
        layers.DiscreteAutoregressiveFlow(_made(2 * K, 0), gradient),
        layers.PermutePositions('reverse'),
        layers.DiscreteAutoregressiveFlow(_made(K, 1), gradient),
    ]
  if stack == 'bipartite':
    return [
        layers.DiscreteBipartiteFlow(_table(2 * K, m, i), m, gradient)
        for i, m in enumerate([MASK, ~MASK])
    ]
  if stack == 'predicted':
    return [
        layers.DiscreteBipartiteFlow(_table(K, m, i), m, 'cross_entropy')
        for i, m in enumerate([MASK, ~MASK])
    ]
  if stack == 'sorting':
    return [
        layers.DiscreteSortingFlow(_table(K, m, i), m)
        for i, m in enumerate([MASK, ~MASK])
    ]
  return [
      _flows('bipartite', gradient)[1],
      Rotation(),
      layers.PermutePositions([1, 2, 0]),
      _flows('sorting')[0],
      _flows('autoregressive', gradient)[0],
  ]


def _make(stack='autoregressive', base=False, **kwargs):
  model = models.DiscreteFlow(
      _flows(stack, **kwargs), LENGTH, K, base=_made(K, 5) if base else None
  )
  if not base:
    model.base_logits.assign(BASE_LOGITS)
  return model


def _probs(model, context=None):
  """Enumerates the law: float64 `[K ** LENGTH]`."""
  return np.exp(model.log_prob(CODES, context).numpy().astype('float64'))


def _chi_square(samples, probs):
  """Returns by how many sigmas a sample is off."""
  index = samples @ (K ** np.arange(LENGTH)[::-1])
  counts = np.bincount(index, minlength=len(probs))
  expected = len(samples) * probs
  statistic = ((counts - expected) ** 2 / expected).sum()
  degrees = len(probs) - 1
  return (statistic - degrees) / np.sqrt(2 * degrees)


class LawTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(stack=STACKS, base=(False, True))
  def test_moves_the_mass_of_the_base(self, stack, base):
    model = _make(stack, base)
    probs = _probs(model)
    self.assertAllClose(probs.sum(), 1.0)
    # Layer by layer through NumPy, from data to base.
    z = EVENTS
    for flow in model.flows:
      z = flow(z).numpy()
    plain = _make('none', base)
    self.assertAllClose(probs, _probs(plain)[z.argmax(-1) @ [16, 4, 1]])
    self.assertEqual(np.allclose(probs, _probs(plain)), stack == 'none')
    self.assertAllClose(model.log_prob(EVENTS), np.log(probs), rtol=1e-5)

  @parameterized.parameters(('bipartite', False), ('all', True))
  def test_samples_follow_the_law(self, stack, base):
    model = _make(stack, base)
    samples = tf.function(lambda: model.sample(10_000, seed=[0, 1]))()
    self.assertEqual(samples.dtype, tf.int32)
    self.assertEqual(samples.shape, [10_000, LENGTH])
    self.assertLess(abs(_chi_square(samples.numpy(), _probs(model))), 4.0)

  def test_options_of_the_base(self):
    base = layers.ContextTable(K, seed=0)
    model = models.DiscreteFlow(_flows('bipartite'), LENGTH, K, base=base)
    # At a low temperature only the likeliest token of the base is left.
    sample = model.sample(20, seed=0, temperature=1e-4)
    self.assertLen(np.unique(sample, axis=0), 1)
    sample = model.sample(200, seed=0, top_k=2)
    self.assertLen(np.unique(sample, axis=0), 2**LENGTH)
    with self.assertRaisesRegex(ValueError, "`base` for the options .'top_k'"):
      _make().sample(2, seed=0, top_k=2)

  def test_impossible_codes(self):
    for code in (-1, K):
      log_prob = _make().log_prob([[0, code, 1], [0, 2, 1]])
      self.assertEqual(log_prob[0], -np.inf)
      self.assertGreater(log_prob[1], -np.inf)

  def test_impossible_codes_have_no_counterpart(self):
    model = _make('bipartite')
    valid = tf.constant([[0, 2, 1]])
    for function in (model.encode, model.decode, tf.function(model.encode)):
      expected = function(valid)[0]
      for code in (-1, K, 2**31 - 1):
        codes = function([[0, code, 1], [0, 2, 1]])
        self.assertAllEqual(codes[0], [-1, -1, -1])
        self.assertAllEqual(codes[1], expected)

  @parameterized.parameters('none', 'bipartite')
  def test_nan_remains(self, stack):
    self.check_nan_remains(stack)

  @parameterized.parameters(
      *(s for s in STACKS if s not in ('none', 'bipartite'))
  )
  @pytest.mark.slow
  def test_nan_remains_slow(self, stack):
    self.check_nan_remains(stack)

  def check_nan_remains(self, stack):
    model = _make(stack)
    events = EVENTS[:6].copy()
    events[0], events[1, 1, 2] = np.nan, np.nan
    # Nor is there a density of what is not one-hot.
    events[2, 1], events[3, 0], events[4, 2] = 1 / K, 0.0, 2 * events[4, 2]
    for function in (
        model.log_prob,
        tf.function(model.log_prob, jit_compile=True),
    ):
      log_prob = function(events)
      self.assertAllEqual(np.isnan(log_prob), 5 * [True] + [False])
      self.assertAllClose(log_prob[5], model.log_prob(CODES[5]))
    for function in (model.encode, model.decode):
      codes = function(events)
      self.assertAllEqual(codes[:5], -np.ones([5, LENGTH]))
      self.assertAllEqual(codes[5], function(CODES[5]))

  @parameterized.parameters('int8', 'uint8', 'int16', 'uint16', 'int64')
  def test_codes_of_any_integer_type(self, dtype):
    num_classes = 2 ** min(16, 8 * tf.as_dtype(dtype).size)
    model = models.DiscreteFlow([], length=2, num_classes=num_classes)
    model.base_logits.assign(
        tf.random.stateless_normal([2, num_classes], [0, 1])
    )
    largest = min(num_classes - 1, tf.as_dtype(dtype).max)
    codes = np.array([[0, largest], [largest, 7]])
    expected = model.log_prob(codes)
    self.assertAllGreater(expected, -np.inf)
    self.assertAllEqual(model.log_prob(codes.astype(dtype)), expected)

  @parameterized.parameters(('sorting', True), ('autoregressive', False))
  def test_distribution_is_that_of_the_model(self, stack, base):
    model = _make(stack, base)
    for dtype, events in (
        (tf.float32, EVENTS),
        (tf.int32, CODES),
        (tf.int64, CODES),
        (tf.uint8, CODES),
    ):
      d = model.distribution(dtype=dtype)
      self.assertEqual(d.event_shape, events.shape[1:])
      self.assertEqual(d.batch_shape, [])
      self.assertAllClose(d.log_prob(events), model.log_prob(CODES))
      sample = d.sample([2, 5], seed=[0, 1])
      self.assertEqual(sample.dtype, dtype)
      self.assertAllClose(
          d.log_prob(sample.numpy()), model.log_prob(sample), rtol=1e-5
      )
      self.assertSetEqual(
          {v.ref() for v in d.trainable_variables},
          {v.value.ref() for v in model.trainable_variables},
      )
    independent = tfd.Independent(tfd.Sample(d, 2), 0)
    self.assertAllClose(
        independent.log_prob(CODES[:2]), tf.reduce_sum(d.log_prob(CODES[:2]))
    )

  @parameterized.parameters(('bipartite', False), ('autoregressive', True))
  def test_eager_results_follow_the_weights(self, stack, base):
    # TFP would return what it computed before, while that is alive.
    model = _make(stack, base)
    events = tf.constant(EVENTS)
    before = model.log_prob(events), model.sample(50, seed=[0, 1])
    d = model.distribution()
    kept = d.bijector.inverse(events), d.sample(50, seed=[0, 1])
    rng = np.random.default_rng(2)
    for variable in model.trainable_variables:
      variable.assign(rng.normal(size=variable.shape))
    other = _make(stack, base)
    other.log_prob(events)
    other.set_weights(model.get_weights())
    self.assertAllEqual(model.log_prob(events), other.log_prob(EVENTS))
    sample = model.sample(50, seed=[0, 1])
    self.assertAllEqual(sample, other.sample(50, seed=[0, 1]))
    self.assertNotAllClose(model.log_prob(events), before[0])
    self.assertNotAllEqual(sample, before[1])
    d = model.distribution()
    self.assertAllClose(d.log_prob(events), other.log_prob(EVENTS))
    self.assertAllClose(d.log_prob(kept[1]), model.log_prob(kept[1].numpy()))


class ConstructionTest(tf.test.TestCase):

  def test_takes_flows_that_come_one_by_one(self):
    flows = _flows('bipartite')
    model = models.DiscreteFlow((flow for flow in flows), LENGTH, K)
    self.assertEqual(model.flows, flows)

  def test_distribution_trains_what_is_not_frozen_and_has_no_mean(self):
    model = _make()
    model.build((None, LENGTH))
    d = model.distribution()
    with self.assertRaises(NotImplementedError):
      d.mean()
    num_weights = len(model.trainable_variables)
    self.assertLen(d.trainable_variables, num_weights)
    frozen = model.flows[0]
    num_frozen = len(frozen.trainable_variables)
    self.assertGreater(num_frozen, 0)
    frozen.trainable = False
    self.assertLen(
        model.distribution().trainable_variables, num_weights - num_frozen
    )


class ContextTest(tf.test.TestCase, parameterized.TestCase):

  def _make(self, base=False):
    return models.DiscreteFlow(
        [
            layers.DiscreteBipartiteFlow(ContextNetwork(), MASK),
            layers.PermutePositions([1, 2, 0]),
            layers.DiscreteAutoregressiveFlow(ContextNetwork()),
        ],
        LENGTH,
        K,
        base=ContextNetwork() if base else None,
    )

  def _context(self, num):
    context = np.random.default_rng(0).normal(size=[num, LENGTH, 2])
    return context.astype('float32')

  @parameterized.parameters(False, True)
  def test_moves_along_with_its_position(self, base):
    model = self._make(base)
    context = self._context(1)
    probs = _probs(model, context)
    self.assertAllClose(probs.sum(), 1.0)
    first, _, second = model.flows
    order = [1, 2, 0]
    moved = context[:, order]
    z = first(EVENTS, context=context).numpy()[:, order]
    z = second(z, context=moved).numpy()
    logits = model.base(EVENTS, context=moved) if base else tf.zeros([3, 4])
    log_prob = tf.reduce_sum(z * tf.nn.log_softmax(logits), [-2, -1])
    self.assertAllClose(np.log(probs), log_prob, rtol=1e-5)

  @parameterized.parameters(False, True)
  def test_samples_and_distribution(self, base):
    model = self._make(base)
    if not base:
      model.base_logits.assign(BASE_LOGITS)
    context = self._context(2)
    sample = model.sample(5_000, seed=[0, 1], context=context)
    self.assertEqual(sample.shape, [5_000, 2, LENGTH])
    d = model.distribution(context)
    self.assertEqual(d.batch_shape, [2])
    self.assertEqual(d.sample(7, seed=[0, 1]).shape, [7, 2, LENGTH, K])
    log_prob = d.log_prob(EVENTS[:, np.newaxis]).numpy()
    for i in range(2):
      probs = _probs(model, context[i])
      self.assertAllClose(log_prob[:, i], np.log(probs), rtol=1e-5)
      self.assertLess(abs(_chi_square(sample[:, i].numpy(), probs)), 4.0)

  def test_fits_saves_and_predicts(self):
    model = self._make(base=True)
    data = {'x': X, 'context': self._context(60)}
    model.compile('adam')
    model.fit(data, batch_size=20, verbose=0)
    result = model.evaluate(data, batch_size=20, verbose=0, return_dict=True)
    log_prob = model.log_prob(data['x'], data['context'])
    self.assertAllClose(
        result['negative_log_likelihood'], -np.mean(log_prob), rtol=1e-5
    )
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllClose(restored.predict(data, verbose=0), log_prob, rtol=1e-6)
    with self.assertRaisesRegex(ValueError, r"received \['context', 'y'\]"):
      model.loss_terms({'y': X, 'context': data['context']})


class TrainingTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(stack=STACKS, base=(False, True))
  def test_gradient_reaches_every_weight(self, stack, base):
    model = _make(stack, base)
    model.log_prob(X)
    with tf.GradientTape() as tape:
      terms = model.loss_terms(X, seed=[0, 1])
      loss = tf.add_n(list(terms.values()))
    variables = model.trainable_variables
    for variable, gradient in zip(
        variables, tape.gradient(loss, variables), strict=True
    ):
      self.assertIsNotNone(gradient, variable.path)
      self.assertGreater(float(tf.norm(gradient)), 1e-4, variable.path)

  @parameterized.parameters('sorting', 'predicted')
  def test_predictions_train_on_their_own_term(self, stack):
    model = _make(stack)
    model.log_prob(X)
    with tf.GradientTape(persistent=True) as tape:
      terms = model.loss_terms(X)
    nll, cross_entropy = terms.values()
    self.assertEqual(cross_entropy.shape, [60])
    tables = [flow.conditioner.table.value for flow in model.flows]
    logits = model.base_logits.value
    for table in tables:
      self.assertIsNone(tape.gradient(nll, table))
      self.assertIsNotNone(tape.gradient(cross_entropy, table))
    self.assertIsNotNone(tape.gradient(nll, logits))
    self.assertIsNone(tape.gradient(cross_entropy, logits))
    first, second = model.flows
    inner = first(X)
    expected = first(X, return_cross_entropy=True)[1]
    expected += second(inner, return_cross_entropy=True)[1]
    self.assertAllClose(cross_entropy, expected)
    self.assertEqual(
        list(model.loss_terms(X, training=False)), ['negative_log_likelihood']
    )

  def test_training_closes_the_gap_to_the_entropy(self):
    self.check_gap('autoregressive', 0.4)

  @parameterized.parameters(
      ('none', 0.0),
      ('bipartite', 0.3),
      ('predicted', 0.5),
      ('sorting', 0.8),
  )
  @pytest.mark.slow
  def test_training_closes_the_gap_to_the_entropy_slow(self, stack, share):
    self.check_gap(stack, share)

  def check_gap(self, stack, share):
    # The share of the gap between the factorised optimum and the entropy.
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.full(K**LENGTH, 0.5))
    entropy = -(probs * np.log(probs)).sum()
    joint = probs.reshape([K] * LENGTH)
    factorised = sum(
        -(m * np.log(m)).sum()
        for m in (joint.sum((1, 2)), joint.sum((0, 2)), joint.sum((0, 1)))
    )
    masks = ~np.eye(LENGTH, dtype=bool)
    flows = {
        'none': [],
        'autoregressive': [
            layers.DiscreteAutoregressiveFlow(layers.ContextTable(K, seed=0))
        ],
        'bipartite': [
            layers.DiscreteBipartiteFlow(_table(K, m, i), m)
            for i, m in enumerate(masks)
        ],
        'predicted': [
            layers.DiscreteBipartiteFlow(_table(K, m, i), m, 'cross_entropy')
            for i, m in enumerate(masks)
        ],
        'sorting': [
            layers.DiscreteSortingFlow(_table(K, m, i), m)
            for i, m in enumerate(masks)
        ],
    }
    model = models.DiscreteFlow(flows[stack], LENGTH, K)
    data = CODES[rng.choice(len(CODES), size=4096, p=probs)]
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(data, batch_size=256, epochs=10, verbose=0)
    nll = -(probs * model.log_prob(CODES).numpy()).sum()
    self.assertGreater(nll, entropy)
    self.assertLess(nll, factorised - share * (factorised - entropy) + 0.02)

  def test_fit_and_trainer_agree(self):
    def make():
      keras.utils.set_random_seed(0)
      return _make('sorting')

    fitted, trained = make(), make()
    fitted.compile(keras.optimizers.SGD(0.1))
    fitted.fit(X, batch_size=20, shuffle=False, verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices(X).batch(20)
    trainer = training.Trainer(
        trained, keras.optimizers.SGD(0.1), self.get_temp_dir()
    )
    history = trainer.fit(
        lambda step: dataset.repeat().skip(step),
        num_steps=3,
        log_every=3,
        eval_batches=dataset,
    ).history
    for a, b in zip(fitted.weights, trained.weights, strict=True):
      self.assertAllClose(a, b, rtol=1e-5, atol=1e-6)
    self.assertAllClose(
        history['val_negative_log_likelihood'][0],
        -np.mean(fitted.log_prob(X)),
        rtol=1e-5,
    )

  @pytest.mark.slow
  def test_trainer_resumes_noise_and_temperature(self):
    def train(output_dir, *num_steps):
      for steps in num_steps:
        keras.utils.set_random_seed(0)
        model = _make('bipartite', gradient='gumbel')
        anneal = [
            training.WeightSchedule(
                flow.temperature, ops.LinearSchedule(1.0, 0.2, num_steps=8)
            )
            for flow in model.flows
        ]
        trainer = training.Trainer(
            model,
            keras.optimizers.SGD(0.1),
            os.path.join(self.get_temp_dir(), output_dir),
            callbacks=anneal,
        )
        trainer.fit(training.ShuffledBatches(X, 20, seed=0), steps)
      return model

    whole, resumed = train('whole', 6), train('resumed', 3, 6)
    self.assertAllClose(whole.flows[1].temperature, 0.5)
    for a, b in zip(whole.variables, resumed.variables, strict=True):
      self.assertAllEqual(a, b)

  @pytest.mark.slow
  def test_fit_compiled_by_xla(self):
    losses = []
    for jit_compile in (False, True):
      model = models.DiscreteFlow(
          [_flows('bipartite')[0], _flows('sorting')[1]], LENGTH, K
      )
      model.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
      history = model.fit(
          EVENTS, batch_size=32, shuffle=False, verbose=0, epochs=2
      ).history
      losses.append([history[name][-1] for name in sorted(history)])
    self.assertAllClose(losses[0], losses[1], rtol=1e-4)

  def test_evaluate_reports_exact_figures(self):
    model = _make('sorting')
    model.compile()
    nll = -model.log_prob(X).numpy()
    for batch_size in (7, 60):
      self.assertAllClose(
          model.evaluate(X, batch_size=batch_size, verbose=0, return_dict=True),
          {
              'negative_log_likelihood': nll.mean(),
              'negative_log_likelihood_stderr': nll.std(ddof=1) / np.sqrt(60),
              'bits_per_token': nll.mean() / LENGTH / np.log(2.0),
          },
          rtol=1e-5,
      )
    self.assertAllClose(model.predict(X, verbose=0), -nll, rtol=1e-5)

  def test_mixed_precision_keeps_events_and_loss(self):
    self.check_mixed_precision_keeps_events_and_loss('mixed_bfloat16')

  @pytest.mark.slow
  def test_mixed_precision_keeps_events_and_loss_slow(self):
    self.check_mixed_precision_keeps_events_and_loss('mixed_float16')

  def check_mixed_precision_keeps_events_and_loss(self, policy):
    previous = keras.mixed_precision.dtype_policy()
    self.addCleanup(keras.mixed_precision.set_dtype_policy, previous)
    keras.mixed_precision.set_dtype_policy(policy)
    model = _make('all', base=True)
    self.assertAllClose(_probs(model).sum(), 1.0, rtol=1e-5)
    terms = model.loss_terms(EVENTS)
    self.assertEqual({t.dtype for t in terms.values()}, {tf.float32})
    self.assertAllClose(model(EVENTS), model.log_prob(CODES), rtol=1e-5)
    model.compile('adam')
    self.assertTrue(np.isfinite(model.fit(X, verbose=0).history['loss'][0]))

  def test_dropout_is_for_training(self):
    class Dropping(keras.layers.Layer):

      def __init__(self):
        super().__init__()
        self.dropout = keras.layers.Dropout(0.5, seed=0)

      def call(self, inputs):
        return self.dropout(tf.ones_like(inputs) * [0.0, 1.0, 2.0, 3.0])

    # Zero logits of the base would hide what the flow does.
    flow = layers.DiscreteBipartiteFlow(Dropping(), MASK)
    flow_model = models.DiscreteFlow([flow], LENGTH, K)
    flow_model.base_logits.assign(BASE_LOGITS)
    base_model = models.DiscreteFlow([], LENGTH, K, base=Dropping())
    for model in (flow_model, base_model):
      first = model.loss_terms(X, training=False)['negative_log_likelihood']
      self.assertAllEqual(first, -model.log_prob(X))
      second = model.loss_terms(X)['negative_log_likelihood']
      self.assertNotAllClose(first, second)


class KerasTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(('none', False), ('bipartite', True))
  def test_survives_a_file(self, stack, base):
    self.check_survives_a_file(stack, base)

  @pytest.mark.slow
  def test_survives_a_file_slow(self):
    self.check_survives_a_file('all', True)

  def check_survives_a_file(self, stack, base):
    model = _make(stack, base)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(X, verbose=0)
    if stack == 'all':
      model.flows[0].temperature.assign(0.25)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored.log_prob(X), model.log_prob(X))
    self.assertAllEqual(
        restored.sample(5, seed=[0, 1]), model.sample(5, seed=[0, 1])
    )
    self.assertAllClose(
        [np.sum(v) for v in restored.optimizer.variables],
        [np.sum(v) for v in model.optimizer.variables],
    )
    if stack == 'all':
      self.assertAllClose(restored.flows[0].temperature, 0.25)
    restored.fit(X, verbose=0)

  def test_regularisers_of_the_networks_count(self):
    network = keras.Sequential([keras.layers.Dense(K, kernel_regularizer='l2')])
    model = models.DiscreteFlow(
        [layers.DiscreteBipartiteFlow(network, MASK)], LENGTH, K
    )
    model.log_prob(X)
    terms = model.loss_terms(X)
    kernel = network.layers[0].kernel.numpy()
    self.assertAllClose(
        terms['regularization'], tf.fill([60], 0.01 * (kernel**2).sum())
    )


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      ({'length': 0}, '`length` of at least 1'),
      ({'num_classes': 1}, '`num_classes` of at least 2'),
      ({'flows': [keras.layers.Dense(4)]}, 'with a method `generate`; recei'),
      ({'flows': [lambda x: x]}, 'Keras layers .*received <function'),
  )
  def test_rejects_arguments(self, kwargs, message):
    valid = {'flows': [], 'length': LENGTH, 'num_classes': K}
    with self.assertRaisesRegex(ValueError, message):
      models.DiscreteFlow(**{**valid, **kwargs})

  @parameterized.parameters(
      (CODES[:, :2],), (EVENTS[:, :2],), (EVENTS[..., :3],), (EVENTS[0, 0],)
  )
  def test_rejects_data_of_another_shape(self, x):
    for function in (_make().log_prob, _make().loss_terms, _make()):
      with self.assertRaisesRegex(ValueError, r'\[..., 3, 4\], or integer co'):
        function(x)

  @parameterized.parameters(
      ([None, None], [2, 1], 'int32'),
      ([None, None, K], [2, 1, K], 'float32'),
      ([None, LENGTH, None], [2, LENGTH, 1], 'float32'),
  )
  def test_rejects_data_of_another_shape_in_the_run(self, spec, shape, dtype):
    model = _make()
    for function in (model.log_prob, model.encode):
      function = tf.function(
          function, input_signature=[tf.TensorSpec(spec, dtype)]
      )
      function(CODES if dtype == 'int32' else EVENTS)
      with self.assertRaises(tf.errors.InvalidArgumentError):
        function(tf.zeros(shape, dtype))

  def test_rejects_networks_of_another_size_when_built(self):
    flow = layers.DiscreteAutoregressiveFlow(_made(K + 1, 0))
    with self.assertRaisesRegex(ValueError, '4 or 8 channels; received 5'):
      models.DiscreteFlow([flow], LENGTH, K).sample(1, seed=0)
    base = models.DiscreteFlow([], LENGTH, K, base=_made(K + 1, 0))
    with self.assertRaisesRegex(ValueError, '4 channels; received 5'):
      base.log_prob(X)

  def test_rejects_targets_and_losses(self):
    model = _make()
    with self.assertRaisesRegex(ValueError, 'Expected no `loss`'):
      model.compile('adam', loss='mse')
    model.compile('adam')
    with self.assertRaisesRegex(ValueError, 'without targets'):
      model.fit(X, X, verbose=0)


class GradientTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters('autoregressive', 'bipartite')
  def test_gradient_of_one_shift_is_that_of_the_expected_loss(self, kind):
    # Of a shift that is drawn from the softmax of its logits: on a factorised
    # base the loss is linear in the shift of each position.
    if kind == 'autoregressive':
      network = layers.ContextTable(K, stddev=1.0, seed=0)
      flow = layers.DiscreteAutoregressiveFlow(network)
    else:
      network = layers.BipartiteContextTable(K, MASK, 1.0, seed=0)
      flow = layers.DiscreteBipartiteFlow(network, MASK)
    model = models.DiscreteFlow([flow], LENGTH, K)
    model.base_logits.assign(BASE_LOGITS)
    with tf.GradientTape() as tape:
      loss = -tf.reduce_sum(model.log_prob(X))
    found = tape.gradient(loss, network.table.value)
    costs = -tf.nn.log_softmax(tf.constant(BASE_LOGITS, tf.float32))
    shifted = (X[..., np.newaxis] - np.arange(K)) % K
    costs = tf.gather(
        tf.broadcast_to(costs, [len(X), LENGTH, K]), shifted, batch_dims=2
    )
    changes = np.ones(LENGTH) if kind == 'autoregressive' else ~MASK
    events = tf.one_hot(X, K)
    if kind == 'bipartite':
      events = tf.where(MASK[:, np.newaxis], events, 0.0)
    with tf.GradientTape() as tape:
      probs = tf.nn.softmax(network(events))
      expected_costs = tf.reduce_sum(probs * costs, axis=-1)
      expected = tf.reduce_sum(expected_costs * changes.astype('float32'))
    expected = tape.gradient(expected, network.table.value)
    self.assertGreater(tf.norm(tf.convert_to_tensor(expected)), 1.0)
    self.assertAllClose(
        tf.convert_to_tensor(found), tf.convert_to_tensor(expected), atol=1e-4
    )


if __name__ == '__main__':
  tf.test.main()
