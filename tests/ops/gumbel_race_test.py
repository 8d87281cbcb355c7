from absl.testing import parameterized
import numpy as np
from scipy import stats
import tensorflow as tf

from discrete_lvm import ops

_DRAWS = 20_000
_LOGITS = np.array([0.5, -1.0, 0.2])


def _race():
  """Returns noise and the argmax it makes, as many times as `_DRAWS`."""
  logits = tf.constant(np.tile(_LOGITS, [_DRAWS, 1]))
  noise = tf.constant(np.random.default_rng(0).gumbel(size=[_DRAWS, 3]))
  return logits, noise, ops.one_hot_argmax(logits + noise)


class ResampleNoiseTest(tf.test.TestCase, parameterized.TestCase):

  def test_first_draw_makes_the_noise_again(self):
    logits, noise, hard = _race()
    resampled = ops.resample_noise(logits, noise, hard, 5)
    self.assertEqual(resampled.shape, [5, _DRAWS, 3])
    self.assertAllClose(
        ops.perturb_given_argmax(logits, resampled[0], hard),
        logits + noise,
        atol=1e-6,
    )

  def test_every_draw_keeps_the_argmax(self):
    logits, noise, hard = _race()
    resampled = ops.resample_noise(logits, noise, hard, 5)
    perturbed = ops.perturb_given_argmax(logits, resampled, hard)
    winners = tf.broadcast_to(tf.argmax(hard, -1), [5, _DRAWS])
    self.assertAllEqual(tf.argmax(perturbed, -1), winners)
    self.assertNotAllClose(perturbed[1], perturbed[0])

  @parameterized.parameters(0, 1, 2)
  def test_every_draw_has_the_law_given_the_argmax(self, winner):
    logits, noise, hard = _race()
    resampled = ops.resample_noise(logits, noise, hard, 3)
    perturbed = ops.perturb_given_argmax(logits, resampled, hard)
    rows = np.flatnonzero(hard[:, winner])
    # Rejection: of independent perturbed logits, those that this class wins.
    other = _LOGITS + np.random.default_rng(1).gumbel(size=[4 * _DRAWS, 3])
    other = other[other.argmax(-1) == winner]
    for draw in perturbed.numpy()[:, rows]:
      for k in range(3):
        # Kolmogorov-Smirnov at 4 sigma: p = 6e-5.
        test = stats.ks_2samp(draw[:, k], other[:, k])
        self.assertGreater(test.pvalue, 6e-5)
      # What no marginal tells: the means of products, within 4 sigma.
      for j, k in ((0, 1), (0, 2), (1, 2)):
        ours, theirs = (np.tanh(x[:, j] - x[:, k]) for x in (draw, other))
        error = np.hypot(stats.sem(ours), stats.sem(theirs))
        self.assertLess(abs(ours.mean() - theirs.mean()) / error, 4.0)

  def test_draws_together_are_a_latin_hypercube(self):
    logits, noise, hard = _race()
    resampled = ops.resample_noise(logits, noise, hard, 7)
    # Standard Gumbel quantiles: for each class one in each seventh, all round.
    quantiles = np.sort(np.exp(-np.exp(-resampled.numpy())), axis=0)
    self.assertAllClose(
        np.diff(quantiles, axis=0), np.full([6, _DRAWS, 3], 1 / 7), atol=1e-5
    )

  def test_is_finite_for_any_logits_and_noise(self):
    logits = tf.constant(
        [[50.0, -50.0, 0.0], [0.0, 0.0, 0.0], [1.0, -1e3, 0.0]]
    )
    for noise in (
        ops.gumbel([3, 3], [0, 1]),
        200.0 * tf.eye(3),
        tf.zeros([3, 3]),
    ):
      hard = ops.one_hot_argmax(logits + noise)
      resampled = ops.resample_noise(logits, noise, hard, 4)
      self.assertAllInRange(resampled, -4.0, 24.0)


if __name__ == '__main__':
  tf.test.main()
