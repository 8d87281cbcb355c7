"""A SavedModel of named signatures, for which TensorFlow alone is enough."""

from collections.abc import Callable
from collections.abc import Mapping
import json
import os
import pathlib
import tempfile
from typing import Any
from typing import NamedTuple

import keras
import tensorflow as tf

from discrete_lvm import version

_DESCRIPTION = 'discrete_lvm.json'

# Inputs that several signatures have.
SEED = {'seed': tf.TensorSpec([2], tf.int32)}
DRAWS = {'num_samples': tf.TensorSpec([], tf.int32), **SEED}


class Signature(NamedTuple):
  """What a SavedModel offers under a name.

  Attributes:
    function: From `Tensor`s, by keyword, to a dict of `Tensor`s. It draws
      nothing but from a seed that it is given.
    inputs: Specs of its arguments, by keyword.
  """

  function: Callable[..., dict[str, tf.Tensor]]
  inputs: Mapping[str, tf.TensorSpec]


def batch_spec(shape: Any, dtype: Any = tf.float32) -> tf.TensorSpec:
  """Makes the spec of a batch of any size.

  Args:
    shape: Shape of an example.
    dtype: Type of its elements.

  Returns:
    `tf.TensorSpec`, shape `[None, *shape]`.
  """
  return tf.TensorSpec([None, *shape], dtype)


def data_spec(distribution: Any) -> tf.TensorSpec:
  """Makes the spec of batches of data of a distribution.

  Args:
    distribution: Distribution of an example.

  Returns:
    `tf.TensorSpec`, shape `[None, *event]`, of the type of its samples.
  """
  return batch_spec(distribution.event_shape, distribution.dtype)


def save(
    path: str | os.PathLike,
    model: keras.Model,
    signatures: Mapping[str, Signature],
) -> None:
  """Writes a SavedModel.

  Args:
    path: Directory to write.
    model: The model, whose variables the functions use; built.
    signatures: Name to signature.
  """
  module = tf.Module()
  # Not the model: with it would come every function that it ever traced.
  module.weights = [variable.value for variable in model.variables]
  with tempfile.TemporaryDirectory() as directory:
    description = pathlib.Path(directory) / _DESCRIPTION
    description.write_text(json.dumps(describe(model), indent=2) + '\n')
    module.description = tf.saved_model.Asset(os.fspath(description))
    tf.saved_model.save(
        module,
        os.fspath(path),
        {
            name: tf.function(
                signature.function, autograph=False
            ).get_concrete_function(**signature.inputs)
            for name, signature in signatures.items()
        },
    )


def describe(model: keras.Model) -> dict[str, Any]:
  """Says what wrote a model, and how to make one like it.

  Args:
    model: The model.

  Returns:
    A dict that JSON can hold: 'discrete_lvm' and 'keras', their versions; and
    'model', of which `keras.saving.deserialize_keras_object` makes a model with
    other weights.
  """
  return {
      'discrete_lvm': version.__version__,
      'keras': keras.__version__,
      'model': keras.saving.serialize_keras_object(model),
  }
