"""A small model with the methods that `Trainer` uses."""

import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm import training


class ToyModel(keras.Model):
  """A noisy autoencoder with everything that a checkpoint has to hold."""

  def __init__(self):
    super().__init__()
    self.encoder = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, 'tanh'),
            keras.layers.BatchNormalization(),
        ]
    )
    self.decoder = keras.layers.Dense(4)
    self.decoder.build((None, 8))
    self.generator = keras.random.SeedGenerator(1)
    self.temperature = self.add_weight(
        name='temperature', shape=(), initializer='ones', trainable=False
    )
    self.built = True
    self.mean = keras.metrics.Mean(name='distortion')
    self.noise = keras.metrics.Mean(name='noise')
    self.num_traces = 0

  def loss_terms(self, batch, *, training=True, seed=None):
    self.num_traces += 1
    h = self.encoder(batch, training=training)
    drawn = tf.cast(self.generator.next(), tf.int32)
    noise = tf.random.stateless_normal(tf.shape(h), seed)
    noise += tf.random.stateless_normal(tf.shape(h), drawn)
    y = self.decoder(h + 0.1 * self.temperature * noise)
    return {
        'distortion': tf.reduce_sum((y - batch) ** 2, -1),
        'rate': 0.01 * tf.reduce_sum(h**2, -1),
    }

  def update_metrics(self, batch, *, seed=None):
    y = self.decoder(self.encoder(batch, training=False))
    self.mean.update_state(tf.reduce_sum((y - batch) ** 2, -1))
    self.noise.update_state(
        tf.random.stateless_uniform(tf.shape(batch)[:1], seed)
    )


class Recorder(keras.callbacks.Callback):
  """Calls `after(step)` when a call of the compiled function returns."""

  def __init__(self, after):
    super().__init__()
    self._after = after

  def on_train_batch_end(self, batch, logs=None):
    self._after(int(logs['step']))


def examples(num_examples=20):
  return np.random.RandomState(0).randn(num_examples, 4).astype(np.float32)


def batches():
  return training.ShuffledBatches(examples(), batch_size=4, seed=3)


def make_trainer(
    output_dir, callbacks=(), model=None, optimizer=None, **kwargs
):
  keras.utils.set_random_seed(1)
  model = model or ToyModel()
  schedule = ops.LinearSchedule(1.0, 0.0, num_steps=20)
  return training.Trainer(
      model,
      optimizer or training.FusedAdam(1e-2),
      output_dir,
      callbacks=[
          training.JsonLines(f'{output_dir}/metrics.jsonl'),
          *callbacks,
          training.WeightSchedule(model.temperature, schedule),
      ],
      **kwargs,
  )


def fit(trainer, num_steps=13, **kwargs):
  kwargs = {
      'eval_batches': tf.data.Dataset.from_tensor_slices(examples()).batch(8),
      'eval_every': 10,
      'checkpoint_every': 3,
      'log_every': 5,
      **kwargs,
  }
  return trainer.fit(batches(), num_steps, **kwargs)


def state(trainer):
  """Returns every variable, seed generators included, as bytes."""
  variables = trainer.model.variables + trainer.optimizer.variables
  return [np.asarray(v.value).tobytes() for v in variables]
