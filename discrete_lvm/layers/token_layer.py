"""What the layers that take one-hot vectors or integer codes share."""

import keras
import tensorflow as tf


class TokenLayer(keras.layers.Layer):
  """Abstract layer of tokens, which learns K from one-hot vectors alone.

  A layer's `build` sees shapes only, and would take the last dimension of
  codes, shape `[batch, length]`, for K.

  Args:
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., K]`; or, once the layer is built,
      integer codes, shape `[...]`.

  Raises:
    ValueError: If the first call is in codes.
  """

  def __call__(self, inputs, *args, **kwargs):
    if not self.built:
      _check_not_codes(inputs)
    return super().__call__(inputs, *args, **kwargs)


def _check_not_codes(inputs):
  """Raises if a `Tensor`, Keras tensor or array is one of integers."""
  if not hasattr(inputs, 'dtype'):
    inputs = tf.convert_to_tensor(inputs)
  if keras.backend.is_int_dtype(inputs.dtype):
    raise ValueError(
        'Expected a layer that is built, as `build((None, length, K))` does, '
        'before it is called with integer codes; received none of `call` or '
        '`build` before.'
    )
