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
    'CausalConvolution': lambda **kwargs: layers.CausalConvolution(
        4, units=8, dilations=[1, 2], kernel_size=3, seed=3, **kwargs
    ),
    'CausalLSTM': lambda **kwargs: layers.CausalLSTM(
        4, units=[8], seed=3, **kwargs
    ),
    'CausalTransformer': lambda **kwargs: layers.CausalTransformer(
        4, num_layers=1, num_heads=2, units=8, seed=3, **kwargs
    ),
    'MADE': lambda **kwargs: layers.MADE(
        4, [12], activation='softplus', seed=3, **kwargs
    ),
}
# Those that take a context at each position.
CONDITIONAL = ('CausalConvolution', 'CausalLSTM', 'CausalTransformer')


def _build(name, context_shape=None, **kwargs):
  """Returns a layer with arbitrary biases, too."""
  layer = layers.AntiCausal(NETWORKS[name](**kwargs))
  layer.build((None, LENGTH, K), context_shape)
  rng = np.random.default_rng(0)
  layer.set_weights(
      [rng.normal(scale=0.5, size=w.shape) for w in layer.weights]
  )
  return layer


def _inputs(*batch_shape):
  return tf.random.stateless_normal([*batch_shape, LENGTH, K], [1, 2])


def _context(*batch_shape):
  return tf.random.stateless_normal([*batch_shape, LENGTH, 2], [3, 4])


class AntiCausalTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*NETWORKS)
  def test_sees_the_present_and_the_future_and_nothing_else(self, name):
    layer = _build(name)
    # In one batch, as a matrix product rounds by its shape.
    x = tf.repeat(_inputs(1), LENGTH, axis=0)
    changed = x + tf.eye(LENGTH)[..., tf.newaxis]
    difference = layer(changed) - layer(x)
    self.assertEqual(difference.shape, [LENGTH, LENGTH, 4])
    positions = np.arange(LENGTH)
    self.assertAllEqual(
        # By the position that changed, then the one that sees it.
        tf.reduce_any(difference != 0.0, axis=-1),
        positions[:, np.newaxis] >= positions,
    )

  @parameterized.parameters(*CONDITIONAL)
  def test_sees_the_context_at_its_own_position_and_after(self, name):
    layer = _build(name, (None, LENGTH, 2))
    x, context = _inputs(1), _context(1)
    changed = context + tf.eye(LENGTH)[..., tf.newaxis]
    x = tf.repeat(x, LENGTH, axis=0)
    difference = layer(x, context=changed) - layer(x, context=context)
    positions = np.arange(LENGTH)
    self.assertAllEqual(
        tf.reduce_any(difference != 0.0, axis=-1),
        positions[:, np.newaxis] >= positions,
    )

  @parameterized.parameters(*NETWORKS)
  def test_is_the_causal_network_over_the_reversed_sequence(self, name):
    layer = _build(name)
    x = _inputs(2)
    # Whatever comes last, no causal network sees it.
    padded = tf.concat([x[:, ::-1], tf.fill([2, 1, K], 7.0)], axis=1)
    expected = layer.network(padded)[:, 1:]
    self.assertAllClose(layer(x), expected[:, ::-1], atol=1e-6)

  @parameterized.parameters(*NETWORKS)
  def test_codes_are_one_hot_vectors_in_any_leading_shape(self, name):
    layer = _build(name)
    codes = np.random.default_rng(1).integers(K, size=[2, 3, LENGTH])
    codes = tf.constant(codes, tf.int32)
    outputs = layer(codes)
    self.assertAllClose(outputs, layer(tf.one_hot(codes, K)), atol=1e-6)
    self.assertEqual(outputs.shape, [2, 3, LENGTH, 4])
    self.assertAllClose(layer(codes[0, 0]), outputs[0, 0], atol=1e-6)

  @parameterized.parameters(*NETWORKS)
  def test_gradient_reaches_every_weight_and_input(self, name):
    layer = _build(name)
    x = _inputs(2)
    with tf.GradientTape() as tape:
      tape.watch(x)
      loss = tf.reduce_sum(layer(x) ** 2)
    weights = [w.value for w in layer.trainable_variables]
    self.assertLen(weights, len(layer.network.trainable_variables))
    for gradient in tape.gradient(loss, [*weights, x]):
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0)

  def test_functional_model_trains_and_survives_a_file(self):
    self.check_functional_model_trains_and_survives_a_file('MADE')

  @parameterized.parameters(
      'CausalConvolution', 'CausalLSTM', 'CausalTransformer'
  )
  @pytest.mark.slow
  def test_functional_model_trains_and_survives_a_file_slow(self, name):
    self.check_functional_model_trains_and_survives_a_file(name)

  def check_functional_model_trains_and_survives_a_file(self, name):
    inputs = keras.Input((LENGTH, K))
    layer = layers.AntiCausal(NETWORKS[name]())
    outputs = layer(inputs)
    self.assertEqual(outputs.shape, (None, LENGTH, 4))
    model = keras.Model(inputs, outputs)
    model.compile('sgd', 'mse')
    x = _inputs(6).numpy()
    model.fit(x, np.ones([6, LENGTH, 4]), verbose=0)
    path = os.path.join(self.get_temp_dir(), f'{name}.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(x), model(x))
    twin = restored.layers[-1].network
    self.assertEqual(twin.get_config(), layer.network.get_config())

  def test_context_in_a_file(self):
    inputs = keras.Input((LENGTH, K)), keras.Input((LENGTH, 2))
    layer = layers.AntiCausal(NETWORKS['CausalConvolution']())
    model = keras.Model(inputs, layer(inputs[0], context=inputs[1]))
    arrays = [_inputs(2).numpy(), _context(2).numpy()]
    path = os.path.join(self.get_temp_dir(), 'context.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(arrays), model(arrays))

  @parameterized.parameters(*NETWORKS)
  def test_mixed_precision_is_that_of_the_network(self, name):
    layer = _build(name, dtype='mixed_bfloat16')
    x = _inputs(2)
    outputs = layer(x)
    self.assertEqual(outputs.dtype, tf.bfloat16)
    self.assertAllClose(tf.cast(outputs, tf.float32), _build(name)(x), atol=0.1)

  def test_length_may_be_unknown_under_xla(self):
    layer = _build('CausalConvolution')
    compiled = tf.function(
        lambda x: layer(x),
        input_signature=[tf.TensorSpec([None, None, K])],
        jit_compile=True,
    )
    x = _inputs(2)
    self.assertAllClose(compiled(x), layer(x), atol=1e-5)
    self.assertAllClose(compiled(x[:, 2:]), layer(x)[:, 2:], atol=1e-5)

  @parameterized.parameters(*CONDITIONAL)
  def test_rejects_a_context_of_other_positions_in_the_run(self, name):
    layer = _build(name, (None, LENGTH, 2))
    call = tf.function(
        lambda x, context: layer(x, context),
        input_signature=[
            tf.TensorSpec([None, None, K]),
            tf.TensorSpec([None, None, 2]),
        ],
    )
    x, context = _inputs(2), _context(2)
    self.assertAllClose(call(x, context), layer(x, context=context), atol=1e-6)
    with self.assertRaises(tf.errors.InvalidArgumentError):
      call(x, context[:, :1])

  def test_rejects(self):
    with self.assertRaisesRegex(ValueError, 'Keras layer as `network`'):
      layers.AntiCausal(lambda x: x)
    for order in ('right_to_left', [0, 2, 1, 3, 4, 5]):
      layer = layers.AntiCausal(layers.MADE(4, [12], order))
      with self.assertRaisesRegex(ValueError, "'left_to_right'; received"):
        layer.build((None, LENGTH, K))
    layer = layers.AntiCausal(NETWORKS['CausalLSTM']())
    with self.assertRaisesRegex(ValueError, 'is built.* integer codes'):
      layer(tf.zeros([2, LENGTH], tf.int32))
    with self.assertRaisesRegex(ValueError, r'length, K\]; received'):
      layer.build((LENGTH,))
    layer = _build('CausalLSTM', (None, LENGTH, 2))
    with self.assertRaisesRegex(ValueError, r'\[..., 5, F\], with the pos'):
      layer(_inputs(2), context=_context(2)[:, :1])
    with self.assertRaisesRegex(ValueError, 'Expected a `context`'):
      layer(_inputs(2))


if __name__ == '__main__':
  tf.test.main()
