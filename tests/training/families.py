"""A small model of every family, and noise that replicas share."""

import contextlib
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import layers
from discrete_lvm import models
from discrete_lvm import training
from discrete_lvm.ops import draws

SIZE, LENGTH, K = 6, 3, 4
_RNG = np.random.default_rng(0)
_BITS = (_RNG.uniform(size=[32, SIZE]) < 0.4).astype('float32')
_CODES = _RNG.integers(K, size=[32, LENGTH]).astype('int32')


def _dense(*units):
  return keras.Sequential(
      [keras.layers.Flatten(), *(keras.layers.Dense(n, 'tanh') for n in units)]
  )


def _discrete_vae():
  # A state that all replicas share, and a network that learns beside.
  estimator = estimators.NVIL(_dense(3, 1))
  return models.DiscreteVAE(
      _dense(2 * K), _dense(SIZE), 2, K, prior='learned', estimator=estimator
  )


def _structured_prediction():
  return models.StructuredPrediction(
      [_dense(2 * K), _dense(2 * K)], _dense(SIZE), 2, K
  )


def _discrete_flow():
  flow = layers.DiscreteAutoregressiveFlow(
      layers.MADE(K, hidden_units=[8], seed=0)
  )
  return models.DiscreteFlow(
      [flow], LENGTH, K, base=layers.MADE(K, hidden_units=[8], seed=1)
  )


def _delta_vae():
  encoder = keras.Sequential(
      [_dense(LENGTH * 4), keras.layers.Reshape([LENGTH, 4])]
  )
  return models.DeltaVAE(
      encoder,
      models.GaussianLatents(LENGTH, 2, alpha=0.8, seed=0),
      models.IndependentDecoder(_dense(SIZE)),
      # It weighs by the mean over the batch.
      rate_control=models.TargetRate(1.0),
  )


_MAKERS = {
    'discrete_vae': (_discrete_vae, _BITS),
    'structured_prediction': (_structured_prediction, (_BITS, _BITS)),
    'discrete_flow': (_discrete_flow, _CODES),
    'delta_vae': (_delta_vae, _BITS),
}
FAMILIES = sorted(_MAKERS)


def make(family):
  """Returns the model of a family, built, and its data."""
  keras.utils.set_random_seed(1)
  maker, data = _MAKERS[family]
  model = maker()
  shape = data[0].shape if isinstance(data, tuple) else data.shape
  model.build((None, *shape[1:]))
  return model, data


@contextlib.contextmanager
def shared_noise():
  """Makes the noise of an example the same wherever in the batch it is.

  Noise is drawn for the last two axes, whatever the seed, and repeated over the
  others, one of which is that of the batch.
  """

  def constant(draw):
    def wrapped(shape, seed, *args, **kwargs):
      del seed
      shape = tf.convert_to_tensor(shape)
      x = draw(shape[-2:], [0, 7], *args, **kwargs)
      return tf.broadcast_to(x, shape)

    return wrapped

  with contextlib.ExitStack() as stack:
    for module in {id(m): m for m in (tf.random, tf.compat.v2.random)}.values():
      for name in ('stateless_normal', 'stateless_uniform'):
        patch = mock.patch.object(module, name, constant(getattr(module, name)))
        stack.enter_context(patch)
    # Else our own draws would go past those.
    stack.enter_context(
        mock.patch.object(draws, '_is_cpu_alone', return_value=False)
    )
    yield


def train(
    family,
    output_dir,
    num_replicas=None,
    num_steps=20,
    make_optimizer=lambda: keras.optimizers.SGD(0.1),
    **kwargs,
):
  """Trains on batches of 8; returns the trainer and the history."""
  name = 'default' if num_replicas is None else 'mirrored'
  strategy = training.get_strategy(name, num_replicas=num_replicas)
  batch_size = 8 // kwargs.get('accumulate_steps', 1)
  with strategy.scope():
    model, data = make(family)
    trainer = training.Trainer(model, make_optimizer(), output_dir, **kwargs)
  history = trainer.fit(
      training.ShuffledBatches(data, batch_size, seed=3),
      num_steps,
      checkpoint_every=1000,
      log_every=num_steps // 2,
  )
  return trainer, history.history


def weights(trainer):
  """Returns every variable of the model as an array, in float32."""
  return [np.asarray(v.numpy(), 'float32') for v in trainer.model.variables]
