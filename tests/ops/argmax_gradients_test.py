import math

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import ops


def _softmax_jacobian(probs):
  return np.diag(probs) - np.outer(probs, probs)


def _expected_jacobian(function, logits, temperature):
  soft = special.softmax(logits / temperature)
  if function is ops.softmax_argmax:
    return _softmax_jacobian(soft) / temperature
  hard = np.eye(logits.size)[logits.argmax()]
  return (
      2 * _softmax_jacobian((hard + soft) / 2)
      - _softmax_jacobian(special.softmax(logits)) / 2
  )


class ArgmaxGradientsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      function=(ops.softmax_argmax, ops.reinmax_argmax),
      temperature=(0.1, 1.0, 5.0),
      num_classes=(2, 5),
      masked=(False, True),
  )
  def test_value_and_jacobian(self, function, temperature, num_classes, masked):
    logits = np.random.default_rng(0).normal(size=num_classes)
    if masked:
      logits[logits.argmax()] = -math.inf
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
      y = function(variable, temperature)
    self.assertAllEqual(y, np.eye(num_classes)[logits.argmax()])
    self.assertAllClose(
        tape.jacobian(y, variable),
        _expected_jacobian(function, logits, temperature),
        atol=1e-12,
    )

  @parameterized.product(
      function=(ops.softmax_argmax, ops.reinmax_argmax),
      dtype=('float64', 'float32', 'bfloat16', 'float16'),
  )
  def test_is_exact_in_any_dtype_under_xla(self, function, dtype):
    logits = tf.cast(tf.random.stateless_normal([50, 7], [0, 1]), dtype)
    temperature = tf.fill([50, 1], 0.3)

    @tf.function(jit_compile=True)
    def run(logits):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        y = function(logits, temperature)
      return y, tape.gradient(y, logits, tf.cast(tf.range(7), dtype) + 0 * y)

    y, gradient = run(logits)
    self.assertEqual(y.dtype, dtype)
    self.assertEqual(gradient.dtype, dtype)
    self.assertAllEqual(
        tf.cast(y, tf.int32),
        np.eye(7, dtype=np.int32)[tf.argmax(logits, -1)],
    )
    expected = [
        _expected_jacobian(function, row, 0.3) @ np.arange(7)
        for row in tf.cast(logits, tf.float64).numpy()
    ]
    eps = {'float64': 1e-6, 'float32': 1e-4}.get(dtype, 0.1)
    self.assertAllClose(tf.cast(gradient, tf.float64), expected, eps, eps)

  def test_no_gradient_reaches_the_temperature(self):
    temperature = tf.Variable(0.5)
    for function in (ops.softmax_argmax, ops.reinmax_argmax):
      with tf.GradientTape() as tape:
        y = function(tf.constant([0.0, -math.inf]), temperature)
      self.assertIsNone(tape.gradient(y, temperature))

  @parameterized.parameters(ops.softmax_argmax, ops.reinmax_argmax)
  def test_rejects(self, function):
    with self.assertRaisesRegex(ValueError, 'positive `temperature`'):
      function(tf.zeros([2, 3]), 0.0)
    with self.assertRaisesRegex(ValueError, '`temperature` of shape'):
      function(tf.zeros([2, 3]), tf.ones([3]))
    with self.assertRaisesRegex(ValueError, 'static K'):
      tf.function(function).get_concrete_function(tf.TensorSpec([None]))


if __name__ == '__main__':
  tf.test.main()
