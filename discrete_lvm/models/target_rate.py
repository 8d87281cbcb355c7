"""A weight of the rate that finds the rate that is wanted."""

import math

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.models import rate_control

# In the exponent, as near the target the excess is half the relative one.
_DAMPING = 2.0


@keras.saving.register_keras_serializable(package='discrete_lvm')
class TargetRate(rate_control.RateControl):
  """Multiplies the rate by a weight that moves until the mean rate is a target.

  A Lagrangian: the weight rises while the mean rate of the batch is above the
  target and falls while it is below. With sg for a stopped gradient the term is

      excess = sg((mean(rate) - target) / (mean(rate) + target))
      sg(exp(log_weight + 2 * excess)) * rate
          + (sg(log_weight) - log_weight) * excess

  The second part is zero, and its gradient to `log_weight` is `-excess`; so
  whatever minimises the mean of the loss, with any optimizer, does gradient
  ascent in `log_weight` beside descent in all else. The excess has no unit and
  lies in [-1, 1), so that a start far off spoils neither the weight nor the
  moments of an optimizer. Within the exponent it damps: near the target the
  weight is `exp(log_weight) * mean(rate) / target`. Without, the two chase each
  other round the target, above all with Adam, whose steps do not get smaller.

  A target that the model cannot reach moves the weight without end: down, if
  the latents cannot say as much; up, if it is below a rate that they are
  committed to.

  Args:
    target: Positive number, the mean rate of an example, in nats.
    initial_weight: Positive number, where the weight starts.
    **kwargs: Arguments of `keras.layers.Layer`.

  Call arguments:
    kl: Floating `Tensor`, shape `[batch, ...]`: the KL of each latent, in nats.

  Output shape:
    `[batch]`, in nats: the sum over the latents, times the damped weight.

  Attributes:
    log_weight: The logarithm of the weight, a trainable scalar weight.

  Raises:
    ValueError: If `target` or `initial_weight` is not positive and finite, or
      `kl` has no batch axis.

  Example:
    >>> control = dlvm.models.TargetRate(target=2.)
    >>> with tf.GradientTape() as tape:
    ...   rate = control(tf.constant([[1., 4.], [2., 5.]]))  # 6 in the mean.
    ...   loss = tf.reduce_mean(rate)
    >>> gradient = tape.gradient(loss, control.log_weight.value)
    >>> print(rate.numpy().round(2), gradient.numpy())  # Descent raises it.
    [13.59 19.03] -0.5

  References:
    Danilo J. Rezende, Fabio Viola. Taming VAEs. 2018.
    https://arxiv.org/abs/1810.00597. There the constraint is on the distortion.

    Alexander A. Alemi, Ben Poole, Ian Fischer, Joshua V. Dillon, Rif A.
    Saurous, Kevin Murphy. Fixing a Broken ELBO. ICML 2018.
    https://arxiv.org/abs/1711.00464.

    John C. Platt, Alan H. Barr. Constrained Differential Optimization. NIPS
    1987. The damping of the multiplier.
  """

  def __init__(self, target: float, initial_weight: float = 1.0, **kwargs):
    super().__init__(**kwargs)
    for name, value in (('target', target), ('initial_weight', initial_weight)):
      if not 0 < value < math.inf:
        raise ValueError(
            f'Expected a finite, positive `{name}`; received {value}.'
        )
    self.target = target
    self._initial_weight = initial_weight
    self.log_weight = self.add_weight(
        name='log_weight',
        shape=(),
        dtype='float32',
        autocast=False,
        initializer=keras.initializers.Constant(math.log(initial_weight)),
    )

  def _control(self, kl):
    rate = rate_control.total(kl)
    log_weight = tf.cast(self.log_weight.value, rate.dtype)
    # An estimate of a small rate may be negative.
    mean = tf.maximum(ops.batch_mean(rate), 0)
    excess = (mean - self.target) / (mean + self.target)
    weight = tf.exp(tf.stop_gradient(log_weight) + _DAMPING * excess)
    return weight * rate + _ascent(log_weight, excess, weight)

  def get_config(self):
    # What the constructor received; the weight that moves is in the file.
    return {
        **super().get_config(),
        'target': self.target,
        'initial_weight': self._initial_weight,
    }


def _ascent(log_weight, excess, weight):
  """Returns zero, with the gradient `-excess` for `log_weight`."""

  @tf.custom_gradient
  def zero(log_weight):
    def gradient(upstream):
      # Nothing else orders the update of the variable after its last use, and
      # once in some thousand steps of a busy machine it came before.
      with tf.control_dependencies([weight]):
        return tf.identity(-excess * upstream)

    return tf.zeros_like(log_weight), gradient

  return zero(log_weight)
