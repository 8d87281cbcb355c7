"""Stacks of flows invert exactly, whatever the classes, dtype and compiler."""

import itertools
from unittest import mock

from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import bijectors
from tests.bijectors import round_trips

_NUM_CLASSES = (2, 3, 6, 20, 40, 257, 65536)
_DTYPES = ('float32', 'bfloat16')
_MODES = ('eager', 'graph', 'xla')
_DEPTHS = (2, 4, 8, 16, 32)


def _compiled(function, mode):
  if mode == 'eager':
    return function
  return tf.function(function, jit_compile=mode == 'xla')


def _least_symbols(num_classes, mode):
  """Returns how many symbols to send: most of them where they are cheap."""
  if num_classes == 65536:
    return 10_000  # Milliseconds each: there are 65536 logits to go through.
  if num_classes >= 20:
    return 1_000_000
  if mode != 'xla':
    return 3_000_000
  return {2: 250_000_000, 3: 160_000_000, 6: 70_000_000}[num_classes]


class _Cell:
  """One of the ways to run stacks; counts symbols and errors.

  A symbol is a position of an event that went both ways.
  """

  def __init__(self, index, num_classes, dtype, mode, batch_size):
    self._num_classes = num_classes
    self._batch_size = batch_size
    self._num_calls = 0
    kinds = round_trips.KINDS
    # Two kinds for one-hot events under XLA, in turn: it compiles for long.
    one_hot_kinds = np.roll(['affine', *kinds], index).tolist()
    if mode == 'xla':
      one_hot_kinds = one_hot_kinds[:2]
    self._functions = {}
    for on_codes, names in ((True, kinds), (False, one_hot_kinds)):
      trip = round_trips.RoundTrip(num_classes, dtype, on_codes, names)
      self._functions[on_codes] = (
          _compiled(trip.count_errors, mode),
          len(names),
      )
    self.num_symbols = 0
    self.num_errors = 0

  def run_everything(self, depth):
    """Runs each kind of layer alone, and a stack of all kinds."""
    for on_codes, (_, num_kinds) in self._functions.items():
      for kind in range(num_kinds):
        self.run(on_codes, kind, 1)
      self.run(on_codes, 0, depth)

  def run(self, on_codes, first_kind, depth):
    self._num_calls += 1
    function, _ = self._functions[on_codes]
    shape = [2, self._batch_size, round_trips.LENGTH]
    codes = tf.random.stateless_uniform(
        shape,
        [self._num_classes, self._num_calls],
        0,
        self._num_classes,
        tf.int32,
    )
    errors = function(
        codes,
        tf.constant(self._num_calls),
        tf.constant(first_kind),
        tf.constant(depth),
    )
    self.num_symbols += int(np.prod(shape))
    self.num_errors += int(errors)


class RoundTripTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters((3, 'float32', 'eager'), (6, 'bfloat16', 'xla'))
  def test_stacks_invert(self, num_classes, dtype, mode):
    self.check_stacks_invert(num_classes, dtype, mode)

  @pytest.mark.slow
  def test_stacks_invert_slow(self):
    self.check_stacks_invert(20, 'bfloat16', 'graph')

  def check_stacks_invert(self, num_classes, dtype, mode):
    cell = _Cell(0, num_classes, dtype, mode, batch_size=50)
    cell.run_everything(depth=5)
    self.assertEqual(cell.num_errors, 0)

  @parameterized.product(kind=round_trips.KINDS, num_classes=(257, 65536))
  def test_codes_go_where_one_hot_vectors_go(self, kind, num_classes):
    codes = np.random.default_rng(0).integers(
        num_classes, size=[2, round_trips.LENGTH]
    )
    on_codes, on_one_hot = (
        round_trips.RoundTrip(num_classes, 'float32', form, ()).layer(kind, 3)
        for form in (True, False)
    )
    for direction in ('forward', 'inverse'):
      expected = getattr(on_one_hot, direction)(tf.one_hot(codes, num_classes))
      actual = getattr(on_codes, direction)(codes)
      self.assertEqual(actual.dtype, tf.int64)
      self.assertAllEqual(actual, tf.argmax(expected, -1))

  # One event in 729 comes back wrong, past TFP's caches.
  @parameterized.parameters(*_MODES)
  def test_notices_a_rare_fault(self, mode):
    inverse = bijectors.DiscreteBipartite._inverse

    def faulty_inverse(self, y):
      x = inverse(self, y)
      is_zero = tf.reduce_all(tf.equal(x, 0), axis=-1, keepdims=True)
      return tf.where(is_zero, tf.ones_like(x), x)

    with mock.patch.object(
        bijectors.DiscreteBipartite, '_inverse', faulty_inverse
    ):
      trip = round_trips.RoundTrip(3, 'float32', True, ('bipartite',))
      num_errors = _compiled(trip.count_errors, mode)(
          tf.random.stateless_uniform(
              [2, 5000, round_trips.LENGTH], [0, 1], 0, 3, tf.int32
          ),
          tf.constant(0),
          tf.constant(0),
          tf.constant(1),
      )
    self.assertBetween(int(num_errors), 1, 2 * 5000 * round_trips.LENGTH // 200)

  # Takes about 800 s of processor time.
  @pytest.mark.slow
  def test_1e9_symbols_invert(self):
    total = 0
    cells = itertools.product(_NUM_CLASSES, _DTYPES, _MODES)
    for i, (num_classes, dtype, mode) in enumerate(cells):
      batch_size = max(1, 2**15 // num_classes)
      cell = _Cell(i, num_classes, dtype, mode, batch_size)
      # Of all kinds only the sorting one is slow at 65536, but very.
      depths = _DEPTHS if num_classes < 65536 else (4,)
      cell.run_everything(depth=depths[i % len(depths)])
      num_kinds = len(round_trips.KINDS) if num_classes < 20 else 1
      kinds = itertools.cycle(range(num_kinds))
      while cell.num_symbols < _least_symbols(num_classes, mode):
        cell.run(True, next(kinds), depth=1)
      print(num_classes, dtype, mode, cell.num_symbols, flush=True)
      self.assertEqual(cell.num_errors, 0, (num_classes, dtype, mode))
      total += cell.num_symbols
    self.assertGreaterEqual(total, 10**9)


if __name__ == '__main__':
  tf.test.main()
