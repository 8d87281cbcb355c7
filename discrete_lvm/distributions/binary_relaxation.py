"""What the relaxations of a Bernoulli law have in common."""

import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import ops
from discrete_lvm.distributions import relaxation
from discrete_lvm.ops import floats


class BinaryRelaxation(relaxation.Relaxation):
  """Abstract relaxation of a Bernoulli law, event `[]`.

  Args:
    temperature: Positive number, `Tensor` or variable, of shape `[]` or of the
      rank of the logits, with equal or unit dimensions.
    logits: Floating `Tensor` or variable, shape `[...]`, or None.
    probs: Floating `Tensor` or variable, shape `[...]`, or None.
    **kwargs: As for `Relaxation`.

  Raises:
    ValueError: As for `Relaxation`; also if `temperature` does not match.
  """

  def to_bernoulli(self):
    """Returns the discrete law, which is that of a rounded sample.

    Its parameters are those of this distribution, by reference, and its batch
    shape is theirs: temperatures of a larger one have no part in it.
    """
    return tfp.distributions.Bernoulli(
        logits=self._logits,
        probs=self._probs,
        validate_args=self.validate_args,
        allow_nan_stats=self.allow_nan_stats,
    )

  def _float_logits(self):
    if self._logits is None:
      probs = floats.at_least_float32(self._probs)
      return ops.safe_log(probs) - ops.safe_log(1 - probs)
    return floats.at_least_float32(self._logits)

  def _float_probs(self):
    if self._probs is None:
      return tf.sigmoid(floats.at_least_float32(self._logits))
    return floats.at_least_float32(self._probs)

  def _event_shape(self):
    return tf.TensorShape([])

  def _event_shape_tensor(self):
    return tf.constant([], tf.int32)

  def _check_shapes(self):
    parameter, name = self._given_parameter()
    a, b = self._temperature.shape, parameter.shape
    if not a.rank or not b.rank:
      return
    if a.rank != b.rank or any(
        m != n and None not in (m, n) and 1 not in (m, n)
        for m, n in zip(a, b, strict=True)
    ):
      raise ValueError(
          f'Expected a `temperature` of shape [] or of the rank of `{name}`, '
          f'with equal or unit dimensions, {b}; received {a}.'
      )

  def _value_assertions(self):
    if self._probs is None:
      valid = tf.logical_not(tf.math.is_nan(self._float_logits()))
      expected = 'Expected `logits` without NaN; received:'
    else:
      probs = self._float_probs()
      valid = (probs >= 0) & (probs <= 1)
      expected = 'Expected `probs` in [0, 1]; received:'
    parameter, _ = self._given_parameter()
    return [
        tf.debugging.Assert(
            tf.reduce_all(valid),
            data=[expected, tf.convert_to_tensor(parameter)],
        )
    ]


def parameter_properties(dtype):
  """Returns the TFP annotations of a binary relaxation's parameters."""
  return {
      'temperature': relaxation.temperature_properties(
          0, dtype, shape_fn=lambda sample_shape: sample_shape
      ),
      'logits': tfp.util.ParameterProperties(),
      'probs': tfp.util.ParameterProperties(
          default_constraining_bijector_fn=tfp.bijectors.Sigmoid,
          is_preferred=False,
      ),
  }
