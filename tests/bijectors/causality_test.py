from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from tests.bijectors import networks


class CheckCausalTest(parameterized.TestCase):

  @parameterized.parameters(([0, 1, 2, 3],), ([2, 0, 3, 1],))
  def test_passes_a_causal_network_in_its_order(self, order):
    network = networks.CausalNetwork(6, order)
    bijectors.check_causal(network, 4, 3, order=order)
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


if __name__ == '__main__':
  absltest.main()
