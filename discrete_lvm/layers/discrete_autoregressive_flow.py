"""Keras layer: each position of a sequence given those before it."""

import keras

from discrete_lvm import ops
from discrete_lvm.layers import modular_flow_layer
from discrete_lvm.ops import couplings
from discrete_lvm.ops import predicted_shifts


@keras.saving.register_keras_serializable(package='discrete_lvm')
class DiscreteAutoregressiveFlow(modular_flow_layer.ModularFlowLayer):
  """Shifts and scales each position modulo K, given those before it.

  `generate` computes `y[t] = (scale[t] * x[t] + shift[t]) mod K`, where the
  conditioner makes shift and scale of the positions of `y` before t in its
  order; the call maps y back to x. It is `bijectors.DiscreteAutoregressive`
  with the network, the temperature and the noise as state.

  The call takes one call of the conditioner, and has a gradient to the event
  and to every weight. `generate` is one graph loop, a step a position if the
  conditioner has a cache, and has no gradient.

  Trained through the argmax, shift and base wait for each other, and on text
  hardly move. With `gradient='cross_entropy'` the shift is the class that the
  conditioner predicts, as the autoregressive model that it then is: a right
  prediction becomes 0.

  Args:
    conditioner: Keras layer from one-hot events, `[batch, length, K]`, to the
      logits of the shift, `[batch, length, K]`, or, with those of the scale
      behind them, `[batch, length, 2 K]`. It is causal, as `layers.MADE` is;
      `bijectors.check_causal` checks it.
    gradient: The gradient of the argmax of these logits: 'softmax'
      (straight-through, as in the paper), 'gumbel' (straight-through, of a
      softmax with noise), 'reinmax', or a callable of logits, `[..., K]`, and
      the temperature that returns one-hot vectors; or 'cross_entropy', none:
      the logits, of the shift alone, predict the class.
    temperature: Positive number, the initial value of the weight `temperature`
      of that gradient, which `training.WeightSchedule` can anneal.
    seed: Python `int`, seed of the noise of 'gumbel'.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: Floating `Tensor`, shape `[..., length, K]`, one-hot; or, once the
      layer is built, integer codes, shape `[..., length]`, if the conditioner
      takes them.
    context: Floating `Tensor`, shape `[..., length, features]`, whose leading
      dimensions broadcast to those of the events: the conditioner gets it as
      `context=`. By default none. The first call says whether there is one.
    return_cross_entropy: Python `bool`, for that gradient: whether to return
      the loss that trains the conditioner, too.

  Output shape:
    That of the inputs; then `[...]`, the cross-entropy of the prediction in
    nats, summed over the positions.

  Raises:
    ValueError: If an argument is not one of these, K is not static or not that
      of the first call, the first call is in codes, or the conditioner returns
      neither `K` nor `2 K` channels.

  Example:
    >>> made = dlvm.layers.MADE(num_outputs=6, hidden_units=[16], seed=0)
    >>> flow = dlvm.layers.DiscreteAutoregressiveFlow(made)
    >>> y = tf.one_hot([[0, 2, 1], [1, 2, 1]], 3)
    >>> x = flow(y)
    >>> bool(tf.reduce_all(flow.generate(x) == y))
    True

  References:
    Dustin Tran, Keyon Vafa, Kumar Krishna Agrawal, Laurent Dinh, Ben Poole.
    Discrete Flows: Invertible Generative Models of Discrete Data. NeurIPS 2019.
    https://arxiv.org/abs/1905.10347. Section 4.1.
  """

  def _inverse(self, y, conditioner):
    return couplings.autoregressive_inverse(y, conditioner, self._argmax)

  def _predicted_inverse(self, y, conditioner):
    return predicted_shifts.predicted_shift_inverse(y, conditioner)

  def _forward(self, x, conditioner):
    # No gradient, so no choice of it, and no noise drawn inside of the loop.
    return couplings.autoregressive_forward(x, conditioner, ops.softmax_argmax)
