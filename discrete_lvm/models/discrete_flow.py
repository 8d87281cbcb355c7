"""A discrete flow over a base distribution of tokens."""

from collections.abc import Sequence
import math
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm import distributions
from discrete_lvm import metrics
from discrete_lvm import ops
from discrete_lvm.layers import given_networks
from discrete_lvm.models import flow_bijector
from discrete_lvm.models import flow_stack
from discrete_lvm.models import model
from discrete_lvm.models import serialization
from discrete_lvm.models import signatures
from discrete_lvm.ops import counts
from discrete_lvm.ops import shapes


@keras.saving.register_keras_serializable(package='discrete_lvm')
class DiscreteFlow(model.Model):
  """A distribution of sequences: a base, and flows that move its events.

      log p(x) = log p_base(z),  z = flows[-1](... flows[0](x))

  The flows permute the event space, so there is no volume term. The loss is the
  term 'negative_log_likelihood', whose gradient passes through the events to
  the base and to every flow but the sorting ones and shifts of the gradient
  'cross_entropy'. In training there is for those the term
  'conditioner_cross_entropy', the sum of their cross-entropies, each on the
  events that come in: it has a gradient to their conditioners and to nothing
  else. It is no part of `log p(x)`, so `evaluate` reports the former
  alone.

  Networks of a 16-bit dtype policy round otherwise under XLA than in eager or
  graph mode, and an argmax of their outputs decides: the flow is then another
  permutation, also with another density. Compile `encode`, `decode`, `sample`
  and `log_prob` alike, all by XLA or none. Compiled alike, `decode` inverts
  `encode` bit for bit.

  Args:
    flows: Keras layers from data to base, the order in which `log_prob` applies
      them: `layers.DiscreteAutoregressiveFlow`, `DiscreteBipartiteFlow`,
      `DiscreteSortingFlow`, `DiscreteAutoregressiveSortingFlow`,
      `SubsequenceFlow`, `PermutePositions`, or others that map one-hot events
      when called and back in `generate`. None at all leaves the base.
    length: Number of tokens of an event, at least 1.
    num_classes: Number of classes K of a token, at least 2.
    base: None, for independent tokens with a law of its own at each position, a
      weight of logits; or a causal Keras layer from events to logits, `[batch,
      length, K]`, for `distributions.AutoregressiveCategorical`.
    **kwargs: Arguments of `keras.Model`.

  Call arguments:
    inputs: Data: floating one-hot `[batch, length, K]` or integer codes
      `[batch, length]`; or a dict of such an 'x' and a 'context', floating of
      shape `[batch, length, features]`, which every flow and a causal base get
      as `context=`. `fit`, `evaluate` and `training.Trainer` take the same.
      Where `PermutePositions` moves positions, their context moves along.

  Output shape:
    `[batch]`: `log p(x)` in nats.

  Signatures (see `save_signatures`), of codes, and with a `context` if the
  model was built with one:
    encode: `x`, `[batch, length]`, to `z` of the base.
    decode: `z` to `x`.
    sample: `num_samples` and `seed` to `x`, `[num_samples, ..., length]`.
    log_prob: `x` to `log_prob`, `[batch]`, in nats.

  Raises:
    ValueError: If an argument is not one of these, if data are of another
      shape, or as the flows and the base raise.
    tf.errors.InvalidArgumentError: If data are of another shape that is not
      static.

  Example:
    >>> made = lambda num_outputs, seed: dlvm.layers.MADE(
    ...     num_outputs, hidden_units=[16], seed=seed)
    >>> model = dlvm.models.DiscreteFlow(
    ...     [dlvm.layers.DiscreteAutoregressiveFlow(made(3, 0)),
    ...      dlvm.layers.PermutePositions('reverse'),
    ...      dlvm.layers.DiscreteAutoregressiveFlow(made(6, 1))],
    ...     length=2, num_classes=3)
    >>> codes = np.array([[i, j] for i in range(3) for j in range(3)])
    >>> print(f'{tf.reduce_sum(tf.exp(model.log_prob(codes))):.4f}')
    1.0000
    >>> model.compile('adam')
    >>> history = model.fit(codes, verbose=0)
    >>> sorted(model.evaluate(codes, verbose=0, return_dict=True))
    ['bits_per_token', 'negative_log_likelihood',
     'negative_log_likelihood_stderr']
    >>> model.sample(5, seed=[0, 1]).shape
    TensorShape([5, 2])

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347.
  """

  _term_names = ('negative_log_likelihood', 'conditioner_cross_entropy')
  _keras_builds = False

  def __init__(
      self,
      flows: Sequence[keras.layers.Layer],
      length: int,
      num_classes: int,
      base: keras.layers.Layer | None = None,
      **kwargs,
  ):
    # Keras would cast events down under a mixed policy, and their gradients.
    super().__init__(autocast=False, **kwargs)
    counts.check_count(length, 'length')
    counts.check_count(num_classes, 'num_classes', minimum=2)
    flows = list(flows)
    for flow in flows:
      if not isinstance(flow, keras.layers.Layer) or not hasattr(
          flow, 'generate'
      ):
        raise ValueError(
            'Expected `flows` that are Keras layers with a method `generate`; '
            f'received {flow!r}.'
        )
    self.flows = flows
    self.length = length
    self.num_classes = num_classes
    self.base = base
    self.base_logits: Any = None
    if base is None:
      self.base_logits = self.add_weight(
          name='base_logits',
          shape=(length, num_classes),
          dtype='float32',
          autocast=False,
          initializer='zeros',
      )
    self._nll = metrics.MeanWithError(name='negative_log_likelihood')
    # Eager, its loops would take each step in Python.
    self._draw_in_graph = tf.function(self._draw, autograph=False)
    self._generate_in_graph = tf.function(self._generate, autograph=False)

  def build(self, input_shape):
    context_shape = None
    if isinstance(input_shape, dict):
      context_shape = input_shape.get('context')
    x = keras.KerasTensor((None, self.length, self.num_classes), 'float32')
    context = None
    if context_shape is not None:
      context = keras.KerasTensor((None, *context_shape[-2:]), 'float32')
    z, context, _ = flow_stack.inverse(self.flows, x, context)
    if self.base is not None:
      self.base(z, **flow_stack.given(context))

  def distribution(
      self, context: tf.Tensor | None = None, dtype: tf.DType = tf.float32
  ) -> tfd.TransformedDistribution:
    """Makes the distribution of the data, for TFP.

    It reports the weights that are trainable in `trainable_variables`, and has
    no moments, mode or entropy. TFP keeps results: outside of a `tf.function`,
    the `log_prob` of a sample is that of the weights as they were when it was
    drawn from the same object. The methods of the model keep none.

    Args:
      context: Floating `Tensor`, shape `[..., length, features]`; its leading
        dimensions are the batch shape.
      dtype: Type of the events: floating, one-hot `[length, K]`; or integer,
        codes `[length]`, with no one-hot vector made on the way, if the
        networks take codes.

    Returns:
      `tfd.TransformedDistribution`.
    """
    context = _as_context(context)
    self._build_for(context)
    base = self._base(flow_stack.permute_context(self.flows, context), dtype)
    bijector = flow_bijector.FlowBijector(
        self.flows, base.event_shape.rank, context
    )
    return tfd.TransformedDistribution(base, bijector)

  def log_prob(
      self, x: tf.Tensor, context: tf.Tensor | None = None
  ) -> tf.Tensor:
    """Computes the log-probability of data.

    Args:
      x: Floating one-hot `Tensor`, shape `[..., length, K]`, or integer codes,
        shape `[..., length]`.
      context: Floating `Tensor`, shape `[..., length, features]`, whose leading
        dimensions broadcast to those of the events.

    Returns:
      float32 `Tensor`, shape `[...]`, in nats; -inf for a code outside of
      `[0, K)`, NaN where a float is NaN. No other floats are checked: a
      vector that is not one-hot gets some finite number, which is no
      log-probability, and not always the linear extension that
      `distributions.OneHotCategorical` has.

    Raises:
      ValueError: If `x` is of another shape.
    """
    return self._evaluate(x, context)[0]

  def encode(self, x: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
    """Maps data to the base.

    Under a 16-bit dtype policy compile it as `decode`: both by XLA, or neither.

    Args:
      x: As for `log_prob`.
      context: As for `log_prob`.

    Returns:
      int32 codes, shape `[..., length]`; -1 throughout an event that has a
      code outside of `[0, K)` or a NaN.

    Raises:
      ValueError: If `x` is of another shape.
    """
    x, is_valid = self._as_one_hot(x)
    context = _as_context(context)
    self._build_for(context)
    z, _, _ = flow_stack.inverse(self.flows, x, context)
    return _where_valid(is_valid, _as_codes(z))

  def decode(self, z: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
    """Maps the base to data: the inverse of `encode`, in a graph.

    Under a 16-bit dtype policy compile it as `encode`: both by XLA, or neither.

    Args:
      z: Floating one-hot `Tensor`, shape `[..., length, K]`, or integer codes,
        shape `[..., length]`.
      context: As for `log_prob`.

    Returns:
      int32 codes, shape `[..., length]`; -1 throughout an event that has a
      code outside of `[0, K)` or a NaN.

    Raises:
      ValueError: If `z` is of another shape.
    """
    z, is_valid = self._as_one_hot(z)
    context = _as_context(context)
    self._build_for(context)
    return _where_valid(is_valid, self._generate_in_graph(z, context))

  def _generate(self, z, context):
    return _as_codes(flow_stack.forward(self.flows, z, context))

  def _evaluate(self, x, context, training=False):
    """Returns `log p(x)`, and the cross-entropies of training."""
    x = tf.convert_to_tensor(x)
    outside = -math.inf if x.dtype.is_integer else math.nan
    x, is_valid = self._as_one_hot(x)
    context = _as_context(context)
    self._build_for(context)
    z, context, cross_entropies = flow_stack.inverse(
        self.flows, x, context, training
    )
    log_prob = self._base(context, training=training).log_prob(z)
    outside = tf.constant(outside, log_prob.dtype)
    return tf.where(is_valid, log_prob, outside), cross_entropies

  def sample(
      self,
      num_samples: int,
      seed: Any,
      context: tf.Tensor | None = None,
      **base_options,
  ) -> tf.Tensor:
    """Draws data, in a graph: a first call traces it, once for all seeds.

    Args:
      num_samples: How many, for each context.
      seed: As for `ops.as_seed`.
      context: Floating `Tensor`, shape `[..., length, features]`.
      **base_options: `temperature`, `top_k` and `top_p` of a causal base, as
        for `distributions.AutoregressiveCategorical`.

    Returns:
      int32 codes, shape `[num_samples, ..., length]`.

    Raises:
      ValueError: If there are `base_options` without a causal base.
    """
    if base_options and self.base is None:
      raise ValueError(
          f'Expected a causal `base` for the options {sorted(base_options)}; '
          'received none.'
      )
    context = _as_context(context)
    self._build_for(context)
    return self._draw_in_graph(
        num_samples, ops.as_seed(seed), context, **base_options
    )

  def _draw(self, num_samples, seed, context, **base_options):
    base = self._base(flow_stack.permute_context(self.flows, context))
    sample_shape = [num_samples]
    if self.base is None and context is not None:
      sample_shape = tf.concat([sample_shape, tf.shape(context)[:-2]], axis=0)
    z = base.sample(sample_shape, seed=seed, **base_options)
    return self._generate(z, context)

  def call(self, inputs, training=False):
    return self._evaluate(*_split(inputs), training)[0]

  def _loss_terms(self, batch, training, seed):
    log_prob, cross_entropies = self._evaluate(*_split(batch), training)
    terms = {'negative_log_likelihood': -log_prob}
    if cross_entropies:
      terms['conditioner_cross_entropy'] = tf.add_n(cross_entropies)
    return terms

  def update_metrics(self, batch: Any, *, seed: Any = None) -> None:
    """Updates the metrics of `evaluate` from a batch.

    Args:
      batch: As for the call.
      seed: Not used: nothing is drawn.
    """
    del seed
    self._nll.update_state(-self.log_prob(*_split(batch)))

  def get_metrics_result(self) -> dict[str, tf.Tensor]:
    """Returns what `evaluate` reports.

    Returns:
      A dict of scalars: 'negative_log_likelihood' in nats, with the standard
      error of its mean over the examples ('..._stderr'); and 'bits_per_token'.
    """
    result = self._nll.result()
    nats = result['negative_log_likelihood']
    return {**result, 'bits_per_token': ops.bits_per_dim(nats, self.length)}

  def _base(self, context, dtype=tf.float32, training=False):
    if self.base is None:
      return distributions.FactorizedCategorical(
          self.base_logits.value, dtype=dtype
      )
    network = given_networks.in_mode(self.base, training)
    return distributions.AutoregressiveCategorical(
        network, self.length, self.num_classes, context, dtype=dtype
    )

  def _as_one_hot(self, x):
    """Returns one-hot events, and which are: no bad code, no other vector."""
    x = tf.convert_to_tensor(x)
    shape = tf.TensorShape([self.length, self.num_classes])
    if x.dtype.is_integer and x.shape[-1:].is_compatible_with(shape[:1]):
      # A type of 8 bits may not hold K.
      x = tf.cast(shapes.ensure_last(x, shape[:1]), tf.int64)
      in_range = (x >= 0) & (x < self.num_classes)
      return tf.one_hot(x, self.num_classes), tf.reduce_all(in_range, axis=-1)
    if x.dtype.is_floating and x.shape[-2:].is_compatible_with(shape):
      x = tf.cast(shapes.ensure_last(x, shape), tf.float32)
      # An argmax would lose what is none. Unlike a flow by itself the model
      # takes no zero vectors, as it takes no code -1.
      return x, tf.reduce_all(ops.is_one_hot(x), axis=-1)
    raise ValueError(
        f'Expected one-hot events, floating of shape [..., {self.length}, '
        f'{self.num_classes}], or integer codes [..., {self.length}]; received '
        f'{x.dtype.name} of shape {x.shape}.'
    )

  def _build_for(self, context):
    if not self.built:
      shapes = {'x': (None, self.length, self.num_classes)}
      if context is not None:
        shapes['context'] = tuple(context.shape)
      self.build(shapes)

  def _signatures(self, x):
    codes = signatures.batch_spec([self.length], tf.int32)
    given = {}
    shape = self.get_build_config()['input_shape']
    if isinstance(shape, dict) and 'context' in shape:
      given['context'] = signatures.batch_spec(shape['context'][-2:])

    def encode(x, context=None):
      return {'z': self.encode(x, context)}

    def decode(z, context=None):
      return {'x': self.decode(z, context)}

    def sample(num_samples, seed, context=None):
      return {'x': self.sample(num_samples, seed, context)}

    def log_prob(x, context=None):
      return {'log_prob': self.log_prob(x, context)}

    x = {'x': codes if x is None else x, **given}
    return {
        'encode': signatures.Signature(encode, x),
        'decode': signatures.Signature(decode, {'z': codes, **given}),
        'sample': signatures.Signature(sample, {**signatures.DRAWS, **given}),
        'log_prob': signatures.Signature(log_prob, x),
    }

  def get_config(self):
    serialize = keras.saving.serialize_keras_object
    return {
        **super().get_config(),
        'flows': [serialize(flow) for flow in self.flows],
        'length': self.length,
        'num_classes': self.num_classes,
        'base': serialize(self.base),
    }

  @classmethod
  def from_config(cls, config):
    return cls(**serialization.deserialized(config, 'flows', 'base'))


def _split(inputs: Any) -> tuple[Any, Any]:
  """Returns events and their context."""
  if not isinstance(inputs, dict):
    return inputs, None
  if set(inputs) not in ({'x'}, {'x', 'context'}):
    raise ValueError(
        "Expected data with the keys 'x' and 'context'; received "
        f'{sorted(inputs)}.'
    )
  return inputs['x'], inputs.get('context')


def _as_codes(one_hot):
  return tf.argmax(one_hot, axis=-1, output_type=tf.int32)


def _as_context(context):
  return None if context is None else tf.cast(context, tf.float32)


def _where_valid(is_valid, codes):
  """Returns codes, `[..., length]`, or -1 where an event is none."""
  return tf.where(is_valid[..., tf.newaxis], codes, -1)
