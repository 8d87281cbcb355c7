import itertools
import math
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers

MASK = [True, False, True, True, False]


def _codes(length, num_classes, size=8, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(num_classes, size=[size, length])


def _joint(codes, num_classes):
  """Returns the number that a sequence of digits writes."""
  joint = 0
  for code in codes:
    joint = joint * num_classes + int(code)
  return joint


def _multilinear(tables, x, num_classes):
  """Returns `f(x)` of the docstring of `lookup`, by the sum over all contexts.

  Args:
    tables: For each output the positions it sees, and its `[rows, C]`.
    x: `Tensor`, shape `[length, K]`, of any values.
    num_classes: Python `int`.
  """
  outputs = []
  for positions, table in tables:
    total = tf.zeros(table.shape[1:])
    for context in itertools.product(range(num_classes), repeat=len(positions)):
      weight = math.prod(
          [x[j, c] for j, c in zip(positions, context, strict=True)]
      )
      total += weight * table[_joint(context, num_classes)]
    outputs.append(total)
  return tf.stack(outputs)


def _causal_tables(layer, length, num_classes):
  """Returns `tables` of a `ContextTable`, by position."""
  order = layer.order.tolist()
  tables, row = [None] * length, 0
  for t, position in enumerate(order):
    rows = num_classes**t
    tables[position] = order[:t], layer.table.numpy()[row : row + rows]
    row += rows
  return tables


class ContextTableTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      ('left_to_right', 1, 3),
      ('left_to_right', 4, 2),
      ('right_to_left', 3, 3),
      ([2, 0, 3, 1], 4, 3),
  )
  def test_value_is_the_row_of_the_past(self, order, length, num_classes):
    layer = layers.ContextTable(2, order, seed=1)
    layer.build([None, length, num_classes])
    codes = _codes(length, num_classes)
    outputs = layer(tf.one_hot(codes, num_classes))
    self.assertEqual(outputs.shape, [8, length, 2])
    tables = _causal_tables(layer, length, num_classes)
    for t, (positions, table) in enumerate(tables):
      rows = [_joint(past, num_classes) for past in codes[:, positions]]
      self.assertAllEqual(outputs[:, t], table[rows])

  @parameterized.parameters((2, 4), (3, 3))
  def test_gradient_is_that_of_the_multilinear_extension(
      self, num_classes, length
  ):
    layer = layers.ContextTable(2, 'random', seed=1)
    layer.build([None, length, num_classes])
    tables = _causal_tables(layer, length, num_classes)
    for codes in _codes(length, num_classes, 3):
      # The second position says nothing: it has a gradient all the same.
      for x in (codes, np.where(np.arange(length) == 1, -1, codes)):
        x = tf.one_hot(x, num_classes)
        upstream = tf.random.stateless_normal([length, 2], [1, 2])
        with tf.GradientTape(persistent=True) as tape:
          tape.watch(x)
          actual = layer(x)
          expected = _multilinear(tables, x, num_classes)
        self.assertAllClose(actual, expected)
        self.assertAllClose(
            tape.gradient(actual, x, upstream),
            tape.gradient(expected, x, upstream),
        )

  def test_gradient_to_the_table_counts_each_row(self):
    layer = layers.ContextTable(1)
    layer.build([None, 2, 3])
    with tf.GradientTape() as tape:
      y = tf.reduce_sum(layer(tf.constant([[0, 2], [2, 2], [2, 0], [-1, 0]])))
    gradient = tape.gradient(y, layer.table.value)
    self.assertAllEqual(gradient[:, 0], [4.0, 1.0, 0.0, 2.0])

  def test_represents_any_distribution(self):
    codes = np.array(list(itertools.product(range(3), repeat=3)))
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(27)).reshape([3, 3, 3])
    layer = layers.ContextTable(3)
    layer.build([None, 3, 3])
    marginals = [probs.sum(axis=(1, 2)), probs.sum(axis=2), probs]
    layer.set_weights(
        [np.log(np.concatenate([p.reshape([-1, 3]) for p in marginals]))]
    )
    x = tf.one_hot(codes, 3)
    log_prob = tf.reduce_sum(tf.nn.log_softmax(layer(x)) * x, [-2, -1])
    self.assertAllClose(log_prob, np.log(probs.reshape(-1)), atol=1e-5)

  def test_initial_rows(self):
    layer = layers.ContextTable(5, stddev=0.1, seed=0)
    layer.build([None, 5, 5])
    table = layer.table.numpy()
    self.assertEqual(table.shape, (781, 5))
    # Five sigma of the sample deviation of 3905 normal numbers.
    self.assertAllClose(np.std(table), 0.1, atol=0.1 * 5 / math.sqrt(2 * 3905))
    other = layers.ContextTable(5, stddev=0.1, seed=1)
    other.build([None, 5, 5])
    self.assertNotAllClose(table, other.table)

  def test_rejects_a_table_that_is_too_large(self):
    with self.assertRaisesRegex(ValueError, '435848050 rows of 9'):
      layers.ContextTable(9).build([None, 10, 9])

  def test_rejects_bad_arguments(self):
    with self.assertRaisesRegex(ValueError, '`num_outputs` of at least 1'):
      layers.ContextTable(0)
    with self.assertRaisesRegex(ValueError, "`order` .*received 'backwards'"):
      layers.ContextTable(2, 'backwards')
    with self.assertRaisesRegex(ValueError, 'static length and K'):
      layers.ContextTable(2).build([None, None, 3])

  def test_rejects_events_of_another_length(self):
    mask = [True, False, True, False]
    for layer in (
        layers.ContextTable(2),
        layers.BipartiteContextTable(2, mask),
    ):
      layer.build([None, 4, 3])
      for codes in ([[0], [1]], [[0, 1, 2], [0, 0, 0]]):
        for x in (tf.constant(codes), tf.one_hot(codes, 3)):
          with self.assertRaisesRegex(ValueError, 'when the layer was built'):
            layer(x)
          shape = [None] * x.shape.rank
          unknown = tf.function(
              layer,
              input_signature=[
                  tf.TensorSpec([*shape[:2], *x.shape[2:]], x.dtype)
              ],
          )
          with self.assertRaises((ValueError, tf.errors.InvalidArgumentError)):
            unknown(x)


class BipartiteContextTableTest(tf.test.TestCase, parameterized.TestCase):

  def _layer(self, **kwargs):
    layer = layers.BipartiteContextTable(2, MASK, seed=1, **kwargs)
    layer.build([None, 5, 3])
    return layer

  def test_value_is_the_row_of_the_positions_seen(self):
    layer = self._layer()
    codes = _codes(5, 3)
    outputs = layer(tf.one_hot(codes, 3))
    rows = [_joint(context, 3) for context in codes[:, MASK]]
    self.assertAllEqual(layer.table.shape, [27, 2, 2])
    hidden = np.logical_not(MASK)
    expected = np.zeros([8, 5, 2])
    expected[:, hidden] = layer.table.numpy()[rows]
    self.assertAllEqual(outputs, expected)
    self.assertAllEqual(layer(tf.constant(codes)), expected)

  def test_codes_out_of_range_are_zero_vectors(self):
    layer = self._layer()
    codes = _codes(5, 3)[:4].astype(np.int64)
    codes[:, np.argmax(MASK)] = [3, 4, -2, 2**32 + 1]
    self.assertAllEqual(layer(tf.constant(codes)), np.zeros([4, 5, 2]))

  def test_ignores_hidden_positions_and_needs_the_others(self):
    layer = self._layer()
    codes = _codes(5, 3)
    expected = layer(tf.constant(codes))
    self.assertAllEqual(layer(tf.constant(np.where(MASK, codes, -1))), expected)
    x = tf.where(np.array(MASK)[:, np.newaxis], tf.one_hot(codes, 3), 0.0)
    self.assertAllEqual(layer(x), expected)
    codes[:, 2] = -1
    self.assertAllEqual(layer(tf.constant(codes)), tf.zeros([8, 5, 2]))
    self.assertAllEqual(layer(tf.one_hot(codes, 3)), tf.zeros([8, 5, 2]))

  @parameterized.parameters(None, 0, 1)
  def test_gradient_is_that_of_the_multilinear_extension(self, missing):
    layer = self._layer()
    table = layer.table.numpy()
    seen = np.flatnonzero(MASK).tolist()
    nothing = [], np.zeros([1, 2], np.float32)
    tables = [nothing, (seen, table[:, 0]), nothing, nothing]
    tables.append((seen, table[:, 1]))
    codes = _codes(5, 3, 1)[0]
    if missing is not None:
      codes[missing] = -1
    x = tf.one_hot(codes, 3)
    upstream = tf.random.stateless_normal([5, 2], [1, 2])
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(x)
      actual = layer(x)
      expected = _multilinear(tables, x, 3)
    gradient = tape.gradient(actual, x, upstream)
    self.assertAllClose(gradient, tape.gradient(expected, x, upstream))
    self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0)

  @parameterized.parameters(False, True)
  def test_compiled_equals_eager_at_unknown_batch_size(self, jit_compile):
    layer = self._layer()

    def gradients(x):
      with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y**2)
      self.assertEqual(y.shape[1:].as_list(), [5, 2])
      return y, *tape.gradient(loss, [x, layer.table.value])

    compiled = tf.function(
        gradients,
        input_signature=[tf.TensorSpec([None, 5, 3])],
        jit_compile=jit_compile,
    )
    x = tf.one_hot(_codes(5, 3), 3)
    for actual, expected in zip(compiled(x), gradients(x), strict=True):
      self.assertAllClose(actual, expected)

  def test_any_leading_dimensions(self):
    layer = self._layer()
    codes = tf.constant(_codes(5, 3, 6))
    expected = layer(codes)
    self.assertAllEqual(layer(codes[0]), expected[0])
    outputs = layer(tf.one_hot(tf.reshape(codes, [3, 1, 2, 5]), 3))
    self.assertAllEqual(outputs, tf.reshape(expected, [3, 1, 2, 5, 2]))

  def test_mixed_precision(self):
    layer = self._layer(dtype='mixed_bfloat16')
    x = tf.one_hot(_codes(5, 3), 3)
    with tf.GradientTape() as tape:
      y = layer(x)
    self.assertEqual(y.dtype, tf.bfloat16)
    self.assertEqual(layer.table.dtype, 'float32')
    self.assertAllClose(tf.cast(y, tf.float32), self._layer()(x), rtol=0.01)
    gradient = tape.gradient(y, layer.table.value)
    self.assertAllClose(tf.reduce_sum(gradient), 8 * 2 * 2)

  def test_functional_model_trains_and_survives_a_file(self):
    inputs = keras.Input((5, 3))
    layer = layers.BipartiteContextTable(2, MASK)
    model = keras.Model(inputs, layer(inputs))
    model.compile('sgd', 'mse')
    x = np.eye(3)[_codes(5, 3)]
    before = model.predict(x, verbose=0)
    model.fit(x, np.ones([8, 5, 2]), epochs=1, verbose=0)
    after = model.predict(x, verbose=0)
    self.assertNotAllClose(before, after)
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored.predict(x, verbose=0), after)
    self.assertEqual(restored.layers[-1].get_config(), layer.get_config())

  def test_rejects_a_table_that_is_too_large(self):
    layer = layers.BipartiteContextTable(5, np.arange(13) > 0)
    with self.assertRaisesRegex(ValueError, '244140625 rows of 5'):
      layer.build([None, 13, 5])

  def test_rejects_bad_arguments(self):
    with self.assertRaisesRegex(ValueError, '`num_outputs` of at least 1'):
      layers.BipartiteContextTable(0, MASK)
    with self.assertRaisesRegex(ValueError, 'both True and False'):
      layers.BipartiteContextTable(2, [True, True])
    with self.assertRaisesRegex(ValueError, 'inputs of length 5, as the mask'):
      layers.BipartiteContextTable(2, MASK).build([None, 4, 3])
    with self.assertRaisesRegex(ValueError, 'a layer that is built'):
      layers.BipartiteContextTable(2, MASK)(tf.constant(_codes(5, 3)))


if __name__ == '__main__':
  tf.test.main()
