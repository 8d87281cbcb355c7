from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import layers
from tests.bijectors import networks


class CheckCausalTest(parameterized.TestCase):

  @parameterized.parameters(([0, 1, 2, 3],), ([2, 0, 3, 1],))
  def test_passes_a_causal_network_in_its_order(self, order):
    network = networks.CausalNetwork(6, order)
    bijectors.check_causal(network, 4, 3, order=order)
    bijectors.check_causal(network, 4, 3)
    with self.assertRaisesRegex(ValueError, 'causal .* received'):
      bijectors.check_causal(network, 4, 3, order=order[::-1])

  def test_names_the_positions_that_see_too_much(self):
    def network(x):
      # Position 2 sees itself, position 0 the last.
      leak = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
      leak = np.array(leak, np.float32)
      leak[0, 2] = 1.0
      return tf.einsum('ij,bjk->bik', leak, x)

    with self.assertRaisesRegex(ValueError, r'positions \[0, 2\]'):
      bijectors.check_causal(network, 3, 2)

  def test_takes_an_order_that_comes_with_the_first_call(self):
    made = layers.MADE(6, [8], order='right_to_left', seed=1)
    bijectors.check_causal(made, 4, 3)
    self.assertEqual(made.order.tolist(), [3, 2, 1, 0])

  @parameterized.parameters(
      ({'order': [0, 0, 1]}, r'permutation of .* received \[0, 0, 1\]'),
      ({'order': [0, 1]}, r'`order` of 3 positions; received \[0, 1\]'),
      ({'num_classes': 1}, '`num_classes` of at least 2; received 1'),
      ({'length': 0}, '`length` of at least 1; received 0'),
      (
          {'conditioner': lambda x: x[:, :1]},
          r'\(3, 3, 2\) to \[3, 3, channels\]; received \(3, 1, 2\)',
      ),
      ({'conditioner': lambda x: x[..., 0]}, r'; received \(3, 3\)'),
  )
  def test_rejects(self, kwargs, message):
    valid = {'conditioner': tf.zeros_like, 'length': 3, 'num_classes': 2}
    with self.assertRaisesRegex(ValueError, message):
      bijectors.check_causal(**{**valid, **kwargs})


if __name__ == '__main__':
  absltest.main()
