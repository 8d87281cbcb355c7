import itertools
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import layers

MASK = [True, False, True]


def _all_codes(num_classes):
  codes = itertools.product(range(num_classes), repeat=3)
  return np.array(list(codes), np.int32)


def _all_events(num_classes):
  return np.eye(num_classes, dtype=np.float32)[_all_codes(num_classes)]


def _flow(num_classes):
  network = layers.BipartiteContextTable(num_classes, MASK, seed=0)
  return layers.DiscreteSortingFlow(network, MASK)


class DiscreteSortingFlowTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(2, 5)
  def test_permutes_the_event_space(self, num_classes):
    flow = _flow(num_classes)
    y = _all_events(num_classes)
    x = flow(y).numpy()
    self.assertLen(np.unique(x, axis=0), num_classes**3)
    self.assertAllEqual(flow.generate(x), y)
    self.assertAllEqual(flow(_all_codes(num_classes)), x.argmax(-1))
    self.assertAllEqual(
        flow.generate(x.argmax(-1).astype('int32')), _all_codes(num_classes)
    )
    # The likeliest class of each context has rank 0.
    logits = flow.conditioner(y).numpy()[:, 1]
    self.assertAllEqual(x[:, 1, 0], y[:, 1].argmax(-1) == logits.argmax(-1))

  def test_is_the_bijector_of_its_network(self):
    flow = _flow(5)
    y = _all_events(5)
    x, cross_entropy = flow(y, return_cross_entropy=True)
    bijector = bijectors.DiscreteSorting(flow.conditioner, MASK)
    self.assertAllEqual(x, bijector.inverse(y))
    self.assertAllClose(cross_entropy, bijector.cross_entropy(y))

  def test_only_the_cross_entropy_trains_the_conditioner(self):
    flow = _flow(5)
    y = tf.constant(_all_events(5))
    flow(y)
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(y)
      x, cross_entropy = flow(y, return_cross_entropy=True)
      value = tf.reduce_sum(x * np.arange(5.0, dtype='float32'))
    table = flow.conditioner.table.value
    self.assertIsNone(tape.gradient(value, table))
    self.assertGreater(tf.norm(tape.gradient(cross_entropy, table)), 0.1)
    self.assertIsNone(tape.gradient(cross_entropy, y))
    # A class costs its rank.
    gradient = tape.gradient(value, y)
    self.assertAllEqual(
        tf.reduce_sum(gradient * y, -1), tf.argmax(x, -1, tf.int32)
    )

  def test_survives_a_file(self):
    inputs = keras.Input([3, 5])
    model = keras.Model(inputs, _flow(5)(inputs, return_cross_entropy=True))
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    y = _all_events(5)
    for a, b in zip(restored(y), model(y), strict=True):
      self.assertAllEqual(a, b)

  def test_rejects(self):
    network = layers.BipartiteContextTable(10, MASK)
    with self.assertRaisesRegex(ValueError, '5 channels; received 10'):
      layers.DiscreteSortingFlow(network, MASK)(_all_events(5))
    with self.assertRaisesRegex(ValueError, 'both True and False'):
      layers.DiscreteSortingFlow(network, [False] * 3)
    with self.assertRaisesRegex(ValueError, 'length 2, as the mask'):
      layers.DiscreteSortingFlow(keras.layers.Dense(5), [True, False])(
          _all_events(5)
      )


if __name__ == '__main__':
  tf.test.main()
