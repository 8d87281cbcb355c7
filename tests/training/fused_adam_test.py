from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import training

_SHAPES = [(5, 3), (3,), ()]


def _run(optimizer_class, jit_compile=False, steps=6, **kwargs):
  random = np.random.RandomState(0)
  variables = [
      keras.Variable(random.randn(*s), dtype='float32') for s in _SHAPES
  ]
  optimizer = optimizer_class(0.01, **kwargs)
  optimizer.build(variables)

  @tf.function(jit_compile=jit_compile)
  def step(*gradients):
    optimizer.apply(list(gradients), variables)

  for _ in range(steps):
    step(*[tf.constant(random.randn(*s), tf.float32) for s in _SHAPES])
  return [v.numpy() for v in variables + optimizer.variables]


class FusedAdamTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      {},
      {'jit_compile': True},
      {'beta_1': 0.5, 'beta_2': 0.9, 'epsilon': 1e-3},
      {'amsgrad': True},
      {'global_clipnorm': 0.1},
      {'use_ema': True, 'ema_momentum': 0.5, 'ema_overwrite_frequency': 2},
      {'weight_decay': 0.1},
      {'gradient_accumulation_steps': 2},
  )
  def test_equals_keras(self, **kwargs):
    expected = _run(keras.optimizers.Adam, **kwargs)
    actual = _run(training.FusedAdam, **kwargs)
    for a, e in zip(actual, expected, strict=True):
      self.assertAllClose(a, e, atol=1e-6, rtol=1e-6)

  def test_equals_the_paper_in_float64(self):
    gradients = np.random.RandomState(0).randn(10)
    w = m = v = 0.0
    for t, g in enumerate(gradients, start=1):
      m = 0.9 * m + 0.1 * g
      v = 0.999 * v + 0.001 * g**2
      alpha = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
      w -= alpha * m / (np.sqrt(v) + 1e-7)
    variable = keras.Variable(0.0)
    optimizer = training.FusedAdam(0.1)
    for g in gradients:
      optimizer.apply([tf.constant(g, tf.float32)], [variable])
    # Keras's update is off by 5e-6 here.
    self.assertAllClose(float(variable), w, atol=2e-6, rtol=0)

  @parameterized.parameters((False, True), (True, False))
  def test_takes_the_fused_kernel_where_it_applies(self, amsgrad, fused):
    variable = keras.Variable([1.0])
    optimizer = training.FusedAdam(0.1, amsgrad=amsgrad)
    optimizer.build([variable])
    step = tf.function(lambda g: optimizer.apply([g], [variable]))
    graph = step.get_concrete_function(tf.constant([1.0])).graph
    names = {op.type for op in graph.get_operations()}
    self.assertEqual('ResourceApplyAdam' in names, fused)

  def test_sparse_gradients(self):
    def run(is_dense):
      table = keras.Variable(np.ones([4, 2]), dtype='float32')
      optimizer = training.FusedAdam(0.1)
      for _ in range(3):
        with tf.GradientTape() as tape:
          loss = tf.reduce_sum(tf.gather(table.value, [1, 3]) ** 2)
        (gradient,) = tape.gradient(loss, [table.value])
        self.assertIsInstance(gradient, tf.IndexedSlices)
        if is_dense:
          gradient = tf.convert_to_tensor(gradient)
        optimizer.apply([gradient], [table])
      return table.numpy()

    self.assertAllEqual(run(is_dense=False), run(is_dense=True))

  def test_repeated_rows_are_added_up_first(self):
    table = keras.Variable(np.ones([4, 2]), dtype='float32')
    rows = tf.IndexedSlices(
        tf.constant([[2.0, 1.0], [3.0, -5.0]]), [1, 1], dense_shape=[4, 2]
    )
    training.FusedAdam(0.1).apply([rows], [table])
    # A first step is of one length, whatever the gradient.
    self.assertAllClose(table, [[1.0, 1.0], [0.9, 1.1], [1.0, 1.0], [1.0, 1.0]])

  def test_other_dtypes(self):
    def run(optimizer_class):
      variable = keras.Variable([1.0], dtype='bfloat16')
      optimizer = optimizer_class(0.5)
      optimizer.apply([tf.constant([1.0], tf.bfloat16)], [variable])
      return tf.cast(variable.value, tf.float32)

    self.assertAllEqual(run(training.FusedAdam), run(keras.optimizers.Adam))

  def test_config_round_trip(self):
    optimizer = training.FusedAdam(0.3, beta_1=0.8, clipnorm=2.0)
    config = keras.optimizers.serialize(optimizer)
    restored = keras.optimizers.deserialize(config)
    self.assertIsInstance(restored, training.FusedAdam)
    self.assertEqual(restored.get_config(), optimizer.get_config())


if __name__ == '__main__':
  tf.test.main()
