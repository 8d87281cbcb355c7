"""What every layer of a discrete flow must do; each adds its own."""

import itertools
import json
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import layers
from discrete_lvm import ops
from discrete_lvm import training

LENGTH = 3
MASK = ops.alternating_mask(LENGTH)
KINDS = ('autoregressive', 'bipartite')


def _conditioner(kind, channels, seed=0, **kwargs):
  if kind == 'autoregressive':
    return layers.MADE(channels, [24], seed=seed, **kwargs)
  return layers.BipartiteContextTable(channels, MASK, seed=seed, **kwargs)


def _flow(kind, channels, conditioner=None, **kwargs):
  conditioner = conditioner or _conditioner(kind, channels)
  if kind == 'autoregressive':
    return layers.DiscreteAutoregressiveFlow(conditioner, **kwargs)
  return layers.DiscreteBipartiteFlow(conditioner, MASK, **kwargs)


def _bijector(kind, flow, **kwargs):
  if kind == 'autoregressive':
    return bijectors.DiscreteAutoregressive(flow.conditioner, **kwargs)
  return bijectors.DiscreteBipartite(flow.conditioner, MASK, **kwargs)


def _all_codes(num_classes):
  codes = itertools.product(range(num_classes), repeat=LENGTH)
  return np.array(list(codes), np.int32)


def _all_events(num_classes):
  return np.eye(num_classes, dtype=np.float32)[_all_codes(num_classes)]


@keras.saving.register_keras_serializable(package='discrete_lvm_test')
def doubled_argmax(logits, temperature):
  return ops.softmax_argmax(2.0 * logits, temperature)


@keras.saving.register_keras_serializable(package='discrete_lvm_test')
class ContextNetwork(keras.layers.Layer):
  """Outputs that depend on the context and on the first position alone."""

  def __init__(self, channels, **kwargs):
    super().__init__(**kwargs)
    self.channels = channels

  def build(self, inputs_shape, context_shape):
    del inputs_shape
    initializer = keras.initializers.RandomNormal(stddev=2.0, seed=0)
    self.kernel = self.add_weight(
        shape=[context_shape[-1], self.channels], initializer=initializer
    )

  def call(self, inputs, context):
    first = inputs[:, :1, :1] * np.float32([[0.0], [3.0], [3.0]])
    return tf.tensordot(context, self.kernel, 1) + first

  def get_config(self):
    return {**super().get_config(), 'channels': self.channels}


class DiscreteFlowLayersTest(tf.test.TestCase, parameterized.TestCase):

  # At K = 2 every shift is its own inverse, so it cannot stand alone here.
  @parameterized.product(
      kind=KINDS, num_classes=(2, 3, 6), location_scale=(False, True)
  )
  def test_permutes_the_event_space(self, kind, num_classes, location_scale):
    flow = _flow(kind, num_classes * (1 + location_scale))
    y = _all_events(num_classes)
    x = flow(y).numpy()
    self.assertNotAllEqual(x, y)
    self.assertLen(np.unique(x, axis=0), num_classes**LENGTH)
    self.assertAllEqual(flow.generate(x), y)
    self.assertAllEqual(flow(flow.generate(y).numpy()), y)

  @parameterized.parameters(*KINDS)
  def test_is_the_bijector_of_its_network(self, kind):
    flow = _flow(kind, 10)
    y = _all_events(5)
    x = flow(y)
    bijector = _bijector(kind, flow)
    self.assertAllEqual(bijector.inverse(y), x)
    self.assertAllEqual(bijector.forward(x.numpy()), y)

  @parameterized.parameters(*KINDS)
  def test_codes_move_as_one_hot_vectors(self, kind):
    flow = _flow(kind, 10)
    codes = _all_codes(5)
    with self.assertRaisesRegex(ValueError, 'built'):
      flow(codes)
    x = flow(_all_events(5)).numpy()
    moved = flow(codes)
    self.assertEqual(moved.dtype, tf.int32)
    self.assertAllEqual(moved, x.argmax(-1))
    self.assertAllEqual(flow.generate(moved.numpy()), codes)

  @parameterized.parameters(*KINDS)
  def test_takes_any_batch_shape(self, kind):
    flow = _flow(kind, 10)
    y = _all_events(5)
    x = flow(y).numpy()
    self.assertAllEqual(flow(y[7]), x[7])
    several = y.reshape(5, 25, LENGTH, 5)
    self.assertAllEqual(flow(several), x.reshape(several.shape))
    self.assertAllEqual(flow.generate(x.reshape(several.shape)), several)

  @parameterized.product(kind=KINDS, jit_compile=(False, True))
  def test_compiled_equals_eager(self, kind, jit_compile):
    flow = _flow(kind, 10)
    y = _all_events(5)
    x = flow(y).numpy()
    for function, inputs, outputs in ((flow, y, x), (flow.generate, x, y)):
      compiled = tf.function(
          function,
          jit_compile=jit_compile,
          input_signature=[tf.TensorSpec([None, LENGTH, 5])],
      )
      self.assertAllEqual(compiled(inputs), outputs)

  @parameterized.product(
      kind=KINDS,
      gradient_and_argmax=(
          ('softmax', ops.softmax_argmax),
          ('reinmax', ops.reinmax_argmax),
          (doubled_argmax, doubled_argmax),
      ),
  )
  def test_gradient_is_the_one_chosen(self, kind, gradient_and_argmax):
    gradient, argmax = gradient_and_argmax
    flow = _flow(kind, 10, gradient=gradient, temperature=0.5)
    y = tf.constant(_all_events(5))
    flow(y)
    bijector = _bijector(kind, flow, argmax=lambda x: argmax(x, 0.5))
    weights = np.random.default_rng(0).normal(size=y.shape)

    @tf.function
    def gradients(function):
      with tf.GradientTape() as tape:
        tape.watch(y)
        value = tf.reduce_sum(weights * function(y))
      variables = [v.value for v in flow.trainable_variables]
      return tape.gradient(value, [y, *variables])

    actual, expected = gradients(flow), gradients(bijector.inverse)
    for a, e in zip(actual, expected, strict=True):
      self.assertAllClose(a, e, rtol=1e-5)
      self.assertGreater(np.abs(a).max(), 1e-3)

  @parameterized.parameters(*KINDS)
  def test_gumbel_gradient_is_noisy_and_the_value_is_not(self, kind):
    y = tf.constant(_all_events(5))
    weights = np.random.default_rng(0).normal(size=y.shape)

    def gradient(flow):
      with tf.GradientTape() as tape:
        x = flow(y)
        value = tf.reduce_sum(weights * x)
      self.assertAllEqual(flow.generate(x), y)
      return tape.gradient(value, flow.trainable_variables[-1].value)

    flow = _flow(kind, 10, gradient='gumbel', seed=3)
    flow(y)
    self.assertAllEqual(flow(y), _flow(kind, 10)(y))
    first, second = gradient(flow), gradient(flow)
    self.assertNotAllClose(first, second)
    other = _flow(kind, 10, gradient='gumbel', seed=3)
    other(y)
    other(y)
    self.assertAllClose(gradient(other), first)

  @parameterized.product(kind=KINDS, jit_compile=(False, True))
  def test_cross_entropy_trains_the_shift(self, kind, jit_compile):
    flow = _flow(kind, 5, gradient='cross_entropy')
    y = tf.constant(_all_events(5))
    x = _flow(kind, 5, flow.conditioner)(y)
    self.assertAllEqual(flow(y), x)
    self.assertAllEqual(flow.generate(x.numpy()), y)
    weights = np.random.default_rng(0).normal(size=y.shape)
    passes = np.zeros(LENGTH, bool) if kind == 'autoregressive' else MASK
    seen = tf.where(MASK[:, np.newaxis], y, 0.0) if passes.any() else y
    variables = flow.trainable_variables

    @tf.function(jit_compile=jit_compile)
    def run():
      with tf.GradientTape(persistent=True) as tape:
        tape.watch(y)
        moved, cross_entropy = flow(y, return_cross_entropy=True)
        value = tf.reduce_sum(weights * moved)
        expected = -tf.nn.log_softmax(flow.conditioner(seen))
        expected = tf.reduce_sum(expected * y, axis=-1)
        expected = tf.linalg.matvec(expected, (~passes).astype(np.float32))
      network = [v.value for v in variables]
      self.assertIsNone(tape.gradient(cross_entropy, y))
      self.assertEqual(tape.gradient(value, network), [None] * len(network))
      return (
          (moved, x),
          (cross_entropy, expected),
          (tape.gradient(value, y), tape.gradient(value, moved)),
          (
              tape.gradient(cross_entropy, network),
              tape.gradient(expected, network),
          ),
      )

    moved, cross_entropies, to_data, to_network = run()
    self.assertAllEqual(*moved)
    self.assertAllClose(*cross_entropies)
    # Of a permutation of each token, so that sums of squares stay.
    squares = [tf.reduce_sum(g**2, axis=-1) for g in to_data]
    self.assertAllClose(*squares)
    for actual, expected in zip(*to_network, strict=True):
      self.assertAllClose(actual, expected, atol=1e-4)
      self.assertGreater(np.abs(actual).max(), 1e-3)

  @parameterized.parameters(*KINDS)
  def test_cross_entropy_takes_codes_and_context(self, kind):
    flow = _flow(kind, 5, gradient='cross_entropy')
    x, cross_entropy = flow(_all_events(5), return_cross_entropy=True)
    moved = flow(_all_codes(5), return_cross_entropy=True)
    self.assertAllEqual(moved[0], x.numpy().argmax(-1))
    self.assertAllClose(moved[1], cross_entropy)
    flow = _flow(kind, 5, ContextNetwork(5), gradient='cross_entropy')
    context = np.random.default_rng(0).normal(size=[4, 1, LENGTH, 4])
    found = flow(
        _all_events(5),
        context=context.astype('float32'),
        return_cross_entropy=True,
    )
    self.assertEqual(found[1].shape, [4, 125])

  @parameterized.parameters(*KINDS)
  def test_cross_entropy_is_for_its_gradient_and_shifts_alone(self, kind):
    flow = _flow(kind, 10)
    with self.assertRaisesRegex(ValueError, "cross-entropy; received 'softmax"):
      flow(_all_events(5), return_cross_entropy=True)
    flow = _flow(kind, 10, gradient='cross_entropy')
    with self.assertRaisesRegex(ValueError, 'returns 5 channels; received 10'):
      flow.build((None, LENGTH, 5))

  @parameterized.parameters(*KINDS)
  def test_temperature_is_annealed_and_survives_weights(self, kind):
    flow = _flow(kind, 10, temperature=2.0)
    model = keras.Sequential(
        [keras.Input([LENGTH, 5]), flow, keras.layers.Dense(1)]
    )
    model.compile('sgd', 'mse')
    anneal = training.WeightSchedule(
        flow.temperature, ops.LinearSchedule(1.0, 0.2, num_steps=4)
    )
    y = _all_events(5)[:8]
    model.fit(
        y,
        y[..., :1],
        batch_size=2,
        epochs=2,
        verbose=0,
        callbacks=[anneal],
    )
    self.assertAllClose(flow.temperature, 0.2)
    self.assertNotIn('temperature', [v.name for v in flow.trainable_variables])
    other = _flow(kind, 10, temperature=2.0)
    other.build((None, LENGTH, 5))
    other.set_weights(flow.get_weights())
    self.assertAllClose(other.temperature, 0.2)

  @parameterized.product(
      kind=KINDS, gradient=('gumbel', 'cross_entropy', doubled_argmax)
  )
  def test_functional_model_survives_a_file(self, kind, gradient):
    channels = 5 if gradient == 'cross_entropy' else 10
    flow = _flow(kind, channels, gradient=gradient, temperature=0.5, seed=1)
    inputs = keras.Input([LENGTH, 5])
    model = keras.Model(inputs, layers.PermutePositions()(flow(inputs)))
    y = _all_events(5)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    flow.temperature.assign(0.25)
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(y), model(y))
    self.assertAllClose(restored.layers[1].temperature, 0.25)
    self.assertEqual(
        *(json.dumps(f.get_config()) for f in (restored.layers[1], flow))
    )

  @parameterized.parameters(*KINDS)
  def test_works_in_sequential_and_subclassed_models(self, kind):
    class Subclassed(keras.Model):

      def __init__(self):
        super().__init__()
        self.flow = _flow(kind, 10)

      def call(self, inputs):
        return self.flow(inputs)

    y = _all_events(5)
    sequential = keras.Sequential([_flow(kind, 10), _flow(kind, 5)])
    self.assertEqual(sequential(y).shape, y.shape)
    model = Subclassed()
    self.assertAllEqual(model(y), _flow(kind, 10)(y))
    self.assertLen(
        model.trainable_variables,
        len(model.flow.conditioner.trainable_variables),
    )

  @parameterized.product(kind=KINDS, policy=('mixed_bfloat16', 'mixed_float16'))
  def test_mixed_precision_is_for_the_network_alone(self, kind, policy):
    flow = _flow(kind, 10, _conditioner(kind, 10, dtype=policy), dtype=policy)
    y = _all_events(5)
    x = flow(y)
    self.assertEqual(x.dtype, tf.float32)
    self.assertEqual(flow.conditioner(y).dtype, policy.removeprefix('mixed_'))
    self.assertEqual(flow.temperature.dtype, 'float32')
    self.assertLen(np.unique(x, axis=0), 5**LENGTH)
    self.assertAllEqual(flow.generate(x.numpy()), y)
    half = flow(tf.cast(y, tf.float16))
    self.assertEqual(half.dtype, tf.float16)
    self.assertAllEqual(half, x)

  @parameterized.parameters(*KINDS)
  def test_context_reaches_the_network(self, kind):
    flow = _flow(kind, 5, ContextNetwork(5))
    y = _all_events(5)
    context = np.random.default_rng(0).normal(size=[4, 1, LENGTH, 4])
    context = context.astype('float32')
    x = flow(y, context=context)
    self.assertEqual(x.shape, [4, 125, LENGTH, 5])
    self.assertGreater(len(np.unique(x, axis=0)), 1)
    self.assertAllEqual(flow.generate(x, context=context)[1], y)
    inputs, given = keras.Input([LENGTH, 5]), keras.Input([LENGTH, 4])
    model = keras.Model([inputs, given], flow(inputs, context=given))
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    given = np.repeat(context[1], 125, 0)
    self.assertAllEqual(restored([y, given]), x[1])

  def test_builds_a_network_that_makes_its_weights_in_its_call(self):
    class Late(keras.Model):

      def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(10)

      def call(self, inputs):
        return self.dense(inputs[:, :1] + tf.zeros_like(inputs))

    flow = _flow('bipartite', 10, Late())
    flow.build((None, LENGTH, 5))
    self.assertLen(flow.trainable_variables, 2)

  def test_dropout_of_the_network_follows_the_call(self):
    network = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dropout(0.9, seed=0),
            keras.layers.Dense(LENGTH * 5, kernel_initializer='ones'),
            keras.layers.Reshape([LENGTH, 5]),
        ]
    )
    calls = []
    dropout = network.layers[1]
    call = dropout.call
    dropout.call = lambda x, training=False: (
        calls.append(training) or call(x, training)
    )
    flow = _flow('bipartite', 5, network)
    y = _all_events(5)
    flow(y)
    calls.clear()
    flow(y, training=True)
    flow(y)
    flow.generate(y)
    self.assertEqual(list(map(bool, calls)), [True, False, False])

  @parameterized.parameters(*KINDS)
  def test_rejects_bad_arguments(self, kind):
    for kwargs, message in (
        ({'gradient': 'hard'}, "one of .*'gumbel'.*; received 'hard'"),
        ({'temperature': 0.0}, 'Expected a positive `temperature`'),
        ({'conditioner': lambda x: x}, 'Keras layer as `conditioner`; recei'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        _flow(kind, 10, **kwargs)

  @parameterized.parameters(*KINDS)
  def test_rejects_bad_inputs(self, kind):
    with self.assertRaisesRegex(ValueError, 'static K; received shape'):
      _flow(kind, 10).build((None, LENGTH, None))
    with self.assertRaisesRegex(ValueError, 'Expected a layer that is built'):
      _flow(kind, 10).generate(_all_events(5))
    with self.assertRaisesRegex(ValueError, '5 or 10 channels; received 7'):
      _flow(kind, 7).build((None, LENGTH, 5))
    flow = _flow(kind, 10)
    flow(_all_events(5))
    with self.assertRaisesRegex(ValueError, r'\[..., length, 5\], as when'):
      flow.generate(_all_events(4))

  def test_rejects_masks(self):
    network = _conditioner('autoregressive', 5)
    for mask, message in (
        ([True] * 3, 'both True and False'),
        ([0, 1, 0], 'boolean `mask`'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        layers.DiscreteBipartiteFlow(network, mask)
    flow = layers.DiscreteBipartiteFlow(network, [True, False])
    with self.assertRaisesRegex(ValueError, 'length 2, as the mask'):
      flow(_all_events(5))


if __name__ == '__main__':
  tf.test.main()
