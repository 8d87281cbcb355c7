from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers


def _build(*context_shape, **kwargs):
  network = layers.CausalLSTM(2, **{'units': [4, 3], **kwargs})
  network.build((None, 6, 3), *context_shape)
  return network


class CausalLSTMTest(tf.test.TestCase, parameterized.TestCase):

  def test_equals_a_stack_of_keras_lstms(self):
    network = _build((None, 6, 2))
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(size=w.shape) for w in network.weights])
    x = tf.one_hot(rng.integers(3, size=[5, 6]), 3)
    context = tf.constant(rng.normal(size=[5, 6, 2]), tf.float32)
    weights = [w.numpy() for w in network.weights]
    recurrent, biases, others = weights[:4:2], weights[1:4:2], weights[4:]
    embedding, context_kernel, input_kernel, *output_weights = others
    # A network that reads the token before and the context side by side.
    values = tf.concat(
        [tf.pad(x[:, :-1], [[0, 0], [1, 0], [0, 0]]), context], 2
    )
    kernels = [np.concatenate([embedding, context_kernel]), input_kernel]
    for units, *layer_weights in zip(
        [4, 3], kernels, recurrent, biases, strict=True
    ):
      layer = keras.layers.LSTM(units, return_sequences=True)
      layer.build(values.shape)
      layer.set_weights(layer_weights)
      values = layer(values)
    self.assertAllClose(
        network(x, context=context),
        values @ output_weights[0] + output_weights[1],
        rtol=1e-4,
        atol=1e-4,
    )

  def test_forgets_little_at_first(self):
    network = _build()
    biases = [w.numpy() for w in network.weights if 'bias_' in w.path]
    self.assertAllEqual(biases[0], np.repeat([0.0, 1.0, 0.0, 0.0], 4))
    self.assertAllEqual(biases[1], np.repeat([0.0, 1.0, 0.0, 0.0], 3))

  def test_cache_does_not_depend_on_the_length(self):
    state = _build().initial_state([5], length=1000)
    shapes = [[x.shape.as_list() for x in layer] for layer in state.memories]
    self.assertEqual(shapes, [[[5, 4], [5, 4]], [[5, 3], [5, 3]]])

  def test_learns_to_count(self):
    # The next of a run of ones is a zero after the third one.
    codes = tf.constant([[1, 1, 1, 0] * 4])
    network = layers.CausalLSTM(2, units=[16], seed=0)
    network.build((None, 16, 2))
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build(network.trainable_variables)

    @tf.function
    def train():
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                codes, network(codes)
            )
        )
      weights = [w.value for w in network.trainable_variables]
      optimizer.apply(tape.gradient(loss, weights), network.trainable_variables)
      return loss

    losses = [float(train()) for _ in range(60)]
    self.assertGreater(losses[0], 0.5)
    self.assertLess(losses[-1], 0.05)

  @parameterized.parameters(
      (
          {'num_outputs': 0, 'units': [4]},
          '`num_outputs` of at least 1; received 0',
      ),
      ({'num_outputs': 2, 'units': []}, r'one or more `units`; received \[\]'),
      (
          {'num_outputs': 2, 'units': [4, 0]},
          '`units` of at least 1; received 0',
      ),
      ({'num_outputs': 2, 'units': 8}, 'one or more `units`; received 8'),
      ({'num_outputs': 2, 'units': [8.5]}, 'integer `units` .*received 8.5'),
  )
  def test_rejects_bad_arguments(self, kwargs, message):
    with self.assertRaisesRegex(ValueError, message):
      layers.CausalLSTM(**kwargs)


if __name__ == '__main__':
  tf.test.main()
