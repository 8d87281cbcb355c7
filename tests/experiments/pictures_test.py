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

  def test_rows_and_columns_keep_their_places(self):
    # One black image, in the second row and the third of three columns.
    images = np.zeros([2, 3, 8, 8, 1])
    images[1, 2] = 1.0
    pictures.rows_and_columns(self.path, images, '', 'row', 'column')
    ink = 1 - self.read()[..., :3].mean(-1)
    y, x = np.nonzero(ink > 0.99)
    height, width = ink.shape
    # The text is thin, so that the image outweighs it.
    self.assertGreater(np.median(y), height / 2)
    self.assertGreater(np.median(x), 0.6 * width)

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

  @parameterized.parameters((['loss'], 0.3, 1.0), ([], 0.0, 0.1))
  def test_zoom_ignores_the_first_steps(self, zoomed, least, most):
    steps = np.arange(1, 101)
    values = np.where(steps % 20 < 10, 1.0, 2.0)
    heights = []
    for first in (2.0, 1000.0):
      values[0] = first
      panels = {'loss': {'train': (steps, values)}}
      pictures.curves(self.path, panels, 'T', zoomed)
      # The height of the blue line, away from its start.
      blue = np.array([0, 0x72, 0xB2]) / 255
      line = np.all(np.abs(self.read()[:, 300:, :3] - blue) < 0.05, axis=-1)
      rows = np.nonzero(np.any(line, axis=1))[0]
      heights.append(np.ptp(rows))
    self.assertBetween(heights[1] / heights[0], least, most)

  def test_curves_has_a_panel_for_each_unit(self):
    series = {'a': ([0, 1], [1.0, 2.0])}
    pictures.curves(self.path, {'one': series}, 'T')
    one = self.read().shape
    pictures.curves(self.path, {'one': series, 'two': series}, 'T')
    self.assertGreater(self.read().shape[0], 1.5 * one[0])

  def test_code_usage_shows_perplexity_and_information(self):
    blue = np.array([0, 0x72, 0xB2]) / 255
    shares = {}
    for name, probs in {
        'collapsed': np.eye(4)[np.zeros([8, 5], int)],
        'ignores the example': np.full([8, 5, 4], 0.25),
        'tells the example': np.eye(4)[np.arange(40).reshape([8, 5]) % 4],
    }.items():
      pictures.code_usage(self.path, probs, 'T')
      picture = self.read()[..., :3]
      is_bar = np.all(np.abs(picture - blue) < 0.02, axis=-1)
      # From left to right: frequencies, perplexity, information.
      _, perplexity, information = np.split(
          is_bar, [int(x * is_bar.shape[1]) for x in (0.58, 0.8)], axis=1
      )
      shares[name] = [np.mean(perplexity), np.mean(information)]
    self.assertAllClose(shares['collapsed'], [0, 0], atol=0.01)
    self.assertGreater(shares['ignores the example'][0], 0.3)
    self.assertLess(shares['ignores the example'][1], 0.01)
    self.assertGreater(min(shares['tells the example']), 0.3)


if __name__ == '__main__':
  absltest.main()
