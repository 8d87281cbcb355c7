"""The loss, the bounds and the samples of every model, compiled by XLA."""

from absl.testing import absltest
import keras
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import layers
from discrete_lvm import models
from discrete_lvm import objectives
from discrete_lvm import ops
from tests.conformance import xla

RNG = np.random.default_rng(0)
K, LENGTH, SIZE = 3, 2, 4
X = (RNG.uniform(size=[2, SIZE]) < 0.4).astype('float32')
IMAGES = X.reshape([2, 2, 2, 1])
TOKENS = RNG.integers(K, size=[2, 2 * LENGTH]).astype('int32')
CODES = RNG.integers(K, size=[2, LENGTH]).astype('int32')
KL = np.exp(RNG.normal(size=[3, 2])).astype('float32')
SEED = np.int32([1, 2])


def _dense(*shape):
  return keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(int(np.prod(shape))),
          keras.layers.Reshape(shape),
      ]
  )


def _case(model, *batch, sample=True):
  """Evaluates the loss with its gradient, a bound, and samples."""
  keras.utils.set_random_seed(0)
  model.build(tuple((None, *x.shape[1:]) for x in batch)[0])

  def evaluate(seed, *batch):
    batch = batch if len(batch) > 1 else batch[0]
    with tf.GradientTape() as tape:
      terms = model.loss_terms(batch, seed=seed)
      loss = tf.reduce_sum(tf.add_n(list(terms.values())))
    weights = [w.value for w in model.trainable_variables]
    results = [
        terms,
        tape.gradient(loss, weights, unconnected_gradients='zero'),
    ]
    if hasattr(model, 'log_weights'):
      results.append(model.log_weights(batch, 2, seed))
    if sample:
      results.append(model.sample(2, seed))
    return results

  return xla.Case(evaluate, [SEED, *batch])


def _flow():
  return models.DiscreteFlow(
      [
          layers.DiscreteAutoregressiveFlow(layers.MADE(2 * K, [4], seed=0)),
          layers.PermutePositions('reverse'),
          layers.DiscreteSortingFlow(
              _dense(LENGTH, K), ops.alternating_mask(LENGTH)
          ),
      ],
      LENGTH,
      K,
  )


def _pixels():
  network = layers.GatedPixelCNN(1, units=4, num_layers=1, seed=0)
  return models.DeltaVAE(
      _dense(LENGTH, 4),
      models.GaussianLatents(LENGTH, 1, alpha=0.8),
      models.PixelDecoder(_dense(2, 2, 1), network),
      auxiliary_prior=layers.CausalConvolution(3, units=4, dilations=[1]),
  )


def _tokens():
  return models.DeltaVAE(
      keras.Sequential(
          [keras.layers.Embedding(K, 4), keras.layers.AveragePooling1D(2)]
      ),
      models.CategoricalLatents(LENGTH, K, 0.3),
      models.TokenDecoder(
          keras.layers.UpSampling1D(2),
          layers.CausalConvolution(K, units=4, dilations=[1]),
          K,
      ),
  )


def _no_latents():
  return models.DeltaVAE(
      keras.layers.Identity(),
      models.NoLatents(LENGTH, 1),
      models.IndependentDecoder(_dense(SIZE)),
  )


MODELS = {
    'DiscreteVAE': lambda: _case(
        models.DiscreteVAE(_dense(LENGTH, K), _dense(SIZE), LENGTH, K), X
    ),
    'StructuredPrediction': lambda: _case(
        models.StructuredPrediction(
            [_dense(LENGTH, K), _dense(LENGTH, K)], _dense(SIZE), LENGTH, K
        ),
        *(X, X[:, ::-1]),
        sample=False,
    ),
    'DiscreteFlow': lambda: _case(_flow(), CODES),
    'DeltaVAE, GaussianLatents, PixelDecoder': lambda: _case(_pixels(), IMAGES),
    'DeltaVAE, CategoricalLatents, TokenDecoder': lambda: _case(
        _tokens(), TOKENS
    ),
    'DeltaVAE, NoLatents, IndependentDecoder': lambda: _case(_no_latents(), X),
}
OBJECTIVES = {
    'aggregate_information': lambda: xla.Case(
        objectives.aggregate_information,
        [-np.exp(RNG.normal(size=[3, 3])).astype('float32')],
    ),
    'elbo': lambda: xla.Case(objectives.elbo, [-KL, KL]),
    'free_bits': lambda: xla.Case(
        lambda kl: objectives.free_bits(kl, 0.5), [KL]
    ),
    'importance_weighted_bound': lambda: xla.Case(
        objectives.importance_weighted_bound, [-KL]
    ),
}
CASES = {**MODELS, **OBJECTIVES}


class ModelsTest(tf.test.TestCase):

  def test_compiled_equals_eager(self):
    self.check(
        {name: make for name, make in CASES.items() if 'Decoder' not in name}
    )

  @pytest.mark.slow
  def test_compiled_equals_eager_slow(self):
    self.check(
        {name: make for name, make in CASES.items() if 'Decoder' in name}
    )

  def check(self, cases):
    # A scope's name has no comma.
    xla.compare(
        self,
        {name.replace(', ', '_'): make() for name, make in cases.items()},
    )


if __name__ == '__main__':
  absltest.main()
