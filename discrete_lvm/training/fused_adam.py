"""Adam in one pass over the weights."""

import keras
import tensorflow as tf

from discrete_lvm.ops import dense_gradients


@keras.saving.register_keras_serializable(package='discrete_lvm')
class FusedAdam(keras.optimizers.Adam):
  """`keras.optimizers.Adam`, by TensorFlow's fused kernel where it applies.

  The inherited update is a dozen elementwise operations, each of which goes
  through memory; on a CPU that can take as long as the gradients of a small
  model. The kernel computes the same in one pass. It takes float32 weights
  without `amsgrad`; all others take the inherited update. The two differ by
  rounding alone, where the kernel is the nearer to exact arithmetic: its `1 -
  beta_2` is rounded as that of the bias correction, which divides it. Gradients
  of rows are made dense, as the inherited update is wrong where a row is
  repeated.

  Constructor arguments, config, variables and checkpoints are those of
  `keras.optimizers.Adam`, and so are clipping, weight decay, averaging and
  gradient accumulation.

  Example:
    >>> optimizer = FusedAdam(learning_rate=.1)
    >>> weight = keras.Variable([1., -1.])
    >>> optimizer.apply([tf.constant([2., -2.])], [weight])
    >>> weight.numpy().round(4)
    array([ 0.9, -0.9], dtype=float32)

  References:
    Diederik P. Kingma, Jimmy Ba. Adam: A Method for Stochastic Optimization.
    ICLR 2015. https://arxiv.org/abs/1412.6980. The variant at the end of
    Section 2.
  """

  def update_step(self, gradient, variable, learning_rate):
    (gradient,) = dense_gradients.dense([gradient])
    if self.amsgrad or variable.dtype != tf.float32:
      super().update_step(gradient, variable, learning_rate)
      return
    index = self._get_variable_index(variable)
    step = tf.cast(self.iterations + 1, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=_handle(variable),
        m=_handle(self._momentums[index]),
        v=_handle(self._velocities[index]),
        beta1_power=tf.pow(self.beta_1, step),
        beta2_power=tf.pow(self.beta_2, step),
        lr=tf.cast(learning_rate, tf.float32),
        beta1=self.beta_1,
        beta2=self.beta_2,
        epsilon=self.epsilon,
        grad=tf.cast(gradient, tf.float32),
    )


def _handle(variable):
  if isinstance(variable, keras.Variable):
    variable = variable.value
  return variable.handle
