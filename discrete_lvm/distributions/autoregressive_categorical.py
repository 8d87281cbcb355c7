"""The law of tokens that a causal network gives, one after the other."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import tensor_util

from discrete_lvm import ops
from discrete_lvm.distributions import sequence_distribution
from discrete_lvm.ops import centering
from discrete_lvm.ops import conditioners
from discrete_lvm.ops import floats
from discrete_lvm.ops import shapes
from discrete_lvm.ops import temperatures


class AutoregressiveCategorical(sequence_distribution.SequenceDistribution):
  """Categorical tokens, each given those before it in the network's order.

      log p(x) = sum_t log softmax(conditioner(x)[t])[x[t]]

  `log_prob` takes one call of the network. It is differentiable in all the
  network's variables, in the context and in one-hot events: in each token both
  as the one whose mass is taken, `sum_k x[k] log p[k]`, and as the input of the
  network at later positions. Logits of -inf and tokens that are not one-hot are
  as in `OneHotCategorical`.

  `sample` is one loop, of one `step` of the network a position; a network
  without a cache is evaluated on all positions at each. Call it in a
  `tf.function`, or the loop runs in Python. Its own arguments, below, do not
  change `log_prob`. `tfd.Sample` and `tfd.Independent` pass them on;
  `tfd.TransformedDistribution` takes them in a dict `distribution_kwargs`.

  Args:
    conditioner: Callable, for instance a Keras layer, of events, `[batch,
      length, K]` (float32, or float64 if the events are) or codes `[batch,
      length]`, that returns logits, `[batch, length, K]`. Those at a position
      must depend on positions before it alone, in its `order` if it has one,
      else from the first to the last: see `bijectors.check_causal`. It has a
      cache if it has the methods `initial_state` and `step`, as `layers.MADE`.
    length: Python `int`, the number of tokens.
    num_classes: Python `int`: `K`.
    context: Floating `Tensor` or variable, shape `[..., length, features]`,
      which the network gets as `context=`. Its leading dimensions are the batch
      shape. By default none. (That of `layers.MADE` has no positions.)
    dtype: Type of the events: floating, `[length, K]` of one-hot vectors; or
      integer, `[length]` of codes, with no one-hot vector made on the way.
    validate_args: Python `bool`: whether to check that events are one-hot, or
      codes in range (not under XLA, which drops assertions).
    name: Python `str`, prefix of the ops.

  Sample arguments:
    sample_shape: As for `tfd.Distribution.sample`.
    seed: As for `tfd.Distribution.sample`.
    temperature: Positive scalar that divides the logits, by default 1.
    top_k: Python `int`: leaves as many classes at each position, the most
      probable (`ops.top_k_logits`). By default all.
    top_p: Scalar in (0, 1]: leaves the fewest of those classes that have this
      total in their renormalised law (`ops.nucleus_logits`). By default all.

  Raises:
    ValueError: If `length` or `num_classes` is below 1, or 2 for codes; if
      `dtype` is neither floating nor an integer type that holds the codes; if
      the conditioner returns other than `K` channels; if an event is of another
      shape; or in `sample`, if `temperature` is no positive scalar, `top_k` is
      below 1 or `top_p` not in (0, 1].
    tf.errors.InvalidArgumentError: If an event is of another shape that is not
      static; under `validate_args`, if a token is not one-hot, or no code in
      `[0, K)`.

  Example:
    >>> made = dlvm.layers.MADE(num_outputs=3, hidden_units=[16], seed=0)
    >>> d = dlvm.distributions.AutoregressiveCategorical(
    ...     made, length=2, num_classes=3)
    >>> x = d.sample(4, seed=[0, 1], top_p=.9)
    >>> x.shape, d.log_prob(x).shape
    (TensorShape([4, 2, 3]), TensorShape([4]))
    >>> len(d.trainable_variables)
    4
  """

  def __init__(
      self,
      conditioner,
      length,
      num_classes,
      context=None,
      dtype=tf.float32,
      validate_args=False,
      name='AutoregressiveCategorical',
  ):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._context = tensor_util.convert_nonref_to_tensor(
          context, dtype_hint=tf.float32, name='context'
      )
      self._conditioner = conditioners.Conditioner(
          conditioner,
          self._context,
          num_classes if tf.as_dtype(dtype).is_integer else None,
      )
      super().__init__(
          length,
          num_classes,
          dtype,
          reparameterization_type=tfp.distributions.NOT_REPARAMETERIZED,
          validate_args=validate_args,
          # No statistic is undefined.
          allow_nan_stats=True,
          parameters=parameters,
          name=name,
      )

  @property
  def conditioner(self):
    """The argument `conditioner`."""
    return self._conditioner.network

  @property
  def context(self):
    """The argument `context`."""
    return self._context

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {'context': tfp.util.ParameterProperties(event_ndims=2)}

  def conditional_logits(self, x, name='conditional_logits'):
    """Returns the logits of each token given those before it.

    Args:
      x: Event, shape `[..., length, K]` or codes `[..., length]`.
      name: Python `str`, name scope of the ops.

    Returns:
      `Tensor`, shape `[..., length, K]`, float32 at the least: unnormalised
      log-probabilities in nats.
    """
    with self._name_and_control_scope(name):
      x = tf.convert_to_tensor(x, dtype_hint=self.dtype)
      with tf.control_dependencies(self._sample_control_dependencies(x)):
        return self._token_logits(shapes.ensure_last(x, self.event_shape))

  def _token_logits(self, x):
    return self._checked(self._conditioner(self._conditioner.events.check(x)))

  def _checked(self, logits):
    if logits.shape[-1] != self.num_classes:
      raise ValueError(
          f'Expected a conditioner that returns {self.num_classes} channels; '
          f'received {logits.shape[-1]}.'
      )
    return floats.at_least_float32(logits)

  def _sample_n(self, n, seed=None, temperature=1.0, top_k=None, top_p=None):
    seed = tfp.random.sanitize_seed(seed, salt='AutoregressiveCategorical')
    events = self._conditioner.events
    dtype = tf.int32 if self.dtype.is_integer else self.dtype
    shape = tf.concat([[n], self.batch_shape_tensor(), [self.length]], axis=0)

    def choose(position, outputs):
      logits = _sharpen(self._checked(outputs), temperature, top_k, top_p)
      # Drawn a position at a time: for all at once there may be no memory.
      perturbed = ops.perturb(
          centering.center(logits),
          seed=ops.fold_in(seed, tf.reduce_max(position)),
      )
      return events.choose(perturbed, ops.one_hot_argmax, dtype)

    sample = self._conditioner.generate(
        tf.broadcast_to(tf.range(self.length), shape),
        choose,
        self.num_classes,
        dtype,
        batch_rank=1 + self.batch_shape.rank,
    )
    return tf.cast(sample, self.dtype)


def _sharpen(logits, temperature, top_k, top_p):
  """Returns logits, `[batch, K]`, of what `sample` draws from."""
  temperatures.check_positive(temperature)
  temperature = tf.cast(_as_scalar(temperature, 'temperature'), logits.dtype)
  # Centred before a low temperature magnifies the rounding of the sum.
  top = tf.reduce_max(logits, axis=-1, keepdims=True)
  logits = (logits - top) / temperature
  if top_k is not None:
    logits = ops.top_k_logits(logits, top_k)
  if top_p is not None:
    logits = ops.nucleus_logits(logits, _as_scalar(top_p, 'top_p'))
  return logits


def _as_scalar(value, name):
  value = tf.convert_to_tensor(value)
  if value.shape.rank != 0:
    raise ValueError(
        f'Expected a scalar `{name}`; received one of shape {value.shape}.'
    )
  return value
