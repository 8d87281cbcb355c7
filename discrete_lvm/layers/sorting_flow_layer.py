"""What the layers of sorting flows share: the loss of their conditioner."""

import abc

import tensorflow as tf

from discrete_lvm.layers import discrete_flow_layer


class SortingFlowLayer(discrete_flow_layer.DiscreteFlowLayer):
  """Abstract flow that ranks classes by predictions.

  No gradient passes to the conditioner through the event: the cross-entropy of
  its prediction trains it.

  Args:
    conditioner: As for `DiscreteFlowLayer`; it returns `[batch, length, K]`,
      the logits of the classes.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    inputs: As for `DiscreteFlowLayer`.
    context: As there.
    return_cross_entropy: Python `bool`: whether to return the loss that trains
      the conditioner, too.
    training: Python `bool`.

  Output shape:
    That of the inputs; then `[...]`, the cross-entropy of the prediction in
    nats.
  """

  returns_cross_entropy = True

  def call(
      self, inputs, context=None, return_cross_entropy=False, training=False
  ):
    def predict(y, conditioner):
      return self._inverse_and_cross_entropy(y, conditioner, training)

    if return_cross_entropy:
      return self._apply(predict, inputs, context)
    return super().call(inputs, context)

  @abc.abstractmethod
  def _inverse_and_cross_entropy(
      self, y, conditioner, training
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Maps data to the base, and says what the conditioner makes of them.

    Args:
      y: Events.
      conditioner: `ops.conditioners.Conditioner` of the network.
      training: Python `bool`.

    Returns:
      Events like `y`, and the cross-entropy, shape `[...]`, in nats.
    """
