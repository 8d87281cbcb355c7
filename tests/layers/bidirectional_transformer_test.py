import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers


def _network(**kwargs):
  kwargs = {
      'num_outputs': 4,
      'num_layers': 2,
      'num_heads': 2,
      'units': 8,
      'seed': 0,
      **kwargs,
  }
  return layers.BidirectionalTransformer(**kwargs)


def _normal(*shape, seed=0):
  return tf.random.stateless_normal(shape, [1, seed])


class BidirectionalTransformerTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters('learned', 'rotary')
  def test_each_position_sees_all(self, positions):
    layer = _network(positions=positions)
    x, context = _normal(4, 3), _normal(4, 2, seed=1)
    with tf.GradientTape(persistent=True) as tape:
      tape.watch([x, context])
      y = tf.reduce_sum(layer(x, context=context) ** 2, axis=-1)
    for source in (x, context):
      jacobian = tape.jacobian(y, source, experimental_use_pfor=False)
      self.assertTrue(np.all(np.any(jacobian != 0.0, axis=-1)))

  @parameterized.parameters(None, False, True)
  def test_codes_equal_one_hot_vectors_and_nothing_is_zeros(self, jit_compile):
    layer = _network()
    codes = tf.constant([[0, -1, 2, -1], [1, 2, -1, 0]])
    expected = layer(tf.one_hot(codes, 3))
    call = layer
    if jit_compile is not None:
      spec = tf.TensorSpec([None, None], tf.int32)
      call = tf.function(layer, [spec], jit_compile=jit_compile)
    self.assertAllClose(call(codes), expected, atol=1e-5)

  @parameterized.parameters('learned', 'rotary')
  def test_tells_hidden_positions_apart(self, positions):
    layer = _network(positions=positions)
    y = layer(tf.one_hot([[0, 1, -1, -1, -1]], 3))[0]
    for i, j in ((2, 3), (3, 4), (2, 4)):
      self.assertGreater(np.abs(y[i] - y[j]).max(), 1e-3)

  @parameterized.parameters('learned', 'rotary')
  def test_gradient_reaches_every_weight(self, positions):
    layer = _network(positions=positions)
    with tf.GradientTape() as tape:
      y = layer(_normal(6, 5, 3), context=_normal(6, 5, 2))
      y = tf.reduce_sum(y**2)
    weights = [w.value for w in layer.trainable_variables]
    self.assertLen(weights, 30 if positions == 'learned' else 29)
    for gradient in tape.gradient(y, weights):
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0)

  def test_context_by_its_position(self):
    x, context = _normal(4, 3), _normal(4, 2, seed=1)
    self.assertAllEqual(_network()(x, context), _network()(x, context=context))

  def test_rejects_a_context_of_other_positions_in_the_run(self):
    layer = _network()
    layer.build((None, 4, 3), (None, 4, 2))
    call = tf.function(
        lambda x, context: layer(x, context=context),
        input_signature=[
            tf.TensorSpec([None, None, 3]),
            tf.TensorSpec([None, None, 2]),
        ],
    )
    x, context = _normal(2, 4, 3), _normal(2, 4, 2)
    self.assertAllClose(call(x, context), layer(x, context=context), atol=1e-6)
    with self.assertRaises(tf.errors.InvalidArgumentError):
      call(x, context[:, :1])

  def test_mixed_precision(self):
    x = tf.one_hot([[0, -1, 2, -1], [1, 2, -1, 0]], 3)
    y = _network(dtype='mixed_bfloat16')(x)
    self.assertEqual(y.dtype, tf.bfloat16)
    self.assertAllClose(tf.cast(y, tf.float32), _network()(x), atol=0.03)

  def test_survives_a_file(self):
    inputs = keras.Input((5, 3))
    layer = _network(num_layers=1)
    model = keras.Model(inputs, layer(inputs))
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    x = _normal(6, 5, 3)
    self.assertAllEqual(restored(x), model(x))
    self.assertEqual(restored.layers[-1].get_config(), layer.get_config())

  def test_has_no_steps(self):
    # A flow takes a network that has them for an autoregressive one.
    self.assertFalse(hasattr(_network(), 'step'))

  def test_rejects_bad_arguments(self):
    with self.assertRaisesRegex(ValueError, 'multiple of 3, .*received 8'):
      _network(num_heads=3)
    with self.assertRaisesRegex(ValueError, 'static length, .*received'):
      _network().build([None, None, 3])
    with self.assertRaisesRegex(ValueError, 'layer that is built'):
      _network()(np.zeros([2, 5], int))


if __name__ == '__main__':
  tf.test.main()
