"""Pictures of a model in training, for TensorBoard."""

from collections.abc import Callable
import math
import os

import keras
import tensorflow as tf

from discrete_lvm.ops import counts
from discrete_lvm.training.extras import require_extra
from discrete_lvm.training.logged_step import logged_step


def tile_images(images: tf.Tensor) -> tf.Tensor:
  """Lays images out in a grid as square as can be, row by row.

  Args:
    images: Floating `Tensor`, shape `[num_images, height, width, channels]`.

  Returns:
    `Tensor`, shape `[rows * height, columns * width, channels]`; the cells
    after the last image are 0.

  Raises:
    ValueError: If `images` is not of rank 4, or has no static number of at
      least 1 of them.

  Example:
    >>> tile_images(tf.ones([5, 2, 3, 1])).shape  # 2 rows of 3.
    TensorShape([4, 9, 1])
  """
  images = tf.convert_to_tensor(images)
  if images.shape.rank != 4 or not images.shape[0]:
    raise ValueError(
        'Expected images of shape [num_images, height, width, channels], at '
        f'least one and statically; received shape {images.shape}.'
    )
  num_images, height, width, channels = images.shape
  columns = math.ceil(math.sqrt(num_images))
  rows = math.ceil(num_images / columns)
  padding = rows * columns - num_images
  images = tf.pad(images, [[0, padding], [0, 0], [0, 0], [0, 0]])
  images = tf.reshape(images, [rows, columns, height, width, channels])
  images = tf.transpose(images, [0, 2, 1, 3, 4])
  return tf.reshape(images, [rows * height, columns * width, channels])


class ImageGrid(keras.callbacks.Callback):
  """Writes a grid of images every so many steps.

  Args:
    log_dir: Directory of the event files.
    name: Name of the picture.
    image_fn: `image_fn() -> images`, floats in [0, 1] of shape
      `[num_images, height, width, channels]`.
    every: Steps between pictures; each is written at the end of the epoch, or
      log interval, that reaches the next multiple.

  Raises:
    ValueError: If the package `tensorboard` is not installed, or `every` is
      below 1.

  Example:
    >>> noise = lambda: tf.random.stateless_uniform([16, 8, 8, 1], seed=[0, 1])
    >>> callback = ImageGrid('/tmp/run', 'noise', noise, every=1000)
  """

  chief_only = True

  def __init__(
      self,
      log_dir: str | os.PathLike,
      name: str,
      image_fn: Callable[[], tf.Tensor],
      every: int,
  ):
    super().__init__()
    require_extra('tensorboard')
    counts.check_count(every, 'every')
    self._log_dir = os.fspath(log_dir)
    self._name, self._image_fn, self._every = name, image_fn, every

  def on_train_begin(self, logs=None):
    self._writer = tf.summary.create_file_writer(self._log_dir)
    self._written = logged_step(self.model, logs) // self._every

  def on_epoch_end(self, epoch, logs=None):
    step = logged_step(self.model, logs)
    if step // self._every == self._written:
      return
    self._written = step // self._every
    grid = tile_images(self._image_fn())
    with self._writer.as_default(step=step):
      tf.summary.image(self._name, grid[tf.newaxis])
    self._writer.flush()

  def on_train_end(self, logs=None):
    self._writer.close()
