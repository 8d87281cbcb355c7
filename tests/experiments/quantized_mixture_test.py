from absl.testing import absltest
import numpy as np
import tensorflow as tf

from experiments import quantized_mixture


class QuantizedMixtureTest(tf.test.TestCase):

  def setUp(self):
    super().setUp()
    self.mixture = quantized_mixture.quantized_mixture()
    self.codes = np.array(list(np.ndindex(91, 91)))
    self.probs = np.exp(self.mixture.log_prob(self.codes)).reshape([91, 91])

  def test_agrees_with_clipping_and_rounding(self):
    # Another way to the same data: continuous draws, as peers make them.
    size = 200_000
    rng = np.random.default_rng(0)
    angles = rng.integers(8, size=size) * np.pi / 4
    centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    points = np.clip(rng.normal(centres, 0.1), -2.25, 2.25)
    drawn = np.rint(points * 20).astype(int) + 45
    counts = np.zeros([91, 91])
    np.add.at(counts, tuple(drawn.T), 1)
    # Pearson's statistic over cells of 5 or more expected draws: its mean is
    # their number n, its sigma sqrt(2 n); 5 sigma.
    expected = size * self.probs
    kept = expected >= 5
    statistic = np.sum((counts - expected)[kept] ** 2 / expected[kept])
    self.assertAllClose(statistic, kept.sum(), atol=5 * np.sqrt(2 * kept.sum()))

  def test_entropy(self):
    self.assertAllClose(self.mixture.entropy(), 6.320, atol=5e-4)
    # log 8, and the Gaussian's in two dimensions less that of a bin's density;
    # the bins at the edge take away a little.
    density = 1 + np.log(2 * np.pi * 0.1**2) - 2 * np.log(0.05)
    self.assertAllClose(self.mixture.entropy(), np.log(8) + density, atol=0.03)

  def test_symmetric(self):
    self.assertAllClose(self.probs, self.probs.T)
    self.assertAllClose(self.probs, self.probs[::-1])
    self.assertAllClose(self.probs.sum(), 1.0)


if __name__ == '__main__':
  absltest.main()
