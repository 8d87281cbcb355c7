import os

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from experiments import pictures


class PicturesTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.path = os.path.join(self.get_temp_dir(), 'picture.png')
    self.rng = np.random.default_rng(0)

  def read(self):
    """Returns the picture in [0, 1], `[height, width, channels]`."""
    return tf.io.decode_png(tf.io.read_file(self.path)).numpy() / 255

  @parameterized.parameters(1, 5, 64)
  def test_samples_shows_every_image(self, size):
    # Black images on white: the ink counts the images.
    pictures.samples(self.path, np.zeros([size, 8, 8, 1]), 'T')
    blank = np.mean(self.read())
    pictures.samples(self.path, np.ones([size, 8, 8, 1]), 'T')
    ink = blank - np.mean(self.read())
    side = int(np.ceil(np.sqrt(size)))
    rows = -(-size // side)
    share = 64 * size / ((9 * side - 1) * (9 * rows - 1))
    height, width, _ = self.read().shape
    square = min(width / (9 * side - 1), height / (9 * rows - 1))
    largest = square**2 * (9 * side - 1) * (9 * rows - 1) / (height * width)
    self.assertBetween(ink / (share * largest), 0.6, 1.0)

  @parameterized.parameters((4, 20, 10), (3, 1, 2), (2, 200, 2), (2, 30, 256))
  def test_reconstructions_shows_images_and_codes(self, size, length, classes):
    images = self.rng.random([size, 8, 8, 1])
    codes = self.rng.integers(classes, size=[size, length])
    written = []
    for means, code in (
        (images, codes),
        (1 - images, codes),
        (images, (codes + 1) % classes),
    ):
      pictures.reconstructions(self.path, images, means, code, classes, 'T')
      written.append(self.read())
    self.assertGreater(np.std(written[0]), 0.05)
    self.assertNotAllClose(written[0], written[1])
    self.assertNotAllClose(written[0], written[2])

  def test_curves_draws_every_series(self):
    steps = np.arange(100)
    loss = {'train': (steps, 100 / (steps + 1))}
    pictures.curves(self.path, {'loss [nats]': loss}, 'T')
    alone = self.read()
    # A series of one point, as after one evaluation, must be seen too.
    loss['validation'] = ([50], [50.0])
    pictures.curves(self.path, {'loss [nats]': loss}, 'T')
    both = self.read()
    self.assertEqual(alone.shape, both.shape)
    # The point is in the middle of the panel, away from the legend.
    height, width, _ = both.shape
    middle = np.s_[
        height // 3 : 2 * height // 3, 2 * width // 5 : 3 * width // 5
    ]
    self.assertNotAllClose(alone[middle], both[middle])

  def test_curves_has_a_panel_for_each_unit(self):
    series = {'a': ([0, 1], [1.0, 2.0])}
    pictures.curves(self.path, {'one': series}, 'T')
    one = self.read().shape
    pictures.curves(self.path, {'one': series, 'two': series}, 'T')
    self.assertGreater(self.read().shape[0], 1.5 * one[0])

  def test_code_usage_shows_frequencies_and_perplexity(self):
    uniform = np.full([5, 4], 0.25)
    collapsed = np.eye(4)[np.zeros(5, int)]
    pictures.code_usage(self.path, uniform, 'T')
    first = self.read()
    pictures.code_usage(self.path, collapsed, 'T')
    second = self.read()
    # Bars of perplexity in the right third: full, then none.
    blue = np.array([0, 0x72, 0xB2]) / 255
    share = [
        np.mean(np.all(np.abs(x[..., :3] - blue) < 0.02, axis=-1))
        for x in (first, second)
    ]
    self.assertGreater(share[0], 0.1)
    self.assertEqual(share[1], 0)


if __name__ == '__main__':
  absltest.main()
