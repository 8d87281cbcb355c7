from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import ops
from discrete_lvm.ops import conditioners
from discrete_lvm.ops import couplings
from discrete_lvm.ops import events

_FLOWS = (
    lambda network: bijectors.DiscreteBipartite(network, [True, False]),
    bijectors.DiscreteAutoregressive,
)


class ConditionerTest(tf.test.TestCase, parameterized.TestCase):

  # 20 has 8 invertible residues; without a mask most choices were not.
  @parameterized.parameters(2, 6, 20, 257)
  def test_scales_are_invertible_and_others_have_no_gradient(self, num_classes):
    invertible = ops.invertible_scales(num_classes)
    outputs = tf.random.stateless_normal([50, 4, 2 * num_classes], [0, 1])
    with tf.GradientTape() as tape:
      tape.watch(outputs)
      shift, scale = couplings.shift_and_scale(
          outputs,
          tf.zeros([50, 4, num_classes]),
          events.OneHotEvents(),
          ops.softmax_argmax,
      )
      value = tf.reduce_sum(
          scale * tf.random.stateless_normal(scale.shape, [0, 2])
      )
    self.assertAllEqual(
        tf.argmax(shift, -1), tf.argmax(outputs[..., :num_classes], -1)
    )
    best = np.where(invertible, outputs[..., num_classes:], -np.inf).argmax(-1)
    self.assertAllEqual(tf.argmax(scale, -1), best)
    gradient = tape.gradient(value, outputs)[..., num_classes:].numpy()
    self.assertAllEqual(
        gradient[..., ~invertible], 0 * gradient[..., ~invertible]
    )
    if num_classes > 2:
      self.assertAllGreater(np.abs(gradient[..., invertible]).max(), 0.0)

  def test_shows_the_variables_of_any_network(self):
    dense = keras.layers.Dense(3)
    conditioner = conditioners.Conditioner(dense)
    self.assertEmpty(conditioner.trainable_variables)
    tf.function(conditioner)(tf.zeros([1, 2, 3]))
    self.assertLen(conditioner.trainable_variables, 2)
    module = tf.Module()
    module.table = tf.Variable(tf.zeros([2, 3]))
    self.assertLen(conditioners.Conditioner(module).trainable_variables, 1)
    self.assertEmpty(conditioners.Conditioner(len).variables)

  @parameterized.product(flow=_FLOWS, policy=('mixed_bfloat16', 'float64'))
  def test_network_may_have_a_policy_of_its_own(self, flow, policy):
    flow = flow(keras.layers.Dense(6, dtype=policy))
    x = tf.one_hot([[0, 1], [2, 2]], 3)
    self.assertEqual(flow.inverse(x).dtype, tf.float32)
    self.assertLen(flow.trainable_variables, 2)

  @parameterized.product(batch_shape=((), (2,), (2, 3)), on_codes=(False, True))
  def test_takes_events_of_any_batch_shape(self, batch_shape, on_codes):
    num_classes = 3 if on_codes else None
    seen = []

    def network(inputs, context):
      seen.append((inputs.shape, context.shape))
      inputs = tf.one_hot(inputs, 3) if on_codes else inputs
      return tf.concat([inputs, context], axis=-1)

    codes = np.random.default_rng(0).integers(3, size=[*batch_shape, 4])
    context = np.random.default_rng(1).normal(size=[3, 4, 2])
    context = context.astype(np.float32)
    x = tf.constant(codes, tf.int32) if on_codes else tf.one_hot(codes, 3)
    conditioner = conditioners.Conditioner(network, context, num_classes)
    if batch_shape == (2,):
      with self.assertRaisesRegex(ValueError, '`context` of shape .* received'):
        conditioner(x)
      return
    outputs = conditioner(x)
    shape = np.broadcast_shapes(batch_shape, (3,))
    self.assertEqual(outputs.shape, [*shape, 4, 5])
    self.assertAllEqual(
        outputs[..., :3], np.broadcast_to(np.eye(3)[codes], [*shape, 4, 3])
    )
    self.assertAllEqual(
        outputs[..., 3:], np.broadcast_to(context, [*shape, 4, 2])
    )
    flat = [np.prod(shape), 4]
    self.assertAllEqual(seen[0], (flat + [3] * (not on_codes), [*flat, 2]))

  @parameterized.product(
      flow=_FLOWS,
      network=(
          lambda x: x[..., :2],
          lambda x: tf.concat([x, x, x], -1),
          lambda x: x[:, :1],
          lambda x: tf.concat([x, x], 0),
          lambda x: x[:, 0],
      ),
  )
  def test_rejects_a_network_of_another_shape(self, flow, network):
    for direction in ('forward', 'inverse'):
      with self.assertRaisesRegex(ValueError, 'conditioner that .* received'):
        getattr(flow(network), direction)(tf.one_hot([0, 1], 3))


_ORDER = [2, 0, 3, 1]


class _Network:
  """Adds up the codes before, plus one each, and the context there."""

  def __init__(self, on_codes, order=None):
    self.num_calls = 0
    self._on_codes = on_codes
    if order is not None:
      self.order = np.array(order)

  def _values(self, inputs):
    if self._on_codes:
      return tf.cast(inputs + 1, tf.float32)
    return tf.linalg.matvec(inputs, tf.range(1.0, 6.0))

  def __call__(self, inputs, context):
    self.num_calls += 1
    values = self._values(inputs)
    if hasattr(self, 'order'):
      ranks = np.argsort(self.order)
      totals = values @ tf.constant(ranks[:, np.newaxis] < ranks, tf.float32)
    else:
      totals = tf.cumsum(values, axis=1, exclusive=True)
    return totals[..., tf.newaxis] + context


class _CachedNetwork(_Network):

  def initial_state(self, batch_shape, length, context):
    del length
    return 0, tf.zeros(batch_shape), context

  def step(self, token, state):
    index, total, context = state
    total += tf.where(index > 0, self._values(token), tf.zeros_like(total))
    position = (
        tf.constant(self.order)[index] if hasattr(self, 'order') else index
    )
    outputs = total[:, tf.newaxis] + tf.gather(context, position, axis=1)
    return outputs, (index + 1, total, context)


class GenerateTest(tf.test.TestCase, parameterized.TestCase):

  def _generate(self, network, inputs, context, on_codes, dtype):
    conditioner = conditioners.Conditioner(
        network, context, num_classes=5 if on_codes else None
    )

    def choose(position_inputs, outputs):
      code = tf.cast(position_inputs + outputs[:, 0], tf.int32) % 5
      return code if on_codes else tf.one_hot(code, 5, dtype=dtype)

    return conditioner.generate(
        inputs, choose, 5, tf.as_dtype(dtype), inputs.shape.rank - 1
    )

  def _expected(self, inputs, context):
    codes = np.zeros(inputs.shape, np.int32)
    total = np.zeros(inputs.shape[:-1])
    for t in _ORDER:
      code = (inputs[..., t] + total + context[..., t, 0]).astype(np.int32) % 5
      codes[..., t] = code
      total += code + 1
    return codes

  @parameterized.product(
      network_class=(_Network, _CachedNetwork),
      dtype=('int32', 'float32', 'bfloat16'),
      jit_compile=(False, True),
  )
  def test_takes_each_position_given_those_before_it(
      self, network_class, dtype, jit_compile
  ):
    on_codes = dtype == 'int32'
    network = network_class(on_codes, _ORDER)
    rng = np.random.default_rng(0)
    inputs = rng.integers(5, size=[2, 3, 4]).astype(np.float32)
    context = rng.integers(5, size=[3, 4, 1]).astype(np.float32)

    @tf.function(jit_compile=jit_compile)
    def generate(inputs):
      return self._generate(network, inputs, context, on_codes, dtype)

    events = generate(inputs)
    self.assertEqual(events.dtype, dtype)
    self.assertEqual(
        generate.get_concrete_function(inputs).output_shapes, events.shape
    )
    if not on_codes:
      self.assertAllEqual(tf.reduce_sum(events, -1), np.ones([2, 3, 4]))
      events = tf.argmax(events, -1)
    self.assertAllEqual(events, self._expected(inputs, context))

  def test_cache_spares_all_calls_of_the_network(self):
    for network_class, num_calls in ((_Network, 4), (_CachedNetwork, 0)):
      network = network_class(True, _ORDER)
      self._generate(network, tf.zeros([2, 4]), tf.zeros([4, 1]), True, 'int32')
      self.assertEqual(network.num_calls, num_calls)

  @parameterized.parameters(_Network, _CachedNetwork)
  def test_batch_and_length_may_be_dynamic(self, network_class):
    network = network_class(on_codes=True)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None]),
            tf.TensorSpec([None, 1]),
        ]
    )
    def generate(inputs, context):
      return self._generate(network, inputs, context, True, 'int32')

    for batch, length in ((1, 1), (2, 5)):
      codes = generate(tf.zeros([batch, length]), tf.zeros([length, 1]))
      # Each is the sum of those before, plus one each: 0, 1, 3, 7 % 5, ...
      expected = [0, 1, 3, 2, 0][:length]
      self.assertAllEqual(codes, [expected] * batch)


if __name__ == '__main__':
  tf.test.main()
