"""What all models share in `fit` and `evaluate`."""

from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import layers
from discrete_lvm import models
from discrete_lvm import ops
from discrete_lvm import training
from tests.training import families


def _sorting_and_cross_entropy():
  network = keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(families.LENGTH * families.K),
          keras.layers.Reshape([families.LENGTH, families.K]),
      ]
  )
  mask = ops.alternating_mask(families.LENGTH)
  return models.DiscreteFlow(
      [
          layers.DiscreteSortingFlow(network, mask),
          layers.DiscreteBipartiteFlow(
              layers.BipartiteContextTable(families.K, mask, seed=0),
              mask,
              gradient='cross_entropy',
          ),
      ],
      families.LENGTH,
      families.K,
      base=layers.MADE(families.K, hidden_units=[8], seed=1),
  )


_OTHERS = {
    'semi_supervised_vae': lambda: models.SemiSupervisedVAE(
        keras.layers.Dense(3),
        keras.layers.Dense(4, 'relu'),
        layers.GaussianHead(2),
        keras.layers.Dense(families.SIZE),
    ),
    'mutual_information': lambda: models.MutualInformation(
        layers.BilinearCritic(seed=0)
    ),
}


class ModelTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(*families.FAMILIES)
  def test_refuses_weights_of_examples(self, family):
    model, data = families.make(family)
    model.compile(keras.optimizers.SGD(0.1))
    data = data if isinstance(data, tuple) else (data, None)
    for name, weights in (
        ('sample_weight', np.ones([32])),
        ('class_weight', {0: 1.0, 1: 2.0}),
    ):
      with self.assertRaisesRegex(
          ValueError, f'without sample weights.*received a `{name}`'
      ):
        model.fit(*data, **{name: weights})
    with self.assertRaisesRegex(ValueError, 'without sample weights'):
      model.evaluate(*data, sample_weight=np.ones([32]))
    with self.assertRaisesRegex(ValueError, 'without sample weights'):
      model.fit(*data, validation_data=(*data, np.ones([32])), verbose=0)

  @parameterized.parameters('fit', 'trainer')
  def test_a_step_of_adam_is_as_long_for_rows_of_an_embedding(self, loop):
    data = families.make('discrete_vae')[1].astype('int32')
    embedding = keras.layers.Embedding(3, 4)
    encoder = keras.Sequential(
        [embedding, keras.layers.Flatten(), keras.layers.Dense(6)]
    )
    decoder = keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(families.SIZE)]
    )
    model = models.DiscreteVAE(encoder, decoder, 2, 3)
    model.build([None, families.SIZE])
    before = embedding.embeddings.numpy()
    # However small a gradient is.
    optimizer = keras.optimizers.Adam(0.1, epsilon=1e-12)
    if loop == 'fit':
      model.compile(optimizer)
      model.fit(data, batch_size=len(data), verbose=0)
    else:
      trainer = training.Trainer(model, optimizer, self.get_temp_dir())
      trainer.fit(training.ShuffledBatches(data, len(data), seed=0), 1)
    # A first step is as long as the learning rate; every row is in the batch
    # many times, but for one that is not.
    steps = np.abs(embedding.embeddings.numpy() - before)
    self.assertAllClose(steps[:2], np.full([2, 4], 0.1), atol=1e-3)
    self.assertAllEqual(steps[2], np.zeros(4))

  @parameterized.parameters('discrete_vae', 'flows')
  def test_losses_are_float32_under_float64(self, family):
    self.check_losses_are_float32_under_float64(family)

  @parameterized.parameters(
      *(f for f in families.FAMILIES if f != 'discrete_vae')
  )
  @pytest.mark.slow
  def test_losses_are_float32_under_float64_slow(self, family):
    self.check_losses_are_float32_under_float64(family)

  def check_losses_are_float32_under_float64(self, family):
    keras.config.set_dtype_policy('float64')
    self.addCleanup(keras.config.set_dtype_policy, 'float32')
    if family == 'flows':
      model, data = (
          _sorting_and_cross_entropy(),
          families.make('discrete_flow')[1],
      )
    else:
      model, data = families.make(family)
    model.compile(training.FusedAdam(1e-2))
    fit_data = data if isinstance(data, tuple) else (data,)
    before = model.evaluate(*fit_data, verbose=0, return_dict=True)
    history = model.fit(*fit_data, epochs=2, verbose=0).history
    after = model.evaluate(*fit_data, verbose=0, return_dict=True)
    self.assertTrue(np.isfinite([*history['loss'], *after.values()]).all())
    self.assertNotAllClose([*before.values()], [*after.values()])
    for term in model.loss_terms(data, seed=[0, 1]).values():
      self.assertEqual(term.dtype, tf.float32)

  @parameterized.parameters(
      *families.FAMILIES, 'semi_supervised_vae', 'mutual_information'
  )
  def test_lists_hold_each_value_once(self, family):
    if family in families.FAMILIES:
      model, data = families.make(family)
    else:
      data = families.make('structured_prediction')[1]
      model = _OTHERS[family]()
    if family == 'semi_supervised_vae':
      data = data[0]
      model.build(data.shape)
    model.compile(keras.optimizers.SGD(0.1))
    data = data if isinstance(data, tuple) else (data,)
    self.assertLen(
        model.train_on_batch(*data),
        len(model.train_on_batch(*data, return_dict=True)),
    )
    values = model.evaluate(*data, batch_size=32, verbose=0)
    named = model.evaluate(*data, batch_size=32, verbose=0, return_dict=True)
    self.assertLen(values, len(named))
    self.assertNotIn('mean_loss', named)

  @parameterized.parameters(*families.FAMILIES)
  def test_refuses_weights_by_position(self, family):
    model, data = families.make(family)
    model.compile(keras.optimizers.SGD(0.1))
    data = data if isinstance(data, tuple) else (data, None)
    weights = np.ones([32])
    with self.assertRaisesRegex(ValueError, 'without sample weights'):
      model.evaluate(*data, 32, 0, weights)
    # The eleventh argument.
    others = (32, 1, 0, None, 0.0, None, True, None)
    with self.assertRaisesRegex(ValueError, 'received a `sample_weight`'):
      model.fit(*data, *others, weights)
    model.fit(*data, *others)

  @parameterized.parameters(*families.FAMILIES)
  def test_refuses_what_compile_would_drop(self, family):
    model, _ = families.make(family)
    for name, value in (
        ('loss', 'mse'),
        ('loss_weights', [3.0]),
        ('metrics', ['mae']),
        ('weighted_metrics', ['mae']),
    ):
      with self.assertRaisesRegex(ValueError, f'Expected no `{name}`: '):
        model.compile('sgd', **{name: value})
    with self.assertRaisesRegex(ValueError, 'Expected no `loss`: '):
      model.compile('sgd', 'mse')
    model.compile('sgd', None)

  @parameterized.parameters(0, 2.5, True)
  def test_refuses_a_number_of_samples_that_is_none(self, num_samples):
    model, _ = families.make('discrete_vae')
    with self.assertRaisesRegex(
        ValueError, f'`num_importance_samples` of at least 1; .* {num_samples}'
    ):
      model.compile('sgd', num_importance_samples=num_samples)
    model.compile('sgd', num_importance_samples=2)
    self.assertEqual(model.num_importance_samples, 2)

  @parameterized.parameters(*families.FAMILIES)
  def test_empty_batch_leaves_all_finite(self, family):
    model, data = families.make(family)
    model.compile(keras.optimizers.SGD(0.1))
    flat = tf.nest.flatten(data)

    def generate():
      for part in (slice(0, 4), slice(4, 4), slice(4, 10)):
        rows = [x[part] for x in flat]
        yield tf.nest.pack_sequence_as(data, rows)

    spec = tf.nest.pack_sequence_as(
        data, [tf.TensorSpec([None, *x.shape[1:]], x.dtype) for x in flat]
    )
    batches = tf.data.Dataset.from_generator(generate, output_signature=spec)
    history = model.fit(batches, verbose=0).history
    self.assertGreater(history['loss'][0], 0.0)
    for values in history.values():
      self.assertTrue(np.isfinite(values).all())
    for variable in model.variables:
      self.assertTrue(np.isfinite(variable.numpy()).all(), variable.path)

  @parameterized.parameters('delta_vae', 'discrete_vae')
  def test_refuses_labelled_data(self, family):
    model, data = families.make(family)
    for pair in ((data, np.arange(32)), [data, np.arange(32)], (data,)):
      for method in (model.loss_terms, model.update_metrics):
        with self.assertRaisesRegex(
            ValueError, f'without targets, .* {type(pair).__name__} of'
        ):
          method(pair)
    trainer = training.Trainer(
        model, keras.optimizers.SGD(0.1), self.get_temp_dir()
    )
    batches = training.ShuffledBatches((data, np.arange(32)), 8, seed=0)
    with self.assertRaisesRegex(ValueError, 'Expected data without targets'):
      trainer.fit(batches, 2)


if __name__ == '__main__':
  tf.test.main()
