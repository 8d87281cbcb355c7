import math

from absl.testing import parameterized
import numpy as np
from scipy import special
from scipy import stats
import tensorflow as tf

from discrete_lvm import ops

_SHAPES = ((3, 2), (2, 3), (1, 5))
_DRAWS = 20_000


def _normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape)


class RebarGradientTest(tf.test.TestCase, parameterized.TestCase):

  def _race(self, num_classes, draws=_DRAWS, seed=0):
    """Returns logits, the same for each draw, and perturbed ones."""
    logits = np.tile(_normal(1, num_classes, seed=2), [draws, 1, 1])
    noise = np.random.default_rng(seed).gumbel(size=logits.shape)
    return logits, logits + noise

  @parameterized.parameters(2, 3, 5)
  def test_derivative_is_that_of_the_conditional_draw(self, num_classes):
    logits, z = self._race(num_classes, draws=500)
    slopes = _normal(*z.shape, seed=1)
    codes = ops.one_hot_argmax(tf.constant(z))
    anew = ops.resample_noise(
        tf.constant(logits), tf.constant(z - logits), codes, 1
    )[0]
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
      tape.watch(x)
      given_codes = ops.perturb_given_argmax(x, anew, codes)
    self.assertAllClose(given_codes, z, atol=1e-6)
    expected = slopes - tape.gradient(given_codes, x, slopes)
    gradient = ops.rebar_gradient(np.zeros(500), slopes, z, logits)
    self.assertAllClose(gradient, expected, atol=1e-6)

  @parameterized.parameters(0, 1, 2)
  def test_conditional_draw_moves_with_the_logits(self, winner):
    # What was differentiated: the draw that is tied to the race of some logits
    # has, for others, the law of those that rejection leaves.
    logits, z = self._race(3)
    z, logits = z[:, 0], logits[:, 0]
    rows = z.argmax(-1) == winner
    z, logits = z[rows], logits[rows]
    codes = ops.one_hot_argmax(tf.constant(z))
    anew = ops.resample_noise(
        tf.constant(logits), tf.constant(z - logits), codes, 1
    )[0]
    moved = logits + np.array([0.7, -0.5, 0.3])
    ours = ops.perturb_given_argmax(tf.constant(moved), anew, codes).numpy()
    other = moved[0] + np.random.default_rng(1).gumbel(size=[4 * _DRAWS, 3])
    other = other[other.argmax(-1) == winner]
    for k in range(3):
      # Kolmogorov-Smirnov at 4 sigma: p = 6e-5.
      self.assertGreater(stats.ks_2samp(ours[:, k], other[:, k]).pvalue, 6e-5)
    unmoved = z[:, winner]
    self.assertLess(stats.ks_2samp(unmoved, other[:, winner]).pvalue, 6e-5)

  def test_equals_the_formula_of_two_classes(self):
    # Of the paper, in its order of operations, for a Bernoulli variable of
    # log-odds `a` and uniform noise `u`, with `v` tied to it.
    logits, z = self._race(2, draws=500)
    a = (logits[..., 1] - logits[..., 0])[:, 0]
    u = special.expit((z[..., 1] - z[..., 0])[:, 0] - a)
    theta, eta, temperature = special.expit(a), 0.7, 0.4
    b = (u > 1 - theta).astype('float64')
    v = np.where(b, (u - (1 - theta)) / theta, u / (1 - theta))

    def value(x):
      return np.sin(3.0 * x)

    def control(v_given_b, log_odds):
      x = log_odds + np.log(v_given_b) - np.log(1 - v_given_b)
      return eta * value(special.expit(x / temperature))

    def given_b(log_odds):
      odds = special.expit(log_odds)
      return np.where(b, v * odds + (1 - odds), v * (1 - odds))

    step = 1e-6
    d_control = (control(u, a + step) - control(u, a - step)) / (2 * step)
    d_given_b = (
        control(given_b(a + step), a + step)
        - control(given_b(a - step), a - step)
    ) / (2 * step)
    signals = value(b) - control(u, a)
    expected = signals * (b - theta) + d_control - d_given_b

    z = tf.constant(z)
    with tf.GradientTape() as tape:
      tape.watch(z)
      soft = tf.nn.softmax(z / temperature)
      controls = eta * tf.sin(3.0 * soft[:, 0, 1])
    slopes = tape.gradient(controls, z)
    gradient = ops.rebar_gradient(value(b) - controls, slopes, z, logits)
    self.assertAllClose(gradient[:, 0, 1], expected, atol=1e-6)
    self.assertAllClose(gradient[:, 0, 0], -expected, atol=1e-6)

  def test_class_of_probability_zero_feels_nothing(self):
    logits = tf.constant([[0.0, -math.inf, 1.0]])
    z = logits + [[0.3, 0.2, 0.1]]
    gradient = ops.rebar_gradient(5.0, [[1.0, 2.0, 3.0]], z, logits)
    self.assertAllInRange(gradient, -10.0, 10.0)
    self.assertEqual(gradient[0, 1], 0.0)

  def test_rejects_latents_that_would_broadcast(self):
    one, three = tf.zeros([1, 2]), tf.zeros([3, 2])
    with self.assertRaisesRegex(ValueError, 'Expected `slopes` whose shape'):
      ops.rebar_gradient(1.0, one, three, three)
    with self.assertRaisesRegex(ValueError, 'Expected `z` whose shape'):
      ops.rebar_gradient(1.0, three, one, three)


class GibbsSteinTest(tf.test.TestCase, parameterized.TestCase):

  def _enumerate(self, num_latents, num_classes):
    """Returns codes, their law, values `h` of each, and of its neighbours."""
    codes = ops.all_codes(num_latents, num_classes).numpy()
    logits = _normal(num_latents, num_classes)
    q = np.exp((codes * special.log_softmax(logits, -1)).sum((-2, -1)))
    h = _normal(len(codes), seed=1)
    index = {tuple(x.argmax(-1)): i for i, x in enumerate(codes)}
    neighbours = np.zeros(codes.shape, int)
    for i, x in enumerate(codes.argmax(-1)):
      for n in range(num_latents):
        for k in range(num_classes):
          neighbours[i, n, k] = index[(*x[:n], k, *x[n + 1 :])]
    return codes, logits, q, h, neighbours

  @parameterized.parameters(*_SHAPES)
  def test_equals_the_definition_and_has_mean_zero(self, *shape):
    codes, logits, q, h, neighbours = self._enumerate(*shape)
    probs = special.softmax(logits, -1)
    score = codes - probs

    def operator(values):  # [codes, ...] to [codes, ...]
      return np.stack(
          [
              np.einsum('nk,nk...->...', probs, values[neighbours[i]])
              / shape[0]
              - values[i]
              for i in range(len(codes))
          ]
      )

    moves = ops.gibbs_stein(h[neighbours], codes, logits)
    self.assertAllClose(moves, operator(h), atol=1e-12)
    self.assertAllClose(q @ moves.numpy(), 0.0, atol=1e-12)
    moves = ops.gibbs_stein_score(h[neighbours], codes, logits)
    self.assertAllClose(
        moves, operator(h[:, np.newaxis, np.newaxis] * score), atol=1e-12
    )
    self.assertAllClose(
        np.einsum('c,cnk->nk', q, moves), np.zeros(shape), atol=1e-12
    )

  def test_class_of_probability_zero_is_never_stepped_to(self):
    codes, logits = [[1.0, 0.0, 0.0]], [[0.0, -math.inf, 0.0]]
    for neighbour in (0.0, 1e6):
      h = [[2.0, neighbour, 4.0]]
      self.assertAllClose(ops.gibbs_stein(h, codes, logits), 1.0)
      moves = ops.gibbs_stein_score(h, codes, logits)
      self.assertAllClose(moves, [[-1.5, 0.0, 1.5]])

  @parameterized.parameters(ops.gibbs_stein, ops.gibbs_stein_score)
  def test_rejects_latents_that_would_broadcast(self, function):
    one, three = tf.zeros([1, 2]), tf.zeros([3, 2])
    with self.assertRaisesRegex(
        ValueError, 'Expected `neighbours` whose shape'
    ):
      function(one, three, three)
    with self.assertRaisesRegex(ValueError, 'Expected `codes` whose shape'):
      function(three, one, three)


if __name__ == '__main__':
  tf.test.main()
