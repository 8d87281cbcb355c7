from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import distributions
from discrete_lvm.ops import placement
from tests.bijectors import networks

_NUM_CLASSES = 5
_LENGTH = 6


def _network(network_class=networks.CachedCausalNetwork):
  network = network_class(_NUM_CLASSES, np.arange(_LENGTH), seed=0)
  network.build((None, _LENGTH, _NUM_CLASSES))
  return network


def _events(size=20):
  codes = np.random.default_rng(0).integers(_NUM_CLASSES, size=[size, _LENGTH])
  return codes, np.eye(_NUM_CLASSES, dtype=np.float32)[codes]


def _expected(codes, logits, thresholds=None):
  """Ranks and places one event, position by position."""
  x = np.zeros(_LENGTH, int)
  free = list(range(_LENGTH))
  for t, (code, row) in enumerate(zip(codes, logits, strict=True)):
    slot = t
    if thresholds is not None:
      score = np.sum(np.floor(32 * np.maximum(4 - (row.max() - row), 0)))
      target = (
          int(np.sum(thresholds < score) + np.sum(thresholds <= score)) // 2
      )
      slot = min(free, key=lambda s: (abs(s - target), s))
      free.remove(slot)
    x[slot] = np.sum(row > row[code])
  return x


class DiscreteAutoregressiveSortingTest(
    tf.test.TestCase, parameterized.TestCase
):

  @parameterized.product(places=(False, True), jit_compile=(False, True))
  def test_maps_classes_to_ranks_at_their_places(self, places, jit_compile):
    network = _network()
    thresholds = None
    if places:
      thresholds = placement.even_thresholds(_LENGTH, _NUM_CLASSES)
    flow = bijectors.DiscreteAutoregressiveSorting(
        network, thresholds=thresholds
    )
    codes, y = _events()
    logits = network(y).numpy()
    expected = [
        _expected(*pair, thresholds) for pair in zip(codes, logits, strict=True)
    ]
    inverse = tf.function(flow.inverse, jit_compile=jit_compile)
    x = inverse(y).numpy()
    self.assertAllEqual(x.argmax(-1), expected)
    forward = tf.function(flow.forward, jit_compile=jit_compile)
    self.assertAllEqual(forward(x), y)
    if places:
      self.assertNotAllEqual(
          x, bijectors.DiscreteAutoregressiveSorting(network).inverse(y)
      )

  def test_forward_corrects_the_rounding_of_steps(self):
    network = _network()
    _, y = _events()
    for thresholds in (None, placement.even_thresholds(_LENGTH, _NUM_CLASSES)):
      flow = bijectors.DiscreteAutoregressiveSorting(
          network, thresholds=thresholds
      )
      x = flow.inverse(y).numpy()
      # Every step ranks the wrong way round.
      network.error = -1e3 * np.arange(_NUM_CLASSES, dtype=np.float32)
      self.assertAllEqual(flow.forward(x), y)
      network.error = 0.0

  def test_takes_one_step_a_position(self):
    network = _network()
    flow = bijectors.DiscreteAutoregressiveSorting(
        network, thresholds=placement.even_thresholds(_LENGTH, _NUM_CLASSES)
    )
    x = _events()[1]
    flow.forward(x)
    network.num_calls = 0
    flow.forward(x.copy())
    # To build it, and to check the result.
    self.assertEqual(network.num_calls, 2)

  def test_cross_entropy_is_that_of_the_autoregressive_model(self):
    network = _network()
    flow = bijectors.DiscreteAutoregressiveSorting(network)
    codes, y = _events()
    model = distributions.AutoregressiveCategorical(
        network, _LENGTH, _NUM_CLASSES
    )
    self.assertAllClose(flow.cross_entropy(y), -model.log_prob(y), rtol=1e-5)
    on_codes = bijectors.DiscreteAutoregressiveSorting(
        networks.OnCodes(network, _NUM_CLASSES), num_classes=_NUM_CLASSES
    )
    self.assertAllClose(
        on_codes.cross_entropy(codes), flow.cross_entropy(y), rtol=1e-5
    )

  def test_gradients(self):
    network = _network()
    flow = bijectors.DiscreteAutoregressiveSorting(
        network, thresholds=placement.even_thresholds(_LENGTH, _NUM_CLASSES)
    )
    y = tf.constant(_events()[1])
    variables = [v.value for v in network.trainable_variables]
    weights = np.random.default_rng(0).normal(size=y.shape).astype(np.float32)

    @tf.function(jit_compile=True)
    def gradients():
      with tf.GradientTape(persistent=True) as tape:
        tape.watch(y)
        loss = flow.cross_entropy(y)
        value = tf.reduce_sum(weights * flow.inverse(y))
      self.assertIsNone(tape.gradient(loss, y))
      self.assertEqual(tape.gradient(value, variables), [None] * 2)
      return value, tape.gradient(value, y), tape.gradient(loss, variables)

    value, to_event, to_network = gradients()
    # That of a permutation: a class costs what stands at its place.
    self.assertAllClose(tf.reduce_sum(to_event * y), value, rtol=1e-4)
    for gradient in to_network:
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 1e-3)

  def test_rejects(self):
    for length in (3, 9):
      flow = bijectors.DiscreteAutoregressiveSorting(
          _network(), thresholds=np.zeros(length, np.float32)
      )
      for method in (flow.forward, flow.inverse):
        with self.assertRaisesRegex(
            ValueError, rf'events of length 6; received shape \({length},'
        ):
          method(_events()[1])
    too_wide = bijectors.DiscreteAutoregressiveSorting(
        lambda y: tf.concat([y, y], -1)
    )
    for method in ('forward', 'inverse', 'cross_entropy'):
      with self.assertRaisesRegex(ValueError, '5 channels; received 10'):
        getattr(too_wide, method)(_events()[1])


if __name__ == '__main__':
  tf.test.main()
