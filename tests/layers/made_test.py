import itertools
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers

# Each with a way to draw the degrees.
ORDERS = (
    ('left_to_right', 'equal'),
    ('right_to_left', 'random'),
    ('random', 'random'),
    ('explicit', 'equal'),
)


def _made(length, order='left_to_right', seed=0, **kwargs):
  """Returns a deep MADE whose activation has a gradient everywhere."""
  if order == 'explicit':  # Is not its own inverse for more than two positions.
    order = np.roll(np.arange(length), 1).tolist()
  kwargs = {'num_outputs': 4, 'hidden_units': [9, 8], **kwargs}
  return layers.MADE(order=order, seed=seed, activation='softplus', **kwargs)


def _inputs(*shape, seed=0):
  return tf.random.stateless_normal(shape, [1, seed])


def _randomize(layer):
  """Sets every weight, the masked ones too, to arbitrary values."""
  layer.set_weights([_inputs(*w.shape, seed=7).numpy() for w in layer.weights])


def _jacobian(layer, x, context=None):
  """Returns d output / d input at x `[length, K]`: `[length, C, length, K]`.

  One copy of x for each output, since the examples of a batch are independent.
  """
  y = layer(x, context=context)
  copies = tf.repeat(x[tf.newaxis], tf.size(y), axis=0)
  with tf.GradientTape() as tape:
    tape.watch(copies)
    outputs = tf.reshape(layer(copies, context=context), [len(copies)] * 2)
    trace = tf.linalg.trace(outputs)
  return tf.reshape(tape.gradient(trace, copies), [*y.shape, *x.shape])


def _run_steps(layer, x, context=None):
  """Returns the outputs `[..., length, C]`, by steps in one graph loop."""
  order = tf.constant(layer.order, tf.int32)
  length = len(layer.order)
  outputs = tf.TensorArray(tf.float32, length, element_shape=[None, 4])

  def body(i, token, state, outputs):
    output, state = layer.step(token, state)
    position = tf.gather(order, i)
    outputs = outputs.write(position, tf.cast(output, tf.float32))
    return i + 1, tf.gather(x, position, axis=-2), state, outputs

  _, _, _, outputs = tf.while_loop(
      lambda i, *_: i < length,
      body,
      (
          0,
          # The first token must not count, whatever it is.
          tf.fill(tf.shape(x[..., 0, :]), np.nan),
          layer.initial_state(tf.shape(x)[:-2], context=context),
          outputs,
      ),
      maximum_iterations=length,
  )
  return tf.transpose(outputs.stack(), [1, 0, 2])


class MADETest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      num_classes=(2, 3),
      length=(1, 2, 5),
      order_and_degrees=ORDERS,
      conditional=(False, True),
  )
  def test_sees_all_of_the_past_and_nothing_else(
      self, num_classes, length, order_and_degrees, conditional
  ):
    order, degrees = order_and_degrees
    layer = _made(length, order, degrees=degrees)
    x = _inputs(length, num_classes)
    context = _inputs(2) if conditional else None
    layer(x, context=context)
    ranks = np.argsort(layer.order)
    past = ranks < ranks[:, np.newaxis]
    expected = np.broadcast_to(
        past[:, np.newaxis, :, np.newaxis], [length, 4, length, num_classes]
    )
    self.assertAllEqual(_jacobian(layer, x, context) != 0.0, expected)
    _randomize(layer)
    jacobian = _jacobian(layer, x, context)
    self.assertAllEqual(jacobian != 0.0, expected)

  @parameterized.parameters(1, 3)
  def test_every_position_sees_the_context_nonlinearly(self, length):
    layer = _made(length)
    x, context = _inputs(length, 2), _inputs(3)
    layer(x, context=context)
    with tf.GradientTape() as outer:
      outer.watch(context)
      with tf.GradientTape() as inner:
        inner.watch(context)
        y = layer(x, context=context)[..., 0]
      first = inner.jacobian(y, context)
    second = outer.jacobian(first, context)
    self.assertAllGreater(tf.reduce_max(tf.abs(second), [1, 2]), 0.0)

  def test_without_context_the_first_position_has_biases_only(self):
    layer = _made(1)
    y = layer(_inputs(6, 1, 3))
    self.assertAllEqual(y, tf.repeat(y[:1], 6, axis=0))

  def test_named_orders(self):
    for order, expected in (
        ('left_to_right', [0, 1, 2]),
        ('right_to_left', [2, 1, 0]),
        ([2, 0, 1], [2, 0, 1]),
    ):
      layer = _made(3, order)
      layer.build([None, 3, 2])
      self.assertAllEqual(layer.order, expected)

  @parameterized.parameters(*ORDERS)
  def test_probabilities_of_all_events_sum_to_one(self, order, degrees):
    layer = _made(4, order, degrees=degrees, num_outputs=3)
    codes = np.array(list(itertools.product(range(3), repeat=4)))
    x = tf.one_hot(codes, 3)
    layer(x)
    _randomize(layer)
    log_prob = tf.reduce_sum(tf.nn.log_softmax(layer(x)) * x, axis=[-2, -1])
    self.assertAllClose(tf.reduce_logsumexp(log_prob), 0.0, atol=1e-5)
    self.assertGreater(np.std(log_prob), 0.1)

  @parameterized.product(
      length=(1, 2, 5),
      order_and_degrees=ORDERS,
      conditional=(False, True),
  )
  def test_steps_equal_the_parallel_call(
      self, length, order_and_degrees, conditional
  ):
    order, degrees = order_and_degrees
    layer = _made(length, order, degrees=degrees, hidden_units=[9, 5, 8])
    x = _inputs(6, length, 3)
    context = _inputs(6, 2) if conditional else None
    layer(x, context=context)
    _randomize(layer)
    expected = layer(x, context=context)
    self.assertAllClose(
        _run_steps(layer, x, context), expected, rtol=1e-5, atol=1e-5
    )

  @parameterized.parameters(False, True)
  def test_compiled_equals_eager_at_unknown_batch_size(self, jit_compile):
    layer = _made(5, 'random')
    x, context = _inputs(6, 5, 3), _inputs(6, 2)
    expected = layer(x, context=context)
    spec = [tf.TensorSpec([None, 5, 3]), tf.TensorSpec([None, 2])]

    @tf.function(input_signature=spec, jit_compile=jit_compile)
    def compiled(x, context):
      parallel = layer(x, context=context)
      self.assertEqual(parallel.shape.as_list(), [None, 5, 4])
      return parallel, _run_steps(layer, x, context)

    parallel, steps = compiled(x, context)
    self.assertAllClose(parallel, expected, atol=1e-5)
    self.assertAllClose(steps, expected, atol=1e-5)

  def test_step_knows_its_static_shapes(self):
    layer = _made(2)
    layer.build([None, 2, 3])

    @tf.function(input_signature=[tf.TensorSpec([None, 7, 3])])
    def step(token):
      state = layer.initial_state(tf.shape(token)[:-1])
      output, new_state = layer.step(token, state)
      self.assertEqual(output.shape.as_list(), [None, 7, 4])
      for old, new in zip(state.sums, new_state.sums, strict=True):
        self.assertEqual(old.shape.as_list(), new.shape.as_list())
      return output

    self.assertEqual(step(tf.zeros([2, 7, 3])).shape, [2, 7, 4])
    output, _ = layer.step(tf.zeros([3]), layer.initial_state([]))
    self.assertEqual(output.shape, [4])

  def test_any_leading_dimensions(self):
    layer = _made(2)
    x = _inputs(6, 2, 3)
    expected = layer(x)
    self.assertAllClose(layer(x[0]), expected[0], atol=1e-6)
    y = layer(tf.reshape(x, [3, 1, 2, 2, 3]))
    self.assertAllClose(y, tf.reshape(expected, [3, 1, 2, 2, 4]), atol=1e-6)

  def test_context_broadcasts(self):
    layer = _made(2)
    x, context = _inputs(6, 2, 3), _inputs(2)
    expected = layer(x, context=tf.repeat(context[tf.newaxis], 6, axis=0))
    self.assertAllClose(layer(x, context=context), expected, atol=1e-6)
    self.assertAllClose(_run_steps(layer, x, context), expected, atol=1e-5)

  def test_context_by_its_position(self):
    x, context = _inputs(6, 2, 3), _inputs(2)
    a, b = _made(2), _made(2)
    self.assertAllEqual(a(x, context), b(x, context=context))

  @parameterized.parameters(False, True)
  def test_gradient_reaches_every_weight(self, conditional):
    layer = _made(5)
    context = _inputs(6, 2) if conditional else None
    with tf.GradientTape() as tape:
      y = tf.reduce_sum(layer(_inputs(6, 5, 3), context=context) ** 2)
    weights = [w.value for w in layer.trainable_variables]
    self.assertLen(weights, 9 if conditional else 6)
    for gradient in tape.gradient(y, weights):
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0)

  def test_mixed_precision(self):
    layer = _made(5, dtype='mixed_bfloat16')
    x, context = _inputs(6, 5, 3), _inputs(6, 2)
    y = layer(x, context=context)
    self.assertEqual(y.dtype, tf.bfloat16)
    self.assertEqual({w.dtype for w in layer.weights}, {'float32'})
    full = _made(5)
    expected = full(x, context=context)
    self.assertAllClose(tf.cast(y, tf.float32), expected, atol=0.05)
    state = layer.initial_state([6], context=context)
    output, state = layer.step(x[:, 0], state)
    self.assertEqual(output.dtype, tf.bfloat16)
    self.assertEqual({total.dtype for total in state.sums}, {tf.float32})
    steps = _run_steps(layer, x, context)
    self.assertAllClose(steps, expected, atol=0.05)

  @parameterized.parameters(False, True)
  def test_functional_model_trains_and_survives_a_file(self, conditional):
    inputs = [keras.Input((5, 3))]
    arrays = [_inputs(6, 5, 3).numpy()]
    layer = _made(5, 'random', seed=None, degrees='random')
    if conditional:
      inputs.append(keras.Input((2,)))
      arrays.append(_inputs(6, 2).numpy())
      outputs = layer(inputs[0], context=inputs[1])
    else:
      outputs = layer(inputs[0])
    self.assertEqual(outputs.shape, (None, 5, 4))
    model = keras.Model(inputs, outputs)
    model.compile('sgd', 'mse')
    before = model.predict(arrays, verbose=0)
    model.fit(arrays, np.ones([6, 5, 4]), epochs=1, verbose=0)
    after = model.predict(arrays, verbose=0)
    self.assertNotAllClose(before, after)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored.predict(arrays, verbose=0), after)
    twin = restored.layers[-1]
    self.assertEqual(twin.get_config(), layer.get_config())
    self.assertAllEqual(twin.order, layer.order)

  def test_works_in_sequential_and_subclassed_models(self):
    class Model(keras.Model):

      def __init__(self):
        super().__init__()
        self.made = _made(2)

      def call(self, inputs):
        return self.made(inputs)

    x = _inputs(6, 2, 3)
    for model in (keras.Sequential([_made(2)]), Model()):
      model.compile('sgd', 'mse')
      model.fit(x.numpy(), np.ones([6, 2, 4]), epochs=1, verbose=0)
      self.assertLen(model.trainable_variables, 6)
      self.assertEqual(model(x).shape, [6, 2, 4])

  def test_seed_repeats_and_seeds_differ(self):
    x = _inputs(6, 5, 3)
    a, b, c = (_made(5, 'random', seed=seed)(x) for seed in (0, 0, 1))
    self.assertAllEqual(a, b)
    self.assertNotAllEqual(a, c)

  @parameterized.parameters(
      ({'order': [1, 2, 2]}, r'`order` .*received \[1, 2, 2\]'),
      ({'order': [1, 2, 3]}, r'permutation .*received \[1, 2, 3\]'),
      ({'order': [0.0, 1.0]}, r'permutation .*received \[0.0, 1.0\]'),
      ({'order': [[0, 1]]}, r'permutation .*received \[\[0, 1\]\]'),
      ({'order': 'backwards'}, "`order` .*received 'backwards'"),
      ({'degrees': 'uniform'}, "`degrees` .*received 'uniform'"),
      ({'hidden_units': []}, r'one or more `hidden_units`; received \[\]'),
      ({'hidden_units': 16}, 'one or more `hidden_units`; received 16'),
      ({'hidden_units': [8.5]}, 'integer `hidden_units` .*received 8.5'),
      ({'hidden_units': [8, 0]}, '`hidden_units` of at least 1; received 0'),
      ({'num_outputs': 0}, '`num_outputs` of at least 1; received 0'),
  )
  def test_rejects_bad_arguments(self, kwargs, message):
    with self.assertRaisesRegex(ValueError, message):
      _made(3, **kwargs)

  def test_rejects_bad_inputs(self):
    with self.assertRaisesRegex(ValueError, 'order` of the 3 positions'):
      _made(3, [1, 0])(_inputs(6, 3, 2))
    for shape in ([3], [None, None, 2], [None, 3, None]):
      with self.assertRaisesRegex(ValueError, 'static length and K'):
        _made(3).build(shape)

  @parameterized.parameters(([2, 1, 2],), ([2, 2, 3],), ([2, 1],), ([2],))
  def test_rejects_events_of_another_shape(self, shape):
    layer = _made(3)
    layer.build([None, 3, 2])
    dtype = tf.float32 if len(shape) == 3 else tf.int32
    with self.assertRaisesRegex(ValueError, 'as when the layer was built'):
      layer(tf.zeros(shape, dtype))

  def test_no_masked_weight_acts_in_a_step(self):
    layer = _made(3, seed=1)
    x = _inputs(6, 3, 2)
    expected = layer(x)
    for masked in layer._masked_layers:
      kernel = masked.kernel.numpy()
      masked.kernel.assign(np.where(masked._mask, kernel, np.nan))
    self.assertAllClose(layer(x), expected)
    self.assertAllClose(_run_steps(layer, x), expected)

  def test_rejects_too_few_hidden_units(self):
    layer = _made(5, hidden_units=[9, 3])
    with self.assertRaisesRegex(ValueError, 'at least 4 units.*received 3'):
      layer(_inputs(6, 5, 2))
    # Degree 0, for those that see the context only, is one more.
    layer = _made(5, hidden_units=[4])
    with self.assertRaisesRegex(ValueError, 'at least 5 units.*received 4'):
      layer(_inputs(6, 5, 2), context=_inputs(6, 2))
    self.assertEqual(_made(5, hidden_units=[4])(_inputs(5, 2)).shape, [5, 4])

  def test_rejects_a_context_that_comes_or_goes(self):
    x, context = _inputs(6, 2, 3), _inputs(6, 2)
    without, with_ = _made(2), _made(2)
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

  def test_rejects_a_state_before_it_is_built(self):
    with self.assertRaisesRegex(ValueError, 'a layer that is built'):
      _made(2).initial_state([6])


if __name__ == '__main__':
  tf.test.main()
