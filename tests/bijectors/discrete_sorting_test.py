from absl.testing import parameterized
import keras
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import bijectors
from tests.bijectors import networks

_MASK = np.array([True, False, True, False])
_NUM_CLASSES = 5


def _flow(on_codes=False, **kwargs):
  network = networks.dense_network(4, _NUM_CLASSES, _NUM_CLASSES)
  if not on_codes:
    return bijectors.DiscreteSorting(network, _MASK, **kwargs), network
  on_codes = networks.OnCodes(network, _NUM_CLASSES)
  flow = bijectors.DiscreteSorting(
      on_codes, _MASK, num_classes=_NUM_CLASSES, **kwargs
  )
  return flow, network


def _codes():
  return np.random.default_rng(0).integers(_NUM_CLASSES, size=[20, 4])


class DiscreteSortingTest(tf.test.TestCase, parameterized.TestCase):

  def test_maps_a_class_to_its_predicted_rank(self):
    flow, network = _flow()
    codes = _codes()
    y = np.eye(_NUM_CLASSES, dtype=np.float32)[codes]
    logits = network(y * _MASK[:, np.newaxis]).numpy()
    order = np.argsort(-logits, axis=-1)
    ranks = np.take_along_axis(np.argsort(order), codes[..., np.newaxis], -1)
    expected = np.where(_MASK, codes, ranks[..., 0])
    self.assertAllEqual(tf.argmax(flow.inverse(y), -1), expected)
    self.assertAllEqual(flow.mask, _MASK)

  # Of fewer than three positions that change, each order is its own inverse.
  @parameterized.product(on_codes=(False, True), jit_compile=(False, True))
  def test_sorts_the_positions_that_change(self, on_codes, jit_compile):
    mask = np.array([False, True, False, False, True, False, False])
    network = networks.dense_network(7, _NUM_CLASSES, _NUM_CLASSES)
    kwargs = {'sorts_positions': True}
    conditioner = network
    if on_codes:
      conditioner = networks.OnCodes(network, _NUM_CLASSES)
      kwargs['num_classes'] = _NUM_CLASSES
    flow = bijectors.DiscreteSorting(conditioner, mask, **kwargs)
    plain = bijectors.DiscreteSorting(network, mask)
    rng = np.random.default_rng(0)
    codes = rng.integers(_NUM_CLASSES, size=[20, 7]).astype(np.int32)
    one_hot = np.eye(_NUM_CLASSES, dtype=np.float32)[codes]
    logits = network(one_hot * mask[:, np.newaxis]).numpy()
    gaps = logits.max(-1, keepdims=True) - logits
    scores = np.sum(np.floor(32 * np.maximum(4 - gaps, 0)), -1)
    changed = np.flatnonzero(~mask)
    order = changed[np.argsort(scores[:, changed], -1, kind='stable')]
    expected = codes.copy()
    ranks = plain.inverse(one_hot).numpy().argmax(-1)
    expected[:, changed] = np.take_along_axis(ranks, order, -1)
    y = codes if on_codes else one_hot
    x = tf.function(flow.inverse, jit_compile=jit_compile)(y).numpy()
    self.assertAllEqual(x if on_codes else x.argmax(-1), expected)
    self.assertNotAllEqual(expected, ranks)
    forward = tf.function(flow.forward, jit_compile=jit_compile)
    self.assertAllEqual(forward(x), y)

  @parameterized.product(on_codes=(False, True), jit_compile=(False, True))
  def test_cross_entropy_is_of_the_changed_positions(
      self, on_codes, jit_compile
  ):
    flow, network = _flow(on_codes)
    codes = _codes()
    one_hot = np.eye(_NUM_CLASSES, dtype=np.float32)[codes]
    y = codes if on_codes else one_hot
    logits = network(one_hot * _MASK[:, np.newaxis]).numpy()
    log_probs = special.log_softmax(logits, -1)
    expected = -np.sum(log_probs * one_hot * ~_MASK[:, np.newaxis], (-1, -2))
    cross_entropy = tf.function(flow.cross_entropy, jit_compile=jit_compile)
    self.assertAllClose(cross_entropy(y), expected, rtol=1e-5)
    batch = y[:6].reshape([2, 3, *y.shape[1:]])
    self.assertEqual(cross_entropy(batch).shape, [2, 3])

  def test_cross_entropy_trains_the_network_and_sorts_better(self):
    flow, network = _flow()
    rng = np.random.default_rng(0)
    codes = rng.integers(_NUM_CLASSES, size=[200, 4])
    # What changes is the position before, plus one, seven times in ten.
    noise = rng.integers(_NUM_CLASSES, size=[200, 2])
    predicted = (codes[:, ::2] + 1) % _NUM_CLASSES
    codes[:, 1::2] = np.where(rng.random([200, 2]) < 0.7, predicted, noise)
    y = tf.one_hot(codes, _NUM_CLASSES)
    optimizer = keras.optimizers.Adam(0.1)
    variables = [v.value for v in network.trainable_variables]

    @tf.function
    def step():
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(flow.cross_entropy(y))
      optimizer.apply(
          tape.gradient(loss, variables), network.trainable_variables
      )
      return loss

    first = step()
    for _ in range(60):
      last = step()
    self.assertLess(last, first / 2)
    ranks = tf.argmax(flow.inverse(y.numpy()), -1).numpy()[:, ~_MASK]
    self.assertGreater(np.mean(ranks == 0), 0.7)

  def test_gradients(self):
    flow, network = _flow()
    y = tf.one_hot(_codes(), _NUM_CLASSES)
    variables = [v.value for v in network.trainable_variables]
    weights = np.random.default_rng(0).normal(size=y.shape).astype(np.float32)

    @tf.function
    def gradients(function):
      with tf.GradientTape() as tape:
        tape.watch(y)
        value = function(y)
      return tape.gradient(value, [y, *variables])

    to_event, *to_network = gradients(flow.cross_entropy)
    self.assertIsNone(to_event)
    for gradient in to_network:
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 1e-3)
    to_event, *to_network = gradients(
        lambda y: tf.reduce_sum(weights * flow.inverse(y))
    )
    self.assertAllEqual(to_network, [None] * len(to_network))
    # Each class has the weight of the place to which it moves.
    for k in range(_NUM_CLASSES):
      one_hot = np.eye(_NUM_CLASSES, dtype=np.float32)[k]
      moved = np.where(_MASK[:, np.newaxis], y, one_hot)
      expected = np.sum(weights * flow.inverse(moved), -1)
      actual = np.sum(to_event * moved, -1)
      self.assertAllClose(actual[:, ~_MASK], expected[:, ~_MASK])

  def test_rejects(self):
    for mask in ([True, True], [False, False], [1, 0]):
      with self.assertRaisesRegex(ValueError, 'Expected a .*`mask`.*received'):
        bijectors.DiscreteSorting(tf.identity, mask)
    flow, _ = _flow()
    too_wide = bijectors.DiscreteSorting(
        lambda y: tf.concat([y, y], -1), [True, False]
    )
    for method in ('forward', 'inverse', 'cross_entropy'):
      with self.assertRaisesRegex(
          ValueError, 'length 4, as the mask; received'
      ):
        getattr(flow, method)(tf.one_hot([0, 1, 2], _NUM_CLASSES))
      with self.assertRaisesRegex(ValueError, '3 channels; received 6'):
        getattr(too_wide, method)(tf.one_hot([0, 1], 3))
    checked, _ = _flow(validate_args=True)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'one-hot'):
      checked.cross_entropy(np.full([4, _NUM_CLASSES], 0.2, np.float32))


if __name__ == '__main__':
  tf.test.main()
