import pathlib

from absl.testing import absltest
import keras
import numpy as np
import pytest
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import flow_base


def _codes(size=4000):
  rng = np.random.default_rng(0)
  return rng.choice(3, p=[0.7, 0.2, 0.1], size=[size, 2]).astype(np.int32)


def _model(base=None):
  network = dlvm.layers.ContextTable(3, stddev=2.0, seed=0)
  flow = dlvm.layers.DiscreteAutoregressiveFlow(network)
  return dlvm.models.DiscreteFlow([flow], 2, 3, base)


class FlowBaseTest(tf.test.TestCase):

  def test_is_the_law_of_what_flows_make(self):
    model = _model()
    codes = _codes()
    flow_base.fit(model, np.split(codes, 4))
    z = model.flows[0](tf.one_hot(codes, 3)).numpy()
    law = tf.nn.softmax(model.base_logits.value)
    self.assertAllClose(law, z.mean(0), atol=5e-3)
    # No other does better, but for the pseudo-counts.
    best = tf.reduce_mean(model.log_prob(codes))
    for seed in range(5):
      noise = np.random.default_rng(seed).normal(size=[2, 3])
      other = _model()
      other.flows = model.flows
      other.base_logits.assign(model.base_logits.value + 0.1 * noise)
      self.assertLess(tf.reduce_mean(other.log_prob(codes)), best)

  def test_unseen_classes_keep_some_mass(self):
    model = _model()
    flow_base.fit(model, [np.zeros([50, 2], np.int32)])
    law = tf.nn.softmax(model.base_logits.value).numpy()
    self.assertAllGreater(law, 1e-4)
    self.assertAllClose(law.sum(-1), [1, 1])

  def test_leaves_a_causal_base(self):
    base = dlvm.layers.ContextTable(3, seed=0)
    model = _model(base)
    flow_base.fit(model, [_codes(10)])

  def test_fits_before_training_and_evaluations(self):
    model = _model()
    codes = _codes(64)
    callback = flow_base.FitBase(codes, batch_size=16, eval_every=5)
    callback.set_model(model)
    callback.on_train_batch_begin(7)
    self.assertAllEqual(model.base_logits, tf.zeros([2, 3]))
    callback.on_train_batch_begin(0)
    first = model.base_logits.numpy()
    self.assertNotAllClose(first, tf.zeros([2, 3]))
    model.flows[0].conditioner.table.assign(
        -model.flows[0].conditioner.table.value
    )
    callback.on_test_begin()
    self.assertNotAllClose(model.base_logits, first)

  @pytest.mark.slow
  def test_fits_what_training_goes_on_with_under_averaged_weights(self):
    codes = _codes(64)
    bases = {}

    class Recorder(keras.callbacks.Callback):

      def on_train_batch_begin(self, batch, logs=None):
        bases[batch] = self.model.base_logits.numpy()
        flow_base.fit(self.model, [codes])
        bases[f'{batch}, fitted'] = self.model.base_logits.numpy()

    def train(name, num_steps):
      model = _model()
      trainer = dlvm.training.Trainer(
          model,
          dlvm.training.FusedAdam(0.3, use_ema=True, ema_momentum=0.9),
          pathlib.Path(self.get_temp_dir()) / name,
          callbacks=[flow_base.FitBase(codes, 64, eval_every=2), Recorder()],
      )
      trainer.fit(
          dlvm.training.ShuffledBatches(codes, batch_size=8, seed=0),
          num_steps,
          eval_batches=tf.data.Dataset.from_tensor_slices(codes).batch(64),
          eval_every=2,
          checkpoint_every=2,
      )
      return model

    whole = train('whole', 4)
    for step in (0, 2):
      self.assertAllClose(bases[step], bases[f'{step}, fitted'])
    # Also where the checkpoint of that evaluation is gone on from.
    train('resumed', 2)
    resumed = train('resumed', 4)
    for weight, expected in zip(resumed.weights, whole.weights, strict=True):
      self.assertAllEqual(weight, expected)


if __name__ == '__main__':
  absltest.main()
