"""What holds of every causal layer: the call, the steps and the Keras part."""

import os

from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import layers

K = 3
LENGTH = 5

NETWORKS = {
    'ContextTable': lambda **kwargs: layers.ContextTable(
        4, 'random', seed=3, **kwargs
    ),
    'CausalConvolution': lambda **kwargs: layers.CausalConvolution(
        4, units=8, dilations=[1, 2], kernel_size=3, seed=3, **kwargs
    ),
    'CausalLSTM': lambda **kwargs: layers.CausalLSTM(
        4, units=[8, 6], seed=3, **kwargs
    ),
    'CausalTransformer': lambda **kwargs: layers.CausalTransformer(
        4, num_layers=2, num_heads=2, units=8, seed=3, **kwargs
    ),
    'MADE': lambda **kwargs: layers.MADE(
        4, [9, 8], 'random', activation='softplus', seed=3, **kwargs
    ),
}
# Those that take a context at each position.
CONDITIONAL = ('CausalConvolution', 'CausalLSTM', 'CausalTransformer')


def _build(name, length=LENGTH, **kwargs):
  """Returns a network with arbitrary biases, too."""
  network = NETWORKS[name](**kwargs)
  network.build((None, length, K))
  return _randomize(network)


def _build_conditional(name, **kwargs):
  network = NETWORKS[name](**kwargs)
  network.build((None, LENGTH, K), (None, LENGTH, 2))
  return _randomize(network)


def _randomize(network):
  rng = np.random.default_rng(0)
  network.set_weights(
      [rng.normal(scale=0.5, size=w.shape) for w in network.weights]
  )
  return network


def _codes(*shape):
  codes = np.random.default_rng(1).integers(K, size=shape)
  return tf.constant(codes, tf.int32)


def _context(*batch_shape, length=LENGTH):
  return tf.random.stateless_normal([*batch_shape, length, 2], [1, 2])


def _order(network, length):
  return np.asarray(getattr(network, 'order', range(length)))


def _run_steps(network, x, context=None):
  """Returns the outputs `[batch, length, C]`, by steps in one graph loop."""
  codes = x.dtype.is_integer
  length = x.shape[1]
  order = tf.constant(_order(network, length), tf.int32)
  # The first token must not count, whatever it is.
  first = tf.zeros_like(x[:, 0]) + (2 if codes else np.nan)
  context = {} if context is None else {'context': context}

  def body(t, token, state, outputs):
    output, state = network.step(token, state)
    outputs = outputs.write(order[t], tf.cast(output, tf.float32))
    return t + 1, tf.gather(x, order[t], axis=1), state, outputs

  outputs = tf.while_loop(
      lambda t, *_: t < length,
      body,
      (
          0,
          first,
          network.initial_state(tf.shape(x)[:1], length, **context),
          tf.TensorArray(tf.float32, length, element_shape=[None, 4]),
      ),
      maximum_iterations=length,
  )[-1]
  return tf.transpose(outputs.stack(), [1, 0, 2])


class CausalNetworksTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*NETWORKS)
  def test_sees_all_of_the_past_and_nothing_else(self, name):
    network = _build(name)
    ranks = np.argsort(_order(network, LENGTH))
    codes = np.tile(_codes(LENGTH), [LENGTH, 1])
    changed = (codes + np.eye(LENGTH, dtype=int)) % K
    difference = network(tf.constant(changed)) - network(tf.constant(codes))
    self.assertAllEqual(
        # By the position that changed, then the one that sees it.
        tf.reduce_any(difference != 0.0, axis=-1),
        ranks[:, np.newaxis] < ranks,
    )

  @parameterized.product(name=tuple(NETWORKS), length=(1, LENGTH))
  def test_steps_equal_the_parallel_call(self, name, length):
    network = _build(name, length)
    codes = _codes(6, length)
    x = tf.one_hot(codes, K)
    expected = network(x)
    self.assertEqual(expected.shape, [6, length, 4])
    for inputs in (x, codes):
      self.assertAllClose(
          _run_steps(network, inputs), expected, rtol=1e-5, atol=1e-5
      )

  @parameterized.parameters(*NETWORKS)
  def test_compiled_equals_eager_at_unknown_batch_size(self, name):
    self.check_compiled_equals_eager_at_unknown_batch_size(name, False)

  @parameterized.parameters(*NETWORKS)
  @pytest.mark.slow
  def test_compiled_equals_eager_at_unknown_batch_size_slow(self, name):
    self.check_compiled_equals_eager_at_unknown_batch_size(name, True)

  def check_compiled_equals_eager_at_unknown_batch_size(
      self, name, jit_compile
  ):
    network = _build(name)
    codes = _codes(6, LENGTH)
    x = tf.one_hot(codes, K)

    def evaluate(x):
      with tf.GradientTape() as tape:
        outputs = network(x)
        loss = tf.reduce_sum(outputs**2)
      self.assertEqual(outputs.shape[1:].as_list(), [LENGTH, 4])
      weights = [w.value for w in network.trainable_variables]
      return outputs, *tape.gradient(loss, weights)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, LENGTH, K]),
            tf.TensorSpec([None, LENGTH], tf.int32),
        ],
        jit_compile=jit_compile,
    )
    def compiled(x, codes):
      return _run_steps(network, codes), *evaluate(x)

    steps, *actual = compiled(x, codes)
    expected = evaluate(x)
    self.assertAllClose(steps, expected[0], rtol=1e-5, atol=1e-5)
    for value, expected_value in zip(actual, expected, strict=True):
      self.assertAllClose(value, expected_value, rtol=1e-4, atol=1e-4)

  @parameterized.parameters(*NETWORKS)
  def test_codes_are_one_hot_vectors(self, name):
    network = _build(name)
    codes = tf.concat([_codes(6, LENGTH), [[0, -1, 2, 1, -1]]], axis=0)
    self.assertAllClose(network(codes), network(tf.one_hot(codes, K)))
    self.assertAllClose(
        _run_steps(network, codes), network(codes), rtol=1e-5, atol=1e-5
    )

  @parameterized.parameters(*NETWORKS)
  def test_gradient_reaches_every_weight_and_the_inputs(self, name):
    network = _build(name)
    x = tf.one_hot(_codes(6, LENGTH), K)
    with tf.GradientTape() as tape:
      tape.watch(x)
      loss = tf.reduce_sum(network(x) ** 2)
    weights = [w.value for w in network.trainable_variables]
    *gradients, gradient = tape.gradient(loss, [*weights, x])
    for weight_gradient in gradients:
      self.assertGreater(tf.reduce_max(tf.abs(weight_gradient)), 0.0)
    last = np.arange(LENGTH) == _order(network, LENGTH)[-1]
    is_zero = tf.reduce_all(gradient == 0.0, axis=[0, 2])
    self.assertAllEqual(is_zero, last)

  @parameterized.parameters(*NETWORKS)
  def test_any_leading_dimensions(self, name):
    network = _build(name)
    codes = _codes(6, LENGTH)
    expected = network(codes)
    x = tf.one_hot(codes, K)
    self.assertAllClose(network(x[0]), expected[0], atol=1e-6)
    outputs = network(tf.reshape(x, [3, 1, 2, LENGTH, K]))
    self.assertAllClose(
        outputs, tf.reshape(expected, [3, 1, 2, LENGTH, 4]), atol=1e-6
    )
    first = _order(network, LENGTH)[0]
    for batch_shape in ([], [6], [2, 3]):
      token = tf.zeros([*batch_shape, K])
      output, _ = network.step(
          token, network.initial_state(batch_shape, LENGTH)
      )
      self.assertEqual(output.shape, [*batch_shape, 4])
      self.assertAllClose(
          output, tf.broadcast_to(expected[0, first], output.shape), atol=1e-5
      )

  @parameterized.parameters(*NETWORKS)
  def test_mixed_precision(self, name):
    network = _build(name, dtype='mixed_bfloat16')
    codes = _codes(6, LENGTH)
    outputs = network(tf.one_hot(codes, K))
    self.assertEqual(outputs.dtype, tf.bfloat16)
    self.assertEqual({w.dtype for w in network.weights}, {'float32'})
    expected = _build(name)(codes)
    self.assertAllClose(tf.cast(outputs, tf.float32), expected, atol=0.1)
    output, _ = network.step(codes[:, 0], network.initial_state([6], LENGTH))
    self.assertEqual(output.dtype, tf.bfloat16)
    self.assertAllClose(_run_steps(network, codes), expected, atol=0.1)

  @parameterized.parameters('ContextTable', 'CausalConvolution', 'MADE')
  def test_functional_model_trains_and_survives_a_file(self, name):
    self.check_functional_model_trains_and_survives_a_file(name)

  @parameterized.parameters('CausalLSTM', 'CausalTransformer')
  @pytest.mark.slow
  def test_functional_model_trains_and_survives_a_file_slow(self, name):
    self.check_functional_model_trains_and_survives_a_file(name)

  def check_functional_model_trains_and_survives_a_file(self, name):
    inputs = keras.Input((LENGTH, K))
    network = NETWORKS[name]()
    outputs = network(inputs)
    self.assertEqual(outputs.shape, (None, LENGTH, 4))
    model = keras.Model(inputs, outputs)
    model.compile('sgd', 'mse')
    x = np.eye(K)[_codes(6, LENGTH)]
    before = model(x)
    model.fit(x, np.ones([6, LENGTH, 4]), epochs=1, verbose=0)
    after = model(x)
    self.assertNotAllClose(before, after)
    path = os.path.join(self.get_temp_dir(), f'{name}.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(x), after)
    twin = restored.layers[-1]
    self.assertEqual(twin.get_config(), network.get_config())
    self.assertAllClose(_run_steps(twin, tf.constant(x, tf.float32)), after)

  @parameterized.parameters(*NETWORKS)
  def test_a_copy_from_the_config_starts_with_the_same_weights(self, name):
    network = NETWORKS[name]()
    twin = type(network).from_config(network.get_config())
    x = tf.one_hot(_codes(6, LENGTH), K)
    self.assertAllEqual(network(x), twin(x))

  @parameterized.parameters(*NETWORKS)
  def test_rejects_what_it_cannot_know_before_it_is_built(self, name):
    with self.assertRaisesRegex(ValueError, 'is built.* integer codes'):
      NETWORKS[name]()(_codes(6, LENGTH))
    with self.assertRaisesRegex(ValueError, 'a layer that is built'):
      NETWORKS[name]().initial_state([6], LENGTH)
    with self.assertRaisesRegex(ValueError, 'static'):
      NETWORKS[name]().build((None, LENGTH, None))

  @parameterized.parameters('ContextTable', 'MADE')
  def test_rejects_another_length_than_it_was_built_for(self, name):
    network = _build(name)
    with self.assertRaisesRegex(ValueError, '`length` of 5.*received 6'):
      network.initial_state([2], 6)

  @parameterized.parameters(*CONDITIONAL)
  def test_sees_the_context_up_to_its_own_position(self, name):
    network = _build_conditional(name)
    codes, context = tf.repeat(_codes(1, LENGTH), LENGTH, 0), _context(1)
    changed = context + tf.eye(LENGTH)[..., tf.newaxis]
    difference = network(codes, context=changed) - network(
        codes, context=context
    )
    positions = np.arange(LENGTH)
    self.assertAllEqual(
        tf.reduce_any(difference != 0.0, axis=-1),
        positions[:, np.newaxis] <= positions,
    )

  @parameterized.parameters('CausalConvolution', 'CausalTransformer')
  def test_steps_with_context(self, name):
    self.check_steps_with_context(name)

  @pytest.mark.slow
  def test_steps_with_context_slow(self):
    self.check_steps_with_context('CausalLSTM')

  def check_steps_with_context(self, name):
    network = _build_conditional(name)
    codes, context = _codes(6, LENGTH), _context(6)
    expected = network(tf.one_hot(codes, K), context=context)
    run_steps = tf.function(lambda x: _run_steps(network, x, context))
    self.assertAllClose(run_steps(codes), expected, rtol=1e-5, atol=1e-5)
    # One context for all.
    self.assertAllClose(
        _run_steps(network, codes, context[0]),
        network(codes, context=context[0]),
        rtol=1e-5,
        atol=1e-5,
    )

  @parameterized.parameters(*CONDITIONAL)
  def test_gradient_reaches_every_weight_with_context(self, name):
    network = _build_conditional(name)
    with tf.GradientTape() as tape:
      outputs = network(_codes(6, LENGTH), context=_context(6))
      loss = tf.reduce_sum(outputs**2)
    weights = [w.value for w in network.trainable_variables]
    self.assertGreater(len(weights), len(_build(name).trainable_variables))
    for gradient in tape.gradient(loss, weights):
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0)

  @parameterized.parameters(*CONDITIONAL)
  def test_context_in_a_file_and_in_half_precision(self, name):
    inputs = keras.Input((LENGTH, K)), keras.Input((LENGTH, 2))
    network = NETWORKS[name](dtype='mixed_bfloat16')
    model = keras.Model(inputs, network(inputs[0], context=inputs[1]))
    arrays = [np.eye(K)[_codes(6, LENGTH)], _context(6).numpy()]
    expected = model(arrays)
    path = os.path.join(self.get_temp_dir(), f'{name}.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(arrays), expected)
    steps = _run_steps(network, _codes(6, LENGTH), tf.constant(arrays[1]))
    self.assertAllClose(steps, tf.cast(expected, tf.float32), atol=0.1)

  @parameterized.parameters(*CONDITIONAL)
  def test_rejects_a_context_that_comes_or_goes(self, name):
    codes, context = _codes(6, LENGTH), _context(6)
    without, with_ = _build(name), _build_conditional(name)
    with self.assertRaisesRegex(ValueError, 'Expected no `context`'):
      without(codes, context=context)
    with self.assertRaisesRegex(ValueError, 'Expected no `context`'):
      without.initial_state([6], LENGTH, context)
    with self.assertRaisesRegex(ValueError, 'Expected a `context`'):
      with_(codes)
    with self.assertRaisesRegex(ValueError, 'Expected a `context`'):
      with_.initial_state([6], LENGTH)

  @parameterized.parameters(*CONDITIONAL)
  def test_rejects_a_context_of_other_positions(self, name):
    network = _build_conditional(name)
    for length in (1, LENGTH - 1, LENGTH + 1):
      context = _context(6, length=length)
      for x in (_codes(6, LENGTH), tf.one_hot(_codes(6, LENGTH), K)):
        with self.assertRaisesRegex(ValueError, rf'\.\.\., {LENGTH}, F\]'):
          network(x, context=context)
      if length < LENGTH:
        with self.assertRaisesRegex(ValueError, rf'\.\.\., {LENGTH}, F\]'):
          network.initial_state([6], LENGTH, context)

  @parameterized.parameters(*NETWORKS)
  def test_codes_of_any_integer_type(self, name):
    network = _build(name)
    codes = _codes(6, LENGTH)
    for dtype in ('int8', 'uint8', 'int16', 'int64'):
      self.assertAllEqual(network(tf.cast(codes, dtype)), network(codes))

  @parameterized.parameters(*NETWORKS)
  def test_codes_out_of_range_are_zero_vectors(self, name):
    network = _build(name)
    codes = np.repeat(_codes(1, LENGTH), 6, axis=0).astype(np.int64)
    position = _order(network, LENGTH)[0]
    codes[:, position] = [-1, K, K + 1, -K, 2**32 + 1, -(2**32) + 1]
    expected = network(tf.one_hot(codes, K))
    self.assertNotAllClose(expected, network(tf.one_hot(codes % K, K)))
    self.assertAllClose(network(tf.constant(codes)), expected)
    self.assertAllClose(
        _run_steps(network, tf.constant(codes)), expected, rtol=1e-5, atol=1e-5
    )
    codes = np.clip(codes[:4], -128, 127).astype(np.int8)
    self.assertAllClose(network(tf.constant(codes)), expected[:4])

  @parameterized.parameters(*CONDITIONAL)
  def test_context_by_its_position(self, name):
    network = _build_conditional(name)
    x, context = _codes(6, LENGTH), _context(6)
    self.assertAllEqual(network(x, context), network(x, context=context))
    network = NETWORKS[name]()
    x = tf.one_hot(x, K)
    self.assertAllEqual(network(x, context), network(x, context=context))

  @parameterized.parameters(*CONDITIONAL)
  def test_rejects_a_context_of_other_positions_in_the_run(self, name):
    network = _build_conditional(name)
    call = tf.function(
        lambda x, context: network(x, context=context),
        input_signature=[
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, None, 2]),
        ],
    )
    x, context = _codes(6, LENGTH), _context(6)
    self.assertAllClose(call(x, context), network(x, context=context))
    for length in (1, LENGTH + 1):
      with self.assertRaises(tf.errors.InvalidArgumentError):
        call(x, _context(6, length=length))
    start = tf.function(
        lambda length, context: network.initial_state([6], length, context)[0],
        input_signature=[
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([None, None, 2]),
        ],
    )
    self.assertEqual(start(LENGTH - 1, context), 0)
    with self.assertRaises(tf.errors.InvalidArgumentError):
      start(LENGTH + 1, context)

  @parameterized.parameters(*CONDITIONAL)
  def test_rejects_a_context_of_unknown_rank(self, name):
    network = _build_conditional(name)
    call = tf.function(
        lambda context: network(_codes(6, LENGTH), context=context),
        input_signature=[tf.TensorSpec(None)],
    )
    with self.assertRaisesRegex(ValueError, '`context` of .*received.*unknown'):
      call(_context(6))

  @parameterized.parameters(*CONDITIONAL)
  def test_length_may_be_unknown_and_change(self, name):
    network = _build(name)
    codes = _codes(6, 9)

    @tf.function(input_signature=[tf.TensorSpec([None, None, K])])
    def evaluate(x):
      return network(x)

    outputs = evaluate(tf.one_hot(codes, K))
    self.assertAllClose(outputs, _run_steps(network, codes), atol=1e-5)
    self.assertAllClose(
        evaluate(tf.one_hot(codes[:, :2], K)), outputs[:, :2], atol=1e-6
    )


if __name__ == '__main__':
  tf.test.main()
