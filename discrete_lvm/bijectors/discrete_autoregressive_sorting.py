"""The autoregressive sorting flow: each class ranked given those before it."""

import tensorflow as tf

from discrete_lvm.bijectors import conditioned_bijector
from discrete_lvm.ops import autoregressive_sorting
from discrete_lvm.ops import sorting_couplings


class DiscreteAutoregressiveSorting(conditioned_bijector.ConditionedBijector):
  """Renames each class by how well those before predict it.

  `inverse` maps a class to its rank among the predictions of a causal
  conditioner: the likeliest to 0, of equals the lower class first; `forward`
  maps the rank back. On a base of independent positions no other renaming of
  each class given those before it does better: the base pays for the entropy of
  the rank.

  With `thresholds` positions move, too: the base sees the ranks of sure
  predictions first and of unsure ones last, so that each of its positions has a
  law of its own. As the length grows, what the base pays goes to the entropy of
  the rank given how sure the prediction was. A position's place depends on what
  comes before it alone, so that this is a permutation of the event space, too.

  `inverse` takes one call of the network. `forward` is one graph loop and has
  no gradient, as that of `DiscreteAutoregressive`. The gradient of `inverse` to
  the event is that of a permutation, and there is none to the network: minimise
  `cross_entropy`.

  TFP caches: outside of a `tf.function`, while an earlier result is alive, the
  same input tensor gives that result again, even after an update of the
  weights. Train in a `tf.function`.

  Args:
    conditioner: Callable, for instance a Keras layer, of events of one batch
      dimension: one-hot `[batch, length, K]`, float32 (float64 if the event
      is), or codes `[batch, length]`. It returns `[batch, length, K]`, the
      logits of the classes, and must be causal, with an `order` and a cache as
      for `DiscreteAutoregressive`.
    context: `Tensor`, shape `[..., length, features]`: what the conditioner and
      its `initial_state` get as `context=`, of the same batch dimension. Its
      leading dimensions are the batch shape of the bijector and broadcast
      against the events. By default they get none.
    thresholds: Floating `Tensor` or variable, shape `[length - 1]`, rising: of
      the scores of `ops.placement.uncertainty`, what lies between neighbours if
      those of a typical event are sorted. By default no position moves.
    num_classes: Python `int` of at least 2: events are integer codes
      in `[0, K)`, shape `[..., length]`, of a type that holds them, which the
      results have too. By default they are one-hot, `[..., length, K]`.
    validate_args: Python `bool`: whether to check the values of events (not
      under XLA, which drops assertions). Of a stack it is for the flow nearest
      the data: what that returns can be valid where the data are not.
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If the conditioner does not return `K` channels; if an event is
      not one-hot with a static `K`, or not of codes where `num_classes` is
      given; if `thresholds` are not one fewer than the positions; or if
      `context` does not fit the event.
    tf.errors.InvalidArgumentError: Under `validate_args`, if an event is not
      one-hot or a code not in `[0, K)`.

  Example:
    >>> bijector = dlvm.bijectors.DiscreteAutoregressiveSorting(
    ...     lambda y: tf.roll(y, 1, axis=1) * [[0.], [1.], [1.]])
    >>> x = bijector.inverse(tf.one_hot([2, 2, 1], 3))
    >>> tf.argmax(x, -1).numpy()  # The second was predicted.
    array([2, 0, 2])
    >>> print(f'{bijector.cross_entropy(tf.one_hot([2, 2, 1], 3)):.2f}')
    3.20

    The second was sure, so it comes first.

    >>> bijector = dlvm.bijectors.DiscreteAutoregressiveSorting(
    ...     lambda y: tf.roll(y, 1, axis=1) * [[0.], [9.], [0.]],
    ...     thresholds=[200., 300.])
    >>> tf.argmax(bijector.inverse(tf.one_hot([2, 2, 1], 3)), -1).numpy()
    array([0, 1, 2])
  """

  def __init__(
      self,
      conditioner,
      context=None,
      thresholds=None,
      num_classes=None,
      validate_args=False,
      name='DiscreteAutoregressiveSorting',
  ):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._thresholds = thresholds
      super().__init__(
          conditioner,
          context,
          num_classes,
          validate_args=validate_args,
          parameters=parameters,
          name=name,
      )

  @property
  def thresholds(self):
    """The argument `thresholds`."""
    return self._thresholds

  def cross_entropy(self, y, name='cross_entropy'):
    """Returns the loss that trains the conditioner.

    Args:
      y: Events, as `inverse` takes: data, or what other layers made of them.
        They get no gradient.
      name: Python `str`, name scope of the ops.

    Returns:
      `Tensor`, shape `[...]`, in nats: the cross-entropy of the conditioner's
      prediction, summed over the positions. The conditioner's own model of the
      events, a `distributions.AutoregressiveCategorical`, has this as its
      `-log_prob`.
    """
    with tf.name_scope(name):
      y = self._checked(tf.convert_to_tensor(y))
      logits = autoregressive_sorting.predict(y, self._conditioner)
      return sorting_couplings.cross_entropy(
          y, logits, self._conditioner.events
      )

  def _forward_events(self, x):
    return autoregressive_sorting.autoregressive_sorting_forward(
        x, self._conditioner, self._checked_thresholds(x)
    )

  def _inverse_events(self, y):
    logits = autoregressive_sorting.predict(y, self._conditioner)
    return autoregressive_sorting.rank(
        y, logits, self._conditioner, self._checked_thresholds(y)
    )

  def _checked_thresholds(self, x):
    if self._thresholds is None:
      return None
    thresholds = tf.convert_to_tensor(self._thresholds)
    length = x.shape[-self._conditioner.events.rank]
    if thresholds.shape.rank != 1 or (
        length is not None
        and not thresholds.shape.is_compatible_with([length - 1])
    ):
      raise ValueError(
          'Expected `thresholds` between the positions of events of length '
          f'{length}; received shape {thresholds.shape}.'
      )
    return thresholds
