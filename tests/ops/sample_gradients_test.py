import math

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf

from discrete_lvm import ops


def _softmax_jacobian(probs):
  return np.diag(probs) - np.outer(probs, probs)


def _jacobian(function, hard, logits, *args):
  variable = tf.Variable(logits)
  with tf.GradientTape() as tape:
    y = function(hard, variable, *args)
  return y, tape.jacobian(y, variable)


# ReinMax and Gumbel-Rao at an argmax are tested with `reinmax_argmax` and
# `gumbel_argmax`, in every dtype and under XLA.
class SampleGradientsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      winner=(0, 2), temperature=(0.1, 1.0), masked=(False, True)
  )
  def test_jacobians(self, winner, temperature, masked):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=4) * 2
    if masked:
      logits[(winner + 1) % 4] = -math.inf
    hard = np.eye(4)[winner]
    probs = special.softmax(logits)

    y, jacobian = _jacobian(ops.reinmax, hard, logits, temperature)
    self.assertAllEqual(y, hard)
    # At temperature 1 there is another form.
    if temperature == 1.0:
      expected = _softmax_jacobian(probs) + np.outer(hard - probs, hard - probs)
      self.assertAllClose(jacobian, expected / 2, atol=1e-12)
    tilted = (hard + special.softmax(logits / temperature)) / 2
    expected = 2 * _softmax_jacobian(tilted) - _softmax_jacobian(probs) / 2
    self.assertAllClose(jacobian, expected, atol=1e-12)

    noise = rng.gumbel(size=[5, 4])
    y, jacobian = _jacobian(ops.gumbel_rao, hard, logits, temperature, noise)
    self.assertAllEqual(y, hard)
    expected = []
    for exponential in np.exp(-noise):
      # The conditional law of Paulus et al.
      smallest = exponential[winner] / np.exp(logits).sum()
      with np.errstate(divide='ignore'):
        perturbed = -np.log(exponential / np.exp(logits) + smallest)
      perturbed[winner] = -np.log(smallest)
      soft = special.softmax(perturbed / temperature)
      expected.append(_softmax_jacobian(soft) / temperature)
    self.assertAllClose(jacobian, np.mean(expected, 0), atol=1e-12)

    for gap in (0.0, 1.0, 2.5):
      y, jacobian = _jacobian(
          ops.gapped_straight_through, hard, logits, temperature, gap
      )
      self.assertAllEqual(y, hard)
      raised = hard * (logits.max() - np.where(hard, logits, 0.0))
      excess = np.maximum(logits - logits.max() + gap, 0.0)
      moved = logits + raised - (1 - hard) * excess
      soft = special.softmax(moved / temperature)
      self.assertAllClose(
          jacobian, _softmax_jacobian(soft) / temperature, atol=1e-12
      )

  @parameterized.parameters('float32', 'bfloat16', 'float16')
  def test_gap_is_exact_in_any_dtype_under_xla(self, dtype):
    logits = tf.cast(tf.random.stateless_normal([50, 7], [0, 1]), dtype)
    hard = ops.one_hot_argmax(ops.gumbel([50, 7], [0, 2]), dtype)
    slopes = tf.cast(tf.range(7), dtype)

    def run(logits):
      with tf.GradientTape() as tape:
        tape.watch(logits)
        y = ops.gapped_straight_through(hard, logits, tf.fill([50, 1], 0.3))
      return y, tape.gradient(y, logits, slopes + 0 * y)

    y, gradient = tf.function(run, jit_compile=True)(logits)
    self.assertEqual(gradient.dtype, dtype)
    self.assertAllEqual(tf.cast(y, tf.int32), tf.cast(hard, tf.int32))
    eps = 1e-5 if dtype == 'float32' else 0.1
    _, expected = run(logits)
    self.assertAllClose(
        tf.cast(gradient, tf.float32), tf.cast(expected, tf.float32), eps, eps
    )

  @parameterized.parameters(ops.reinmax, ops.gapped_straight_through)
  def test_rejects(self, function):
    with self.assertRaisesRegex(ValueError, 'positive `temperature`'):
      function(tf.eye(3)[:2], tf.zeros([2, 3]), 0.0)
    with self.assertRaisesRegex(ValueError, '`temperature` of shape'):
      function(tf.eye(3)[:2], tf.zeros([2, 3]), tf.ones([3]))

  def test_gumbel_rao_rejects(self):
    hard, logits, noise = tf.eye(3)[:2], tf.zeros([2, 3]), tf.zeros([5, 2, 3])
    with self.assertRaisesRegex(ValueError, 'positive `temperature`'):
      ops.gumbel_rao(hard, logits, 0.0, noise)
    with self.assertRaisesRegex(ValueError, '`temperature` of shape'):
      ops.gumbel_rao(hard, logits, tf.ones([3]), noise)

  @parameterized.parameters(-3.0, math.nan)
  def test_rejects_a_negative_gap(self, gap):
    with self.assertRaisesRegex(ValueError, 'Expected a `gap` of at least 0'):
      ops.gapped_straight_through([1.0, 0.0], tf.zeros([2]), gap=gap)


if __name__ == '__main__':
  tf.test.main()
