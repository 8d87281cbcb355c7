"""The autoregressive discrete flow: each position given those before it."""

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.bijectors import conditioned_bijector
from discrete_lvm.ops import couplings


class DiscreteAutoregressive(conditioned_bijector.ConditionedBijector):
  """Changes each position given those before it.

      y[t] = (scale[t] * x[t] + shift[t]) mod K

  with `shift[t]` and `scale[t]` that the conditioner computes from the
  positions of `y` that come before `t` in its order. There is no volume term.
  Scales are drawn from the residues coprime with `K`, for any `K`; the logits
  of all others have no effect and no gradient.

  `inverse`, which `log_prob` calls, takes one call of the network, with a
  gradient to the network and, if one-hot, to the event. `forward`, which
  `sample` calls, has to know a position before it can compute the next: it is
  one graph loop, a step a position if the conditioner has a cache, and passes
  no gradient (for that, take `tfb.Invert` of this bijector). It ends at the one
  `y` that `inverse` maps to `x`, bit for bit, as long as the network gives
  equal outputs for equal inputs of one shape;
  `ops.couplings.autoregressive_forward` says how.

  TFP caches: outside of a `tf.function`, while an earlier result is alive, the
  same input tensor gives that result again, even after an update of the
  weights. Train in a `tf.function`.

  Args:
    conditioner: Callable, for instance a Keras layer, of events of one batch
      dimension: one-hot `[batch, length, K]`, float32 (float64 if the event
      is), or codes `[batch, length]`. It returns `[batch, length, K]`, the
      logits of the shift, or `[batch, length, 2 K]`, with those of the scale
      behind them, and must be causal: see `check_causal`. Its `order` lists the
      positions, by default from the first to the last. It has a cache if it has
      the methods `initial_state([batch], length)` and `step(token, state)`,
      which takes the position before, `[batch, K]` or codes `[batch]`, with
      nothing to tell at first, and returns the outputs at the next one and the
      next state.
    context: `Tensor`, shape `[..., length, features]`: what the conditioner and
      its `initial_state` get as `context=`, of the same batch dimension. Its
      leading dimensions are the batch shape of the bijector and broadcast
      against the events. By default they get none.
    argmax: Callable of logits, shape `[..., K]`, that returns one-hot vectors
      and says what their gradient is; see `ops.gumbel_argmax` and
      `ops.reinmax_argmax` too. Codes have no gradient, and do not call it.
    num_classes: Python `int` of at least 2: events are integer codes
      in `[0, K)`, shape `[..., length]`, of a type that holds them, which the
      results have too, and no step makes a one-hot vector of them. By default
      they are one-hot, `[..., length, K]`.
    validate_args: Python `bool`: whether to check the values of events (not
      under XLA, which drops assertions). Of a stack it is for the flow nearest
      the data: what that returns can be valid where the data are not.
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If the conditioner returns neither `K` nor `2 K` channels; if an
      event is not one-hot with a static `K`, or not of codes where
      `num_classes` is given; or if `context` does not fit the event.
    tf.errors.InvalidArgumentError: Under `validate_args`, if an event is not
      one-hot or a code not in `[0, K)`.

  Example:
    >>> bijector = dlvm.bijectors.DiscreteAutoregressive(
    ...     lambda y: tf.roll(y, 1, axis=1) * [[0.], [1.], [1.]])
    >>> y = bijector.forward(tf.one_hot([1, 2, 2], 3))
    >>> tf.argmax(y, -1).numpy()  # The sums of the first terms, modulo 3.
    array([1, 0, 2])

    On codes; the network says what a code is to it, and -1 is nothing.

    >>> bijector = dlvm.bijectors.DiscreteAutoregressive(
    ...     lambda y: tf.one_hot(tf.roll(y, 1, axis=1) * [0, 1, 1], 3),
    ...     num_classes=3)
    >>> bijector.forward([1, 2, 2]).numpy()
    array([1, 0, 2], dtype=int32)

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 4.1.
  """

  def __init__(
      self,
      conditioner,
      context=None,
      argmax=ops.softmax_argmax,
      num_classes=None,
      validate_args=False,
      name='DiscreteAutoregressive',
  ):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._argmax = argmax
      super().__init__(
          conditioner,
          context,
          num_classes,
          validate_args=validate_args,
          parameters=parameters,
          name=name,
      )

  def _forward_events(self, x):
    return couplings.autoregressive_forward(x, self._conditioner, self._argmax)

  def _inverse_events(self, y):
    return couplings.autoregressive_inverse(y, self._conditioner, self._argmax)
