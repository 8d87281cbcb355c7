"""What models do with the networks that they are given."""

import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import estimators
from discrete_lvm import layers
from discrete_lvm import models

K, LENGTH, SIZE = 3, 2, 4
RNG = np.random.default_rng(0)
X = (RNG.uniform(size=[10, SIZE]) < 0.4).astype('float32')
IMAGES = X.reshape([10, 2, 2, 1])
TOKENS = RNG.integers(K, size=[10, SIZE]).astype('int32')


@keras.saving.register_keras_serializable(package='given_networks_test')
class Network(keras.layers.Layer):
  """Has no `build`: its layers make their weights when it is called."""

  def __init__(self, units, **kwargs):
    super().__init__(**kwargs)
    self.units = units
    self.flatten = keras.layers.Flatten()
    self.dense = keras.layers.Dense(units)

  def call(self, inputs):
    return self.dense(self.flatten(inputs))

  def get_config(self):
    return {**super().get_config(), 'units': self.units}


@keras.saving.register_keras_serializable(package='given_networks_test')
class Critic(keras.layers.Layer):
  """As `Network`, of two inputs."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.dense = keras.layers.Dense(SIZE)

  def call(self, x, y):
    return tf.matmul(y, self.dense(x), transpose_b=True)


class Spy(keras.layers.Layer):
  """Notes how it is called."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.modes = set()

  def call(self, inputs, training=None):
    self.modes.add(training)
    return inputs


class Spied(keras.layers.Layer):
  """A causal network, with a spy on its inputs."""

  def __init__(self, network):
    super().__init__()
    self.network = network
    self.spy = Spy()

  def call(self, inputs, context=None):
    outputs = self.network(self.spy(inputs), context=context)
    return tf.convert_to_tensor(outputs)


def _vae(estimator):
  return models.DiscreteVAE(
      Network(LENGTH * K), Network(SIZE), LENGTH, K, estimator=estimator
  )


def _dense(*shape):
  return keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(int(np.prod(shape))),
          keras.layers.Reshape(shape),
      ]
  )


class GivenNetworksTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.named_parameters(
      (
          'discrete_vae',
          lambda: models.DiscreteVAE(Network(6), Network(SIZE), LENGTH, K),
          (None, SIZE),
          4,
      ),
      (
          'structured_prediction',
          lambda: models.StructuredPrediction(
              [Network(6), Network(6)], Network(SIZE), LENGTH, K
          ),
          (None, SIZE),
          6,
      ),
      (
          'nvil',
          lambda: _vae(estimators.NVIL(Network(1))),
          (None, SIZE),
          6,
      ),
      (
          'relax',
          lambda: _vae(estimators.RELAX(Network(1))),
          (None, SIZE),
          8,
      ),
      (
          'rodeo',
          lambda: _vae(estimators.RODEO(Network(2))),
          (None, SIZE),
          6,
      ),
      (
          'mutual_information',
          lambda: models.MutualInformation(
              Critic(), 'tuba', log_baseline=layers.LogBaseline(Network(1))
          ),
          ((None, SIZE), (None, SIZE)),
          4,
      ),
  )
  def test_builds_those_without_a_build(self, make, shape, num_weights):
    model = make()
    model.build(shape)
    self.assertLen(model.trainable_variables, num_weights)
    for weight in model.trainable_variables:
      weight.assign(RNG.normal(size=weight.shape))
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    inputs = (X, X) if isinstance(shape[0], tuple) else X
    loaded = keras.models.load_model(path)
    self.assertAllEqual(model(inputs), loaded(inputs))
    for x, y in zip(model.weights, loaded.weights, strict=True):
      self.assertAllEqual(x, y)

  def _check_modes(self, model, batch, spies):
    # Without the calls that built it, which are of no mode.
    for training in (True, False):
      for spy in spies:
        spy.modes.clear()
      model.loss_terms(batch, training=training, seed=[0, 1])
      for spy in spies:
        # The auxiliary prior has a loss in training alone.
        if spy.modes or training:
          self.assertIn(spy.modes, ({True},) if training else ({False}, {None}))

  def test_causal_networks_know_that_they_train(self):
    auxiliary = Spied(layers.CausalConvolution(3, units=4, dilations=[1]))
    decoder = Spied(layers.GatedPixelCNN(1, units=4, num_layers=1))
    model = models.DeltaVAE(
        _dense(LENGTH, 4),
        models.GaussianLatents(LENGTH, 1, alpha=0.8),
        models.PixelDecoder(_dense(2, 2, 1), decoder),
        auxiliary_prior=auxiliary,
    )
    model.build(IMAGES.shape)
    self._check_modes(model, IMAGES, [auxiliary.spy, decoder.spy])

    decoder = Spied(layers.CausalConvolution(K, units=4, dilations=[1]))
    model = models.DeltaVAE(
        keras.Sequential(
            [keras.layers.Embedding(K, 4), keras.layers.AveragePooling1D(2)]
        ),
        models.CategoricalLatents(LENGTH, K, 0.3),
        models.TokenDecoder(keras.layers.UpSampling1D(2), decoder, K),
    )
    model.build(TOKENS.shape)
    self._check_modes(model, TOKENS, [decoder.spy])

  def test_critics_know_that_they_train(self):
    spies = [Spy(), Spy(), Spy()]
    networks = [keras.Sequential([spy, keras.layers.Dense(1)]) for spy in spies]
    model = models.MutualInformation(
        layers.SeparableCritic(*networks[:2]),
        'tuba',
        log_baseline=layers.LogBaseline(networks[2]),
    )
    model.build(((None, SIZE), (None, SIZE)))
    self._check_modes(model, (X, X), spies)


if __name__ == '__main__':
  tf.test.main()
