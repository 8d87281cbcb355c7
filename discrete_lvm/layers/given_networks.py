"""Networks that layers and models are given, and do not make."""

from collections.abc import Callable
from collections.abc import Sequence
import functools

import keras
import tensorflow as tf


def build(network: keras.layers.Layer, *shapes: Sequence[int | None]) -> None:
  """Builds a network for any size of the batch, unless it is built.

  Args:
    network: Keras layer.
    *shapes: Shape of each of its inputs, the batch first.
  """
  # A layer without a `build` of its own says that it is built, as soon as it is
  # loaded, while the layers inside get their weights when it is called.
  if not all(layer.built for layer in network._flatten_layers()):
    network(
        *(keras.KerasTensor((None, *shape[1:]), 'float32') for shape in shapes)
    )


def in_mode(
    network: keras.layers.Layer, training: bool
) -> Callable[..., tf.Tensor]:
  """Returns a causal network as a distribution is to call it.

  Args:
    network: Keras layer.
    training: Python `bool`: whether it gets `training=True`. Then it shows no
      cache, which only sampling needs.

  Returns:
    The network itself, or a function that calls it.
  """
  return functools.partial(network, training=True) if training else network
