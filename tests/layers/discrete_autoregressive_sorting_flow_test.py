import itertools
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import layers
from discrete_lvm import ops
from discrete_lvm.ops import placement

_LENGTH = 3


def _all_codes(num_classes):
  codes = itertools.product(range(num_classes), repeat=_LENGTH)
  return np.array(list(codes), np.int32)


def _all_events(num_classes):
  return np.eye(num_classes, dtype=np.float32)[_all_codes(num_classes)]


def _flow(num_classes, places_positions=True, **kwargs):
  network = layers.ContextTable(num_classes, stddev=2.0, seed=0)
  return layers.DiscreteAutoregressiveSortingFlow(
      network, places_positions, **kwargs
  )


class DiscreteAutoregressiveSortingFlowTest(
    tf.test.TestCase, parameterized.TestCase
):

  def test_slots_say_where_ranks_go(self):
    flow = _flow(5)
    with self.assertRaisesRegex(ValueError, 'Expected a layer that is built'):
      flow.slots(_all_codes(5))
    y = _all_events(5)
    flow(y)
    logits = flow.conditioner(y)
    scores = placement.uncertainty(logits)
    flow.thresholds.assign(placement.quantiles(scores, _LENGTH))
    x = flow(y)
    slots = flow.slots(y)
    ranks = ops.one_hot_rank(y, logits)
    self.assertAllEqual(tf.gather(x, slots, batch_dims=1), ranks)
    self.assertGreater(len(np.unique(slots, axis=0)), 1)
    several = y.reshape(5, 25, *y.shape[1:])
    self.assertAllEqual(flow.slots(several), tf.reshape(slots, [5, 25, -1]))
    # Nothing after a position moves it.
    other_end = np.concatenate([y[:, :-1], y[::-1, -1:]], axis=1)
    self.assertAllEqual(flow.slots(other_end), slots)
    stays = _flow(5, places_positions=False)
    stays(y)
    self.assertAllEqual(stays.slots(y), np.tile(range(y.shape[1]), [125, 1]))

  @parameterized.product(num_classes=(2, 5), places_positions=(False, True))
  def test_permutes_the_event_space(self, num_classes, places_positions):
    flow = _flow(num_classes, places_positions)
    y = _all_events(num_classes)
    x = flow(y).numpy()
    self.assertLen(np.unique(x, axis=0), num_classes**_LENGTH)
    self.assertAllEqual(flow.generate(x), y)

  def test_on_codes(self):
    network = layers.CausalConvolution(5, units=8, seed=0)
    flow = layers.DiscreteAutoregressiveSortingFlow(network, True)
    x = flow(_all_events(5)).numpy().argmax(-1).astype(np.int32)
    codes = _all_codes(5)
    self.assertAllEqual(flow(codes), x)
    self.assertAllEqual(tf.function(flow.generate)(x), codes)

  def test_is_the_bijector_of_its_network(self):
    flow = _flow(5)
    y = _all_events(5)
    x, cross_entropy = flow(y, return_cross_entropy=True)
    bijector = bijectors.DiscreteAutoregressiveSorting(
        flow.conditioner, thresholds=flow.thresholds.value
    )
    self.assertAllEqual(x, bijector.inverse(y))
    self.assertAllClose(cross_entropy, bijector.cross_entropy(y))

  def test_training_moves_thresholds_to_the_quantiles(self):
    flow = _flow(5)
    y = _all_events(5)
    flow(y)
    before = flow.thresholds.numpy()
    self.assertAllEqual(before, placement.even_thresholds(_LENGTH, 5))
    flow(y, training=True)
    flow(y, return_cross_entropy=True)
    self.assertAllEqual(flow.thresholds, before)
    step = tf.function(
        lambda: flow(y, return_cross_entropy=True, training=True)
    )
    for _ in range(200):
      step()
    scores = np.sort(placement.uncertainty(flow.conditioner(y)).numpy(), None)
    expected = scores[[len(scores) // 3, 2 * len(scores) // 3]]
    self.assertAllClose(flow.thresholds, expected, rtol=1e-3)
    self.assertNotAllClose(before, expected, rtol=1e-2)

  def test_frozen_thresholds_stay(self):
    flow = _flow(5)
    y = _all_events(5)
    flow(y)
    flow.trainable = False
    before = flow.thresholds.numpy()
    flow(y, return_cross_entropy=True, training=True)
    self.assertAllEqual(flow.thresholds, before)

  def test_only_the_cross_entropy_trains_the_conditioner(self):
    flow = _flow(5)
    y = tf.constant(_all_events(5))
    flow(y)
    with tf.GradientTape(persistent=True) as tape:
      x, cross_entropy = flow(y, return_cross_entropy=True, training=True)
    table = flow.conditioner.table.value
    self.assertIsNone(tape.gradient(x, table))
    self.assertGreater(tf.norm(tape.gradient(cross_entropy, table)), 0.1)
    self.assertLen(flow.trainable_variables, len(flow.conditioner.variables))

  def test_survives_a_file(self):
    inputs = keras.Input([_LENGTH, 5])
    flow = _flow(5)
    model = keras.Model(inputs, flow(inputs, return_cross_entropy=True))
    flow.thresholds.assign([150.0, 300.0])
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    y = _all_events(5)
    for a, b in zip(restored(y), model(y), strict=True):
      self.assertAllEqual(a, b)

  def test_mixed_precision(self):
    network = layers.MADE(5, [8], seed=0, dtype='mixed_bfloat16')
    flow = layers.DiscreteAutoregressiveSortingFlow(
        network, True, dtype='mixed_bfloat16'
    )
    y = _all_events(5)
    x, cross_entropy = flow(y, return_cross_entropy=True, training=True)
    self.assertEqual(x.dtype, tf.float32)
    self.assertEqual(cross_entropy.dtype, tf.float32)
    self.assertEqual(flow.thresholds.dtype, 'float32')
    self.assertAllEqual(flow.generate(flow(y).numpy()), y)

  def test_rejects(self):
    with self.assertRaisesRegex(ValueError, '5 channels; received 10'):
      layers.DiscreteAutoregressiveSortingFlow(layers.MADE(10, [8]))(
          _all_events(5)
      )
    for length in (1, None):
      with self.assertRaisesRegex(ValueError, 'length of at least 2.*received'):
        layers.DiscreteAutoregressiveSortingFlow(
            keras.layers.Dense(5), True
        ).build((None, length, 5))


if __name__ == '__main__':
  tf.test.main()
