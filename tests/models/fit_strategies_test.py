"""`fit` and `evaluate` of Keras under a strategy."""

from unittest import mock

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers
from discrete_lvm import models
from discrete_lvm import training
from discrete_lvm.models import strategy_checks
from tests.training import families


def _model(**kwargs):
  keras.utils.set_random_seed(1)
  flow = layers.DiscreteAutoregressiveFlow(
      layers.MADE(families.K, hidden_units=[8], seed=0)
  )
  model = models.DiscreteFlow([flow], families.LENGTH, families.K)
  model.build((None, families.LENGTH))
  model.compile(keras.optimizers.SGD(0.1, **kwargs))
  return model


class FitTest(tf.test.TestCase, parameterized.TestCase):

  def test_mirrored_is_default(self):
    _, data = families.make('discrete_flow')
    # Of the last batch, one example, a replica gets none.
    dataset = tf.data.Dataset.from_tensor_slices(data[:13]).batch(4)

    def run(strategy):
      with strategy.scope():
        model = _model()
      history = model.fit(dataset, epochs=2, verbose=0).history
      return model, history, model.evaluate(dataset, return_dict=True)

    one, history, metrics = run(training.get_strategy())
    two, history_2, metrics_2 = run(
        training.get_strategy('mirrored', num_replicas=2)
    )
    for a, b in zip(one.weights, two.weights, strict=True):
      self.assertAllClose(a.numpy(), b.numpy(), atol=1e-6, rtol=0)
    self.assertAllClose(history, history_2, rtol=1e-5)
    self.assertAllClose(metrics, metrics_2, rtol=1e-5)

  def test_refuses_what_keras_applies_to_each_replica(self):
    with training.get_strategy('mirrored', num_replicas=2).scope():
      for argument in (
          {'clipnorm': 1.0},
          {'global_clipnorm': 1.0},
          {'clipvalue': 1.0},
          {'gradient_accumulation_steps': 2},
      ):
        with self.assertRaisesRegex(ValueError, f'without `{[*argument][0]}`'):
          _model(**argument)
      with self.assertRaisesRegex(ValueError, 'Expected no `jit_compile`'):
        _model().compile('sgd', jit_compile=True)
    _model(clipnorm=1.0, gradient_accumulation_steps=2)

  @parameterized.named_parameters(
      (
          'of_codes',
          lambda: models.DiscreteFlow([], families.LENGTH, families.K),
          np.zeros([8, families.LENGTH], 'int32'),
      ),
      (
          'of_pairs',
          lambda: models.MutualInformation(layers.BilinearCritic(seed=0)),
          (np.ones([8, 2], 'float32'), np.zeros([8, 3], 'float32')),
      ),
  )
  def test_refuses_what_keras_would_build_wrongly(self, make, batch):
    strategy = training.get_strategy('mirrored', num_replicas=2)
    with strategy.scope():
      model = make()
    model.compile('sgd')
    data = tf.data.Dataset.from_tensors(batch)
    for method in (model.fit, model.evaluate):
      with self.assertRaisesRegex(
          ValueError, f'Expected a {type(model).__name__} that is built'
      ):
        method(data, verbose=0)
    with strategy.scope():
      model(batch)
    self.assertAllInRange(model.fit(data, verbose=0).history['loss'], -9, 9)
    self.assertNotEmpty(model.evaluate(data, verbose=0, return_dict=True))

  @parameterized.parameters(
      'MultiWorkerMirroredStrategy', 'ParameterServerStrategy'
  )
  def test_refuses_strategies_of_several_processes(self, name):
    strategy = mock.create_autospec(getattr(tf.distribute, name), instance=True)
    with self.assertRaisesRegex(ValueError, 'Use `training.Trainer`'):
      strategy_checks.check_fit(strategy, keras.optimizers.SGD(), False)


if __name__ == '__main__':
  tf.test.main()
