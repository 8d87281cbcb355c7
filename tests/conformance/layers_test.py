"""Every layer and metric, compiled by XLA."""

from absl.testing import absltest
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import layers
from discrete_lvm import metrics
from discrete_lvm import models
from discrete_lvm import ops
from tests.conformance import xla

RNG = np.random.default_rng(0)
K, LENGTH = 3, 3
CODES = RNG.integers(K, size=[2, LENGTH]).astype('int32')
X = np.eye(K, dtype='float32')[CODES]
FEATURES = RNG.normal(size=[2, LENGTH, 4]).astype('float32')
KL = np.exp(RNG.normal(size=[2, LENGTH])).astype('float32')
MASK = ops.alternating_mask(LENGTH)


def _case(layer, x=X):
  """Calls a layer as in training and not."""
  layer(tf.constant(x))
  has_training = layer._call_has_training_arg

  def evaluate(x):
    modes = ({'training': True}, {}) if has_training else ({},)
    return [tf.nest.flatten(layer(x, **mode)) for mode in modes]

  return xla.Case(evaluate, [x])


def _causal(layer):
  """Also generates, a position at a time, from left to right."""
  layer(tf.constant(X))

  def evaluate(x):
    state = layer.initial_state([2], LENGTH)
    token, steps = tf.zeros_like(x[:, 0]), []
    for position in range(LENGTH):
      outputs, state = layer.step(token, state)
      token = x[:, position]
      steps.append(outputs)
    return layer(x), tf.stack(steps, axis=-2)

  return xla.Case(evaluate, [X])


def _flow(layer):
  """Maps both ways."""
  layer(tf.constant(X))
  return xla.Case(lambda x: (layer(x), layer.generate(x)), [X])


def _sampler(layer):
  noise = RNG.gumbel(size=X.shape).astype('float32')
  layer(tf.constant(X))

  def evaluate(logits, noise):
    return layer(logits, training=True, noise=noise), layer(logits)

  return xla.Case(evaluate, [FEATURES[..., :K], noise])


def _metric(metric, *arguments):
  metric.update_state(*(tf.constant(x) for x in arguments))

  def evaluate(*arguments):
    metric.reset_state()
    metric.update_state(*arguments)
    return metric.result()

  return xla.Case(evaluate, arguments)


def _dense(num_outputs):
  return keras.Sequential(
      [
          keras.layers.Flatten(),
          keras.layers.Dense(LENGTH * num_outputs),
          keras.layers.Reshape([LENGTH, num_outputs]),
      ]
  )


LAYERS = {
    'AntiCausal': lambda: _case(
        layers.AntiCausal(layers.CausalConvolution(2, 4, [1], seed=0))
    ),
    'BidirectionalTransformer': lambda: _case(
        layers.BidirectionalTransformer(2, 1, 1, 4, seed=0)
    ),
    'BipartiteContextTable': lambda: _case(
        layers.BipartiteContextTable(2, MASK, seed=0)
    ),
    'CausalConvolution': lambda: _causal(
        layers.CausalConvolution(2, 4, [1], seed=0)
    ),
    'CausalLSTM': lambda: _causal(layers.CausalLSTM(2, [4], seed=0)),
    'CausalTransformer': lambda: _causal(
        layers.CausalTransformer(2, 1, 1, 4, seed=0)
    ),
    'ContextTable': lambda: _causal(layers.ContextTable(2, seed=0)),
    'DeltaCategoricalHead': lambda: _case(
        layers.DeltaCategoricalHead(2, K, 0.3, seed=0), FEATURES
    ),
    'DeltaGaussianHead': lambda: _case(
        layers.DeltaGaussianHead(2, 0.3, seed=0), FEATURES
    ),
    'DiscreteAutoregressiveFlow': lambda: _flow(
        layers.DiscreteAutoregressiveFlow(layers.MADE(2 * K, [4], seed=0))
    ),
    'DiscreteAutoregressiveSortingFlow': lambda: _flow(
        layers.DiscreteAutoregressiveSortingFlow(
            layers.MADE(K, [4], seed=0), places_positions=True
        )
    ),
    'DiscreteBipartiteFlow': lambda: _flow(
        layers.DiscreteBipartiteFlow(_dense(2 * K), MASK)
    ),
    'DiscreteSortingFlow': lambda: _flow(
        layers.DiscreteSortingFlow(_dense(K), MASK)
    ),
    'GatedPixelCNN': lambda: _case(
        layers.GatedPixelCNN(2, units=4, num_layers=2, seed=0),
        FEATURES[..., np.newaxis],
    ),
    'GaussianHead': lambda: _case(layers.GaussianHead(2, seed=0), FEATURES),
    'GumbelSoftmax': lambda: _sampler(layers.GumbelSoftmax(0.5)),
    'MADE': lambda: _causal(layers.MADE(2, [4], seed=0)),
    'MaskedDense': lambda: _case(
        layers.MaskedDense(2, np.ones([4, 2], bool), seed=0), FEATURES[:, 0]
    ),
    'PermutePositions': lambda: _flow(layers.PermutePositions('reverse')),
    'StraightThroughCategorical': lambda: _sampler(
        layers.StraightThroughCategorical(0.5)
    ),
    'SubsequenceFlow': lambda: _flow(
        layers.SubsequenceFlow(
            layers.DiscreteAutoregressiveFlow(layers.MADE(K, [4], seed=0)),
            [1, 0],
        )
    ),
}
METRICS = {
    'ActiveUnits': lambda: _metric(metrics.ActiveUnits([LENGTH, 4]), FEATURES),
    'CodeUsage': lambda: _metric(metrics.CodeUsage(LENGTH, K), X),
    'MeanWithError': lambda: _metric(metrics.MeanWithError(), KL[0]),
}
# Layers that belong to models.
RATE_CONTROLS = {
    'FreeBits': lambda: _case(models.FreeBits(0.4), KL),
    'RateWeight': lambda: _case(models.RateWeight(0.5), KL),
    'TargetRate': lambda: _case(models.TargetRate(2.0), KL),
}


class LayersTest(tf.test.TestCase):

  def test_compiled_equals_eager(self):
    cases = {**LAYERS, **METRICS, **RATE_CONTROLS}
    xla.compare(self, {name: make() for name, make in cases.items()})


if __name__ == '__main__':
  absltest.main()
