import itertools
import math
from unittest import mock

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import bijectors
from discrete_lvm import distributions
from discrete_lvm import layers
from discrete_lvm import ops
from tests.distributions import causal_network

tfb = tfp.bijectors
tfd = tfp.distributions

AutoregressiveCategorical = distributions.AutoregressiveCategorical

_LENGTH = 3
_NUM_CLASSES = 4
_ORDER = (1, 2, 0)


def _network(cached=True, **kwargs):
  network_class = (
      causal_network.CachedCausalNetwork
      if cached
      else causal_network.CausalNetwork
  )
  return network_class(_ORDER, _NUM_CLASSES, **kwargs)


def _distribution(network, dtype='float32', **kwargs):
  return AutoregressiveCategorical(
      network, _LENGTH, _NUM_CLASSES, dtype=dtype, **kwargs
  )


def _made(**kwargs):
  made = layers.MADE(_NUM_CLASSES, [32], order='random', seed=1, **kwargs)
  made.build((None, _LENGTH, _NUM_CLASSES))
  for weight in made.trainable_variables:
    # Far from uniform, so that the tokens depend on each other.
    weight.assign(
        3.0 * weight + tf.random.stateless_normal(weight.shape, [0, 1])
    )
  return made


def _all_codes():
  codes = itertools.product(range(_NUM_CLASSES), repeat=_LENGTH)
  return np.array(list(codes), np.int32)


def _all_one_hot():
  return np.eye(_NUM_CLASSES, dtype=np.float32)[_all_codes()]


def _softmax(logits):
  weights = np.exp(logits - logits.max(-1, keepdims=True))
  return weights / weights.sum(-1, keepdims=True)


def _chained_pmf(network, truncate=lambda probs: probs, temperature=1.0):
  """Returns the mass of all events by the chain rule, one token at a time."""
  pmf = np.ones(_NUM_CLASSES**_LENGTH)
  codes, one_hot = _all_codes(), _all_one_hot()
  seen = np.zeros_like(one_hot)
  for position in network.order:
    # The tokens that come later are not even there.
    logits = np.asarray(network(tf.constant(seen)), np.float64)[:, position]
    probs = np.apply_along_axis(truncate, -1, _softmax(logits / temperature))
    pmf *= probs[np.arange(len(codes)), codes[:, position]]
    seen[:, position] = one_hot[:, position]
  return pmf


def _truncated(probs, top_k=None, top_p=None):
  """Returns the renormalised probabilities of the classes that are left."""
  kept = np.zeros_like(probs)
  best_first = np.argsort(-probs, kind='stable')[:top_k]
  total = probs[best_first].sum()
  for k in best_first:
    if top_p is None or kept.sum() < top_p * total:
      kept[k] = probs[k]
  return kept / kept.sum()


class AutoregressiveCategoricalTest(tf.test.TestCase, parameterized.TestCase):

  def assert_drawn_from(self, sample, pmf):
    """Chi-square against a pmf, 5 sigma; nothing of mass zero is drawn."""
    if sample.ndim == 3:
      sample = sample.argmax(-1)
    index = sample @ _NUM_CLASSES ** np.arange(_LENGTH)[::-1]
    counts = np.bincount(index, minlength=pmf.size)
    self.assertAllEqual(counts[pmf == 0], 0 * counts[pmf == 0])
    expected = counts.sum() * pmf
    # Rare events are one bin, or their counts would not be normal.
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum() + 1e-9)
    chi_square = np.sum(np.square(counts - expected) / expected)
    freedom = max(len(counts) - 1, 1)
    self.assertLess(chi_square, freedom + 5 * math.sqrt(2 * freedom))

  @parameterized.named_parameters(
      ('made', _made),
      ('network', _network),
      ('no_cache', lambda: _network(cached=False)),
  )
  def test_log_prob_is_the_chain_rule(self, make):
    network = make()
    d = _distribution(network)
    pmf = d.prob(_all_one_hot())
    self.assertEqual(pmf.shape, [_NUM_CLASSES**_LENGTH])
    self.assertAllClose(tf.reduce_sum(pmf), 1.0)
    self.assertAllClose(pmf, _chained_pmf(network))

  def test_codes_have_the_law_of_one_hot_events(self):
    network = _network()
    on_codes = _distribution(network, 'int32')
    log_prob = on_codes.log_prob(_all_codes())
    one_hot = _distribution(network)
    self.assertAllClose(log_prob, one_hot.log_prob(_all_one_hot()))
    self.assertEqual(on_codes.event_shape, [_LENGTH])
    self.assertEqual(one_hot.event_shape, [_LENGTH, _NUM_CLASSES])
    nothing = np.array([[0, -1, 2], [-1, 3, 3]], np.int32)
    self.assertAllClose(
        on_codes.log_prob(nothing),
        one_hot.log_prob(tf.one_hot(nothing, _NUM_CLASSES)),
    )
    self.assertAllClose(
        on_codes.conditional_logits(nothing),
        network(tf.one_hot(nothing, _NUM_CLASSES)),
    )
    sample = on_codes.sample(5, seed=[0, 1])
    self.assertEqual(sample.dtype, tf.int32)
    same = one_hot.sample(5, seed=[0, 1])
    self.assertAllEqual(tf.one_hot(sample, _NUM_CLASSES), same)
    self.assertEqual(_distribution(network, 'int64').sample().dtype, tf.int64)

  def test_log_prob_calls_the_network_once(self):
    network = _network()
    _distribution(network).log_prob(_all_one_hot())
    self.assertEqual(network.num_calls, 1)

  @parameterized.product(
      make=(_made, _network, lambda: _network(cached=False)),
      jit_compile=(False, True),
  )
  def test_samples_have_the_law(self, make, jit_compile):
    network = make()
    d = _distribution(network)
    draw = tf.function(
        lambda: d.sample(5000, seed=[0, 1]), jit_compile=jit_compile
    )
    sample = draw().numpy()
    self.assertAllEqual(np.unique(sample), [0, 1])
    self.assert_drawn_from(sample, _chained_pmf(network))

  @parameterized.parameters(
      dict(temperature=0.5),
      dict(temperature=4.0),
      dict(top_k=2),
      dict(top_p=0.8),
      dict(temperature=3.0, top_k=3, top_p=0.7),
  )
  def test_sharper_samples_have_the_law(
      self, temperature=1.0, top_k=None, top_p=None
  ):
    network = _network()
    d = _distribution(network, 'int32')

    @tf.function
    def draw():
      return d.sample(
          5000, seed=[0, 1], temperature=temperature, top_k=top_k, top_p=top_p
      )

    pmf = _chained_pmf(
        network, lambda probs: _truncated(probs, top_k, top_p), temperature
    )
    self.assertAllClose(pmf.sum(), 1.0)
    self.assert_drawn_from(draw().numpy(), pmf)

  @parameterized.parameters(
      dict(top_k=1), dict(top_p=1e-6), dict(temperature=1e-30)
  )
  def test_greedy_samples_take_the_best_token(self, **kwargs):
    network = _network()
    seen = np.zeros([1, _LENGTH, _NUM_CLASSES], np.float32)
    for position in network.order:
      best = np.argmax(network(tf.constant(seen))[0, position])
      seen[0, position, best] = 1.0
    sample = _distribution(network).sample(7, seed=[0, 1], **kwargs)
    self.assertAllEqual(sample, np.repeat(seen, 7, axis=0))

  @parameterized.parameters('float32', 'int32')
  def test_xla_draws_the_same_from_the_same_noise(self, dtype):
    d = _distribution(_network(), dtype)

    def perturb(logits, seed):
      # XLA's random bits are others; these are not random.
      phase = tf.reduce_sum(tf.cast(seed, tf.float32)) / 2.0**31
      index = tf.range(tf.size(logits, tf.int32))
      noise = 3.0 * tf.sin(7.0 * phase + tf.cast(index, tf.float32))
      return logits + tf.reshape(noise, tf.shape(logits))

    with mock.patch.object(ops, 'perturb', perturb):
      samples = [
          tf.function(
              lambda: d.sample(50, seed=[0, 1], top_k=3),
              jit_compile=jit_compile,
          )()
          for jit_compile in (False, True)
      ]
    self.assertAllEqual(*samples)
    self.assertGreater(len(np.unique(samples[0], axis=0)), 3)

  @parameterized.parameters(_made, _network)
  def test_gradient_reaches_a_flow_and_every_weight(self, make):
    base = _distribution(make())
    order = causal_network.CachedCausalNetwork([2, 0, 1], _NUM_CLASSES, seed=5)
    flow = bijectors.DiscreteAutoregressive(order)
    d = tfd.TransformedDistribution(base, flow)
    self.assertAllClose(tf.reduce_sum(d.prob(_all_one_hot())), 1.0)
    variables = d.trainable_variables
    self.assertLen(variables, len(base.trainable_variables) + 2)

    @tf.function
    def gradients():
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(d.log_prob(_all_one_hot())))
      return tape.gradient(loss, variables)

    for gradient in gradients():
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 1e-3)

  def test_gradient_in_the_event_is_that_of_the_linear_extension(self):
    network = _network()
    x = tf.constant(_all_one_hot()[::7] * 0.9 + 0.02)

    def extension(x):
      log_p = tf.nn.log_softmax(network(x))
      return tf.reduce_sum(x * log_p, axis=[-2, -1])

    _, expected = tfp.math.value_and_gradient(extension, x)
    value, gradient = tfp.math.value_and_gradient(
        _distribution(network).log_prob, x
    )
    self.assertAllClose(value, extension(x))
    self.assertAllClose(gradient, expected)

  def test_frozen_weights_are_not_to_be_trained(self):
    made = layers.MADE(_NUM_CLASSES, [8], seed=0)
    made.build([None, _LENGTH, _NUM_CLASSES])
    d = _distribution(made)
    self.assertLen(d.trainable_variables, 4)
    made.trainable = False
    self.assertEmpty(_distribution(made).trainable_variables)

  def test_context_is_a_batch_that_is_learnt(self):
    network = _network(num_features=2)
    values = np.random.default_rng(0).normal(size=[5, _LENGTH, 2])
    context = tf.Variable(values.astype(np.float32))
    d = _distribution(network, context=context)
    self.assertEqual(d.batch_shape, [5])
    self.assertLen(d.trainable_variables, 4)
    log_prob = d.log_prob(_all_one_hot()[:, np.newaxis])
    self.assertAllClose(tf.reduce_sum(tf.exp(log_prob), axis=0), tf.ones([5]))
    alone = _distribution(network, context=values[3].astype(np.float32))
    self.assertAllClose(log_prob[:, 3], alone.log_prob(_all_one_hot()))
    self.assertAllClose(d[3].log_prob(_all_one_hot()), log_prob[:, 3])
    on_codes = _distribution(network, 'int32', context=context)
    self.assertAllClose(on_codes.log_prob(_all_codes()[9]), log_prob[9])
    sample = d.sample(4000, seed=[0, 1])
    self.assertEqual(sample.shape, [4000, 5, _LENGTH, _NUM_CLASSES])
    self.assert_drawn_from(sample[:, 3].numpy(), tf.exp(log_prob[:, 3]).numpy())
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(d.log_prob(_all_one_hot()[7]))
    for gradient in tape.gradient(loss, d.trainable_variables):
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 1e-3)

  @parameterized.product(cached=(False, True), dtype=('float32', 'int32'))
  def test_static_shapes_and_one_loop(self, cached, dtype):
    d = _distribution(
        _network(cached, num_features=2), dtype, context=tf.ones([5, 3, 2])
    )
    function = tf.function(lambda n: d.sample([2, 6], seed=[0, n]))
    graph = function.get_concrete_function(tf.TensorSpec([], tf.int32)).graph
    self.assertEqual(graph.structured_outputs.shape, [2, 6, 5] + d.event_shape)
    loops = [op for op in graph.get_operations() if 'While' in op.type]
    self.assertLen(loops, 1)
    unknown = tf.TensorSpec([None, None, *d.event_shape], dtype)
    function = tf.function(d.log_prob, input_signature=[unknown])
    x = d.sample([2], seed=[0, 1])
    self.assertAllClose(function(x), d.log_prob(x))
    n = tf.function(lambda n: d.sample(n, seed=[0, 1]))(tf.constant(2))
    self.assertAllEqual(n, x)

  def test_composes(self):
    d = _distribution(_network(num_features=2), context=tf.ones([5, 3, 2]))
    for wrapped in (tfd.Independent(d, 1), tfd.Sample(d, 6)):
      x = wrapped.sample(2, seed=[0, 1], top_k=1)
      self.assertEqual(x.shape, [2] + wrapped.batch_shape + wrapped.event_shape)
      self.assertAllEqual(x[0], x[1])  # Greedy: the argument came through.
      self.assertEqual(wrapped.log_prob(x).shape, [2] + wrapped.batch_shape)
    base = _distribution(_network())
    reverse = tfb.Permute([2, 1, 0], axis=-2)
    flow = tfd.TransformedDistribution(base, reverse)
    events = _all_one_hot()
    self.assertAllClose(flow.log_prob(events), base.log_prob(events[:, ::-1]))
    greedy = flow.sample(2, seed=[0, 1], distribution_kwargs={'top_k': 1})
    best = base.sample(seed=[0, 1], top_k=1)
    self.assertAllEqual(greedy[1], best[::-1])

    def normal(x):
      return tfd.Normal(tf.reduce_sum(x[..., 0], axis=-1), 1.0)

    joint = tfd.JointDistributionSequential([base, normal])
    x, y = joint.sample(3, seed=[0, 1])
    self.assertAllClose(
        joint.log_prob([x, y]), base.log_prob(x) + normal(x).log_prob(y)
    )

  @parameterized.parameters('mixed_bfloat16', 'mixed_float16')
  def test_half_precision_network_gives_a_float32_law(self, policy):
    d = _distribution(_made(dtype=policy))
    pmf = d.prob(_all_one_hot())
    self.assertEqual(pmf.dtype, tf.float32)
    self.assertAllClose(tf.reduce_sum(pmf), 1.0, rtol=1e-5)
    self.assertEqual(d.sample(2, seed=[0, 1]).dtype, tf.float32)
    half = _distribution(_made(dtype=policy), 'bfloat16')
    self.assertAllClose(half.prob(tf.cast(_all_one_hot(), 'bfloat16')), pmf)

  @parameterized.parameters('float32', 'int32')
  def test_impossible_tokens(self, dtype):
    logits = tf.Variable([[0.0, -math.inf, 1.0, -math.inf]] * _LENGTH)
    d = _distribution(
        lambda x: tf.broadcast_to(logits, [tf.shape(x)[0], *logits.shape]),
        dtype,
    )
    events = _all_codes() if dtype == 'int32' else _all_one_hot()
    self.assertAllClose(tf.reduce_sum(d.prob(events)), 1.0)
    possible = events[0]
    with tf.GradientTape() as tape:
      log_prob = d.log_prob(possible)
    self.assertAllInRange(tape.gradient(log_prob, logits), -1.0, 3.0)
    impossible = events[_NUM_CLASSES - 1]
    self.assertAllEqual(d.log_prob(impossible), -math.inf)
    sample = d.sample(100, seed=[0, 1], temperature=1e3)
    self.assertAllInRange(d.log_prob(sample), -10.0, 0.0)

  def test_codes_of_many_classes_make_no_one_hot_vector(self):
    num_classes = 2**16
    rng = np.random.default_rng(0)
    rows = tf.constant(rng.normal(size=[num_classes, 2]).astype(np.float32))
    columns = tf.constant(rng.normal(size=[2, num_classes]).astype(np.float32))

    def network(codes):
      previous = tf.concat([tf.zeros_like(codes[:, :1]), codes[:, :-1]], axis=1)
      return tf.tensordot(tf.gather(rows, tf.maximum(previous, 0)), columns, 1)

    d = AutoregressiveCategorical(network, 2, num_classes, dtype=tf.int32)

    @tf.function
    def draw():
      x = d.sample(3, seed=[0, 1], top_p=0.999)
      return x, d.log_prob(x)

    graph = draw.get_concrete_function().graph
    types = {
        node.op
        for function in graph.as_graph_def().library.function
        for node in function.node_def
    } | {op.type for op in graph.get_operations()}
    self.assertNotIn('OneHot', types)
    self.assertIn('ArgMax', types)
    x, log_prob = draw()
    probs = _softmax(np.asarray(network(x), np.float64))
    expected = np.log(np.take_along_axis(probs, x.numpy()[..., np.newaxis], -1))
    self.assertAllClose(log_prob, expected.sum(axis=(1, 2)), rtol=1e-5)
    self.assertGreater(np.unique(x).size, 3)

  @parameterized.parameters(False, True)
  def test_network_may_be_built_by_the_first_sample(self, cached):
    if cached:
      network = layers.MADE(_NUM_CLASSES, [8], seed=0)
    else:
      network = keras.Sequential(
          [
              keras.layers.ZeroPadding1D((1, 0)),
              keras.layers.Cropping1D((0, 1)),
              keras.layers.Dense(_NUM_CLASSES),
          ]
      )
    d = _distribution(network)
    self.assertEmpty(d.trainable_variables)
    sample = tf.function(lambda: d.sample(4, seed=[0, 1]))
    self.assertEqual(sample().shape, [4, _LENGTH, _NUM_CLASSES])
    self.assertLen(d.trainable_variables, 4 if cached else 2)

  def test_rejects_bad_input(self):
    network = _network()
    for channels in (1, 8):
      d = _distribution(lambda x, c=channels: tf.zeros([*x.shape[:2], c]))
      with self.assertRaisesRegex(
          ValueError, f'returns 4 chan.*received {channels}'
      ):
        d.log_prob(_all_one_hot())
      with self.assertRaisesRegex(
          ValueError, f'returns 4 chan.*received {channels}'
      ):
        d.sample(seed=[0, 1])
    for dtype in ('bool', 'int8'):
      with self.assertRaisesRegex(ValueError, f'`dtype`.*received {dtype}'):
        AutoregressiveCategorical(network, 3, 200, dtype=dtype)
    for length, num_classes in ((0, 4), (3, 0)):
      with self.assertRaisesRegex(ValueError, 'at least 1; received'):
        AutoregressiveCategorical(network, length, num_classes)
    with self.assertRaisesRegex(ValueError, 'num_classes.*received 1'):
      AutoregressiveCategorical(network, 3, 1, dtype=tf.int32)
    d = _distribution(network)
    for x in (tf.zeros([3, 5]), tf.zeros([2, 4]), tf.zeros([3], tf.int32)):
      with self.assertRaisesRegex(ValueError, r'\[..., 3, 4\]; received'):
        d.log_prob(x)
    on_codes = _distribution(network, 'int32')
    for x in (tf.zeros([4], tf.int32), tf.zeros([3, 4])):
      with self.assertRaisesRegex(ValueError, r'\[..., 3\]; received'):
        on_codes.log_prob(x)
    for kwargs, message in (
        ({'temperature': 0.0}, 'positive `temperature`'),
        ({'temperature': [1.0, 2.0]}, 'scalar `temperature`'),
        ({'top_k': 0}, '`top_k`'),
        ({'top_p': 1.1}, '`top_p`'),
        ({'top_p': [0.5, 0.6]}, 'scalar `top_p`'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        d.sample(seed=[0, 1], **kwargs)
    with self.assertRaises(NotImplementedError):
      d.kl_divergence(d)

  def test_rejects_events_of_another_length_in_the_run(self):
    d = _distribution(layers.CausalLSTM(_NUM_CLASSES, [8], seed=0))
    spec = tf.TensorSpec([None, None, _NUM_CLASSES])
    for method in (d.log_prob, d.conditional_logits):
      method = tf.function(method, input_signature=[spec])
      self.assertLen(method(_all_one_hot()), _NUM_CLASSES**_LENGTH)
      with self.assertRaises(tf.errors.InvalidArgumentError):
        method(_all_one_hot()[:, :2])

  def test_checks_values_when_asked(self):
    d = _distribution(_network(), validate_args=True)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'one-hot'):
      d.log_prob(0.25 * tf.ones([3, 4]))
    d.log_prob(d.sample(seed=[0, 1]))
    d = _distribution(_network(), 'int32', validate_args=True)
    for code in (-1, 4):
      with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'codes in'):
        d.log_prob([0, 3, code])
    d.log_prob(d.sample(seed=[0, 1]))


if __name__ == '__main__':
  tf.test.main()
