"""The checks that the causal layers share.

Each of them has a parallel call and, to sample, `initial_state` and `step`; the
docstrings of `MADE` say what these take and return.
"""

import tensorflow as tf

from discrete_lvm.layers import context_lookup


def static_length_and_classes(inputs_shape):
  """Returns the last two dimensions of `[..., length, K]`.

  Raises:
    ValueError: If they are not static.
  """
  shape = tf.TensorShape(inputs_shape)
  if shape.rank is None or shape.rank < 2 or None in shape[-2:].as_list():
    raise ValueError(
        'Expected inputs of shape [..., length, K] with static length and K; '
        f'received shape {shape}.'
    )
  return tuple(shape[-2:].as_list())


def check_built(layer):
  """Raises if a layer is not built.

  Raises:
    ValueError: If it is not.
  """
  if not layer.built:
    raise ValueError(
        'Expected a layer that is built, so that it knows length and K; '
        'received none of `call` or `build` before.'
    )


def check_length(expected, length):
  """Raises if a static length is not the one that a layer was built for.

  Args:
    expected: Python `int`.
    length: Python `int`, int32 `Tensor`, or None.

  Raises:
    ValueError: If the value of `length` is known, and another.
  """
  length = None if length is None else tf.get_static_value(length)
  if length is not None and length != expected:
    raise ValueError(
        f'Expected a `length` of {expected}, as when the layer was built; '
        f'received {length}.'
    )


def check_events(x, length, num_classes):
  """Raises if inputs are not of the length and K of when a layer was built.

  Args:
    x: Floating `Tensor`, shape `[..., length, K]`, or integer, `[..., length]`.
    length: Python `int`.
    num_classes: Python `int`: K.

  Returns:
    The inputs, whose length is checked in the run where it is not static; codes
    as int32, and as -1 where they are none of the classes.

  Raises:
    ValueError: If their static shape is another.
  """
  event_shape = [length] if x.dtype.is_integer else [length, num_classes]
  expected = [*[None] * (x.shape.rank - len(event_shape)), *event_shape]
  if not x.shape.is_compatible_with(expected):
    raise ValueError(
        f'Expected inputs of shape {["...", *event_shape]}, as when the layer '
        f'was built; received shape {x.shape}.'
    )
  x = tf.ensure_shape(x, expected)
  return context_lookup.known_codes(x, num_classes) if x.dtype.is_integer else x


def check_context(has_context, context):
  """Raises if a context is there or missing, other than when built.

  Args:
    has_context: Python `bool`: whether the layer was built with one.
    context: `Tensor` or None.

  Raises:
    ValueError: If the two disagree.
  """
  if (context is None) == has_context:
    raise ValueError(
        f'Expected {"a" if has_context else "no"} `context`, as when the layer '
        f'was built; received {"none" if context is None else "one"}.'
    )


def check_positions(context, length, may_be_longer=False):
  """Raises if a context has other positions than the inputs.

  One position would broadcast to all of them in a call, but not in a cache.

  Args:
    context: `Tensor`, shape `[..., length, F]`, or None.
    length: Python `int`, int32 `Tensor`, or None: the positions of the inputs.
    may_be_longer: Python `bool`: whether the context may have more of them.

  Raises:
    ValueError: If they are known to differ.
    tf.errors.InvalidArgumentError: If they differ in the run; XLA drops it.
  """
  if context is None:
    return
  static = None if length is None else tf.get_static_value(length)
  shape = tf.TensorShape(context.shape)
  fits = (shape.rank or 0) > 1
  is_known = fits and None not in (shape[-2], static)
  if is_known:
    fits = shape[-2] == static or (may_be_longer and shape[-2] > static)
  if not fits:
    raise ValueError(
        f'Expected `context` of shape [..., {static}, F], with the positions '
        f'of the inputs; received shape {shape}.'
    )
  if length is not None and not is_known:
    compare = tf.debugging.assert_equal
    if may_be_longer:
      compare = tf.debugging.assert_greater_equal
    compare(
        tf.shape(context)[-2],
        length,
        'Expected `context` with the positions of the inputs.',
    )
