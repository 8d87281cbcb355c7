"""Both directions of every bijector, compiled by XLA."""

from absl.testing import absltest
import numpy as np
import tensorflow as tf

from discrete_lvm import bijectors
from discrete_lvm import layers
from discrete_lvm import ops
from tests.bijectors import networks
from tests.conformance import xla

RNG = np.random.default_rng(0)
K, LENGTH = 3, 3
CODES = RNG.integers(K, size=[2, LENGTH]).astype('int32')
X = np.eye(K, dtype='float32')[CODES]
MASK = ops.alternating_mask(LENGTH)


def _case(make, x):
  """Maps an event both ways, which need not be there and back."""

  def evaluate(x):
    # Each of its own, for a bijector remembers what it has mapped.
    outputs = [make().forward(x), make().inverse(x)]
    event_ndims = make().forward_min_event_ndims
    return [
        *outputs,
        make().forward_log_det_jacobian(x, event_ndims),
        make().inverse_log_det_jacobian(x, event_ndims),
    ]

  return xla.Case(evaluate, [x])


def _autoregressive():
  network = layers.MADE(2 * K, [4], seed=0)
  network.build((None, LENGTH, K))
  return _case(lambda: bijectors.DiscreteAutoregressive(network), X)


def _autoregressive_sorting():
  network = layers.MADE(K, [4], seed=0)
  network.build((None, LENGTH, K))
  thresholds = np.float32([200.0, 300.0])
  return _case(
      lambda: bijectors.DiscreteAutoregressiveSorting(
          network, thresholds=thresholds
      ),
      X,
  )


def _bipartite(cls, channels, **kwargs):
  network = networks.dense_network(LENGTH, K, channels)
  return _case(lambda: cls(network, MASK, **kwargs), X)


def _one_hot():
  return xla.Case(
      lambda codes, x: [
          bijectors.OneHot(K).forward(codes),
          bijectors.OneHot(K).inverse(x),
      ],
      [CODES, X],
  )


CASES = {
    'AR1': lambda: _case(
        lambda: bijectors.AR1([0.5, 0.1, 0.9]),
        RNG.normal(size=[2, 4, 3]).astype('float32'),
    ),
    'DiscreteAutoregressive': _autoregressive,
    'DiscreteAutoregressiveSorting': _autoregressive_sorting,
    'DiscreteBipartite': lambda: _bipartite(bijectors.DiscreteBipartite, 2 * K),
    'DiscreteSorting': lambda: _bipartite(
        bijectors.DiscreteSorting, K, sorts_positions=True
    ),
    'ModularAffine': lambda: _case(
        lambda: bijectors.ModularAffine(X[::-1], np.roll(X, 1, axis=-1)), X
    ),
    'OneHot': _one_hot,
}
EXEMPT = {
    'check_causal': 'checks a network once, in eager, and raises',
}


class BijectorsTest(tf.test.TestCase):

  def test_compiled_equals_eager(self):
    xla.compare(self, {name: make() for name, make in CASES.items()})


if __name__ == '__main__':
  absltest.main()
