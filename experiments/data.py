"""Image data sets: splits, binarisation, and a record of both."""

from collections.abc import Mapping
import hashlib
from typing import Any
from typing import NamedTuple
import urllib.error
import urllib.request

import numpy as np
from sklearn import datasets as sklearn_datasets
import tensorflow as tf
import tensorflow_datasets as tfds

import discrete_lvm as dlvm

DATASETS = ('digits', 'mnist', 'fashion_mnist')
BINARIZATIONS = ('fixed', 'dynamic', 'none')

_DIGITS_SIZES = {'train': 1297, 'validation': 250, 'test': 250}
_NUM_VALIDATION = 10_000
_UNREADABLE = (
    OSError,
    tf.errors.DataLossError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
)
_DOWNLOAD_HOST = 'https://storage.googleapis.com'


class Split(NamedTuple):
  """Images, float32 of shape `[size, height, width, 1]`, and their labels."""

  images: np.ndarray
  labels: np.ndarray


class Data(NamedTuple):
  """Three splits, and what a reader must know to rebuild them.

  Attributes:
    train: Grey levels in [0, 1] unless the binarisation is `'fixed'`.
    validation: Binary unless the binarisation is `'none'`.
    test: Like `validation`.
    description: JSON-serialisable record: source, sizes, binarisation, seed,
      and a SHA-256 of the images.
  """

  train: Split
  validation: Split
  test: Split
  description: Mapping[str, Any]

  @property
  def image_shape(self) -> tuple[int, ...]:
    """Shape of one image, `(height, width, channels)`."""
    return self.train.images.shape[1:]


def load(
    dataset: str,
    data_dir: str | None = None,
    binarization: str = 'fixed',
    seed: int = 0,
) -> Data:
  """Loads a data set, splits it in three and binarises it.

  `'fixed'` draws each pixel once, with its grey level as the probability, and
  so imitates the binarised MNIST of Salakhutdinov and Murray (2008).
  `'dynamic'` leaves the training images grey, for `binarize` to draw afresh at
  each step, and evaluates on the very images of `'fixed'`. `'none'` leaves grey
  levels everywhere.

  Args:
    dataset: `'digits'` (1797 images of 8x8, ships with scikit-learn), `'mnist'`
      or `'fashion_mnist'` (70,000 of 28x28, through TFDS; split 50,000, 10,000
      and 10,000, the last of the training images being for validation).
    data_dir: Where TFDS keeps its data sets; None for its own default.
    binarization: `'fixed'`, `'dynamic'` or `'none'`.
    seed: Python `int`: seed of the split of `'digits'` and of the fixed draw.

  Returns:
    `Data`, of float32 images and int32 labels.

  Raises:
    ValueError: If `dataset` or `binarization` is unknown.
    FileNotFoundError: If the data set is not in `data_dir` and cannot be
      downloaded, or is there without some of its files.

  Example:
    >>> digits = load('digits')
    >>> digits.image_shape, len(digits.train.images), len(digits.test.images)
    ((8, 8, 1), 1297, 250)
  """
  if binarization not in BINARIZATIONS:
    raise ValueError(
        f'Expected `binarization` in {BINARIZATIONS}; received '
        f'{binarization!r}.'
    )
  if dataset == 'digits':
    source, splits = _load_digits(seed)
  elif dataset in DATASETS:
    source, splits = _load_tfds(dataset, data_dir)
  else:
    raise ValueError(f'Expected `dataset` in {DATASETS}; received {dataset!r}.')
  drawn = {
      'fixed': ('train', 'validation', 'test'),
      'dynamic': ('validation', 'test'),
      'none': (),
  }[binarization]
  for name in drawn:
    split_seed = dlvm.ops.fold_in(seed, 'fixed_binarization', name)
    images = binarize(splits[name].images, split_seed).numpy()
    splits[name] = splits[name]._replace(images=images)
  description = {
      'name': dataset,
      'source': source,
      'sizes': {name: len(split.images) for name, split in splits.items()},
      'binarization': binarization,
      'seed': seed,
      'sha256': {name: _sha256(split.images) for name, split in splits.items()},
  }
  return Data(**splits, description=description)


def binarize(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
  """Draws binary pixels whose means are the grey levels.

  Args:
    images: Floating `Tensor`, any shape, values in [0, 1].
    seed: int32 `Tensor`, shape `[2]`.

  Returns:
    `Tensor` like `images`, values 0 and 1; a grey level of 0 or 1 stays.

  Example:
    >>> binarize(tf.constant([0., 1.]), seed=tf.constant([0, 1])).numpy()
    array([0., 1.], dtype=float32)
  """
  images = tf.convert_to_tensor(images)
  # The algorithm is named because the default differs between devices, and a
  # data set must not.
  uniform = tf.random.stateless_uniform(
      tf.shape(images), seed, dtype=images.dtype, alg='philox'
  )
  return tf.cast(uniform < images, images.dtype)


def grey_levels(images: np.ndarray) -> np.ndarray:
  """Returns the integers from 0 to 255 that grey levels in [0, 1] stand for.

  Args:
    images: Floating array, any shape, values in [0, 1].

  Returns:
    Array like `images`.

  Example:
    >>> grey_levels(np.array([0., 1.])).tolist()
    [0.0, 255.0]
  """
  return np.round(255 * images)


def halves(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
  """Splits images into their upper halves, x, and their lower halves, y.

  Args:
    images: `Tensor` or array, shape `[size, height, width, channels]`, of an
      even height.

  Returns:
    Two of shape `[size, height / 2, width, channels]`.

  Example:
    >>> x, y = halves(np.arange(8.).reshape([1, 4, 2, 1]))
    >>> y[0, ..., 0].numpy().tolist()
    [[4.0, 5.0], [6.0, 7.0]]
  """
  x, y = tf.split(images, 2, axis=1)
  return x, y


def _load_digits(seed):
  bunch = sklearn_datasets.load_digits()
  images = (bunch.images[..., np.newaxis] / 16).astype(np.float32)
  labels = bunch.target.astype(np.int32)
  order = np.random.default_rng(seed).permutation(len(images))
  splits, begin = {}, 0
  for name, size in _DIGITS_SIZES.items():
    chosen = order[begin : begin + size]
    splits[name] = Split(images[chosen], labels[chosen])
    begin += size
  return 'sklearn.datasets.load_digits', splits


def _load_tfds(dataset, data_dir):
  builder = tfds.builder(dataset, data_dir=data_dir)
  if not builder.is_prepared():
    _download(builder)
  whole = {}
  for name in ('train', 'test'):
    arrays = _read_split(builder, name)
    whole[name] = Split(
        arrays['image'].astype(np.float32) / 255,
        arrays['label'].astype(np.int32),
    )
  splits = {
      'train': Split(*(array[:-_NUM_VALIDATION] for array in whole['train'])),
      'validation': Split(
          *(array[-_NUM_VALIDATION:] for array in whole['train'])
      ),
      'test': whole['test'],
  }
  return f'tensorflow_datasets {builder.info.full_name}', splits


def _read_split(builder, name):
  try:
    return tfds.as_numpy(builder.as_dataset(split=name, batch_size=-1))
  # TFDS looks for the description of a data set alone, not for its files.
  except _UNREADABLE as error:
    raise FileNotFoundError(
        f'Expected {builder.name} to be whole in {builder.data_path}; its split'
        f' {name!r} cannot be read ({error}). Remove that directory and prepare'
        ' it again, or pass --data_dir=DIR where it is whole; a run then goes'
        ' on from its last checkpoint.'
    ) from error


def _download(builder):
  try:
    # TFDS retries a host that it cannot reach for minutes, a line each time.
    urllib.request.urlopen(_DOWNLOAD_HOST, timeout=10).close()
  except urllib.error.HTTPError:
    pass  # It answered.
  except OSError as error:
    raise _not_prepared(builder, error) from error
  try:
    builder.download_and_prepare()
  except Exception as error:  # TFDS has no error class of its own.
    raise _not_prepared(builder, error) from error


def _not_prepared(builder, error):
  return FileNotFoundError(
      f'Expected {builder.name} to be prepared in {builder.data_path}; it is'
      f' not, and could not be downloaded ({error}). Run once with a network,'
      ' or pass --data_dir=DIR where TFDS has prepared it.'
  )


def _sha256(images):
  return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()
