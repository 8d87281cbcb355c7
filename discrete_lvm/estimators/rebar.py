"""The REBAR estimator."""

import keras

from discrete_lvm.estimators import relaxed_control


@keras.saving.register_keras_serializable(package='discrete_lvm.estimators')
class REBAR(relaxed_control.RelaxedControl):
  """Takes the Gumbel-Softmax relaxation off the score function, and adds it.

  `f(b)`, plus for the logits the gradient
  `(f(b) - c(z~)) * d log q(b) + d c(z) - d c(z~)`, with
  `c(z) = scale * f(softmax(z / temperature))`, `z = logits + gumbel`,
  `b = one_hot(argmax(z))`, and `z~` drawn as `z` is given `b`

  Unbiased, for any objective that is differentiable in relaxed codes. The scale
  and the temperature are weights that are trained on the variance in the same
  step as all else; the gradient for the first differentiates the objective
  twice. The paper has two classes, this any number. As there `z~` is tied to
  `z`: it has the value of `z`, though not its derivative (see
  `ops.rebar_gradient`). So two evaluations of the objective a sample do, one of
  them at relaxed codes.

  Args:
    temperature: Positive number, the initial temperature; the weight
      `log_temperature` is its logarithm.
    scale: Number, the initial value of the weight `scale`, the paper's `eta`.
    **kwargs: Arguments of `Estimator`.

  Raises:
    ValueError: If `temperature` is not positive, or as `Estimator` raises.

  Example:
    >>> estimator = dlvm.estimators.REBAR()
    >>> values = estimator(
    ...     tf.zeros([3, 1, 2]), objective=lambda z: z[..., 0, 1], seed=[0, 1])
    >>> values.shape, [weight.name for weight in estimator.trainable_weights]
    (TensorShape([3]), ['log_temperature', 'scale'])

  References:
    George Tucker, Andriy Mnih, Chris J. Maddison, Dieterich Lawson, Jascha
    Sohl-Dickstein. REBAR: Low-Variance, Unbiased Gradient Estimates for
    Discrete Latent Variable Models. NeurIPS 2017.
    https://arxiv.org/abs/1703.07370. Section 3.
  """

  def _control(self, z, objective, **context):
    del context
    return self._relaxed_objective(z, objective)
