"""Round trips of random events through stacks of flows, counted in symbols."""

import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import ops

LENGTH = 6
KINDS = ('bipartite', 'autoregressive', 'cached', 'sorting')

_MASK = ops.alternating_mask(LENGTH)
_ORDER = np.array([2, 0, 5, 3, 1, 4])
# Small integers: sums of products with codes stay exact in float32.
_WEIGHTS = np.random.default_rng(0).integers(1, 30, size=[LENGTH, LENGTH])
_NUM_ROWS = 31


class HashNetwork:
  """Looks up its outputs in a table of random rows, at a hash of its inputs."""

  def __init__(self, table, num_classes, weights, salt):
    self._table = table
    self._num_classes = num_classes
    self._weights = tf.constant(weights, tf.float32)
    self._salt = salt

  def __call__(self, inputs):
    return self._look_up(tf.linalg.matmul(self._values(inputs), self._weights))

  def _values(self, inputs):
    """Returns 0 for nothing, else the code plus one, as float32."""
    if inputs.dtype.is_integer:
      return tf.cast(inputs + 1, tf.float32)
    return tf.linalg.matvec(inputs, tf.range(1.0, self._num_classes + 1.0))

  def _look_up(self, sums):
    row = tf.math.floormod(tf.cast(sums, tf.int32) + self._salt, _NUM_ROWS)
    return tf.gather(self._table, row)


class CausalHashNetwork(HashNetwork):
  """The same, of the positions before in the order."""

  order = _ORDER

  def __init__(self, table, num_classes, weights, salt):
    ranks = np.argsort(_ORDER)
    weights = weights * (ranks[:, np.newaxis] < ranks)
    super().__init__(table, num_classes, weights, salt)


class CachedHashNetwork(CausalHashNetwork):
  """The same, with a cache: the sums so far."""

  def initial_state(self, batch_shape, length):
    shape = tf.concat([batch_shape, [length]], axis=0)
    return 0, tf.zeros(shape, tf.float32)

  def step(self, token, state):
    index, sums = state
    order = tf.constant(self.order)
    previous = self._weights[order[tf.maximum(index - 1, 0)]]
    update = self._values(token)[:, tf.newaxis] * previous
    sums += tf.where(index > 0, update, tf.zeros_like(update))
    return self._look_up(sums[:, order[index]]), (index + 1, sums)


class RoundTrip:
  """Sends events there and back through a stack of new layers.

  Args:
    num_classes: Python `int`: `K`.
    dtype: Type of the logits, and of one-hot events.
    on_codes: Python `bool`: whether events are codes, else one-hot.
    kinds: Which of `KINDS`, or if one-hot 'affine', the layers are, in turn.
  """

  def __init__(self, num_classes, dtype, on_codes, kinds):
    self._num_classes = num_classes
    self._dtype = dtype
    self._on_codes = on_codes
    self._kinds = kinds
    rng = np.random.default_rng(num_classes)
    # Halves, so that there are ties. By whether there are scales.
    self._tables = [
        tf.constant(
            np.round(2 * rng.normal(scale=3, size=[_NUM_ROWS, channels])) / 2,
            dtype,
        )
        for channels in (num_classes, 2 * num_classes)
    ]
    self._scales = np.flatnonzero(ops.invertible_scales(num_classes))

  def count_errors(self, codes, salt, first_kind, depth):
    """Counts the positions of events that came back changed.

    Args:
      codes: int32 `Tensor`, shape `[2, batch, LENGTH]`: events that go through
        forward and then inverse, and others that go the other way.
      salt: int32 scalar: chooses the outputs of the networks.
      first_kind: int32 scalar: the index of the kind of the first layer.
      depth: int32 scalar: how many layers there are.

    Returns:
      int64 scalar.
    """
    if self._on_codes:
      x, y = tf.unstack(codes)
    else:
      x, y = tf.unstack(tf.one_hot(codes, self._num_classes, dtype=self._dtype))

    def forward(events):
      def step(i, events):
        kind = first_kind + i
        return i + 1, self._transform('forward', kind, salt + 7 * i, events)

      return tf.while_loop(lambda i, _: i < depth, step, (0, events))[1]

    def inverse(events):
      def step(i, events):
        kind = first_kind + i
        return i - 1, self._transform('inverse', kind, salt + 7 * i, events)

      return tf.while_loop(lambda i, _: i >= 0, step, (depth - 1, events))[1]

    # The identity is a tensor that TFP's caches have not seen.
    errors = self._num_changed(x, inverse(tf.identity(forward(x))))
    return errors + self._num_changed(y, forward(tf.identity(inverse(y))))

  def layer(self, kind, salt):
    """Returns a new layer, whose network depends on the salt."""
    if kind == 'affine':
      return self._affine(salt)
    network_class = {
        'autoregressive': CausalHashNetwork,
        'cached': CachedHashNetwork,
    }.get(kind, HashNetwork)
    table = self._tables[kind in ('autoregressive', 'bipartite')]
    network = network_class(table, self._num_classes, _WEIGHTS, salt)
    num_classes = self._num_classes if self._on_codes else None
    if kind == 'bipartite':
      return bijectors.DiscreteBipartite(
          network, _MASK, num_classes=num_classes
      )
    if kind == 'sorting':
      return bijectors.DiscreteSorting(network, ~_MASK, num_classes=num_classes)
    return bijectors.DiscreteAutoregressive(network, num_classes=num_classes)

  def _transform(self, direction, kind, salt, events):
    branches = [
        lambda name=name: getattr(self.layer(name, salt), direction)(events)
        for name in self._kinds
    ]
    return tf.switch_case(kind % len(branches), branches)

  def _affine(self, salt):
    index = salt + np.arange(LENGTH)
    shift = tf.math.floormod(index, self._num_classes)
    scale = tf.gather(self._scales, tf.math.floormod(index, len(self._scales)))
    return bijectors.ModularAffine(
        tf.one_hot(shift, self._num_classes),
        tf.one_hot(scale, self._num_classes),
    )

  def _num_changed(self, before, after):
    changed = tf.not_equal(before, after)
    if not self._on_codes:
      changed = tf.reduce_any(changed, axis=-1)
    return tf.math.count_nonzero(changed)
