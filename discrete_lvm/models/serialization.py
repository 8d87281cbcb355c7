"""The config of Keras objects that hold others."""

from typing import Any

import keras


def deserialized(config: dict[str, Any], *keys: str) -> dict[str, Any]:
  """Makes the objects that a config holds, for `from_config`.

  Args:
    config: What `get_config` returned.
    *keys: Those under which it serialized a Keras object, or a list of them.

  Returns:
    A dict like `config`, of objects under these keys.
  """
  objects = {
      key: keras.saving.deserialize_keras_object(config[key])
      for key in keys
      if key in config
  }
  return {**config, **objects}
