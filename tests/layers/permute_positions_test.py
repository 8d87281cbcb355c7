import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers

CODES = np.random.default_rng(0).integers(5, size=[4, 3]).astype('int32')
EVENTS = np.eye(5, dtype='float32')[CODES]


class PermutePositionsTest(tf.test.TestCase, parameterized.TestCase):

  # A cycle, which is not its own inverse.
  @parameterized.parameters(('reverse', [2, 1, 0]), ([1, 2, 0], [1, 2, 0]))
  def test_takes_positions_in_order(self, order, expected):
    layer = layers.PermutePositions(order)
    self.assertAllEqual(layer(CODES), CODES[:, expected])
    self.assertAllEqual(layer(EVENTS), EVENTS[:, expected])
    self.assertAllEqual(layer.generate(CODES[:, expected]), CODES)
    self.assertAllEqual(layer.generate(EVENTS[:, expected]), EVENTS)

  def test_rejects_another_length_in_the_run(self):
    layer = layers.PermutePositions([1, 2, 0])
    for method in (layer, layer.generate):
      for x, spec in ((CODES, [None, None]), (EVENTS, [None, None, None])):
        call = tf.function(
            lambda x, method=method: method(x),
            input_signature=[tf.TensorSpec(spec, x.dtype)],
        )
        self.assertAllEqual(call(x), method(x))
        with self.assertRaises(tf.errors.InvalidArgumentError):
          call(np.concatenate([x, x], axis=1))

  def test_survives_a_file_in_a_functional_model(self):
    inputs = keras.Input([3, 5], dtype='float32')
    x = layers.PermutePositions(np.array([1, 2, 0]))(inputs)
    model = keras.Model(inputs, layers.PermutePositions('reverse')(x))
    self.assertEqual(model.output_shape, (None, 3, 5))
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(EVENTS), EVENTS[:, [0, 2, 1]])

  def test_keeps_the_type_under_mixed_precision(self):
    layer = layers.PermutePositions(dtype='mixed_bfloat16')
    self.assertEqual(layer(EVENTS).dtype, tf.float32)

  def test_rejects(self):
    for order in ([0, 0, 1], [0.0, 1.0], [[0, 1]], [1, 2]):
      with self.assertRaisesRegex(ValueError, 'a permutation of 0, ..., len'):
        layers.PermutePositions(order)
    with self.assertRaisesRegex(ValueError, "received 'random'"):
      layers.PermutePositions('random')
    for method in ('__call__', 'generate'):
      with self.assertRaisesRegex(ValueError, 'length 2, as the order'):
        getattr(layers.PermutePositions([1, 0]), method)(EVENTS)


if __name__ == '__main__':
  tf.test.main()
