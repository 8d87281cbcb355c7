import functools

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import layers
from tests.bijectors import networks


def _graph_size(function):
  graph = function.get_concrete_function().graph.as_graph_def()
  bodies = graph.library.function
  return len(graph.node) + sum(len(body.node_def) for body in bodies)


class DiscreteAutoregressiveTest(tf.test.TestCase, parameterized.TestCase):

  def test_takes_each_position_given_those_before_it(self):
    length, num_classes = 4, 5
    order = [2, 0, 3, 1]
    network = networks.CausalNetwork(num_classes, order)
    flow = bijectors.DiscreteAutoregressive(network)
    x = np.random.default_rng(0).integers(num_classes, size=length)
    y = np.zeros_like(x)
    for position in order:
      outputs = network(tf.one_hot(y[np.newaxis], num_classes))
      shift = tf.argmax(outputs[0, position]).numpy()
      y[position] = (x[position] + shift) % num_classes
    forward = flow.forward(tf.one_hot(x, num_classes))
    self.assertAllEqual(tf.argmax(forward, -1), y)

  # The right result passes the check of one call; the first call is eager's.
  def test_cache_takes_one_step_a_position_and_one_check(self):
    network = networks.CachedCausalNetwork(10, range(6))
    flow = bijectors.DiscreteAutoregressive(network)
    x = tf.one_hot(np.random.default_rng(0).integers(5, size=[3, 6]), 5)
    flow.forward(x)
    self.assertEqual(network.num_calls, 2)

  @parameterized.parameters(False, True)
  def test_inverts_with_made(self, jit_compile):
    made = layers.MADE(8, hidden_units=[16], order='random', seed=0)
    made.build((None, 6, 4))
    for i, weight in enumerate(made.weights):
      weight.assign(2 * tf.random.stateless_normal(weight.shape, [0, i]))
    bijectors.check_causal(made, 6, 4, order=made.order)
    flow = bijectors.DiscreteAutoregressive(made)
    x = tf.one_hot(np.random.default_rng(0).integers(4, size=[50, 6]), 4)
    y = tf.function(flow.forward, jit_compile=jit_compile)(x)
    self.assertNotAllEqual(y, x)
    inverse = tf.function(flow.inverse, jit_compile=jit_compile)
    self.assertAllEqual(inverse(tf.identity(y)), x)

  # Wrong steps, as by a tie that rounding broke the other way.
  @parameterized.parameters(False, True)
  def test_a_wrong_step_is_put_right(self, jit_compile):
    network = networks.CachedCausalNetwork(5, range(6))
    flow = bijectors.DiscreteAutoregressive(network)
    x = tf.one_hot(np.random.default_rng(0).integers(5, size=[9, 6]), 5)
    right = flow.forward(x.numpy())
    network.error = tf.constant([0.0, 3.0, 0.0, 0.0, 0.0])
    forward = tf.function(flow.forward, jit_compile=jit_compile)
    self.assertAllEqual(forward(x), right)
    self.assertAllEqual(flow.inverse(right.numpy()), x)

  @parameterized.parameters(
      networks.CausalNetwork, networks.CachedCausalNetwork
  )
  def test_graph_does_not_grow_with_the_length(self, network_class):
    sizes = set()
    for length in (1, 3, 9):
      network = network_class(6, range(length))
      network.build((None, length, 3))
      flow = bijectors.DiscreteAutoregressive(network)
      x = tf.one_hot(np.zeros([2, length], np.int32), 3)
      sizes.add(_graph_size(tf.function(functools.partial(flow.forward, x))))
    self.assertLen(sizes, 1)

  def test_length_may_be_dynamic(self):
    # Adds the position before; at the first all logits are zero, shift 0.
    flow = bijectors.DiscreteAutoregressive(
        lambda y: tf.pad(y, [[0, 0], [1, 0], [0, 0]])[:, :-1]
    )
    forward = tf.function(
        flow.forward, input_signature=[tf.TensorSpec([None, None, 3])]
    )
    for length in (1, 2, 7):
      x = np.ones([2, length], np.int32)
      expected = np.cumsum(x, 1) % 3
      self.assertAllEqual(tf.argmax(forward(tf.one_hot(x, 3)), -1), expected)

  def test_gradient_flows_through_inverse_alone(self):
    network = networks.CausalNetwork(5, range(3))
    flow = bijectors.DiscreteAutoregressive(network)
    x = tf.one_hot([[0, 1, 2]], 5)
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(x)
      forward = flow.forward(x)
      inverse = flow.inverse(tf.identity(x))
    self.assertIsNone(tape.gradient(forward, x))
    self.assertIsNotNone(tape.gradient(inverse, network.kernel.value))


if __name__ == '__main__':
  tf.test.main()
