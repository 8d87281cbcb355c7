import itertools
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers
from discrete_lvm import models

_NUM_CLASSES = 3
_LENGTH = 4


def _all_codes():
  codes = itertools.product(range(_NUM_CLASSES), repeat=_LENGTH)
  return np.array(list(codes), np.int32)


def _all_events():
  return np.eye(_NUM_CLASSES, dtype=np.float32)[_all_codes()]


def _autoregressive():
  network = layers.ContextTable(2 * _NUM_CLASSES, stddev=2.0, seed=0)
  return layers.DiscreteAutoregressiveFlow(network)


def _sorting(length, seed=0):
  mask = np.arange(length) % 2 == 0
  network = layers.BipartiteContextTable(_NUM_CLASSES, mask, 2.0, seed)
  return layers.DiscreteSortingFlow(network, mask, sorts_positions=True)


def _sorting_rows():
  network = layers.ContextTable(_NUM_CLASSES, stddev=2.0, seed=0)
  return layers.DiscreteAutoregressiveSortingFlow(network, True)


class SubsequenceFlowTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.named_parameters(
      ('some', _autoregressive, [3, 1]),
      ('all', _autoregressive, [2, 3, 0, 1]),
      ('one', _autoregressive, [2]),
      ('rows', _autoregressive, [[0, 2], [3, 1]]),
      ('rows that sort', _sorting_rows, [[0, 1], [2, 3]]),
  )
  def test_changes_the_positions_as_its_flow_does(self, make_flow, positions):
    flow = layers.SubsequenceFlow(make_flow(), positions)
    y = _all_events()
    x = flow(y).numpy()
    self.assertLen(np.unique(x, axis=0), len(y))
    self.assertAllEqual(flow.generate(x), y)
    for row in np.reshape(positions, [-1, np.shape(positions)[-1]]):
      self.assertAllEqual(x[:, row], flow.flow(y[:, row]))
    rest = [p for p in range(_LENGTH) if p not in np.ravel(positions)]
    self.assertAllEqual(x[:, rest], y[:, rest])
    batches = y.reshape([9, 9, _LENGTH, _NUM_CLASSES])
    self.assertAllEqual(flow(batches), x.reshape(batches.shape))

  def test_on_codes(self):
    network = layers.CausalConvolution(_NUM_CLASSES, units=8, seed=0)
    inner = layers.DiscreteAutoregressiveSortingFlow(network)
    flow = layers.SubsequenceFlow(inner, [[0, 1], [2, 3]])
    x = flow(_all_events()).numpy().argmax(-1).astype(np.int32)
    self.assertAllEqual(flow(_all_codes()), x)
    self.assertAllEqual(flow.generate(x), _all_codes())
    for dtype in ('uint8', 'int64'):
      self.assertAllEqual(flow(_all_codes().astype(dtype)), x)
      self.assertAllEqual(flow.generate(x.astype(dtype)), _all_codes())

  def test_sums_the_cross_entropy_of_the_rows(self):
    flow = layers.SubsequenceFlow(_sorting_rows(), [[0, 1], [2, 3]])
    y = _all_events()
    x, cross_entropy = flow(y, return_cross_entropy=True)
    self.assertAllEqual(x, flow(y))
    parts = [
        flow.flow(y[:, row], return_cross_entropy=True)[1]
        for row in ([0, 1], [2, 3])
    ]
    self.assertAllClose(cross_entropy, parts[0] + parts[1])
    self.assertTrue(flow.returns_cross_entropy)
    other = layers.SubsequenceFlow(_autoregressive(), [0, 1])
    self.assertFalse(other.returns_cross_entropy)

  def test_passes_training_on(self):
    flow = layers.SubsequenceFlow(_sorting_rows(), [[0, 1], [2, 3]])
    y = _all_events()
    flow(y)
    before = flow.flow.thresholds.numpy()
    flow(y, return_cross_entropy=True)
    self.assertAllEqual(flow.flow.thresholds, before)
    flow(y, return_cross_entropy=True, training=True)
    self.assertNotAllClose(flow.flow.thresholds, before)

  def test_gives_the_context_of_its_positions(self):
    network = layers.CausalConvolution(2 * _NUM_CLASSES, units=8, seed=0)
    inner = layers.DiscreteAutoregressiveFlow(network)
    flow = layers.SubsequenceFlow(inner, [3, 0])
    y = tf.constant(_all_events())
    context = np.random.default_rng(0).normal(size=[_LENGTH, 2]).astype('f4')
    x = flow(y, context=context)
    self.assertAllEqual(
        tf.gather(x, [3, 0], axis=1),
        inner(tf.gather(y, [3, 0], axis=1), context=context[[3, 0]]),
    )
    self.assertAllEqual(flow.generate(x, context=context), y)
    # Several contexts for one event.
    pair = np.stack([context, -context])[:, np.newaxis]
    self.assertAllEqual(flow(y[:5], context=pair)[0], x[:5])
    for length in (1, _LENGTH - 2, _LENGTH + 1):
      for call in (flow, flow.generate):
        with self.assertRaisesRegex(
            ValueError, rf'`context` of shape .*, {_LENGTH}, F\]'
        ):
          call(y, context=np.zeros([length, 2], np.float32))

  def test_a_multiscale_model_is_a_distribution_that_trains(self):
    flows = [
        layers.SubsequenceFlow(_sorting(4), [0, 1, 2, 3]),
        layers.SubsequenceFlow(_sorting(2, seed=1), [0, 2]),
    ]
    model = models.DiscreteFlow(flows, _LENGTH, _NUM_CLASSES)
    codes = _all_codes()
    model.base_logits.assign(
        np.random.default_rng(0).normal(size=[_LENGTH, _NUM_CLASSES])
    )
    total = tf.reduce_sum(tf.exp(model.log_prob(codes)))
    self.assertAllClose(total, 1.0, atol=1e-5)
    with tf.GradientTape() as tape:
      terms = model.loss_terms(codes, seed=[0, 1])
      loss = tf.reduce_sum(tf.add_n(list(terms.values())))
    self.assertIn('conditioner_cross_entropy', terms)
    for gradient in tape.gradient(loss, model.trainable_variables):
      self.assertGreater(tf.norm(gradient), 1e-3)
    # The first layer is given characters of the data, and so is the second.
    x = flows[0](tf.one_hot(codes, _NUM_CLASSES)).numpy().argmax(-1)
    self.assertAllEqual(x[:, ::2], codes[:, ::2])

  def test_survives_a_file(self):
    inputs = keras.Input([_LENGTH, _NUM_CLASSES])
    flow = layers.SubsequenceFlow(_sorting_rows(), [[0, 1], [2, 3]])
    model = keras.Model(inputs, flow(inputs, return_cross_entropy=True))
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    for a, b in zip(restored(_all_events()), model(_all_events()), strict=True):
      self.assertAllEqual(a, b)

  def test_rejects(self):
    with self.assertRaisesRegex(ValueError, 'method `generate`; received'):
      layers.SubsequenceFlow(keras.layers.Dense(3), [0])
    for positions in ([], [0, 0], [-1, 0], [[0, 1], [1, 2]], [0.5], 1):
      with self.assertRaisesRegex(ValueError, 'Expected `positions`.*received'):
        layers.SubsequenceFlow(_autoregressive(), positions)
    flow = layers.SubsequenceFlow(_autoregressive(), [0, 4])
    with self.assertRaisesRegex(ValueError, 'positions up to 4.*received'):
      flow(_all_events())
    with self.assertRaisesRegex(ValueError, 'built'):
      layers.SubsequenceFlow(_autoregressive(), [0]).generate(_all_events())
    with self.assertRaisesRegex(ValueError, 'built'):
      layers.SubsequenceFlow(_autoregressive(), [0])(_all_codes())


if __name__ == '__main__':
  tf.test.main()
