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

  @parameterized.product(
      flow=_FLOWS,
      network=(
          lambda x: x[..., :2],
          lambda x: tf.concat([x, x, x], -1),
          lambda x: x[:, :1],
          lambda x: x[:, 0],
      ),
  )
  def test_rejects_a_network_of_another_shape(self, flow, network):
    for direction in ('forward', 'inverse'):
      with self.assertRaisesRegex(ValueError, 'conditioner that .* received'):
        getattr(flow(network), direction)(tf.one_hot([0, 1], 3))


if __name__ == '__main__':
  tf.test.main()
