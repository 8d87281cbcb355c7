import os

from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import layers

POSITIONS = ('rotary', 'learned')


def _network(**kwargs):
  """Returns a small network whose outputs are of the order of 1."""
  kwargs = {
      'num_outputs': 4,
      'num_layers': 2,
      'num_heads': 2,
      'units': 8,
      'seed': 0,
      **kwargs,
  }
  return layers.CausalTransformer(**kwargs)


def _normal(*shape, seed=0):
  return tf.random.stateless_normal(shape, [1, seed])


def _randomize(layer):
  """Sets every weight to arbitrary values, so that none is zero or one."""
  weights = [
      w + 0.5 * _normal(*w.shape, seed=i).numpy()
      for i, w in enumerate(layer.get_weights())
  ]
  layer.set_weights(weights)


def _codes(*shape):
  return np.random.default_rng(0).integers(3, size=shape)


def _jacobian(layer, x, context=None, of='inputs'):
  """Returns whether the outputs at t depend on s, `[length, length]`."""
  with tf.GradientTape(persistent=True) as tape:
    tape.watch([x, context] if context is not None else x)
    y = tf.reduce_sum(layer(x, context=context) ** 2, axis=-1)
  jacobian = tape.jacobian(
      y, x if of == 'inputs' else context, experimental_use_pfor=False
  )
  return tf.reduce_any(jacobian != 0.0, axis=-1)


def _run_steps(layer, tokens, context=None, length=None):
  """Returns the outputs `[..., length, C]`, by steps in one graph loop."""
  length = tokens.shape[1] if length is None else length
  batch_shape = tf.shape(tokens)[:1]
  first = tokens[:, 0]
  # The first token must not count, whatever it is.
  first = tf.fill(
      tf.shape(first), first.dtype.max if first.dtype.is_integer else np.nan
  )

  def body(i, token, state, outputs):
    output, state = layer.step(token, state)
    outputs = outputs.write(i, tf.cast(output, tf.float32))
    return i + 1, tf.gather(tokens, i, axis=1), state, outputs

  _, _, _, outputs = tf.while_loop(
      lambda i, *_: i < length,
      body,
      (
          0,
          tf.ensure_shape(first, tokens.shape[:1] + tokens.shape[2:]),
          layer.initial_state(batch_shape, length, context=context),
          tf.TensorArray(tf.float32, length, element_shape=[None, 4]),
      ),
  )
  return tf.transpose(outputs.stack(), [1, 0, 2])


class CausalTransformerTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      positions=POSITIONS, length=(1, 4), conditional=(False, True)
  )
  def test_sees_all_of_the_past_and_nothing_else(
      self, positions, length, conditional
  ):
    layer = _network(positions=positions)
    x = _normal(length, 3)
    context = _normal(length, 2, seed=1) if conditional else None
    layer(x, context=context)
    _randomize(layer)
    past = np.tri(length, k=-1, dtype=bool)
    self.assertAllEqual(_jacobian(layer, x, context), past)
    if conditional:
      seen = _jacobian(layer, x, context, of='context')
      self.assertAllEqual(seen, np.tri(length, dtype=bool))

  @parameterized.parameters(('rotary', True, False), ('learned', False, False))
  def test_steps_equal_the_parallel_call(
      self, positions, jit_compile, conditional
  ):
    self.check_steps_equal_the_parallel_call(
        positions, jit_compile, conditional
    )

  @parameterized.parameters(
      ('rotary', None, False),
      ('rotary', False, True),
      ('learned', None, True),
      ('learned', True, True),
  )
  @pytest.mark.slow
  def test_steps_equal_the_parallel_call_slow(
      self, positions, jit_compile, conditional
  ):
    self.check_steps_equal_the_parallel_call(
        positions, jit_compile, conditional
    )

  def check_steps_equal_the_parallel_call(
      self, positions, jit_compile, conditional
  ):
    layer = _network(positions=positions)
    codes = _codes(4, 5)
    x = tf.one_hot(codes, 3)
    context = _normal(4, 5, 2) if conditional else None
    layer(x, context=context)
    _randomize(layer)
    expected = layer(x, context=context)
    self.assertGreater(np.std(expected), 0.3)

    def run(tokens):
      return layer(tokens, context=context), _run_steps(layer, tokens, context)

    if jit_compile is not None:
      run = tf.function(run, jit_compile=jit_compile)
    forms = [tf.constant(codes, tf.int32)] + [x] * (not jit_compile)
    for tokens in forms:
      for y in run(tokens):
        self.assertAllClose(y, expected, rtol=1e-5, atol=1e-5)

  @parameterized.parameters(*POSITIONS)
  def test_unknown_batch_size_and_length(self, positions):
    layer = _network(positions=positions)
    layer.build([None, 7, 3])

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def run(codes):
      parallel = layer(codes)
      self.assertEqual(parallel.shape.as_list(), [None, None, 4])
      return parallel, _run_steps(layer, codes, length=tf.shape(codes)[1])

    for length in (1, 4, 7):
      codes = tf.constant(_codes(2, length), tf.int32)
      for y in run(codes):
        self.assertAllClose(y, layer(codes), atol=1e-5)

  def test_graph_of_a_step_does_not_grow_with_the_length(self):
    layer = _network(num_layers=1)
    layer.build([None, None, 3])
    sizes = []
    for length in (2, 200):
      step = tf.function(layer.step).get_concrete_function(
          tf.TensorSpec([5], tf.int32), layer.initial_state([5], length)
      )
      sizes.append(len(step.graph.get_operations()))
    self.assertEqual(sizes[0], sizes[1])

  def test_step_knows_its_static_shapes(self):
    layer = _network()
    layer.build([None, 5, 3])

    @tf.function(input_signature=[tf.TensorSpec([None, 7], tf.int32)])
    def step(token):
      state = layer.initial_state(tf.shape(token))
      output, new_state = layer.step(token, state)
      self.assertEqual(output.shape.as_list(), [None, 7, 4])
      for old, new in zip(
          tf.nest.flatten(state), tf.nest.flatten(new_state), strict=True
      ):
        self.assertEqual(old.shape.as_list(), new.shape.as_list())
      self.assertEqual(state.caches[0].keys.shape.as_list(), [None, 7, 2, 5, 4])
      return output

    self.assertEqual(step(tf.zeros([2, 7], tf.int32)).shape, [2, 7, 4])
    output, _ = layer.step(tf.zeros([3]), layer.initial_state([]))
    self.assertEqual(output.shape, [4])

  def test_any_leading_dimensions(self):
    layer = _network()
    x = _normal(6, 5, 3)
    expected = layer(x)
    self.assertAllClose(layer(x[0]), expected[0], atol=1e-5)
    y = layer(tf.reshape(x, [3, 1, 2, 5, 3]))
    self.assertAllClose(y, tf.reshape(expected, [3, 1, 2, 5, 4]), atol=1e-5)

  def test_context_broadcasts(self):
    layer = _network()
    x, context = _normal(6, 5, 3), _normal(5, 2)
    expected = layer(x, context=tf.repeat(context[tf.newaxis], 6, axis=0))
    self.assertAllClose(layer(x, context=context), expected, atol=1e-5)
    self.assertAllClose(_run_steps(layer, x, context), expected, atol=1e-5)

  def test_cache_is_as_long_as_the_context_or_the_layer(self):
    layer = _network()
    layer(_normal(2, 5, 3))
    state = layer.initial_state([2])
    self.assertEqual(state.caches[0].keys.shape, [2, 2, 5, 4])
    layer = _network()
    layer(_normal(2, 5, 3), context=_normal(2, 5, 2))
    state = layer.initial_state([2], context=_normal(2, 6, 2))
    self.assertEqual(state.caches[0].keys.shape, [2, 2, 6, 4])

  @parameterized.product(positions=POSITIONS, conditional=(False, True))
  def test_gradient_reaches_every_weight(self, positions, conditional):
    layer = _network(positions=positions)
    context = _normal(6, 5, 2) if conditional else None
    with tf.GradientTape() as tape:
      y = tf.reduce_sum(layer(_normal(6, 5, 3), context=context) ** 2)
    weights = [w.value for w in layer.trainable_variables]
    # 11 a block; embedding, nothing, final norm and outputs.
    self.assertLen(weights, 28 + (positions == 'learned') + conditional)
    for gradient in tape.gradient(y, weights):
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0)

  def test_outputs_start_small_and_differ(self):
    layer = _network(units=64, num_outputs=50)
    y = layer(tf.one_hot(_codes(8, 20), 3))
    # 50 projections of 160 features: a spread of 10 % or less.
    self.assertAllClose(np.std(y), 0.1, rtol=0.5)
    self.assertGreater(len(set(np.argmax(y, axis=-1).ravel())), 5)

  def test_rotary_positions_go_beyond_the_length_built_for(self):
    layer = _network()
    layer.build([None, 5, 3])
    self.assertEqual(layer(_codes(2, 9)).shape, [2, 9, 4])

  def test_learns_the_position_itself(self):
    layer = _network(positions='learned')
    x = tf.zeros([1, 4, 3])
    # The same token at each position.
    self.assertNotAllClose(layer(x)[0, 1], layer(x)[0, 2], atol=1e-4)

  def test_mixed_precision(self):
    layer = _network(dtype='mixed_bfloat16')
    x, context = tf.one_hot(_codes(4, 5), 3), _normal(4, 5, 2)
    y = layer(x, context=context)
    self.assertEqual(y.dtype, tf.bfloat16)
    self.assertEqual({w.dtype for w in layer.weights}, {'float32'})
    full = _network()
    expected = full(x, context=context)
    self.assertAllClose(tf.cast(y, tf.float32), expected, atol=0.03)
    output, state = layer.step(x[:, 0], layer.initial_state([4], 5, context))
    self.assertEqual(output.dtype, tf.bfloat16)
    self.assertEqual(state.caches[0].keys.dtype, tf.bfloat16)
    self.assertAllClose(_run_steps(layer, x, context), expected, atol=0.03)

  def test_functional_model_trains_and_survives_a_file(self):
    inputs = keras.Input((5, 3)), keras.Input((5, 2))
    arrays = [_normal(6, 5, 3).numpy(), _normal(6, 5, 2).numpy()]
    layer = _network(num_layers=1, positions='learned', feed_forward_units=11)
    outputs = layer(inputs[0], context=inputs[1])
    self.assertEqual(outputs.shape, (None, 5, 4))
    model = keras.Model(inputs, outputs)
    model.compile('sgd', 'mse')
    before = model(arrays)
    model.fit(arrays, np.ones([6, 5, 4]), epochs=1, verbose=0)
    after = model(arrays)
    self.assertNotAllClose(before, after)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(arrays), after)
    self.assertEqual(restored.layers[-1].get_config(), layer.get_config())

  def test_model_of_codes_survives_a_file(self):
    layer = _network(num_layers=1)
    layer.build([None, None, 3])
    inputs = keras.Input((None,), dtype='int32')
    model = keras.Model(inputs, layer(inputs))
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    codes = _codes(2, 5)
    self.assertAllEqual(restored(codes), layer(codes))

  def test_seed_repeats_and_seeds_differ(self):
    x = _normal(6, 5, 3)
    a, b, c = (_network(seed=seed)(x) for seed in (0, 0, 1))
    self.assertAllEqual(a, b)
    self.assertNotAllClose(a, c)
    layer = _network()
    layer(x)
    kernels = [w.numpy() for w in layer.weights if w.path.endswith('kernel')]
    starts = {float(k.ravel()[0]) for k in kernels}
    self.assertLen(starts, len(kernels))

  @parameterized.parameters(
      ({'num_outputs': 0}, '`num_outputs` of at least 1; received 0'),
      ({'num_layers': 0}, '`num_layers` of at least 1; received 0'),
      ({'num_heads': 0}, '`num_heads` of at least 1; received 0'),
      ({'units': -8}, '`units` of at least 1; received -8'),
      (
          {'feed_forward_units': 0},
          '`feed_forward_units` of at least 1; received 0',
      ),
      ({'num_heads': 3}, 'multiple of 3, .*received 8'),
      ({'num_heads': 8}, 'even width, .*received 8 units in 8 heads'),
      ({'positions': 'sine'}, "`positions` .*received 'sine'"),
  )
  def test_rejects_bad_arguments(self, kwargs, message):
    with self.assertRaisesRegex(ValueError, message):
      _network(**kwargs)

  def test_rejects_bad_inputs(self):
    with self.assertRaisesRegex(ValueError, 'static K; received .*None'):
      _network().build([None, 5, None])
    with self.assertRaisesRegex(ValueError, 'layer that is built'):
      _network()(_codes(2, 5))
    with self.assertRaisesRegex(ValueError, 'static length, .*received'):
      _network(positions='learned').build([None, None, 3])
    layer = _network(positions='learned')
    layer.build([None, 5, 3])
    with self.assertRaisesRegex(ValueError, 'at most 5 .*received 6'):
      layer(_codes(2, 6))
    with self.assertRaisesRegex(ValueError, 'at most 5 .*received 6'):
      layer.initial_state([2], 6)

  def test_rejects_a_state_of_unknown_length(self):
    with self.assertRaisesRegex(ValueError, 'a layer that is built'):
      _network().initial_state([6])
    layer = _network()
    layer.build([None, None, 3])
    with self.assertRaisesRegex(ValueError, 'a `length` for the cache'):
      layer.initial_state([6])

  def test_rejects_a_context_that_comes_or_goes(self):
    x, context = _normal(6, 2, 3), _normal(6, 2, 2)
    without, with_ = _network(), _network()
    without(x)
    with_(x, context=context)
    with self.assertRaisesRegex(ValueError, 'Expected no `context`'):
      without(x, context=context)
    with self.assertRaisesRegex(ValueError, 'Expected no `context`'):
      without.initial_state([6], context=context)
    with self.assertRaisesRegex(ValueError, 'Expected a `context`'):
      with_(x)
    with self.assertRaisesRegex(ValueError, 'Expected a `context`'):
      with_.initial_state([6])


if __name__ == '__main__':
  tf.test.main()
