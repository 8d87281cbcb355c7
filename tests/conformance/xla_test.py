from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tests.conformance import xla


def _print(x):
  tf.print(x)
  return x


class XlaTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      _print,
      tf.function(_print),
      lambda x: tf.while_loop(lambda x: x < 9, lambda x: [_print(x) + 1], [x]),
  )
  def test_sees_a_callback_to_the_host(self, function):
    concrete = tf.function(function).get_concrete_function(tf.constant(1))
    self.assertNotEmpty(xla.host_callbacks(concrete))
    clean = tf.function(lambda x: x + 1).get_concrete_function(tf.constant(1))
    self.assertEmpty(xla.host_callbacks(clean))

  @parameterized.parameters(
      lambda x: tf.reduce_sum(tf.boolean_mask(x, x > 0)),
      lambda x: tf.unique(x)[0],
      lambda x: tf.map_fn(lambda y: tf.size(tf.where(y > 0)), x),
  )
  def test_sees_a_shape_that_depends_on_values(self, function):
    concrete = tf.function(function).get_concrete_function(tf.constant([1, 2]))
    self.assertNotEmpty(xla.dynamic_shapes(concrete))
    # Of three arguments it chooses, and is static.
    clean = tf.function(lambda x: tf.where(x > 0, x, 0))
    concrete = clean.get_concrete_function(tf.constant([1, 2]))
    self.assertEmpty(xla.dynamic_shapes(concrete))

  @parameterized.parameters(
      lambda x: x + (0 if tf.executing_eagerly() else 1e-3),
      lambda x: x if tf.executing_eagerly() else tf.cast(x, tf.float64),
      lambda x: _print(x),
  )
  def test_sees_a_fault_and_names_it(self, faulty):
    cases = {
        'right': xla.Case(tf.exp, [np.float32([1, 2])]),
        'wrong': xla.Case(faulty, [np.float32([1, 2])]),
    }
    with self.assertRaisesRegex(AssertionError, 'wrong') as raised:
      xla.compare(self, cases)
    self.assertNotIn('right', str(raised.exception))

  def test_injected_noise_is_that_of_eager_and_has_the_law(self):
    seeds = [[1, 2], [1, 3], [-5, 2]]

    def draw(seed):
      uniform = tf.random.stateless_uniform([5000], seed)
      normal = tfp.distributions.Normal(2.0, 3.0).sample(5000, seed=seed)
      folded = tf.random.experimental.stateless_fold_in(seed, 7)
      return uniform, normal, folded

    cases = {str(i): xla.Case(draw, [np.int32(s)]) for i, s in enumerate(seeds)}
    xla.compare(self, cases)
    with xla.injected_noise():
      draws = [draw(tf.constant(seed)) for seed in seeds]
    for uniform, normal, _ in draws:
      # Five standard errors.
      self.assertAllClose(np.mean(uniform), 0.5, atol=5 * 12**-0.5 / 70)
      self.assertAllClose(np.mean(normal), 2.0, atol=5 * 3 / 70)
      self.assertAllClose(np.std(normal), 3.0, atol=5 * 3 / 100)
    for i in range(3):
      self.assertAllLess(
          np.abs(np.corrcoef(draws[i][0], draws[i - 1][0])[0, 1]), 5 / 70
      )
      self.assertNotAllEqual(draws[i][2], draws[i - 1][2])


if __name__ == '__main__':
  absltest.main()
