"""What the layers that sample categorical codes share."""

import abc
import math

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm.ops import temperatures

_INFERENCE = ('mode', 'sample')
_KL = ('none', 'output', 'loss')


class CategoricalSampler(keras.layers.Layer, abc.ABC):
  """Turns logits `[..., N, K]` into codes; subclasses say how in training.

  Args:
    temperature: Positive number, the initial value of the weight `temperature`.
    inference: What to return outside of training: 'mode', or an exact 'sample'.
    prior: The prior of the codes: 'uniform', 'learned' (a weight of logits,
      shape `[N, K]`), or fixed logits of a shape that broadcasts to `[N, K]`.
    kl: What to do with the KL of the codes' law from the prior, per example:
      'none', 'output' (a second output) or 'loss' (`add_loss` of its mean).
    seed: Python `int`, seed of the noise.
    **kwargs: Arguments of `keras.layers.Layer`.

  Raises:
    ValueError: If an argument is not one of these.
  """

  def __init__(
      self,
      temperature=1.0,
      inference='mode',
      prior='uniform',
      kl='none',
      seed=None,
      **kwargs,
  ):
    # Keras would cast float32 logits down under a mixed policy.
    super().__init__(autocast=False, **kwargs)
    temperatures.check_positive(temperature)
    if np.ndim(temperature):
      raise ValueError(
          f'Expected a scalar `temperature`; received {temperature!r}.'
      )
    _check_choice('inference', inference, _INFERENCE)
    _check_choice('kl', kl, _KL)
    if isinstance(prior, str):
      _check_choice('prior', prior, ('uniform', 'learned'))
    else:
      prior = np.asarray(prior, np.float32).tolist()
    self._config = {
        'temperature': temperature,
        'inference': inference,
        'prior': prior,
        'kl': kl,
        'seed': seed,
    }
    self._seed_generator = keras.random.SeedGenerator(seed)
    # A weight, so that a schedule can set it inside a compiled step and a
    # checkpoint restores it.
    self.temperature = self.add_weight(
        name='temperature',
        shape=(),
        dtype='float32',
        autocast=False,
        initializer=keras.initializers.Constant(temperature),
        trainable=False,
        # Every replica sets the same value.
        aggregation='only_first_replica',
    )

  def build(self, input_shape):
    shape = tf.TensorShape(input_shape)
    ops.static_num_classes(shape, 'logits', minimum=2)
    if shape.rank < 2 or shape[-2] is None:
      raise ValueError(
          'Expected logits of shape [..., N, K] with static N and K; received '
          f'shape {shape}.'
      )
    prior = self._config['prior']
    if prior == 'learned':
      self.prior_logits = self.add_weight(
          name='prior_logits',
          shape=shape[-2:],
          dtype='float32',
          autocast=False,
          initializer='zeros',
      )
    elif prior == 'uniform':
      self.prior_logits = None
    else:
      self.prior_logits = _broadcast_prior(np.float32(prior), shape[-2:])

  def call(self, inputs, training=False, noise=None):
    logits = tf.cast(inputs, tf.float32)
    if training:
      codes = self._sample(logits, self._noise(logits, noise))
    elif self._config['inference'] == 'sample':
      noise = self._noise(logits, noise)
      codes = ops.sample_one_hot(logits, noise=noise)
    else:
      codes = ops.one_hot_argmax(logits)
    # Of NaN an argmax makes a class, and of a dead encoder a finite loss.
    is_nan = tf.reduce_any(tf.math.is_nan(logits), axis=-1, keepdims=True)
    codes = tf.where(is_nan, tf.constant(math.nan, codes.dtype), codes)
    codes = tf.cast(codes, self.compute_dtype)
    if self._config['kl'] == 'none':
      return codes
    kl = tf.reduce_sum(ops.categorical_kl(logits, self.prior_logits), axis=-1)
    if self._config['kl'] == 'output':
      return codes, kl
    self.add_loss(tf.reduce_mean(kl))
    return codes

  def _noise(self, logits, noise):
    if noise is None:
      seed = ops.fold_in_replica(self._seed_generator)
      return ops.gumbel(tf.shape(logits), seed)
    noise = tf.convert_to_tensor(noise)
    if not noise.shape.is_compatible_with(logits.shape):
      raise ValueError(
          f'Expected `noise` of the shape of the logits, {logits.shape}; '
          f'received {noise.shape}.'
      )
    return noise

  @abc.abstractmethod
  def _sample(self, logits, noise):
    """Returns float32 codes for training."""

  def get_config(self):
    # What the constructor received; the temperature that moves is a weight.
    return {**super().get_config(), **self._config}


def _check_choice(name, value, choices):
  if value not in choices:
    raise ValueError(
        f'Expected `{name}` to be one of {choices}; received {value!r}.'
    )


def _broadcast_prior(prior, shape):
  try:
    return np.broadcast_to(prior, shape.as_list())
  except ValueError as error:
    raise ValueError(
        f'Expected `prior` logits of a shape that broadcasts to {shape}, the '
        f'N and K of the inputs; received {prior.shape}.'
    ) from error
