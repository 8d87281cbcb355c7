"""Objectives of few codes, on which estimators of gradients are compared."""

from collections.abc import Callable
import math
import pathlib
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import data
from experiments import optimizers

NAMES = ('linear', 'quadratic', 'table', 'vae')

_SPLIT = 'test'
_BATCH_SIZE = 100
_LEARNING_RATE = 1e-3
_NUM_UNITS = 64


class Objective(NamedTuple):
  """An objective and where its gradient is estimated.

  Attributes:
    logits: float32 `Tensor`, shape `[N, K]`.
    function: From codes `[..., N, K]`, also relaxed ones, to values `[...]`.
  """

  logits: tf.Tensor
  function: Callable[[tf.Tensor], tf.Tensor]


def make(
    name: str,
    num_latents: int,
    num_classes: int,
    seed: int,
    output_dir: pathlib.Path,
    num_steps: int,
) -> Objective:
  """Makes an objective by its name.

  Args:
    name: One of `NAMES`: `'linear'`; `'quadratic'`, the square of a linear
      function of all latents; `'table'`, a standard normal number for each
      code, extended to relaxed codes as the log-likelihood of a mixture is;
      `'vae'`, the negative log-likelihood in nats of a digit under the decoder
      of a VAE, with the logits of its encoder.
    num_latents: Number of latents N.
    num_classes: Number of classes K.
    seed: Python `int`, seed of logits and objective.
    output_dir: Where the VAE keeps its checkpoints.
    num_steps: Number of steps that train the VAE.

  Returns:
    The objective.

  Raises:
    ValueError: If the name is unknown.

  Example:
    >>> logits, function = make('table', 2, 3, 0, None, 0)
    >>> function(tf.one_hot([[0, 2], [1, 1]], 3)).shape, logits.shape
    (TensorShape([2]), TensorShape([2, 3]))
  """
  if name == 'vae':
    return _vae(num_latents, num_classes, seed, output_dir, num_steps)
  makers = {'linear': _linear, 'quadratic': _quadratic, 'table': _table}
  if name not in makers:
    raise ValueError(f'Expected objectives of {NAMES}; received {name!r}.')
  logits = _normal([num_latents, num_classes], seed, 'logits')
  return Objective(logits, makers[name](num_latents, num_classes, seed))


def _linear(num_latents, num_classes, seed):
  weights = _normal([num_latents, num_classes], seed, 'weights')
  return lambda codes: tf.reduce_sum(weights * codes, axis=[-2, -1])


def _quadratic(num_latents, num_classes, seed):
  root = _linear(num_latents, num_classes, seed)
  return lambda codes: root(codes) ** 2


def _table(num_latents, num_classes, seed):
  cells = _normal([num_classes] * num_latents, seed, 'cells')

  def function(codes):
    # Were this the table itself, it would be linear in each latent, on which
    # straight-through gradients have no bias.
    values = tf.tensordot(codes[..., 0, :], tf.exp(cells), axes=1)
    for n in range(1, num_latents):
      ones = [1] * (num_latents - n - 1)
      shape = tf.concat([tf.shape(codes)[:-2], [num_classes], ones], axis=0)
      shares = tf.reshape(codes[..., n, :], shape)
      values = tf.reduce_sum(values * shares, axis=-(num_latents - n))
    return tf.ensure_shape(tf.math.log(values), codes.shape[:-2])

  return function


def _vae(num_latents, num_classes, seed, output_dir, num_steps):
  digits = data.load('digits', binarization='fixed', seed=seed)
  keras.utils.set_random_seed(seed)
  model = dlvm.models.DiscreteVAE(
      keras.Sequential(
          [
              keras.layers.Flatten(),
              keras.layers.Dense(num_latents * num_classes),
          ],
          name='encoder',
      ),
      keras.Sequential(
          [
              keras.layers.Flatten(),
              keras.layers.Dense(_NUM_UNITS, 'relu'),
              keras.layers.Dense(math.prod(digits.image_shape)),
              keras.layers.Reshape(digits.image_shape),
          ],
          name='decoder',
      ),
      num_latents=num_latents,
      num_classes=num_classes,
  )
  model.build((None, *digits.image_shape))
  trainer = dlvm.training.Trainer(
      model,
      optimizers.adam(_LEARNING_RATE),
      output_dir / 'vae',
      seed=seed,
  )
  trainer.fit(
      dlvm.training.ShuffledBatches(
          digits.train.images, _BATCH_SIZE, dlvm.ops.fold_in(seed, 'data')
      ),
      num_steps,
      checkpoint_every=num_steps,
  )
  image = digits.test.images[0]
  return Objective(
      model.encode(image[np.newaxis])[0],
      lambda codes: -model.decode(codes).log_prob(image),
  )


def _normal(shape, seed, name):
  return tf.random.stateless_normal(shape, dlvm.ops.fold_in(seed, name))
