"""The autoregressive discrete flow: each position given those before it."""

import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.bijectors import conditioned_bijector
from discrete_lvm.ops import couplings


class DiscreteAutoregressive(conditioned_bijector.ConditionedBijector):
  """Changes each position given those before it, event `[length, K]`.

      y[t] = (scale[t] * x[t] + shift[t]) mod K

  with one-hot `shift[t]` and `scale[t]` that the conditioner computes from the
  positions of `y` that come before `t` in its order. There is no volume term.

  `inverse`, which `log_prob` calls, takes one call of the network, with a
  gradient to the event and to the network. `forward`, which `sample` calls,
  has to know a position before it can compute the next, and passes no gradient
  (for that, take `tfb.Invert` of this bijector). It is one graph loop:

  - If the conditioner has a cache, it takes one step a position, and then one
    call of the whole network to check the result: a step may round otherwise
    than the call that `inverse` makes, and so choose another class at a tie.
  - Without a cache, or where the check fails, it calls the whole network until
    nothing changes: each call settles at least one more position, so that
    `length` of them are enough.

  So it ends at the one `y` that `inverse` maps to `x`, bit for bit, as long as
  the network gives equal outputs for equal inputs of one shape.

  Scales are drawn from the residues coprime with `K`, for any `K`; the logits
  of all others have no effect and no gradient.

  TFP caches: outside of a `tf.function`, while an earlier result is alive, the
  same input tensor gives that result again, even after an update of the
  weights. Train in a `tf.function`.

  Args:
    conditioner: Callable, for instance a Keras layer, of a `Tensor`, float32
      (float64 if the event is), shape `[batch, length, K]`. It returns `[batch,
      length, K]`, the logits of the shift, or `[batch, length, 2 K]`, with
      those of the scale behind them, and must be causal: see `check_causal`. It
      has a cache if it has the methods `initial_state([batch])` and
      `step(token, state)`, which takes the position before, `[batch, K]`, zeros
      at first, and returns the outputs at the next one and the next state; its
      `order` then lists the positions, by default from the first to the last.
    argmax: Callable of logits, shape `[..., K]`, that returns one-hot vectors
      and says what their gradient is; see `ops.reinmax_argmax` too.
    validate_args: Python `bool`: whether to check that events are one-hot (not
      under XLA, which drops assertions).
    name: Python `str`, prefix of the ops.

  Raises:
    ValueError: If the conditioner returns neither `K` nor `2 K` channels, or if
      an event is not of shape `[..., length, K]` with a static `K`.
    tf.errors.InvalidArgumentError: Under `validate_args`, if an event is not
      one-hot.

  Example:
    >>> bijector = dlvm.bijectors.DiscreteAutoregressive(
    ...     lambda y: tf.roll(y, 1, axis=1) * [[0.], [1.], [1.]])
    >>> y = bijector.forward(tf.one_hot([1, 2, 2], 3))
    >>> tf.argmax(y, -1).numpy()  # The sums of the first terms, modulo 3.
    array([1, 0, 2])

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

  def _forward(self, x):
    return couplings.autoregressive_forward(
        self._checked(x), self._conditioner, self._argmax
    )

  def _inverse(self, y):
    return couplings.autoregressive_inverse(
        self._checked(y), self._conditioner, self._argmax
    )
