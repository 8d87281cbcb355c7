import json
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers

X_DIM, Y_DIM = 3, 2


def _network(units, seed, dtype=None):
  return keras.Sequential(
      [
          keras.layers.Dense(
              8,
              'tanh',
              kernel_initializer=keras.initializers.GlorotUniform(seed),
              dtype=dtype,
          ),
          keras.layers.Dense(
              units,
              kernel_initializer=keras.initializers.GlorotUniform(seed + 1),
              dtype=dtype,
          ),
      ]
  )


CRITICS = {
    'bilinear': lambda dtype=None: layers.BilinearCritic(seed=0, dtype=dtype),
    'concatenated': lambda dtype=None: layers.ConcatenatedCritic(
        _network(1, 0, dtype)
    ),
    'separable': lambda dtype=None: layers.SeparableCritic(
        _network(4, 0, dtype), _network(4, 2, dtype)
    ),
}


def _pairs(*shape, seed=0):
  x, y = (
      tf.random.stateless_normal([*shape, dim], [seed, i])
      for i, dim in enumerate((X_DIM, Y_DIM))
  )
  return x, y


@parameterized.parameters(*CRITICS)
class CriticsTest(tf.test.TestCase, parameterized.TestCase):

  def test_rows_are_y_and_columns_are_x(self, name):
    critic = CRITICS[name]()
    x, y = _pairs(5)
    scores = critic(x, y)
    self.assertEqual(scores.shape, [5, 5])
    for i in range(5):
      for j in range(5):
        one = critic(x[j : j + 1], y[i : i + 1])
        self.assertAllClose(scores[i, j], one[0, 0], atol=1e-5)
    self.assertGreater(np.std(scores - tf.transpose(scores)), 0.01)
    # A change of one x changes its column, and of one y its row.
    changed = np.zeros([5, 5], bool)
    changed[:, 3] = True
    bump = tf.one_hot([3], 5, axis=0)
    self.assertAllEqual(tf.abs(critic(x + bump, y) - scores) > 1e-4, changed)
    self.assertAllEqual(tf.abs(critic(x, y + bump) - scores) > 1e-4, changed.T)

  def test_any_leading_dimensions(self, name):
    critic = CRITICS[name]()
    x, y = _pairs(2, 3, 5)
    scores = critic(x, y)
    self.assertEqual(scores.shape, [2, 3, 5, 5])
    # A `keras.Sequential` takes one rank; this one has the same seeds.
    single = CRITICS[name]()
    for index in np.ndindex(2, 3):
      self.assertAllClose(scores[index], single(x[index], y[index]), atol=1e-5)
    # Other x than those of the y, for more negatives.
    more = critic(x[:, :, :4], y)
    self.assertAllClose(more, scores[..., :4], atol=1e-5)

  def test_compiled_equals_eager_at_unknown_size(self, name):
    critic = CRITICS[name]()
    x, y = _pairs(5)
    expected = critic(x, y)
    compiled = tf.function(
        lambda x, y: critic(x, y),
        input_signature=[
            tf.TensorSpec([None, X_DIM]),
            tf.TensorSpec([None, Y_DIM]),
        ],
        jit_compile=True,
    )
    self.assertAllClose(compiled(x, y), expected, atol=1e-5)

  def test_gradient_reaches_every_weight_and_input(self, name):
    critic = CRITICS[name]()
    x, y = _pairs(5)
    with tf.GradientTape() as tape:
      tape.watch([x, y])
      total = tf.reduce_sum(critic(x, y) ** 2)
    weights = [w.value for w in critic.trainable_variables]
    self.assertLen(
        weights, {'bilinear': 1, 'concatenated': 4, 'separable': 8}[name]
    )
    for gradient in tape.gradient(total, [*weights, x, y]):
      self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0)

  def test_mixed_precision_scores_are_float32(self, name):
    critic = CRITICS[name]('mixed_bfloat16')
    x, y = _pairs(5)
    scores = critic(x, y)
    self.assertEqual(scores.dtype, tf.float32)
    self.assertEqual({w.dtype for w in critic.weights}, {'float32'})
    self.assertAllClose(scores, CRITICS[name]()(x, y), atol=0.1)
    # The last sum is not rounded to 16 bits.
    if name != 'concatenated':
      rounded = tf.cast(tf.cast(scores, tf.bfloat16), tf.float32)
      self.assertGreater(tf.reduce_max(tf.abs(rounded - scores)), 0.0)

  def test_types_may_differ(self, name):
    x, y = (tf.round(z) for z in _pairs(5))
    expected = CRITICS[name]()(x, y)
    for x_dtype in ('bfloat16', 'float32', 'float64'):
      for y_dtype in ('int32', 'float32', 'float64'):
        scores = CRITICS[name]()(tf.cast(x, x_dtype), tf.cast(y, y_dtype))
        self.assertEqual(scores.dtype, tf.float32)
        self.assertAllClose(scores, expected, atol=1e-5)

  def test_functional_model_trains_and_survives_a_file(self, name):
    inputs = keras.Input((X_DIM,)), keras.Input((Y_DIM,))
    critic = CRITICS[name]()
    scores = critic(*inputs)
    self.assertEqual(scores.shape, (None, None))
    model = keras.Model(inputs, scores)
    arrays = [t.numpy() for t in _pairs(5)]
    model.compile('sgd', 'mse')
    before = model.predict_on_batch(arrays)
    model.train_on_batch(arrays, np.ones([5, 5], 'float32'))
    after = model.predict_on_batch(arrays)
    self.assertNotAllClose(before, after)
    path = os.path.join(self.get_temp_dir(), f'{name}.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored.predict_on_batch(arrays), after)
    twin = restored.layers[-1]
    self.assertEqual(
        json.dumps(twin.get_config()), json.dumps(critic.get_config())
    )


class SharedNetworkTest(tf.test.TestCase):

  def test_stays_one_layer(self):
    network = _network(4, 0)
    inputs = keras.Input((X_DIM,)), keras.Input((X_DIM,))
    critic = layers.SeparableCritic(network, network)
    model = keras.Model(inputs, critic(*inputs))
    x = tf.random.stateless_normal([5, X_DIM], [0, 1])
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored([x, x]), model([x, x]))
    for twin in (restored, keras.models.clone_model(model)):
      self.assertLen(twin.trainable_variables, 4)
      self.assertIs(twin.layers[-1].x_network, twin.layers[-1].y_network)
      self.assertEqual(
          json.dumps(twin.layers[-1].get_config()),
          json.dumps(critic.get_config()),
      )


class LogBaselineTest(tf.test.TestCase):

  def test_is_the_output_of_the_network_in_float32(self):
    _, y = _pairs(2, 5)
    network = _network(1, 0)
    baseline = layers.LogBaseline(network)
    self.assertAllEqual(baseline(y), network(y)[..., 0])
    mixed = layers.LogBaseline(_network(1, 0, 'mixed_bfloat16'))(y)
    self.assertEqual(mixed.dtype, tf.float32)
    self.assertAllClose(mixed, baseline(y), atol=0.05)

  def test_survives_a_file(self):
    model = keras.Sequential(
        [keras.Input((Y_DIM,)), layers.LogBaseline(_network(1, 0))]
    )
    model.compile('sgd', 'mse')
    _, y = _pairs(5)
    model.train_on_batch(y.numpy(), np.ones([5], 'float32'))
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(y), model(y))
    self.assertEqual(
        json.dumps(restored.layers[0].get_config()),
        json.dumps(model.layers[0].get_config()),
    )


class RejectsTest(tf.test.TestCase):

  def test_networks(self):
    dense = keras.layers.Dense(1)
    for make, name in (
        (lambda: layers.SeparableCritic(len, dense), 'x_network'),
        (lambda: layers.SeparableCritic(dense, len), 'y_network'),
        (lambda: layers.ConcatenatedCritic(len), 'network'),
        (lambda: layers.LogBaseline(len), 'network'),
    ):
      with self.assertRaisesRegex(ValueError, f'Keras layer as `{name}`'):
        make()

  def test_outputs(self):
    x, y = _pairs(5)
    critic = layers.SeparableCritic(_network(4, 0), _network(3, 0))
    with self.assertRaisesRegex(ValueError, 'one size; rec.* 4.* 3'):
      critic(x, y)
    with self.assertRaisesRegex(ValueError, r'\[\.\.\., 1\]; received'):
      layers.ConcatenatedCritic(_network(2, 0))(x, y)
    with self.assertRaisesRegex(ValueError, r'\[\.\.\., 1\]; received'):
      layers.LogBaseline(_network(2, 0))(y)

  def test_shapes(self):
    for critic in (
        layers.BilinearCritic(),
        layers.ConcatenatedCritic(_network(1, 0)),
    ):
      for shapes in (((5, None), (5, 2)), ((5, 3), (2,))):
        with self.assertRaisesRegex(ValueError, r'K, features\] with static'):
          critic.build(*shapes)

  def test_leading_dimensions(self):
    for critic in (
        layers.BilinearCritic(),
        layers.ConcatenatedCritic(_network(1, 0)),
        layers.SeparableCritic(_network(4, 0), _network(4, 1)),
    ):
      scores = critic(tf.zeros([1, 7, 3]), tf.zeros([5, 7, 2]))
      self.assertEqual(scores.shape, [5, 7, 7])
      with self.assertRaisesRegex(ValueError, 'whose leading dimensions broad'):
        critic(tf.zeros([2, 7, 3]), tf.zeros([5, 7, 2]))


if __name__ == '__main__':
  tf.test.main()
