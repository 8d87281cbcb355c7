"""Flow layers as a bijector of TFP."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from tensorflow_probability import util as tfp_util

from discrete_lvm.bijectors import discrete_bijector
from discrete_lvm.models import flow_stack
from discrete_lvm.ops import conditioners


class FlowBijector(discrete_bijector.DiscreteBijector):
  """Applies flow layers, and reports their variables to TFP.

  `forward` maps the base to data. There is no volume term. Results have the
  type of the events, also codes, which the layers return as int32.

  Args:
    flows: Built flow layers, from data to base, as in `flow_stack`.
    event_ndims: Python `int`, the rank of an event: 2 for one-hot `[length,
      K]`, 1 for codes `[length]`.
    context: `Tensor`, shape `[..., length, features]`, or None.
    name: Python `str`, prefix of the ops.
  """

  def __init__(
      self,
      flows: Sequence[keras.layers.Layer],
      event_ndims: int,
      context: tf.Tensor | None = None,
      name: str = 'FlowBijector',
  ):
    parameters = dict(locals())
    with tf.name_scope(name) as name:
      self._flows = tuple(flows)
      self._context = context
      # TFP does not find the variables of Keras layers.
      self._flow_variables = [
          v for flow in flows for v in conditioners.network_variables(flow)
      ]
      super().__init__(
          event_ndims=event_ndims, parameters=parameters, name=name
      )

  # TFP keeps results by way of these. Bijectors of equal parameters would share
  # them, also the results from before an update of the weights.
  def __eq__(self, other):
    return self is other

  def __hash__(self):
    return id(self)

  @classmethod
  def _parameter_properties(cls, dtype):
    return {'context': tfp_util.ParameterProperties(event_ndims=2)}

  def _forward(self, x):
    return tf.cast(flow_stack.forward(self._flows, x, self._context), x.dtype)

  def _inverse(self, y):
    z, _, _ = flow_stack.inverse(self._flows, y, self._context)
    return tf.cast(z, y.dtype)
