"""One-hot events and codes: the same arithmetic in two forms."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import events

_NUM_CLASSES = 6


def _codes(seed=0):
  return np.random.default_rng(seed).integers(_NUM_CLASSES, size=[5, 4])


def _one_hot(codes):
  return tf.one_hot(codes, _NUM_CLASSES)


class EventsTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.one_hots = events.events_of(None)
    self.codes = events.events_of(_NUM_CLASSES)

  @parameterized.parameters(False, True)
  def test_affine_maps_agree(self, location_scale):
    x, shift = _codes(0), _codes(1)
    scale = np.where(_codes(2) < 3, 1, 5) if location_scale else None
    parameters = shift, scale
    one_hot_parameters = _one_hot(shift), None
    if location_scale:
      one_hot_parameters = _one_hot(shift), _one_hot(scale)
    y = self.codes.affine(x, *parameters)
    self.assertAllEqual(
        self.one_hots.affine(_one_hot(x), *one_hot_parameters), _one_hot(y)
    )
    self.assertNotAllEqual(y, x)
    self.assertAllEqual(self.codes.affine_inverse(y, *parameters), x)
    self.assertAllEqual(
        self.one_hots.affine_inverse(_one_hot(y), *one_hot_parameters),
        _one_hot(x),
    )

  def test_ranks_agree(self):
    x = tf.constant(_codes(), tf.int32)
    logits = tf.random.stateless_normal([5, 4, _NUM_CLASSES], [0, 1])
    for name in ('rank_classes', 'unrank_classes'):
      self.assertAllEqual(
          getattr(self.one_hots, name)(_one_hot(x), logits),
          _one_hot(getattr(self.codes, name)(x, logits)),
      )

  def test_choices_agree_at_ties(self):
    logits = tf.constant([[1.0, 3.0, 3.0, 0.0, 0.0, 3.0]])
    code = self.codes.choose(logits, ops.softmax_argmax, tf.int32)
    self.assertAllEqual(code, [1])
    token = self.one_hots.choose(logits, ops.softmax_argmax, tf.bfloat16)
    self.assertEqual(token.dtype, tf.bfloat16)
    self.assertAllEqual(tf.cast(token, tf.float32), _one_hot(code))

  def test_nothing_is_minus_one_and_zero(self):
    x = tf.constant(_codes(), tf.int32)
    mask = np.array([True, False, False, True])
    kept = self.codes.keep(x, mask)
    self.assertAllEqual(kept, np.where(mask, x, -1))
    self.assertAllEqual(self.one_hots.keep(_one_hot(x), mask), _one_hot(kept))
    nothing = self.codes.nothing([3], _NUM_CLASSES, tf.int32)
    self.assertAllEqual(
        self.one_hots.nothing([3], _NUM_CLASSES, tf.float32), _one_hot(nothing)
    )

  def test_networks_take_float32_at_the_least(self):
    for dtype, expected in (('bfloat16', 'float32'), ('float64', 'float64')):
      x = tf.cast(_one_hot(_codes()), dtype)
      self.assertEqual(self.one_hots.network_inputs(x).dtype, expected)
    self.assertAllEqual(self.one_hots.codes(x), _codes())

  def test_rejects(self):
    self.assertEqual(
        self.codes.check(tf.constant([1], tf.int64)).dtype, 'int32'
    )
    # What 32 bits do not hold stays out of range.
    x = self.codes.check(tf.constant([2**32, 2**32 + 1, -(2**32), 2], tf.int64))
    self.assertAllEqual(x, [2**31 - 1, 2**31 - 1, -(2**31), 2])
    x = self.codes.check(tf.constant([2**63, 2**32 + 1, 2], tf.uint64))
    self.assertAllEqual((x >= 0) & (x < _NUM_CLASSES), [False, False, True])
    x = self.codes.check(tf.constant([2**32 - 1, 2], tf.uint32))
    self.assertAllEqual(x, [2**31 - 1, 2])
    for x in (tf.constant([1.0]), tf.constant(1)):
      with self.assertRaisesRegex(ValueError, 'integer codes, .* received'):
        self.codes.check(x)
    with self.assertRaisesRegex(ValueError, r'\[..., length, K\] .* received'):
      self.one_hots.check(tf.constant([1.0]))
    with self.assertRaisesRegex(ValueError, '`num_classes` of at least 2'):
      events.events_of(1)


if __name__ == '__main__':
  tf.test.main()
