"""Networks, and protocols, on which papers compare gradient estimators."""

import math
import re
from typing import NamedTuple

import keras
import numpy as np
from scipy import special

import discrete_lvm as dlvm

# Published for images of this side; others get hidden layers in proportion.
_SIDE = 28
_NUM_BERNOULLI = 200
# Pixels that are never on in training may be so in the test set.
_LEAST_MEAN = 1e-3


class Network(NamedTuple):
  """The networks of a VAE, on images of 28 by 28.

  Attributes:
    num_latents: Number of latents N.
    num_classes: Number of classes K.
    hidden_units: Widths of the hidden layers of the encoder; the decoder has
      them in reverse.
    negative_slope: Slope of their rectifier for negative inputs.
    binarization: That of the images, as `data.load` takes it.
  """

  num_latents: int
  num_classes: int
  hidden_units: tuple[int, ...]
  negative_slope: float
  binarization: str


class Settings(NamedTuple):
  """How an estimator is used.

  Attributes:
    learning_rate: As `schedules.parse` takes it.
    temperature: That of the estimator, or None for its own default.
  """

  learning_rate: str
  temperature: float | None = None


SYNTAX = (
    "'linear' or 'nonlinear' (200 Bernoulli latents), or 'KxN', a grid of N"
    ' latents of K categories'
)
_BERNOULLI = {'linear': (), 'nonlinear': (200, 200)}
_GRID_UNITS = (512, 256)
_ADAM, _RADAM = '{}', 'rectified:initial={}'

# Those of the experiments of ReinMax, from the search of its authors.
_GRIDS = ('8x4', '4x24', '8x16', '16x12', '64x8', '10x30')
_REINMAX = (
    (5e-4, 1.3, _ADAM),
    (5e-4, 1.5, _RADAM),
    (7e-4, 1.5, _RADAM),
    (7e-4, 1.5, _RADAM),
    (5e-4, 1.5, _RADAM),
    (5e-4, 1.3, _RADAM),
)
_STRAIGHT_THROUGH_GUMBEL_SOFTMAX = (
    (3e-4, 0.5, _ADAM),
    (5e-4, 0.3, _RADAM),
    (5e-4, 0.5, _RADAM),
    (7e-4, 0.7, _RADAM),
    (7e-4, 0.7, _RADAM),
    (5e-4, 0.5, _RADAM),
)
_GUMBEL_RAO = (
    (5e-4, 0.5, _ADAM),
    (5e-4, 0.3, _RADAM),
    (7e-4, 0.7, _RADAM),
    (5e-4, 1.0, _ADAM),
    (7e-4, 2.0, _ADAM),
    (5e-4, 1.0, _RADAM),
)
_STRAIGHT_THROUGH = (
    (1e-3, 1.3, _ADAM),
    (1e-3, 1.5, _RADAM),
    (1e-3, 1.5, _RADAM),
    (5e-4, 1.5, _ADAM),
    (5e-4, 1.5, _ADAM),
    # 7e-3 in the authors' list, ten times what all others have: for a slip.
    (7e-4, 1.4, _RADAM),
)
_SEARCHED = {
    'reinmax': _REINMAX,
    'straight_through': _STRAIGHT_THROUGH,
    'straight_through_gumbel_softmax': _STRAIGHT_THROUGH_GUMBEL_SOFTMAX,
    # For these there is no such search: they share that of the nearest.
    'minimum_variance': _REINMAX,
    'gumbel_softmax': _STRAIGHT_THROUGH_GUMBEL_SOFTMAX,
    'gapped_straight_through': _STRAIGHT_THROUGH_GUMBEL_SOFTMAX,
    'decoupled_straight_through_gumbel_softmax': (
        _STRAIGHT_THROUGH_GUMBEL_SOFTMAX
    ),
    'gumbel_rao': _GUMBEL_RAO,
}


def parse(name: str) -> Network:
  """Reads the name of a network.

  Args:
    name: 'linear', 'nonlinear', or 'KxN' such as '8x4', four latents of eight
      categories.

  Returns:
    The network.

  Raises:
    ValueError: If the name is of another form.

  Example:
    >>> parse('8x4').num_latents
    4
  """
  if name in _BERNOULLI:
    return Network(_NUM_BERNOULLI, 2, _BERNOULLI[name], 0.3, 'dynamic')
  grid = re.fullmatch(r'(\d+)x(\d+)', name)
  if grid is None or int(grid[1]) < 2 or int(grid[2]) < 1:
    raise ValueError(f'Expected a network, {SYNTAX}; received {name!r}.')
  return Network(int(grid[2]), int(grid[1]), _GRID_UNITS, 0.0, 'none')


def settings(name: str, estimator: str, dataset: str) -> Settings:
  """Returns how the published comparison uses an estimator.

  Args:
    name: Name of the network.
    estimator: A key of `dlvm.estimators.ESTIMATORS`.
    dataset: Name of the data set.

  Returns:
    The settings. Those of an estimator that is not in it are those of the
    nearest that is, and those of another grid are the commonest.

  Example:
    >>> settings('8x4', 'reinmax', 'mnist')
    Settings(learning_rate='0.0005', temperature=1.3)
  """
  if name in _BERNOULLI:
    return Settings('3e-4' if dataset == 'fashion_mnist' else '1e-3')
  index = _GRIDS.index(name) if name in _GRIDS else 0
  # The bound of any estimator falls well at the learning rate of ReinMax.
  rate, temperature, optimizer = _SEARCHED.get(estimator, _REINMAX)[index]
  if estimator not in _SEARCHED:
    temperature = None
  return Settings(optimizer.format(rate), temperature)


def build_model(
    network: Network,
    mean_image: np.ndarray,
    estimator: dlvm.estimators.Estimator,
) -> dlvm.models.DiscreteVAE:
  """Builds a VAE.

  The bias of the outputs starts at the log-odds of the mean image. From zero,
  the latents serve to learn that mean, in the first 200 steps: they settle on
  one code for all images, and may take thousands of steps to leave it.

  Args:
    network: The network.
    mean_image: Array in [0, 1], shape `[height, width, channels]`.
    estimator: The estimator.

  Returns:
    The model, built; its prior is uniform.
  """
  image_shape = mean_image.shape
  outputs = keras.layers.Dense(math.prod(image_shape))
  units = [
      max(1, round(units * image_shape[0] / _SIDE))
      for units in network.hidden_units
  ]
  num_latents, num_classes = network.num_latents, network.num_classes
  is_bernoulli = num_classes == 2
  num_logits = num_latents * (1 if is_bernoulli else num_classes)

  def dense(all_units):
    for each in all_units:
      yield keras.layers.Dense(each)
      yield keras.layers.LeakyReLU(negative_slope=network.negative_slope)

  # Of two classes one number tells all: the log-odds, and the second class.
  to_logits, to_bits = [], []
  if is_bernoulli:
    before = ((0, 0), (1, 0))
    to_logits = [
        keras.layers.Reshape([num_latents, 1, 1]),
        keras.layers.ZeroPadding2D(before),
        keras.layers.Reshape([num_latents, 2]),
    ]
    to_bits = [
        keras.layers.Reshape([num_latents, 2, 1]),
        keras.layers.Cropping2D(before),
    ]
  encoder = keras.Sequential(
      [
          keras.layers.Flatten(),
          *dense(units),
          keras.layers.Dense(num_logits),
          *to_logits,
      ],
      name='encoder',
  )
  decoder = keras.Sequential(
      [
          *to_bits,
          keras.layers.Flatten(),
          *dense(units[::-1]),
          outputs,
          keras.layers.Reshape(image_shape),
      ],
      name='decoder',
  )
  model = dlvm.models.DiscreteVAE(
      encoder, decoder, num_latents, num_classes, estimator=estimator
  )
  model.build((None, *image_shape))
  clipped = np.clip(mean_image, _LEAST_MEAN, 1 - _LEAST_MEAN)
  outputs.bias.assign(special.logit(clipped).ravel())
  return model
