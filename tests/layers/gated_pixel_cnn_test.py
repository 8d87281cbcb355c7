import os

from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import layers

H, W, C = 4, 6, 2
F = 3


def _network(has_context=False, **kwargs):
  """Returns a network with arbitrary biases, too, which sees all before."""
  kwargs = {'units': 8, 'num_layers': 2, 'seed': 0, **kwargs}
  network = layers.GatedPixelCNN(3, **kwargs)
  network.build((None, H, W, C), (None, H, W, F) if has_context else None)
  rng = np.random.default_rng(0)
  weights = [rng.normal(scale=0.5, size=w.shape) for w in network.weights]
  # No pixel at which all units are dead.
  weights[-3] += 2.0
  network.set_weights(weights)
  return network


def _inputs(*batch_shape):
  return tf.random.stateless_normal([*batch_shape, H, W, C], [0, 1])


def _context(*shape):
  return tf.random.stateless_normal([*shape, F], [1, 2])


def _given(context):
  return {} if context is None else {'context': context}


def _run_steps(network, x, context=None):
  """Returns the outputs `[batch, H, W, 3]`, by steps in one graph loop."""
  pixels = tf.reshape(x, [-1, H * W, C])

  def body(t, token, state, outputs):
    output, state = network.step(token, state)
    outputs = outputs.write(t, tf.cast(output, tf.float32))
    return t + 1, pixels[:, t], state, outputs

  state = network.initial_state(tf.shape(x)[:1], H * W, **_given(context))
  # The first token must not count, whatever it is.
  start = (
      0,
      np.nan * pixels[:, 0],
      state,
      tf.TensorArray(tf.float32, H * W, element_shape=[None, 3]),
  )
  outputs = tf.while_loop(
      lambda t, *_: t < H * W, body, start, maximum_iterations=H * W
  )[-1]
  return tf.reshape(tf.transpose(outputs.stack(), [1, 0, 2]), [-1, H, W, 3])


def _oracle(weights, x, context, kernel_sizes):
  """Computes the outputs `[H, W, 3]` of one image, a tap at a time."""
  weights = list(weights)
  hidden_kernel, hidden_bias, output_kernel, output_bias = weights[-4:]
  down, right = np.zeros_like(x), np.zeros_like(x)
  down[1:], right[:, 1:] = x[:-1], x[:, :-1]
  for i, size in enumerate(kernel_sizes):
    above, above_bias, left, left_bias, link = weights[:5]
    output, bias, context_kernel = weights[5:8]
    del weights[:8]
    units = output.shape[0]
    new_down = np.zeros([H, W, units])
    new_right = np.zeros([H, W, units])
    for row, column in np.ndindex(H, W):
      shared = context[row, column] @ context_kernel
      down_gates = above_bias + shared[: 2 * units]
      right_gates = left_bias + shared[2 * units :]
      for r in range(row - size // 2, row + 1):
        for c in range(column - size // 2, column + size // 2 + 1):
          if r >= 0 and 0 <= c < W:
            tap = above[r - row + size // 2, c - column + size // 2]
            down_gates = down_gates + down[r, c] @ tap
      for c in range(max(0, column - size // 2), column + 1):
        tap = left[0, c - column + size // 2]
        right_gates = right_gates + right[row, c] @ tap
      right_gates = right_gates + down_gates @ link
      new_down[row, column] = _gate(down_gates)
      new_right[row, column] = _gate(right_gates) @ output + bias
    down, right = new_down, new_right + (right if i else 0.0)
  hidden = np.maximum(right, 0.0) @ hidden_kernel + hidden_bias
  return np.maximum(hidden, 0.0) @ output_kernel + output_bias


def _gate(gates):
  filter_, gate = np.split(gates, 2)
  return np.tanh(filter_) / (1.0 + np.exp(-gate))


def _seen(reach, sees_itself):
  """Returns by output pixel, then by pixel, what it sees, `[H * W, H * W]`."""
  rows, columns = np.divmod(np.arange(H * W), W)
  up = rows[:, np.newaxis] - rows
  left = columns[:, np.newaxis] - columns
  above = (up >= 1) & (up <= 1 + reach) & (abs(left) <= reach)
  same_row = (up == 0) & (left >= 1) & (left <= 1 + reach)
  if sees_itself:
    # A context is not shifted: rows up to this one, both sides.
    return (up >= 0) & (up <= reach) & (abs(left) <= reach)
  return above | same_row


class GatedPixelCNNTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters((1, 3, 3), (2, 3, 3), (2, 3, 5), (3, 5, 3))
  def test_equals_an_oracle(self, num_layers, kernel_size, first_kernel_size):
    network = _network(
        True,
        num_layers=num_layers,
        kernel_size=kernel_size,
        first_kernel_size=first_kernel_size,
    )
    x, context = _inputs(), _context(H, W)
    sizes = [first_kernel_size] + [kernel_size] * (num_layers - 1)
    self.assertAllClose(
        network(x, context=context),
        _oracle(network.get_weights(), x.numpy(), context.numpy(), sizes),
        rtol=1e-4,
        atol=1e-4,
    )

  @parameterized.parameters((1, 3, 3), (2, 3, 3), (4, 3, 7))
  def test_sees_all_before_it_in_its_field_and_nothing_else(
      self, num_layers, kernel_size, first_kernel_size
  ):
    network = _network(
        num_layers=num_layers,
        kernel_size=kernel_size,
        first_kernel_size=first_kernel_size,
    )
    x = _inputs(1)
    # One image for each pixel that changes.
    change = tf.reshape(tf.eye(H * W), [H * W, H, W, 1])
    x = tf.repeat(x, H * W, axis=0)
    difference = network(x + change) - network(x)
    seen = tf.reduce_any(difference != 0.0, axis=-1)
    seen = tf.transpose(tf.reshape(seen, [H * W, H * W]))
    reach = network.receptive_field - 1
    self.assertAllEqual(seen, _seen(reach, sees_itself=False))
    if reach >= W:
      self.assertAllEqual(seen, np.tri(H * W, k=-1, dtype=bool))

  def test_gradient_is_causal_at_every_pixel(self):
    network = _network(num_layers=4)
    x = _inputs(1)
    with tf.GradientTape() as tape:
      tape.watch(x)
      outputs = tf.reshape(network(x), [H * W, 3])
    jacobian = tf.reshape(tape.jacobian(outputs, x), [H * W, 3, H * W, C])
    self.assertAllEqual(
        tf.reduce_all(jacobian != 0.0, axis=[1, 3]),
        np.tri(H * W, k=-1, dtype=bool),
    )
    self.assertAllEqual(
        tf.reduce_any(jacobian != 0.0, axis=[1, 3]),
        np.tri(H * W, k=-1, dtype=bool),
    )

  def test_sees_the_context_at_its_own_pixel_too(self):
    network = _network(True, first_kernel_size=3, num_layers=3)
    x = tf.repeat(_inputs(1), H * W, axis=0)
    context = _context(1, H, W)
    change = tf.reshape(tf.eye(H * W), [H * W, H, W, 1])
    difference = network(x, context=context + change) - network(
        x, context=context
    )
    seen = tf.reduce_any(difference != 0.0, axis=-1)
    seen = tf.transpose(tf.reshape(seen, [H * W, H * W]))
    # The first block adds a context after its convolution.
    reach = network.receptive_field - 2
    self.assertAllEqual(seen, _seen(reach, sees_itself=True))

  @parameterized.product(
      has_context=(False, True), kwargs=({}, {'kernel_size': 5})
  )
  def test_steps_equal_the_parallel_call(self, has_context, kwargs):
    network = _network(has_context, num_layers=3, **kwargs)
    context = _context(7, H, W) if has_context else None
    x = _inputs(7)
    run_steps = tf.function(lambda x: _run_steps(network, x, context))
    self.assertAllClose(
        run_steps(x), network(x, **_given(context)), rtol=1e-5, atol=1e-5
    )

  def test_compiled_equals_eager_at_unknown_batch_size(self):
    self.check_compiled_equals_eager_at_unknown_batch_size(False)

  @pytest.mark.slow
  def test_compiled_equals_eager_at_unknown_batch_size_slow(self):
    self.check_compiled_equals_eager_at_unknown_batch_size(True)

  def check_compiled_equals_eager_at_unknown_batch_size(self, jit_compile):
    network = _network(True)
    x, context = _inputs(4), _context(4, H, W)
    variables = [w.value for w in network.trainable_variables]

    def evaluate(x, context):
      with tf.GradientTape() as tape:
        outputs = network(x, context=context)
        loss = tf.reduce_mean(outputs**2)
      self.assertEqual(outputs.shape[1:], [H, W, 3])
      return outputs, *tape.gradient(loss, variables)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, H, W, C]),
            tf.TensorSpec([None, H, W, F]),
        ],
        jit_compile=jit_compile,
    )
    def compiled(x, context):
      return _run_steps(network, x, context), *evaluate(x, context)

    steps, *actual = compiled(x, context)
    expected = evaluate(x, context)
    self.assertAllClose(steps, expected[0], rtol=1e-5, atol=1e-5)
    for value, expected_value in zip(actual, expected, strict=True):
      self.assertGreater(tf.reduce_max(tf.abs(expected_value)), 0.0)
      self.assertAllClose(value, expected_value, rtol=1e-4, atol=1e-4)

  def test_a_step_costs_the_same_whatever_the_size(self):
    # Convolutions and products by their shapes: none but those of a row, in the
    # branch that each row takes once, may know of the width.
    network = _network()
    state = network.initial_state([2])
    step = tf.function(network.step).get_concrete_function(
        tf.zeros([2, C]), state
    )
    operations = step.graph.get_operations()
    convolutions = [op for op in operations if op.type == 'Conv2D']
    self.assertLen(convolutions, 2)
    for convolution in convolutions:
      self.assertEqual(convolution.outputs[0].shape[1:3], [1, 1])
    self.assertLen([op for op in operations if 'If' in op.type], 1)

  def test_context_may_broadcast(self):
    network = _network(True)
    x = _inputs(2, 3)
    for shape in ((H, W), (1, 1), (3, H, 1), (2, 1, 1, W), (2, 3, H, W)):
      context = _context(*shape)
      full = tf.broadcast_to(context, [2, 3, H, W, F])
      outputs = network(x, context=context)
      self.assertEqual(outputs.shape, [2, 3, H, W, 3])
      expected = network(x[1, 2], context=full[1, 2])
      self.assertAllClose(outputs[1, 2], expected, atol=1e-5)
      state = network.initial_state([2, 3], context=context)
      output, _ = network.step(x[..., 0, 0, :], state)
      self.assertEqual(output.shape, [2, 3, 3])
      self.assertAllClose(output, outputs[..., 0, 0, :], atol=1e-5)
      if shape == (1, 1):
        self.assertAllClose(
            _run_steps(network, x[0], context), outputs[0], atol=1e-5
        )

  def test_outputs_start_small(self):
    network = layers.GatedPixelCNN(4, units=16, num_layers=4, seed=0)
    outputs = network(tf.random.stateless_uniform([8, 9, 9, 1], [0, 1], -1))
    self.assertBetween(tf.math.reduce_std(outputs).numpy(), 0.01, 0.2)

  @parameterized.parameters('mixed_bfloat16', 'mixed_float16')
  def test_mixed_precision(self, policy):
    network = _network(True, dtype=policy)
    x, context = _inputs(3), _context(3, H, W)
    outputs = network(x, context=context)
    self.assertEqual(outputs.dtype.name, policy.removeprefix('mixed_'))
    self.assertEqual({w.dtype for w in network.weights}, {'float32'})
    expected = _network(True)(x, context=context)
    steps = _run_steps(network, x, context)
    for actual in (tf.cast(outputs, tf.float32), steps):
      self.assertAllClose(actual, expected, rtol=0.05, atol=0.1)

  def test_functional_model_trains_and_survives_a_file(self):
    self.check_functional_model_trains_and_survives_a_file(True)

  @pytest.mark.slow
  def test_functional_model_trains_and_survives_a_file_slow(self):
    self.check_functional_model_trains_and_survives_a_file(False)

  def check_functional_model_trains_and_survives_a_file(self, has_context):
    inputs = [keras.Input((H, W, C)), keras.Input((H, W, F))]
    network = layers.GatedPixelCNN(3, units=4, num_layers=2)
    outputs = network(inputs[0], **_given(inputs[1] if has_context else None))
    self.assertEqual(outputs.shape, (None, H, W, 3))
    model = keras.Model(inputs[: 1 + has_context], outputs)
    model.compile('adam', 'mse')
    arrays = [_inputs(6).numpy(), _context(6, H, W).numpy()][: 1 + has_context]
    before = model(arrays)
    model.fit(arrays, np.ones([6, H, W, 3]), epochs=1, verbose=0)
    after = model(arrays)
    self.assertNotAllClose(before, after)
    path = os.path.join(self.get_temp_dir(), 'network.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(arrays), after)
    twin = restored.layers[-1]
    self.assertEqual(twin.get_config(), network.get_config())
    steps = _run_steps(twin, *map(tf.constant, arrays))
    self.assertAllClose(steps, after, atol=1e-5)

  def test_a_copy_from_the_config_starts_with_the_same_weights(self):
    network = layers.GatedPixelCNN(3, units=4, num_layers=2)
    twin = layers.GatedPixelCNN.from_config(network.get_config())
    self.assertAllEqual(network(_inputs(2)), twin(_inputs(2)))

  @parameterized.parameters(
      ({'num_outputs': 0}, '`num_outputs` of at least 1; received 0'),
      ({'units': 0}, '`units` of at least 1; received 0'),
      ({'num_layers': 0}, '`num_layers` of at least 1; received 0'),
      ({'kernel_size': 4}, 'odd `kernel_size` of at least 3; received 4'),
      ({'first_kernel_size': 1}, 'odd `first_kernel_size` .* received 1'),
  )
  def test_rejects_bad_arguments(self, kwargs, message):
    with self.assertRaisesRegex(ValueError, message):
      layers.GatedPixelCNN(**{'num_outputs': 2, **kwargs})

  @parameterized.parameters(False, True)
  def test_empty_batch(self, has_context):
    network, context = _network(has_context), None
    if has_context:
      context = _context(0, H, W)

    def run(x):
      with tf.GradientTape() as tape:
        y = network(x, **_given(context))
        loss = tf.reduce_sum(y)
      weights = [w.value for w in network.trainable_variables]
      return y, tape.gradient(loss, weights)

    spec = tf.TensorSpec([None, H, W, C])
    for call in (run, tf.function(run, input_signature=[spec])):
      y, gradients = call(_inputs(0))
      self.assertEqual(y.shape, [0, H, W, 3])
      for gradient in gradients:
        self.assertAllEqual(gradient, tf.zeros_like(gradient))
    self.assertEqual(_run_steps(network, _inputs(0), context).shape, y.shape)

  def test_rejects_another_shape_in_the_run(self):
    network, x = _network(), _inputs(2)
    for spec in ([None, None, None, C], [None] * 4):
      call = tf.function(network, input_signature=[tf.TensorSpec(spec)])
      self.assertAllClose(call(x), network(x), atol=1e-5)
      for bad in (tf.transpose(x, [0, 2, 1, 3]), tf.reshape(x, [1, -1, W, C])):
        with self.assertRaises(tf.errors.InvalidArgumentError):
          call(bad)

  def test_rejects_bad_input(self):
    for shape in ((None, W, C), (H, None, C), (H, W, None), (W, C)):
      with self.assertRaisesRegex(ValueError, 'static H, W and C; received'):
        layers.GatedPixelCNN(3).build(shape)
    network = _network()
    for x in (tf.zeros([2, H, W, C], tf.int32), tf.zeros([2, W, H, C])):
      with self.assertRaisesRegex(ValueError, r'last three \[4, 6, 2\].*recei'):
        network(x)
    with self.assertRaisesRegex(ValueError, 'a layer that is built'):
      layers.GatedPixelCNN(3).initial_state([2])
    with self.assertRaisesRegex(ValueError, '`length` of 24.*received 23'):
      network.initial_state([2], 23)
    x, context = _inputs(2), _context(2, H, W)
    with self.assertRaisesRegex(ValueError, 'Expected no `context`'):
      network(x, context=context)
    with self.assertRaisesRegex(ValueError, 'Expected no `context`'):
      network.initial_state([2], context=context)
    conditional = _network(True)
    with self.assertRaisesRegex(ValueError, 'Expected a `context`'):
      conditional(x)
    with self.assertRaisesRegex(ValueError, 'Expected a `context`'):
      conditional.initial_state([2])
    for context in (_context(2), _context(W, H), _context(3, H, W)):
      with self.assertRaisesRegex(ValueError, '`context` of shape.*received'):
        conditional(x, context=context)
      with self.assertRaisesRegex(ValueError, '`context` of shape.*received'):
        conditional.initial_state([2], context=context)


if __name__ == '__main__':
  tf.test.main()
