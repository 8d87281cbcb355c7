"""Networks of a semi-supervised VAE of images."""

from collections.abc import Sequence
import math

import keras

import discrete_lvm as dlvm

NETWORKS = ('conv', 'mlp')
# Filters of the first convolution, or the width of a dense layer.
DEFAULT_UNITS = {'conv': 16, 'mlp': 256}
# What the convolutions leave of an image for the posterior of the style.
_NUM_FEATURES = 128


def build_model(
    network: str,
    image_shape: Sequence[int],
    num_classes: int,
    style_dim: int,
    units: int | None = None,
    **kwargs,
) -> dlvm.models.SemiSupervisedVAE:
  """Builds a model.

  As in Jang, Gu and Poole (2017), `q(y | x)` and `q(z | x, y)` have three
  convolutions each and `p(x | y, z)` four transposed ones, if the networks are
  'conv'; the class joins the features of the image after the convolutions, so
  that they are computed once for all classes. 'mlp' has two dense layers in the
  place of all convolutions of a network.

  Args:
    network: 'conv' or 'mlp'.
    image_shape: `(height, width, channels)`, for 'conv' multiples of 4.
    num_classes: Number of classes K.
    style_dim: Dimension of the style z.
    units: Filters of the first convolution or width of the dense layers; by
      default as `DEFAULT_UNITS` says.
    **kwargs: Further arguments of `models.SemiSupervisedVAE`.

  Returns:
    The model, built.

  Raises:
    ValueError: If the image does not fit the convolutions.
  """
  units = units or DEFAULT_UNITS[network]
  if network == 'conv' and (image_shape[0] % 4 or image_shape[1] % 4):
    raise ValueError(
        'Expected images whose height and width are multiples of 4 for '
        f'convolutions; received {tuple(image_shape)}.'
    )
  layers, dense = keras.layers, keras.layers.Dense
  if network == 'conv':
    classifier = [*_convolutions(units)]
    encoder = [*_convolutions(units), dense(_NUM_FEATURES, 'relu')]
    posterior = [dense(_NUM_FEATURES, 'relu')]
    decoder = _transposed_convolutions(units, image_shape)
  else:
    classifier = [layers.Flatten(), dense(units, 'relu'), dense(units, 'relu')]
    encoder = [layers.Flatten(), dense(units, 'relu')]
    posterior = [dense(units, 'relu')]
    decoder = [
        dense(units, 'relu'),
        dense(units, 'relu'),
        dense(math.prod(image_shape)),
        layers.Reshape(image_shape),
    ]
  model = dlvm.models.SemiSupervisedVAE(
      keras.Sequential([*classifier, dense(num_classes)], name='classifier'),
      keras.Sequential(encoder, name='encoder'),
      keras.Sequential(
          [*posterior, dlvm.layers.GaussianHead(style_dim)], name='posterior'
      ),
      keras.Sequential(decoder, name='decoder'),
      **kwargs,
  )
  model.build((None, *image_shape))
  return model


def _convolutions(units):
  filters = (units, 2 * units, 4 * units)
  return [
      *(
          keras.layers.Conv2D(n, 3, 2, padding='same', activation='relu')
          for n in filters
      ),
      keras.layers.Flatten(),
  ]


def _transposed_convolutions(units, image_shape):
  height, width, channels = image_shape
  small = (height // 4, width // 4, 2 * units)

  def layer(filters, strides, activation='relu'):
    return keras.layers.Conv2DTranspose(
        filters, 3, strides, padding='same', activation=activation
    )

  return [
      keras.layers.Dense(math.prod(small), 'relu'),
      keras.layers.Reshape(small),
      layer(2 * units, 1),
      layer(units, 2),
      layer(units, 2),
      layer(channels, 1, activation=None),
  ]
