"""The law of positions of any kind that a causal network gives in turn."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.distributions import distribution
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.distributions import flat_positions
from discrete_lvm.ops import conditioners
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes

tfd = tfp.distributions


class Autoregressive(distribution.Distribution):
  """Pixels of an image or steps of a sequence, each given those before it.

      log p(x) = sum_t log make_distribution(network(x)[t]).prob(x[t])

  Positions are the pixels of an image, row by row, or the steps of a sequence;
  each has `channels` values, whose law `make_distribution` makes of what the
  network says of it: a grey level of a `layers.GatedPixelCNN`, say, or a real
  vector of a `layers.CausalTransformer`, as in the auxiliary prior of a
  delta-VAE. For one-hot vectors and codes of classes, see
  `AutoregressiveCategorical`.

  `log_prob` takes one call of the network. It is differentiable in all the
  network's variables, in the context and in events that are floats, as far as
  the law of a position is.

  `sample` is one loop, of one `step` of the network a position; a network
  without a cache is evaluated on all positions at each. Call it in a
  `tf.function`, or the loop runs in Python. No gradient passes through samples.

  Args:
    network: Callable, for instance a Keras layer, of inputs, `[batch,
      *positions, channels]` (float32, or float64 if the events are), that
      returns outputs, `[batch, *positions, num_outputs]`. Those at a position
      must depend on positions before it alone, in its `order` (of the positions
      of a sequence) if it has one, else from the first to the last, row by row.
      It has a cache if it has the methods `initial_state` and `step`, as
      `layers.MADE` or `layers.GatedPixelCNN`.
    make_distribution: Callable of outputs, `[..., num_outputs]`, float32 at the
      least, that returns the law of a position, a `tfd.Distribution`: of
      vectors, with event shape `[channels]` and batch shape `[...]`; or of
      scalars, with batch shape `[..., channels]`, which are taken to be
      independent, or `[...]` if there is one channel. If it holds variables,
      let it be a `tf.Module`.
    event_shape: Sequence of Python `int`s: `[length, channels]` or `[H, W,
      channels]`.
    context: Floating `Tensor` or variable, shape `[..., *positions, features]`,
      which the network gets as `context=`. Its leading dimensions are the batch
      shape. By default none.
    preprocess: Callable of events as floats, `[..., channels]`, that returns
      what the network gets instead, of the same leading dimensions: grey levels
      scaled to [-1, 1], or one-hot. By default the network gets the events.
    dtype: Type of the events, floating or integer. The network gets integers
      as float32, which is exact up to `2**24`.
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If `event_shape` has other than two or three positive
      dimensions, `dtype` is neither floating nor integer, the context or an
      event does not fit the event shape, the network returns other positions,
      or `make_distribution` a law of another shape.

  Example:
    >>> network = dlvm.layers.GatedPixelCNN(
    ...     num_outputs=1, units=8, num_layers=2, seed=0)
    >>> d = dlvm.distributions.Autoregressive(
    ...     network, dlvm.distributions.Bernoulli, event_shape=[3, 2, 1],
    ...     preprocess=lambda x: 2 * x - 1)
    >>> x = d.sample(4, seed=[0, 1])
    >>> x.shape, d.log_prob(x).shape
    (TensorShape([4, 3, 2, 1]), TensorShape([4]))

    Real vectors, of an unknown scale:

    >>> def normal(outputs):
    ...   loc, scale = tf.split(outputs, 2, axis=-1)
    ...   return tfd.Normal(loc, tf.nn.softplus(scale))
    >>> made = dlvm.layers.MADE(num_outputs=4, hidden_units=[16], seed=0)
    >>> d = dlvm.distributions.Autoregressive(made, normal, [5, 2])
    >>> d.log_prob(tf.zeros([7, 5, 2])).shape
    TensorShape([7])

  References:
    Aaron van den Oord, Nal Kalchbrenner, Koray Kavukcuoglu. Pixel Recurrent
    Neural Networks. ICML 2016. https://arxiv.org/abs/1601.06759. Equation 1.
  """

  def __init__(
      self,
      network,
      make_distribution,
      event_shape,
      context=None,
      preprocess=None,
      dtype=tf.float32,
      name='Autoregressive',
  ):
    parameters = dict(locals())
    dtype = tf.as_dtype(dtype)
    if not dtype.is_floating and not dtype.is_integer:
      raise ValueError(
          f'Expected a floating or integer `dtype`; received {dtype.name}.'
      )
    self._flat = flat_positions.FlatPositions(network, event_shape, preprocess)
    with tf.name_scope(name) as name:
      self._context = tensor_util.convert_nonref_to_tensor(
          context, dtype_hint=tf.float32, name='context'
      )
      self._make_distribution = make_distribution
      self._conditioner = conditioners.Conditioner(
          self._flat, self._flat.flat_context(self._context)
      )
      super().__init__(
          dtype=dtype,
          reparameterization_type=tfd.NOT_REPARAMETERIZED,
          # The law of a position checks its values, if it is asked to.
          validate_args=False,
          # No statistic is undefined.
          allow_nan_stats=True,
          parameters=parameters,
          name=name,
      )

  @property
  def network(self):
    """The argument `network`."""
    return self._flat.network

  @property
  def context(self):
    """The argument `context`."""
    return self._context

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {
        'context': tfp.util.ParameterProperties(
            event_ndims=lambda self: self.event_shape.rank
        )
    }

  def _event_shape(self):
    return tf.TensorShape(self._flat.event_shape)

  def _event_shape_tensor(self):
    return tf.constant(self._flat.event_shape, tf.int32)

  def _default_event_space_bijector(self):
    return None

  def conditional_distribution(self, x, name='conditional_distribution'):
    """Returns the law of each position given those before it.

    Args:
      x: Event, shape `[..., *positions, channels]`.
      name: Python `str`, name scope of the ops.

    Returns:
      `tfd.Distribution` of batch shape `[..., *positions]` and event shape
      `[channels]`.
    """
    with self._name_and_control_scope(name):
      x = tf.convert_to_tensor(x, dtype_hint=self.dtype)
      self._sample_control_dependencies(x)
      return self._laws(self._flat_events(x))

  def _flat_events(self, x):
    return self._flat.flatten(shapes.ensure_last(x, self.event_shape))

  def _laws(self, flat):
    outputs = self._conditioner(flat)
    shape = [*self._flat.positions, outputs.shape[-1]]
    return self._law(
        flat_positions.reshape(outputs, outputs.shape.rank - 2, shape)
    )

  def _law(self, outputs):
    """Returns the law of positions, of event shape `[channels]`.

    Raises:
      ValueError: If `make_distribution` returns one of another shape.
    """
    outputs = floats.at_least_float32(outputs)
    law = self._make_distribution(outputs)
    channels = self._flat.event_shape[-1]
    batch_shape = outputs.shape[:-1]
    is_scalar = law.event_shape.rank == 0
    if is_scalar and channels == 1 and law.batch_shape.rank == batch_shape.rank:
      law = self._make_distribution(outputs[..., tf.newaxis, :])
    shape = law.batch_shape + law.event_shape
    if (
        law.event_shape.rank not in (0, 1)
        or shape.rank != batch_shape.rank + 1
        or not shape.is_compatible_with(batch_shape + [channels])
    ):
      raise ValueError(
          'Expected `make_distribution` to return, for outputs of shape '
          f'{outputs.shape}, a distribution of batch shape {batch_shape} and '
          f'event shape [{channels}], or of scalars with batch shape '
          f'{batch_shape + [channels]}'
          f'{f" or {batch_shape}" if channels == 1 else ""}; received batch '
          f'shape {law.batch_shape} and event shape {law.event_shape}.'
      )
    return tfd.Independent(law, 1) if is_scalar else law

  def _log_prob(self, x):
    # The batch shape of a context is that of the laws.
    flat = self._conditioner.broadcast(self._flat_events(x))
    law = self._laws(flat)
    x = flat_positions.reshape(
        flat, flat.shape.rank - 2, self._flat.event_shape
    )
    if x.dtype.is_integer or law.dtype.is_floating:
      x = tf.cast(x, law.dtype)
    num_positions = len(self._flat.positions)
    return tf.reduce_sum(law.log_prob(x), axis=list(range(-num_positions, 0)))

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='Autoregressive')
    *_, channels = self._flat.event_shape
    length = self._flat.length
    shape = tf.concat([[n], self.batch_shape_tensor(), [length]], axis=0)

    def choose(position, outputs):
      law = self._law(outputs)
      token = law.sample(seed=ops.fold_in(seed, tf.reduce_max(position)))
      token = tf.ensure_shape(token, outputs.shape[:-1] + [channels])
      return tf.cast(token, self.dtype)

    sample = self._conditioner.generate(
        tf.broadcast_to(tf.range(length), shape),
        choose,
        channels,
        self.dtype,
        batch_rank=1 + self.batch_shape.rank,
    )
    sample = flat_positions.reshape(
        sample, sample.shape.rank - 2, self._flat.event_shape
    )
    # What a law lets through of a gradient is not all of it.
    return tf.stop_gradient(sample)

  def _sample_control_dependencies(self, x):
    rank = self.event_shape.rank
    if x.shape.rank is None or not x.shape[-rank:].is_compatible_with(
        self.event_shape
    ):
      raise ValueError(
          f'Expected an event of shape [..., '
          f'{str(self.event_shape.as_list())[1:]}; received shape {x.shape}.'
      )
    return []
