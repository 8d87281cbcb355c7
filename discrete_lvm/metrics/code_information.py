"""What the codes of a model carry of the data."""

import keras
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.metrics import active_units
from discrete_lvm.metrics import code_usage
from discrete_lvm.metrics import dtypes
from discrete_lvm.ops import floats


@keras.saving.register_keras_serializable(package='discrete_lvm')
class CodeInformation(keras.metrics.Metric):
  """Splits the rate of codes into information and the rest, exactly.

  From the posteriors `q(z | x)` of the examples, not from samples:

      rate = E_x KL(q(z | x) || p(z)) = I(x; z) + KL(q(z) || p(z))

  with the aggregate posterior `q(z) = E_x q(z | x)` of the examples of the
  epoch and of all replicas, whatever the batches. The information is about
  which of these examples it is, so at most the logarithm of their number.

  The results, in nats but for perplexities, usages and `active_units`:

  - 'rate'; 'separate_mutual_information' and 'separate_marginal_kl', the sums
    over the latents of what each says by itself: they add up to the rate, and
    the first is an upper bound of the information of all.
  - 'entropy', 'perplexity' (its exponential) and 'usage', means over the
    latents: of the aggregate posterior, and the share of the classes that are
    the most likely one of an example.
  - 'active_units': how many latents are active, as `ActiveUnits` counts.
  - Of all latents jointly, if there are at most 2**16 codes:
    'mutual_information' and 'marginal_kl', which add up to the rate;
    'total_correlation'; 'joint_entropy', 'joint_perplexity' and 'joint_usage'.
    With more codes these are left out: `objectives.aggregate_information`
    estimates the joint information from samples.

  `CodeUsage` counts codes that were sampled, whatever their law; this needs the
  posteriors.

  Args:
    num_latents: Number of latents N.
    num_classes: Number of classes K.
    threshold: Number, not negative, of `ActiveUnits`.
    name: Python `str`, prefix of the results.
    dtype: Must be None; the sums are float64.

  Call arguments:
    logits: Floating `Tensor`, shape `[batch, N, K]`: of the posteriors, in
      nats.
    prior_logits: Floating `Tensor`, shape `[N, K]`: of the prior. By default it
      is uniform.
    sample_weight: `Tensor`, shape `[batch]`, not negative: the weight of each
      example, or a mask. One of weight 0 may hold anything. By default ones.

  Raises:
    ValueError: If `logits` or `sample_weight` are of another shape,
      `prior_logits` do not broadcast to that of `logits`, `threshold` is
      negative, or `dtype` not None.

  Example:
    >>> information = CodeInformation(num_latents=1, num_classes=2)
    >>> information.update_state(tf.math.log([[[.9, .1]], [[.1, .9]]]))
    >>> result = information.result()
    >>> for name in ('rate', 'mutual_information', 'marginal_kl'):
    ...   print(name, f"{result[f'latent_{name}']:.3f}")
    rate 0.368
    mutual_information 0.368
    marginal_kl 0.000

  References:
    Matthew D. Hoffman, Matthew J. Johnson. ELBO surgery: yet another way to
    carve up the variational evidence lower bound. NeurIPS 2016 Workshop on
    Advances in Approximate Bayesian Inference.
  """

  def __init__(
      self,
      num_latents,
      num_classes,
      threshold=0.01,
      name='latent',
      dtype=None,
  ):
    super().__init__(name=name, dtype=dtype)
    dtypes.check_none(dtype)
    self.num_latents = num_latents
    self.num_classes = num_classes
    self.threshold = threshold
    self._is_enumerable = ops.is_enumerable(num_latents, num_classes)
    shapes = ops.CodeStatistics(
        weight=(),
        marginals=(num_latents, num_classes),
        joint=(num_classes**num_latents if self._is_enumerable else 0,),
        conditional_entropy=(num_latents,),
        cross_entropy=(num_latents,),
    )
    self._statistics = {
        field: self.add_weight(
            shape=shape, initializer='zeros', dtype='float64', name=field
        )
        for field, shape in shapes._asdict().items()
    }
    self._active_units = active_units.ActiveUnits(
        [num_latents, num_classes], threshold, event_ndims=1
    )
    self._usage = code_usage.CodeUsage(num_latents, num_classes)
    self._joint_usage = None
    if self._is_enumerable:
      self._joint_usage = code_usage.CodeUsage(1, num_classes**num_latents)

  def update_state(self, logits, prior_logits=None, sample_weight=None):
    logits = floats.at_least_float32(logits)
    if logits.shape[1:] != [self.num_latents, self.num_classes]:
      raise ValueError(
          f'Expected `logits` of shape [batch, {self.num_latents}, '
          f'{self.num_classes}]; received {logits.shape}.'
      )
    statistics = ops.code_statistics(logits, prior_logits, sample_weight)
    for field, value in statistics._asdict().items():
      self._statistics[field].assign_add(value)
    self._active_units.update_state(tf.nn.softmax(logits), sample_weight)
    modes = code_usage.modes(logits)
    if sample_weight is not None:
      is_counted = tf.cast(sample_weight, tf.float32) > 0
      modes = tf.where(is_counted[:, tf.newaxis], modes, -1)
    self._usage.update_state(modes)
    if self._joint_usage is not None:
      self._joint_usage.update_state(self._joint_index(modes))

  def latents(self):
    """Returns the parts of the rate of each latent.

    Returns:
      An `ops.RateDecomposition` of float64 `Tensor`s, shape `[N]`, in nats.
    """
    return ops.code_information(self._sums())[0]

  def aggregate_posterior(self):
    """Returns the aggregate posterior of each latent.

    Returns:
      float64 `Tensor`, shape `[N, K]`; zeros before the first example.
    """
    sums = self._sums()
    return tf.math.divide_no_nan(sums.marginals, sums.weight)

  def joint_aggregate_posterior(self):
    """Returns the aggregate posterior of the codes.

    Returns:
      float64 `Tensor`, shape `[K**N]`, in the order of `ops.all_codes`; zeros
      before the first example.

    Raises:
      ValueError: If there are more than 2**16 codes.
    """
    ops.num_codes(self.num_latents, self.num_classes)
    sums = self._sums()
    return tf.math.divide_no_nan(sums.joint, sums.weight)

  def result(self):
    latents, joint = ops.code_information(self._sums())
    results = {
        'rate': tf.reduce_sum(latents.rate),
        'separate_mutual_information': tf.reduce_sum(
            latents.mutual_information
        ),
        'separate_marginal_kl': tf.reduce_sum(latents.marginal_kl),
        'entropy': tf.reduce_mean(latents.entropy),
        'perplexity': tf.reduce_mean(tf.exp(latents.entropy)),
        'usage': _usage(self._usage),
        'active_units': self._active_units.result(),
    }
    if joint is not None:
      results |= {
          'mutual_information': joint.mutual_information,
          'marginal_kl': joint.marginal_kl,
          'total_correlation': tf.maximum(
              tf.reduce_sum(latents.entropy) - joint.entropy, 0
          ),
          'joint_entropy': joint.entropy,
          'joint_perplexity': tf.exp(joint.entropy),
          'joint_usage': _usage(self._joint_usage),
      }
    return {
        f'{self.name}_{name}': tf.cast(value, tf.float32)
        for name, value in results.items()
    }

  def _sums(self):
    return ops.CodeStatistics(
        **{
            field: tf.convert_to_tensor(weight)
            for field, weight in self._statistics.items()
        }
    )

  def _joint_index(self, modes):
    """Returns the index of codes in `all_codes`, `[batch, 1]`, or -1."""
    place_values = [
        self.num_classes**n for n in reversed(range(self.num_latents))
    ]
    index = tf.reduce_sum(modes * place_values, axis=-1, keepdims=True)
    is_known = tf.reduce_all(modes >= 0, axis=-1, keepdims=True)
    return tf.where(is_known, index, -1)

  def get_config(self):
    return {
        'num_latents': self.num_latents,
        'num_classes': self.num_classes,
        'threshold': self.threshold,
        'name': self.name,
    }


def _usage(metric):
  return metric.result()[f'{metric.name}_usage']
