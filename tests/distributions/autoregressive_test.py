import itertools
import math

from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import distributions
from discrete_lvm import layers

tfd = tfp.distributions

Autoregressive = distributions.Autoregressive

H, W = 2, 3
_LEVELS = 3


class _WithoutSteps:
  """A network that is evaluated on all positions at each."""

  def __init__(self, network):
    self.network = network
    self.variables = network.variables

  def __call__(self, inputs, **kwargs):
    return self.network(inputs, **kwargs)


def _randomize(network, scale=0.7):
  rng = np.random.default_rng(0)
  network.set_weights(
      [rng.normal(scale=scale, size=w.shape) for w in network.weights]
  )
  return network


def _pixel_cnn(num_outputs, channels=1, features=None, **kwargs):
  network = layers.GatedPixelCNN(
      num_outputs, units=8, num_layers=2, seed=0, **kwargs
  )
  context_shape = None if features is None else (None, H, W, features)
  network.build((None, H, W, channels), context_shape)
  return _randomize(network)


def _binary(network=None, **kwargs):
  return Autoregressive(
      network or _pixel_cnn(1),
      distributions.Bernoulli,
      [H, W, 1],
      preprocess=lambda x: 2.0 * x - 1.0,
      **kwargs,
  )


def _categorical(**kwargs):
  return Autoregressive(
      _pixel_cnn(_LEVELS, channels=_LEVELS),
      lambda outputs: tfd.Categorical(logits=outputs),
      [H, W, 1],
      preprocess=lambda x: tf.one_hot(tf.cast(x[..., 0], tf.int32), _LEVELS),
      **kwargs,
  )


def _logistic_mixture(**kwargs):
  def make(outputs):
    logits, loc, scale = tf.split(outputs, 3, axis=-1)
    return distributions.DiscretizedLogisticMixture(
        logits, 1.0 + loc, tf.exp(scale), high=_LEVELS - 1
    )

  return Autoregressive(
      _pixel_cnn(6), make, [H, W, 1], preprocess=lambda x: x - 1.0, **kwargs
  )


def _bernoulli_channels(**kwargs):
  return Autoregressive(
      _pixel_cnn(2, channels=2),
      distributions.Bernoulli,
      [H, W, 2],
      **kwargs,
  )


def _events(levels, *shape):
  events = itertools.product(range(levels), repeat=math.prod(shape))
  return np.reshape(list(events), [-1, *shape])


def _normal(outputs):
  loc, log_scale = tf.split(outputs, 2, axis=-1)
  return tfd.Normal(loc, tf.exp(0.3 * tf.tanh(log_scale)))


def _normal_log_prob(x, loc, scale):
  squares = np.square((x - loc) / scale)
  return -0.5 * squares - np.log(scale) - 0.5 * np.log(2 * np.pi)


def _normal_mixture(outputs):
  logits, outputs = tf.split(outputs, [2, 8], axis=-1)
  loc, log_scale = tf.split(
      tf.reshape(outputs, tf.concat([tf.shape(outputs)[:-1], [2, 4]], 0)),
      2,
      axis=-1,
  )
  return tfd.MixtureSameFamily(
      tfd.Categorical(logits=logits),
      tfd.MultivariateNormalDiag(loc, tf.exp(0.3 * tf.tanh(log_scale))),
  )


LENGTH, DIM = 4, 2

SEQUENCES = {
    'CausalTransformer': lambda num_outputs: layers.CausalTransformer(
        num_outputs, num_layers=1, num_heads=2, units=8, seed=0
    ),
    'CausalConvolution': lambda num_outputs: layers.CausalConvolution(
        num_outputs, units=8, dilations=[1, 2], seed=0
    ),
    'MADE': lambda num_outputs: layers.MADE(
        num_outputs, [16], order='random', activation='tanh', seed=1
    ),
}


def _sequence_network(name, num_outputs):
  network = SEQUENCES[name](num_outputs)
  network.build((None, LENGTH, DIM))
  return _randomize(network, 0.4)


# With a cache, and evaluating all pixels at each.
_PIXEL_NETWORKS = (
    lambda: _pixel_cnn(1),
    lambda: _WithoutSteps(_pixel_cnn(1)),
)


class AutoregressiveTest(tf.test.TestCase, parameterized.TestCase):

  def assert_drawn_from(self, sample, events, pmf):
    """Chi-square of the counts of events against a pmf, 5 sigma."""
    levels = events.max() + 1
    powers = levels ** np.arange(events[0].size)[::-1]
    index = sample.reshape([len(sample), -1]).astype(int) @ powers
    counts = np.bincount(index, minlength=pmf.size)
    expected = counts.sum() * pmf
    # Rare events are one bin, or their counts would not be normal.
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum() + 1e-9)
    chi_square = np.sum(np.square(counts - expected) / expected)
    freedom = len(counts) - 1
    self.assertGreater(freedom, 9)
    self.assertLess(chi_square, freedom + 5 * math.sqrt(2 * freedom))

  @parameterized.product(
      make_and_shape=(
          (_binary, 2, (H, W, 1)),
          (_categorical, _LEVELS, (H, W, 1)),
          (_logistic_mixture, _LEVELS, (H, W, 1)),
          (_bernoulli_channels, 2, (H, W, 2)),
      ),
      dtype=(tf.float32, tf.int32),
  )
  def test_pixels_sum_to_one_and_samples_follow(self, make_and_shape, dtype):
    make, levels, shape = make_and_shape
    d = make(dtype=dtype)
    events = _events(levels, *shape)
    pmf = tf.exp(d.log_prob(tf.constant(events, dtype))).numpy()
    self.assertEqual(pmf.shape, (len(events),))
    self.assertAllClose(pmf.sum(), 1.0, rtol=1e-4)
    sample = tf.function(lambda: d.sample(4000, seed=[0, 1]))()
    self.assertEqual(sample.dtype, dtype)
    self.assertEqual(sample.shape[1:], shape)
    self.assert_drawn_from(sample.numpy(), events, pmf)

  def test_log_prob_is_the_chain_rule(self):
    d = _binary()
    events = _events(2, H, W, 1)
    log_prob = np.zeros(len(events))
    seen = np.zeros_like(events)
    for position in np.ndindex(H, W):
      # The pixels that come later are not even there.
      inputs = tf.constant(2.0 * seen - 1.0, tf.float32)
      logits = d.network(inputs).numpy()[:, *position, 0]
      x = events[:, *position, 0]
      log_prob -= np.log1p(np.exp(np.where(x, -logits, logits)))
      seen[:, *position] = events[:, *position]
    self.assertAllClose(
        d.log_prob(events.astype(np.float32)), log_prob, rtol=1e-4, atol=1e-4
    )

  @parameterized.parameters(*_PIXEL_NETWORKS)
  def test_samples_of_any_network_follow(self, make):
    self.check_samples_of_any_network_follow(make, jit_compile=False)

  @parameterized.parameters(*_PIXEL_NETWORKS)
  @pytest.mark.slow
  def test_samples_of_any_network_follow_slow(self, make):
    self.check_samples_of_any_network_follow(make, jit_compile=True)

  def check_samples_of_any_network_follow(self, make, jit_compile):
    d = _binary(make())
    draw = tf.function(
        lambda: d.sample(4000, seed=[0, 2]), jit_compile=jit_compile
    )
    events = _events(2, H, W, 1)
    pmf = d.prob(events.astype(np.float32)).numpy()
    self.assert_drawn_from(draw().numpy(), events, pmf)

  def test_steps_and_reevaluation_draw_the_same(self):
    network = _pixel_cnn(1, features=2)
    context = tf.random.stateless_normal([5, H, W, 2], [0, 1])
    samples = [
        _binary(n, context=context).sample(20, seed=[0, 1])
        for n in (network, _WithoutSteps(network))
    ]
    self.assertEqual(samples[0].shape, [20, 5, H, W, 1])
    # Uniforms within the rounding of a probability are rare.
    self.assertAllEqual(*samples)

  @parameterized.parameters(*SEQUENCES)
  def test_normal_steps_have_the_formula(self, name):
    network = _sequence_network(name, 2 * DIM)
    d = Autoregressive(network, _normal, [LENGTH, DIM])
    x = tf.random.stateless_normal([7, LENGTH, DIM], [0, 1])
    loc, log_scale = np.split(network(x).numpy(), 2, axis=-1)
    scale = np.exp(0.3 * np.tanh(log_scale))
    expected = _normal_log_prob(x.numpy(), loc, scale).sum(axis=(1, 2))
    self.assertAllClose(d.log_prob(x), expected, rtol=1e-4)
    # The change from events to their noise is lower triangular by blocks: its
    # moments are 0 and 1 if each step was drawn given those before.
    n = 4000
    x = tf.function(lambda: d.sample(n, seed=[0, 1]))()
    self.assertEqual(x.shape, [n, LENGTH, DIM])
    loc, log_scale = np.split(network(x).numpy(), 2, axis=-1)
    noise = (x - loc) / np.exp(0.3 * np.tanh(log_scale))
    noise = noise.numpy().reshape([n, LENGTH * DIM])
    # 5 sigma of a mean, and of a product of two standard normal values.
    self.assertAllClose(noise.mean(0), np.zeros(8), atol=5 / math.sqrt(n))
    covariance = noise.T @ noise / n
    self.assertAllClose(covariance, np.eye(8), atol=5 * math.sqrt(2 / n))
    self.assertGreater(np.abs(loc).std(), 0.1)

  def test_mixture_steps_have_the_formula(self):
    network = _sequence_network('MADE', 10)
    d = Autoregressive(network, _normal_mixture, [LENGTH, DIM])
    x = tf.random.stateless_normal([7, LENGTH, DIM], [0, 1])

    def parameters(x):
      outputs = network(x).numpy().astype(np.float64)
      components = outputs[..., 2:].reshape([*outputs.shape[:-1], 2, 4])
      loc, log_scale = np.split(components, 2, axis=-1)
      weights = np.exp(outputs[..., :2])
      weights /= weights.sum(-1, keepdims=True)
      return weights, loc, np.exp(0.3 * np.tanh(log_scale))

    weights, loc, scale = parameters(x)
    log_p = _normal_log_prob(x.numpy()[..., np.newaxis, :], loc, scale).sum(-1)
    expected = np.log((weights * np.exp(log_p)).sum(-1)).sum(-1)
    self.assertAllClose(d.log_prob(x), expected, rtol=1e-4)
    n = 4000
    x = tf.function(lambda: d.sample(n, seed=[0, 1]))().numpy()
    weights, loc, scale = parameters(x)
    mean = (weights[..., np.newaxis] * loc).sum(-2)
    second = (weights[..., np.newaxis] * (loc**2 + scale**2)).sum(-2)
    residual = (x - mean) / np.sqrt(second - mean**2)
    self.assertAllClose(
        residual.mean(0), np.zeros([LENGTH, DIM]), atol=5 / math.sqrt(n)
    )
    # A mixture of two normals of equal weight has at most their kurtosis.
    self.assertAllClose(
        np.square(residual).mean(0),
        np.ones([LENGTH, DIM]),
        atol=5 * math.sqrt(2 / n),
    )

  @parameterized.parameters('int32', 'bfloat16', 'float64')
  def test_events_of_another_type_than_the_law(self, dtype):
    network = _sequence_network('CausalConvolution', 2 * DIM)
    x = np.arange(LENGTH * DIM).reshape([LENGTH, DIM]) - 4
    expected = Autoregressive(network, _normal, [LENGTH, DIM]).log_prob(
        x.astype(np.float32)
    )
    d = Autoregressive(network, _normal, [LENGTH, DIM], dtype=dtype)
    log_prob = d.log_prob(tf.cast(x, dtype))
    self.assertEqual(log_prob.dtype, tf.float32)
    self.assertAllClose(log_prob, expected)
    self.assertEqual(d.sample(seed=[0, 1]).dtype.name, dtype)

  def test_gradient_reaches_network_context_and_event(self):
    network = layers.CausalTransformer(
        2 * DIM, num_layers=1, num_heads=2, units=8, seed=0
    )
    network.build((None, LENGTH, DIM), (None, LENGTH, 3))
    context = tf.Variable(tf.random.stateless_normal([5, LENGTH, 3], [0, 2]))
    d = Autoregressive(network, _normal, [LENGTH, DIM], context=context)
    self.assertEqual(d.batch_shape, [5])
    self.assertLen(d.trainable_variables, 1 + len(network.trainable_variables))
    x = tf.random.stateless_normal([LENGTH, DIM], [0, 1])
    sources = [x, *d.trainable_variables]

    @tf.function
    def gradients():
      with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_mean(d.log_prob(x))
      return tape.gradient(loss, sources)

    for gradient in gradients():
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 1e-6)
    numeric, step = [], 1e-2
    for index in np.ndindex(LENGTH, DIM):
      change = np.zeros([LENGTH, DIM], np.float32)
      change[index] = step
      ends = [tf.reduce_mean(d.log_prob(x + c)) for c in (change, -change)]
      numeric.append((ends[0] - ends[1]) / (2 * step))
    self.assertAllClose(
        gradients()[0], np.reshape(numeric, [LENGTH, DIM]), atol=2e-2
    )
    with tf.GradientTape() as tape:
      loss = tf.reduce_sum(d.sample(seed=[0, 1]))
    self.assertAllEqual(
        [g is None for g in tape.gradient(loss, d.trainable_variables)],
        [True] * len(d.trainable_variables),
    )

  def test_context_of_pixels_is_a_batch_that_follows_its_variable(self):
    network = _pixel_cnn(1, features=2)
    context = tf.Variable(tf.random.stateless_normal([5, H, W, 2], [0, 1]))
    d = _binary(network, context=context)
    self.assertEqual(d.batch_shape, [5])
    self.assertLen(d.trainable_variables, 1 + len(network.trainable_variables))
    events = _events(2, H, W, 1).astype(np.float32)
    log_prob = d.log_prob(events[:, np.newaxis])
    self.assertAllClose(tf.reduce_sum(tf.exp(log_prob), 0), tf.ones([5]))
    self.assertGreater(tf.math.reduce_std(log_prob[0]), 0.1)
    alone = _binary(network, context=context[3])
    self.assertAllClose(alone.log_prob(events), log_prob[:, 3], rtol=1e-4)
    self.assertAllClose(d[3].log_prob(events), log_prob[:, 3], rtol=1e-4)
    sample = tf.function(lambda: d.sample(3000, seed=[0, 1]))()
    self.assertEqual(sample.shape, [3000, 5, H, W, 1])
    self.assert_drawn_from(
        sample[:, 3].numpy(), _events(2, H, W, 1), np.exp(log_prob[:, 3])
    )
    context.assign(-context)
    other = d.log_prob(events[:, np.newaxis])
    self.assertNotAllClose(other, log_prob)
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(d.log_prob(events[7]))
    for gradient in tape.gradient(loss, d.trainable_variables):
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 1e-6)

  def test_static_shapes_and_one_loop(self):
    d = _binary()
    function = tf.function(lambda n: d.sample([2, 6], seed=[0, n]))
    graph = function.get_concrete_function(tf.TensorSpec([], tf.int32)).graph
    self.assertEqual(graph.structured_outputs.shape, [2, 6, H, W, 1])
    loops = [op for op in graph.get_operations() if 'While' in op.type]
    self.assertLen(loops, 1)
    unknown = tf.TensorSpec([None, None, H, W, 1])
    x = d.sample([2, 1], seed=[0, 1])
    log_prob = tf.function(d.log_prob, input_signature=[unknown])(x)
    self.assertAllClose(log_prob, d.log_prob(x))
    n = tf.function(lambda n: d.sample([n, 1], seed=[0, 1]))(tf.constant(2))
    self.assertAllEqual(n, x)

  def test_no_samples(self):
    d = _binary()
    x = d.sample(0, seed=[0, 1])
    self.assertEqual(x.shape, [0, H, W, 1])
    self.assertEqual(d.log_prob(x).shape, [0])

  def test_compiled_log_prob_equals_eager(self):
    for d in (_binary(), _logistic_mixture()):
      x = _events(2, H, W, 1)[::9].astype(np.float32)
      compiled = tf.function(d.log_prob, jit_compile=True)
      self.assertAllClose(compiled(x), d.log_prob(x), rtol=1e-4, atol=1e-4)

  def test_conditional_distribution(self):
    d = _binary()
    x = _events(2, H, W, 1)[::9].astype(np.float32)
    law = d.conditional_distribution(x)
    self.assertEqual(law.batch_shape, [8, H, W])
    self.assertEqual(law.event_shape, [1])
    self.assertAllClose(tf.reduce_sum(law.log_prob(x), [-2, -1]), d.log_prob(x))

  def test_composes(self):
    d = Autoregressive(
        _sequence_network('MADE', 2 * DIM), _normal, [LENGTH, DIM]
    )
    x = d.sample([3, 5], seed=[0, 1])
    sums = tf.reduce_sum(d.log_prob(x), axis=-1)
    self.assertAllClose(tfd.Sample(d, 5).log_prob(x), sums)
    shifted = tfd.TransformedDistribution(d, tfp.bijectors.Shift(2.0))
    self.assertAllClose(shifted.log_prob(x + 2.0), d.log_prob(x), rtol=1e-4)

  def test_half_precision_network_gives_a_float32_law(self):
    d = _binary(_pixel_cnn(1, dtype='mixed_bfloat16'))
    pmf = d.prob(_events(2, H, W, 1).astype(np.float32))
    self.assertEqual(pmf.dtype, tf.float32)
    self.assertAllClose(tf.reduce_sum(pmf), 1.0, rtol=1e-4)
    self.assertEqual(d.sample(2, seed=[0, 1]).dtype, tf.float32)

  @parameterized.parameters(
      lambda: layers.GatedPixelCNN(1, units=4, num_layers=1),
      lambda: keras.Sequential(
          [
              keras.layers.Reshape([H * W, 1]),
              keras.layers.ZeroPadding1D((1, 0)),
              keras.layers.Cropping1D((0, 1)),
              keras.layers.Dense(1),
              keras.layers.Reshape([H, W, 1]),
          ]
      ),
  )
  def test_network_may_be_built_by_the_first_sample(self, make):
    d = _binary(make())
    self.assertEmpty(d.trainable_variables)
    sample = tf.function(lambda: d.sample(4, seed=[0, 1]))
    self.assertEqual(sample().shape, [4, H, W, 1])
    self.assertNotEmpty(d.trainable_variables)

  def test_rejects_bad_input(self):
    network = _pixel_cnn(2)
    for shape in ([1], [2, 3, 4, 1], [0, 1], [2, 3, 0], [2.0, 1], 3):
      with self.assertRaisesRegex(ValueError, '`event_shape`.*received'):
        Autoregressive(network, distributions.Bernoulli, shape)
    with self.assertRaisesRegex(ValueError, '`dtype`; received bool'):
      Autoregressive(network, distributions.Bernoulli, [2, 1], dtype='bool')
    for shape in ([4, 2], [W, H, 2], [5, H, 1, 2]):
      with self.assertRaisesRegex(ValueError, r'`context` of.*2, 3, fea.*rece'):
        _binary(network, context=tf.zeros(shape))
    d = _binary()
    for shape in ([H, W], [W, H, 1], [4, H, W, 2]):
      with self.assertRaisesRegex(ValueError, r'\[..., 2, 3, 1\]; received'):
        d.log_prob(tf.zeros(shape))
      with self.assertRaisesRegex(ValueError, r'\[..., 2, 3, 1\]; received'):
        d.conditional_distribution(tf.zeros(shape))
    for bad in (lambda x: x[:, :1], lambda x: x[..., 0]):
      with self.assertRaisesRegex(ValueError, r'\[batch, 2, 3, num_.*received'):
        _binary(bad).log_prob(tf.zeros([H, W, 1]))

  def test_rejects_other_positions_in_the_run(self):
    network = _pixel_cnn(1, features=2)

    def log_prob(x, context):
      return _binary(network, context=context).log_prob(x)

    x = _events(2, H, W, 1)[::9].astype(np.float32)
    context = tf.random.stateless_normal([8, H, W, 2], [0, 1])
    compiled = tf.function(
        log_prob,
        input_signature=[
            tf.TensorSpec([None, None, None, None]),
            tf.TensorSpec([None, None, None, 2]),
        ],
    )
    self.assertAllClose(compiled(x, context), log_prob(x, context), rtol=1e-5)
    for bad in (
        (np.swapaxes(x, 1, 2), context),
        (x, tf.transpose(context, [0, 2, 1, 3])),
        (np.reshape(x, [8, H, 1, W]), context),
    ):
      with self.assertRaises(tf.errors.InvalidArgumentError):
        compiled(*bad)
    unknown = tf.function(
        _binary().log_prob, input_signature=[tf.TensorSpec(None)]
    )
    with self.assertRaisesRegex(ValueError, r'2, 3, 1\]; received.*unknown'):
      unknown(x)

  def test_weights_of_what_makes_the_inputs_are_trained(self):
    network = _sequence_network('MADE', 2 * DIM)
    preprocess = keras.layers.Dense(DIM)
    d = Autoregressive(network, _normal, [LENGTH, DIM], preprocess=preprocess)
    with tf.GradientTape() as tape:
      value = d.log_prob(tf.ones([LENGTH, DIM]))
    weights = d.trainable_variables
    self.assertLen(weights, len(network.trainable_variables) + 2)
    for gradient in tape.gradient(value, weights):
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0)

  @parameterized.parameters(
      # Two logits for one channel.
      (1, distributions.Bernoulli),
      # A law without an axis of channels, of more than one.
      (3, lambda outputs: tfd.Categorical(logits=outputs)),
      (3, lambda outputs: tfd.OneHotCategorical(logits=outputs)),
      (2, lambda outputs: tfd.Independent(tfd.Normal(outputs, 1.0), 2)),
      (2, lambda outputs: tfd.Normal(tf.zeros([2]), 1.0)),
  )
  def test_rejects_a_law_of_another_shape(self, channels, make):
    d = Autoregressive(
        lambda x: tf.zeros([*x.shape[:-1], 2]), make, [4, channels]
    )
    message = f'`make_distribution` .*event shape .{channels}.*; received'
    with self.assertRaisesRegex(ValueError, message):
      d.log_prob(tf.zeros([4, channels]))
    with self.assertRaisesRegex(ValueError, message):
      d.sample(seed=[0, 1])


if __name__ == '__main__':
  tf.test.main()
