from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import conditioners
from discrete_lvm.ops import couplings
from discrete_lvm.ops import sorting_couplings

_MASK = np.array([True, False, False, True])


def _logits(total):
  """Returns logits of the shift `total % 6`, and of the scale 1 or 5."""
  scale = tf.where(total % 2 == 0, 1, 5)
  return tf.concat([tf.one_hot(total % 6, 6), tf.one_hot(scale, 6)], axis=-1)


def _network(codes):
  total = tf.reduce_sum(codes + 1, axis=-1, keepdims=True)
  return _logits(total + [0, 1, 2, 3])


def _causal_network(codes):
  return _logits(tf.cumsum(codes + 1, axis=-1, exclusive=True))


def _affine(x, total):
  return (np.where(total % 2 == 0, 1, 5) * x + total) % 6


class CouplingsTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.codes = tf.constant(
        np.random.default_rng(0).integers(6, size=[20, 4]), tf.int32
    )

  @parameterized.parameters(False, True)
  def test_bipartite_is_affine_where_the_mask_is_false(self, jit_compile):
    conditioner = conditioners.Conditioner(_network, num_classes=6)
    forward, inverse = (
        tf.function(
            lambda x, map_=map_: map_(
                x, conditioner, _MASK, ops.softmax_argmax
            ),
            jit_compile=jit_compile,
        )
        for map_ in (couplings.bipartite_forward, couplings.bipartite_inverse)
    )
    x = self.codes.numpy()
    total = np.sum((x + 1) * _MASK, axis=-1, keepdims=True) + np.arange(4)
    expected = np.where(_MASK, x, _affine(x, total))
    y = forward(x)
    self.assertAllEqual(y, expected)
    self.assertAllEqual(inverse(y), x)

  @parameterized.parameters(False, True)
  def test_autoregressive_is_affine_given_the_result(self, jit_compile):
    conditioner = conditioners.Conditioner(_causal_network, num_classes=6)
    forward, inverse = (
        tf.function(
            lambda x, map_=map_: map_(x, conditioner, ops.softmax_argmax),
            jit_compile=jit_compile,
        )
        for map_ in (
            couplings.autoregressive_forward,
            couplings.autoregressive_inverse,
        )
    )
    x = self.codes.numpy()
    expected = np.zeros_like(x)
    total = np.zeros(len(x), np.int32)
    for t in range(4):
      expected[:, t] = _affine(x[:, t], total)
      total += expected[:, t] + 1
    y = forward(x)
    self.assertAllEqual(y, expected)
    self.assertAllEqual(inverse(y), x)

  def test_a_mask_hides_what_changes(self):
    seen = []

    def network(codes):
      seen.append(codes.numpy())
      return tf.zeros([20, 4, 6])

    conditioner = conditioners.Conditioner(network, num_classes=6)
    for function in (
        sorting_couplings.sorting_forward,
        sorting_couplings.sorting_inverse,
        sorting_couplings.sorting_cross_entropy,
    ):
      function(self.codes, conditioner, _MASK)
      self.assertAllEqual(seen.pop(), np.where(_MASK, self.codes, -1))

  def test_sorting_renames_where_the_mask_is_false(self):
    conditioner = conditioners.Conditioner(
        lambda codes: _network(codes)[..., :6], num_classes=6
    )
    x = self.codes.numpy()
    total = np.sum((x + 1) * _MASK, axis=-1, keepdims=True) + np.arange(4)
    top = total % 6
    # The predicted class comes first, the others in their order.
    ranks = np.where(x == top, 0, x + (x < top))
    y = sorting_couplings.sorting_inverse(self.codes, conditioner, _MASK)
    self.assertAllEqual(y, np.where(_MASK, x, ranks))
    self.assertAllEqual(
        sorting_couplings.sorting_forward(y, conditioner, _MASK), x
    )


if __name__ == '__main__':
  tf.test.main()
