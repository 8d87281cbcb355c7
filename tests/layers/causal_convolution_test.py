from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import layers


def _sigmoid(x):
  return 1.0 / (1.0 + np.exp(-x))


def _randomize(network, rng):
  weights = [rng.normal(size=w.shape) for w in network.weights]
  network.set_weights(weights)
  return weights


def _oracle(weights, codes, context, dilations, kernel_size):
  """Computes the outputs `[length, C]` for one sequence, a sum at a time."""
  embedding, context_kernel, *convolutions = weights[:-4]
  hidden_kernel, hidden_bias, output_kernel, output_bias = weights[-4:]
  units = embedding.shape[1]
  values = context @ context_kernel
  values[1:] += embedding[codes[:-1]]
  for i, dilation in enumerate(dilations):
    kernel, bias, residual_kernel, residual_bias = convolutions[4 * i :][:4]
    kernel = kernel.reshape([kernel_size, units, 2 * units])
    added = []
    for t in range(len(codes)):
      gates = bias.copy()
      for tap in range(kernel_size):
        source = t - dilation * (kernel_size - 1 - tap)
        if source >= 0:
          gates += values[source] @ kernel[tap]
      gated = np.tanh(gates[:units]) * _sigmoid(gates[units:])
      added.append(gated @ residual_kernel + residual_bias)
    values = values + added
  hidden = np.maximum(values, 0.0) @ hidden_kernel + hidden_bias
  return np.maximum(hidden, 0.0) @ output_kernel + output_bias


class CausalConvolutionTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(([1], 2), ([2, 1], 3))
  def test_equals_an_oracle(self, dilations, kernel_size):
    network = layers.CausalConvolution(
        2, units=4, dilations=dilations, kernel_size=kernel_size
    )
    network.build((None, 7, 3), (None, 7, 2))
    rng = np.random.default_rng(0)
    weights = _randomize(network, rng)
    codes, context = rng.integers(3, size=7), rng.normal(size=[7, 2])
    self.assertAllClose(
        network(tf.constant(codes), context=tf.constant(context, tf.float32)),
        _oracle(weights, codes, context, dilations, kernel_size),
        rtol=1e-4,
        atol=1e-4,
    )

  @parameterized.parameters(([1, 2], 2), ([1, 3], 3), ([4], 2))
  def test_sees_its_receptive_field_at_most(self, dilations, kernel_size):
    network = layers.CausalConvolution(
        2, units=8, dilations=dilations, kernel_size=kernel_size, seed=0
    )
    network.build((None, 16, 3))
    _randomize(network, np.random.default_rng(0))
    x = tf.zeros([1, 16, 3])
    with tf.GradientTape() as tape:
      tape.watch(x)
      last = network(x)[0, -1, 0]
    seen = tf.reduce_any(tape.gradient(last, x)[0] != 0.0, axis=-1).numpy()
    first = 15 - network.receptive_field
    self.assertTrue(seen[first])
    self.assertFalse(seen[:first].any())

  def test_takes_steps_of_an_empty_batch(self):
    network = layers.CausalConvolution(3, units=4, dilations=[1, 2])
    network.build((None, 4, 3))
    state = network.initial_state([0])
    for _ in range(4):
      outputs, state = network.step(tf.zeros([0, 3]), state)
    self.assertEqual(outputs.shape, [0, 3])

  def test_cache_holds_the_taps_whatever_the_length(self):
    network = layers.CausalConvolution(
        2, units=4, dilations=[1, 8], kernel_size=3
    )
    network.build((None, None, 3))
    state = network.initial_state([5], length=1000)
    shapes = [past.shape.as_list() for past in state.pasts]
    self.assertEqual(shapes, [[2, 5, 1, 4], [16, 5, 1, 4]])

  @parameterized.parameters(
      ({'num_outputs': 0}, '`num_outputs` of at least 1; received 0'),
      ({'units': 0}, '`units` of at least 1; received 0'),
      ({'dilations': []}, r'one or more `dilations`; received \[\]'),
      ({'dilations': [1, 0]}, '`dilations` of at least 1; received 0'),
      ({'dilations': 2}, 'one or more `dilations`; received 2'),
      ({'dilations': [1.5]}, 'integer `dilations` .*received 1.5'),
      ({'kernel_size': 1}, '`kernel_size` of at least 2; received 1'),
  )
  def test_rejects_bad_arguments(self, kwargs, message):
    with self.assertRaisesRegex(ValueError, message):
      layers.CausalConvolution(**{'num_outputs': 2, **kwargs})


if __name__ == '__main__':
  tf.test.main()
