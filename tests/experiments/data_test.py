from unittest import mock
import urllib.error

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments import data


def _mock_mnist(size):
  """Returns a builder of `size` random images for each split."""
  rng = np.random.default_rng(0)
  builder = mock.Mock()
  builder.is_prepared.return_value = True
  builder.info.full_name = 'mnist/3.0.1'
  builder.as_dataset.side_effect = lambda split, batch_size: {
      'image': tf.constant(
          rng.integers(256, size=[size[split], 28, 28, 1], dtype=np.uint8)
      ),
      'label': tf.range(size[split], dtype=tf.int64) % 10,
  }
  return builder


class DigitsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*data.BINARIZATIONS)
  def test_every_image_is_in_one_split(self, binarization):
    digits = data.load('digits', binarization=binarization)
    self.assertEqual(
        [len(split.images) for split in digits[:3]], [1297, 250, 250]
    )
    self.assertEqual(digits.image_shape, (8, 8, 1))
    labels = np.concatenate([split.labels for split in digits[:3]])
    # scikit-learn's own count of each digit.
    self.assertAllEqual(
        np.bincount(labels), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    )
    for split in digits[:3]:
      self.assertEqual(split.images.dtype, np.float32)
      self.assertBetween(split.images.min(), 0, 0)
      self.assertBetween(split.images.max(), 1, 1)

  def test_labels_stay_with_their_images(self):
    digits = data.load('digits', binarization='none')
    # The centre of a zero is empty.
    zeros = digits.train.images[digits.train.labels == 0]
    others = digits.train.images[digits.train.labels == 1]
    self.assertLess(zeros[:, 3:5, 3:5].mean(), 0.3)
    self.assertGreater(others[:, 3:5, 3:5].mean(), 0.5)

  def test_a_seed_is_a_data_set(self):
    first, again = data.load('digits', seed=3), data.load('digits', seed=3)
    other = data.load('digits', seed=4)
    self.assertAllEqual(first.test.images, again.test.images)
    self.assertEqual(first.description, again.description)
    self.assertNotEqual(
        first.description['sha256'], other.description['sha256']
    )
    self.assertNotAllEqual(first.test.labels, other.test.labels)

  def test_binarizations_share_their_evaluation_images(self):
    fixed = data.load('digits', binarization='fixed')
    dynamic = data.load('digits', binarization='dynamic')
    grey = data.load('digits', binarization='none')
    for split in (fixed.train, fixed.validation, fixed.test):
      self.assertAllInSet(split.images, [0.0, 1.0])
    self.assertAllEqual(fixed.test.images, dynamic.test.images)
    self.assertAllEqual(fixed.validation.images, dynamic.validation.images)
    self.assertAllEqual(dynamic.train.images, grey.train.images)
    self.assertGreater(len(np.unique(grey.test.images)), 10)

  def test_the_draw_has_the_grey_levels_as_means(self):
    fixed = data.load('digits', binarization='fixed').train.images
    grey = data.load('digits', binarization='none').train.images
    # Sum of Bernoulli draws against its mean, within 4 standard deviations.
    sigma = np.sqrt(np.sum(grey * (1 - grey), dtype=np.float64))
    self.assertAllClose(
        np.sum(fixed, dtype=np.float64),
        np.sum(grey, dtype=np.float64),
        rtol=0,
        atol=4 * sigma,
    )
    # And pixel by pixel, within 4.5 standard deviations (64 pixels).
    sigma = np.sqrt(np.sum(grey * (1 - grey), axis=0))
    self.assertTrue(
        np.all(np.abs(np.sum(fixed - grey, axis=0)) <= 4.5 * sigma + 1e-3)
    )

  def test_description_names_the_draw(self):
    # A golden value: the same seed must mean the same data tomorrow.
    description = data.load('digits', seed=0).description
    self.assertEqual(description['binarization'], 'fixed')
    self.assertEqual(description['seed'], 0)
    self.assertEqual(
        description['sha256']['test'],
        'c79a15bacf8d3d8e3a3d1349f7f00fe978e8f7f205d37c0193520589cd88761f',
    )

  def test_unknown_names(self):
    with self.assertRaisesRegex(ValueError, "received 'cifar'"):
      data.load('cifar')
    with self.assertRaisesRegex(ValueError, "received 'threshold'"):
      data.load('digits', binarization='threshold')


class BinarizeTest(tf.test.TestCase):

  def test_draws_anew_for_each_seed_and_only_then(self):
    grey = tf.fill([1000], 0.5)
    first = data.binarize(grey, [0, 1])
    self.assertAllEqual(first, data.binarize(grey, [0, 1]))
    # Half of the pixels differ, within 5 standard deviations of sqrt(250).
    changed = np.sum(first.numpy() != data.binarize(grey, [0, 2]).numpy())
    self.assertBetween(changed, 500 - 80, 500 + 80)


class TfdsTest(tf.test.TestCase, parameterized.TestCase):

  def test_splits_the_training_images(self):
    builder = _mock_mnist({'train': 30, 'test': 7})
    with mock.patch.object(tfds, 'builder', return_value=builder):
      with mock.patch.object(data, '_NUM_VALIDATION', 10):
        mnist = data.load('mnist', binarization='none')
    self.assertEqual(
        mnist.description['sizes'], {'train': 20, 'validation': 10, 'test': 7}
    )
    self.assertAllEqual(mnist.train.labels, np.arange(20) % 10)
    self.assertAllEqual(mnist.validation.labels, np.arange(20, 30) % 10)
    self.assertEqual(mnist.test.images.max(), 1.0)
    self.assertEqual(
        mnist.description['source'], 'tensorflow_datasets mnist/3.0.1'
    )

  def test_no_data_and_no_network(self):
    directory = self.get_temp_dir()
    offline = urllib.error.URLError('Name or service not known')
    with mock.patch.object(data.urllib.request, 'urlopen', side_effect=offline):
      with self.assertRaisesRegex(
          FileNotFoundError,
          f'mnist to be prepared in {directory}.*not known.*--data_dir',
      ):
        data.load('mnist', data_dir=directory)

  @parameterized.parameters(
      (tf.errors.NotFoundError(None, None, 'mnist-train.tfrecord'),),
      (tf.errors.DataLossError(None, None, 'mnist-train.tfrecord'),),
      (FileNotFoundError('mnist-train.tfrecord'),),
      (tf.errors.PermissionDeniedError(None, None, 'mnist-train.tfrecord'),),
  )
  def test_files_that_have_vanished(self, error):
    builder = _mock_mnist({})
    builder.as_dataset.side_effect = error
    with mock.patch.object(tfds, 'builder', return_value=builder):
      with self.assertRaisesRegex(
          FileNotFoundError, "'train' cannot be read .*mnist-train.*--data_dir"
      ):
        data.load('mnist')

  def test_failed_download(self):
    builder = _mock_mnist({})
    builder.is_prepared.return_value = False
    builder.download_and_prepare.side_effect = RuntimeError('checksum')
    with mock.patch.object(data.urllib.request, 'urlopen'):
      with mock.patch.object(tfds, 'builder', return_value=builder):
        with self.assertRaisesRegex(FileNotFoundError, 'checksum'):
          data.load('mnist')


if __name__ == '__main__':
  absltest.main()
