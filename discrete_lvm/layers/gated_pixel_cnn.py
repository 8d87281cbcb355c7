"""Keras layer: a gated PixelCNN, with a context and steps."""

import random
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm.layers import protocol
from discrete_lvm.layers import sequences
from discrete_lvm.layers.dense import build_dense
from discrete_lvm.layers.gated_pixel_cnn_block import GatedPixelCNNBlock
from discrete_lvm.ops import counts
from discrete_lvm.ops import shapes


class GatedPixelCNNState(NamedTuple):
  """What `GatedPixelCNN.step` keeps of the pixels that it was given.

  Below, batch is the product of the batch shape.

  Attributes:
    index: int32 `Tensor`, shape `[]`: how many steps were taken.
    pixels: `Tensor`, shape `[W, batch, C]`: the pixels of this row so far, then
      those of the row above.
    rows: For each block the last rows of its vertical input, a `Tensor` of
      shape `[batch, reach, W, channels]`.
    links: For each block what the rows above add to the pixels of this row, a
      `Tensor` of shape `[batch, 1, W, 2 * units]`.
    lefts: For each block its last horizontal inputs in this row, a `Tensor` of
      shape `[batch, 1, reach, channels]`.
    context: The context with one batch dimension, as a tuple of one `Tensor` or
      none.
  """

  index: tf.Tensor
  pixels: tf.Tensor
  rows: tuple[tf.Tensor, ...]
  links: tuple[tf.Tensor, ...]
  lefts: tuple[tf.Tensor, ...]
  context: tuple[tf.Tensor, ...]


@keras.saving.register_keras_serializable(package='discrete_lvm')
class GatedPixelCNN(keras.layers.Layer):
  """Outputs, for each pixel, a function of the pixels before it.

  Before means above, or in the same row on the left. Each block has a
  convolution of the rows above and one of the pixels on the left, whose outputs
  pass a gate, `tanh(filter) * sigmoid(gate)`. The shift is inside: outputs at a
  pixel do not see its own input; so they are the parameters of an
  autoregressive distribution, as those of `MADE` are.

  The parallel call gives the outputs of all pixels at once. To sample, where a
  pixel is only known once its outputs are, take `step`s, from left to right and
  then from top to bottom. Each evaluates one pixel of the horizontal stack, and
  the first in a row one row of the vertical stack, so that the work of all
  together is that of a parallel call.

  An output sees `receptive_field` rows up, and as many columns to each side, at
  most. At the start outputs are near zero, since gates halve what they pass.

  Args:
    num_outputs: Python `int`, the outputs for each pixel.
    units: Python `int`, the width of both stacks.
    num_layers: Python `int`, the number of blocks.
    kernel_size: Odd Python `int` of at least 3, of all blocks but the first.
    first_kernel_size: Odd Python `int` of at least 3, of the first: it is cheap
      as inputs have few channels.
    seed: Python `int`, seed of the initial weights. Without it one is drawn,
      once, and kept in the config.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., H, W, C]`, taken as it is: scale it
      to about [-1, 1], or one-hot.
    context: Floating `Tensor`, shape `[..., H, W, F]`, not masked: it enters
      every block at its own pixel, so that outputs see it there and wherever
      they see pixels, and on the right in the same row. Leading dimensions
      broadcast to those of `inputs`; H and W may be 1, for a context that is
      the same everywhere. By default none. The first call says whether there is
      one.

  Output shape:
    `[..., H, W, num_outputs]` in the compute dtype.

  Raises:
    ValueError: If an argument is not one of these, inputs are not floating, H,
      W or C not static or others than when built, the context of another shape,
      or one given to a layer that was built without, or the reverse.

  Example:
    >>> network = dlvm.layers.GatedPixelCNN(
    ...     num_outputs=1, units=8, num_layers=2, seed=0)
    >>> x = tf.constant([[[[1.], [0.]], [[0.], [1.]]]])
    >>> logits = network(x)
    >>> logits.shape
    TensorShape([1, 2, 2, 1])

    Sampling takes one step a pixel; the first ignores its token.

    >>> state = network.initial_state(batch_shape=[1])
    >>> token = tf.zeros([1, 1])
    >>> for row, column in [(0, 0), (0, 1), (1, 0), (1, 1)]:
    ...   logits_at_pixel, state = network.step(token, state)
    ...   token = x[:, row, column]  # A model samples it from the logits.
    >>> np.testing.assert_allclose(logits_at_pixel, logits[:, 1, 1], atol=1e-5)

  References:
    Aaron van den Oord, Nal Kalchbrenner, Oriol Vinyals, Lasse Espeholt, Alex
    Graves, Koray Kavukcuoglu. Conditional Image Generation with PixelCNN
    Decoders. NeurIPS 2016. https://arxiv.org/abs/1606.05328. Sections 2.1 to
    2.3.

    Prajit Ramachandran et al. Fast Generation for Convolutional Autoregressive
    Models. 2017. https://arxiv.org/abs/1704.06001.
  """

  def __init__(
      self,
      num_outputs,
      units=32,
      num_layers=5,
      kernel_size=3,
      first_kernel_size=7,
      seed=None,
      **kwargs,
  ):
    super().__init__(**kwargs)
    counts.check_count(num_outputs, 'num_outputs')
    self.num_outputs = num_outputs
    counts.check_count(units, 'units')
    counts.check_count(num_layers, 'num_layers')
    kernel_sizes = {
        'kernel_size': kernel_size,
        'first_kernel_size': first_kernel_size,
    }
    for name, value in kernel_sizes.items():
      if value < 3 or value % 2 == 0:
        raise ValueError(
            f'Expected an odd `{name}` of at least 3; received {value}.'
        )
    self._kernel_sizes = [first_kernel_size] + [kernel_size] * (num_layers - 1)
    self._config = {
        'num_outputs': num_outputs,
        'units': units,
        'num_layers': num_layers,
        **kernel_sizes,
        'seed': random.randrange(2**31) if seed is None else seed,
    }

  @property
  def receptive_field(self):
    """Python `int`: how many rows up, or pixels to the left, an output sees."""
    return 1 + sum(size // 2 for size in self._kernel_sizes)

  def build(self, inputs_shape, context_shape=None):
    self._pixel_shape = _pixel_shape(inputs_shape)
    rng = np.random.default_rng(self._config['seed'])
    units, policy = self._config['units'], self.dtype_policy
    self._blocks = []
    channels = self._pixel_shape[-1]
    for i, kernel_size in enumerate(self._kernel_sizes):
      block = GatedPixelCNNBlock(
          units,
          kernel_size,
          residual=i > 0,
          seed=int(rng.integers(2**31)),
          dtype=policy,
      )
      shape = (None, None, None, channels)
      block.build(shape, shape, context_shape)
      self._blocks.append(block)
      channels = units
    self._hidden = build_dense(units, units, rng, policy)
    self._output = build_dense(units, self.num_outputs, rng, policy)
    self._has_context = context_shape is not None

  def call(self, inputs, context=None):
    protocol.check_context(self._has_context, context)
    inputs = self._checked(inputs)
    batch_shape = tf.shape(inputs)[:-3]
    values = tf.reshape(inputs, [-1, *self._pixel_shape])
    context = self._flat_context(context, batch_shape, inputs.shape[:-3])
    vertical = tf.pad(values, [[0, 0], [1, 0], [0, 0], [0, 0]])[:, :-1]
    horizontal = sequences.shift(values)
    for block in self._blocks:
      vertical, horizontal = block(vertical, horizontal, *context)
    outputs = self._outputs(horizontal)
    shape = [*self._pixel_shape[:2], self.num_outputs]
    return tf.ensure_shape(
        tf.reshape(outputs, tf.concat([batch_shape, shape], axis=0)),
        inputs.shape[:-3] + shape,
    )

  def _outputs(self, horizontal):
    return self._output(tf.nn.relu(self._hidden(tf.nn.relu(horizontal))))

  def _checked(self, inputs):
    if not inputs.dtype.is_floating or not inputs.shape[-3:].is_compatible_with(
        self._pixel_shape
    ):
      raise ValueError(
          f'Expected floating inputs of shape [..., H, W, C], with the last '
          f'three {list(self._pixel_shape)} as when the layer was built; '
          f'received {inputs.dtype.name} of shape {inputs.shape}.'
      )
    # A reshape would take other pixels, if they are as many.
    return shapes.ensure_last(inputs, tf.TensorShape(self._pixel_shape))

  def _flat_context(self, context, batch_shape, static_batch_shape):
    """Returns the context with one batch dimension, in a tuple, or none."""
    if context is None:
      return ()
    context = tf.cast(tf.convert_to_tensor(context), self.compute_dtype)
    height, width, _ = self._pixel_shape
    shape = context.shape
    fits = shape.rank is not None and shape.rank >= 3
    fits = fits and shape[-3] in (1, height) and shape[-2] in (1, width)
    try:
      if fits and static_batch_shape.rank is not None:
        tf.broadcast_static_shape(shape[:-3], static_batch_shape)
    except ValueError:
      fits = False
    if not fits:
      raise ValueError(
          f'Expected a `context` of shape [..., {height}, {width}, F], or 1 in '
          f'place of either, that broadcasts to {static_batch_shape}; received '
          f'shape {shape}.'
      )
    features = shape[-3:].as_list()
    context = tf.broadcast_to(
        context, tf.concat([batch_shape, features], axis=0)
    )
    return (tf.reshape(context, [-1, *features]),)

  def initial_state(self, batch_shape, length=None, context=None):
    """Returns the state before the first step.

    Args:
      batch_shape: Sequence of Python `int`s or int32 `Tensor`, shape `[rank]`.
      length: Python `int` or int32 `Tensor`, the number of pixels, if it is to
        be checked.
      context: As for the call; leading dimensions broadcast to `batch_shape`.

    Returns:
      `GatedPixelCNNState`, a structure of `Tensor`s that fits `tf.while_loop`.

    Raises:
      ValueError: If the layer is not built, `length` is not the number of
        pixels that it was built for, or as the call raises.
    """
    protocol.check_built(self)
    height, width, channels = self._pixel_shape
    protocol.check_length(height * width, length)
    protocol.check_context(self._has_context, context)
    batch_shape = tf.convert_to_tensor(batch_shape, tf.int32)
    size = tf.reduce_prod(batch_shape)
    units = self._config['units']
    rows, links, lefts = [], [], []
    for block in self._blocks:
      rows.append(self._zeros(size, block.reach, width, channels))
      links.append(self._zeros(size, 1, width, 2 * units))
      lefts.append(self._zeros(size, 1, block.reach, channels))
      channels = units
    static_batch_shape = tf.get_static_value(batch_shape)
    return GatedPixelCNNState(
        tf.zeros([], tf.int32),
        self._zeros(width, size, self._pixel_shape[-1]),
        tuple(rows),
        tuple(links),
        tuple(lefts),
        self._flat_context(
            context, batch_shape, tf.TensorShape(static_batch_shape)
        ),
    )

  def _zeros(self, *shape):
    return tf.zeros(tf.stack(shape), self.compute_dtype)

  def step(self, token, state):
    """Returns the outputs at the next pixel, row by row.

    They equal those of the parallel call there, up to rounding. A step costs
    the same whatever H and W, but for the first in a row, which costs W times
    as much.

    Args:
      token: Floating `Tensor`, shape `batch_shape + [C]`: the pixel before. The
        first step ignores its values.
      state: `GatedPixelCNNState` of the step before, or `initial_state`. There
        are `H * W` steps.

    Returns:
      The outputs, a `Tensor` of shape `batch_shape + [num_outputs]` in the
      compute dtype, and the next `GatedPixelCNNState`.
    """
    index = state.index
    _, width, channels = self._pixel_shape
    column = index % width
    token = tf.cast(tf.convert_to_tensor(token), self.compute_dtype)
    pixel = tf.reshape(token, [-1, channels])
    pixel = tf.where(index > 0, pixel, tf.zeros_like(pixel))
    is_next = tf.equal(tf.range(width), (index - 1) % width)
    # A scatter takes no empty batch.
    pixels = tf.where(is_next[:, tf.newaxis, tf.newaxis], pixel, state.pixels)
    is_first = tf.equal(column, 0)
    rows, links = tf.cond(
        is_first,
        lambda: self._next_row(pixels, state),
        lambda: (state.rows, state.links),
    )
    horizontal = _unless(is_first, pixel[:, tf.newaxis, tf.newaxis])
    lefts = []
    for block, left, link in zip(self._blocks, state.lefts, links, strict=True):
      seen = tf.concat([_unless(is_first, left), horizontal], axis=2)
      lefts.append(seen[:, :, 1:])
      horizontal = block.pixels(seen, tf.gather(link, [column], axis=2))
    outputs = tf.reshape(
        self._outputs(horizontal),
        tf.concat([tf.shape(token)[:-1], [self.num_outputs]], axis=0),
    )
    outputs = tf.ensure_shape(outputs, token.shape[:-1] + [self.num_outputs])
    return outputs, GatedPixelCNNState(
        index + 1, pixels, rows, links, tuple(lefts), state.context
    )

  def _next_row(self, pixels, state):
    """Returns `rows` and `links` of the state, given the row above."""
    row = state.index // self._pixel_shape[1]
    context = [
        # The only row, if there is but one.
        tf.gather(x, [tf.minimum(row, x.shape[1] - 1)], axis=1)
        for x in state.context
    ]
    vertical = tf.transpose(pixels, [1, 0, 2])[:, tf.newaxis]
    rows, links = [], []
    for block, above in zip(self._blocks, state.rows, strict=True):
      seen = tf.concat([above, vertical], axis=1)
      rows.append(seen[:, 1:])
      vertical, link = block.rows(seen, *context)
      links.append(link)
    return tuple(rows), tuple(links)

  def get_config(self):
    return {**super().get_config(), **self._config}


def _pixel_shape(inputs_shape):
  """Returns H, W and C.

  Raises:
    ValueError: If they are not static.
  """
  shape = tf.TensorShape(inputs_shape)
  if shape.rank is None or shape.rank < 3 or None in shape[-3:].as_list():
    raise ValueError(
        'Expected inputs of shape [..., H, W, C] with static H, W and C; '
        f'received shape {shape}.'
    )
  return tuple(shape[-3:].as_list())


def _unless(condition, values):
  """Returns zeros where `condition` holds, and `values` elsewhere."""
  return tf.where(condition, tf.zeros_like(values), values)
