import os

from absl.testing import absltest
import numpy as np
import tensorflow as tf

from experiments import flow_pictures


class FlowPicturesTest(tf.test.TestCase):

  def setUp(self):
    super().setUp()
    self.path = os.path.join(self.get_temp_dir(), 'picture.png')
    self.rng = np.random.default_rng(0)

  def draw(self, function, models):
    """Draws; returns the picture, `[height, width, channels]`."""
    function(self.path, models, 'T')
    return tf.io.decode_png(tf.io.read_file(self.path)).numpy()

  def log_probs(self, true, model):
    return {'true_log_probs': true, 'model_log_probs': model}

  def test_log_probs_shows_each_model(self):
    true = self.rng.normal(size=1000)
    near = self.log_probs(true, true + 0.1 * self.rng.normal(size=1000))
    far = self.log_probs(true, self.rng.normal(size=1000))
    one = self.draw(flow_pictures.log_probs, {'a': near})
    two = self.draw(flow_pictures.log_probs, {'a': near, 'b': far})
    self.assertGreater(two.shape[1], 1.5 * one.shape[1])
    other = self.draw(flow_pictures.log_probs, {'a': near, 'b': near})
    half = two.shape[1] // 2
    self.assertAllEqual(two[:, : half - 20], other[:, : half - 20])
    self.assertGreater(np.mean(two[:, half:] != other[:, half:]), 0.01)

  def test_grids_shows_the_truth_first(self):
    true = np.log(np.full([25], 1e-9))
    true[7] = 0.0
    model = np.log(np.full([25], 0.04))
    picture = self.draw(flow_pictures.grids, {'a': self.log_probs(true, model)})
    ink = np.mean(picture[..., :3] < 220, axis=(0, 2))
    left, right = np.array_split(ink, 2)
    # One dark cell on the left; on the right the same grey everywhere.
    self.assertGreater(right.sum(), 3 * left.sum())

  def test_shares_draws_a_line_for_each_model(self):
    inks = []
    for number in (1, 2, 3):
      models = {
          f'm{i}': {'shares': np.full([10], 0.3 + 0.2 * i)}
          for i in range(number)
      }
      picture = self.draw(flow_pictures.shares, models)
      middle = picture.shape[1] // 2
      column = picture[..., :3][:, middle - 40].astype(int)
      inks.append(np.sum(np.ptp(column, axis=-1) > 60))
    self.assertAllGreater(np.diff(inks), 0)


if __name__ == '__main__':
  absltest.main()
