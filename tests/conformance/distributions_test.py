"""Every method of every distribution, compiled by XLA."""

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import distributions
from discrete_lvm import layers
from tests.conformance import xla

RNG = np.random.default_rng(0)
K, LENGTH = 3, 3
LOGITS = RNG.normal(size=[2, LENGTH, K]).astype('float32')
POSITIVE = np.exp(RNG.normal(size=[2, K])).astype('float32')
SEED = np.int32([1, 2])

# Those that a distribution has are compared, beside `sample` and `log_prob` of
# the sample.
_METHODS = (
    'mean',
    'mode',
    'entropy',
    'variance',
    'covariance',
    'stddev',
    'cdf',
    'log_cdf',
    'quantile',
    'survival_function',
)


def _methods(d, seed):
  """Evaluates what a distribution has."""
  sample = d.sample(2, seed=seed)
  results = {'sample': sample, 'log_prob': d.log_prob(sample)}
  for name in _METHODS:
    arguments = []
    if name in ('cdf', 'log_cdf', 'survival_function'):
      arguments = [sample]
    elif name == 'quantile':
      arguments = [tf.fill(d.batch_shape, 0.3)]
    try:
      results[name] = getattr(d, name)(*arguments)
    except NotImplementedError:
      continue
  return results


def _case(make, *arguments):
  return xla.Case(
      lambda seed, *arguments: _methods(make(*arguments), seed),
      [SEED, *arguments],
  )


def _autoregressive():
  network = layers.CausalConvolution(1, units=4, dilations=[1], seed=0)
  network.build((None, LENGTH, 1))
  return _case(
      lambda: distributions.Autoregressive(
          network, distributions.Bernoulli, [LENGTH, 1]
      )
  )


def _autoregressive_categorical():
  network = layers.MADE(K, [4], seed=0)
  network.build((None, LENGTH, K))
  return _case(
      lambda: distributions.AutoregressiveCategorical(network, LENGTH, K)
  )


def _sampled_kl(kl):
  def evaluate(x, y, seed):
    q, p = (distributions.GumbelSoftmax(0.5, logits) for logits in (x, y))
    return kl(q, p, num_samples=2, seed=seed)

  return xla.Case(evaluate, [LOGITS[0], LOGITS[1], SEED])


CASES = {
    'Autoregressive': _autoregressive,
    'AutoregressiveCategorical': _autoregressive_categorical,
    'Bernoulli': lambda: _case(distributions.Bernoulli, LOGITS),
    'DiscretizedLogisticMixture': lambda: _case(
        lambda logits, loc, scale: distributions.DiscretizedLogisticMixture(
            logits, loc, scale, low=0, high=3
        ),
        *(LOGITS[0], LOGITS[1], np.exp(LOGITS[0])),
    ),
    'ExpGumbelSoftmax': lambda: _case(
        lambda x: distributions.ExpGumbelSoftmax(0.5, x), LOGITS
    ),
    'FactorizedCategorical': lambda: _case(
        distributions.FactorizedCategorical, LOGITS
    ),
    'GaussianAR1': lambda: _case(
        lambda alpha: distributions.GaussianAR1(alpha, LENGTH),
        np.float32([0.9, 0.2]),
    ),
    'GumbelSoftmax': lambda: _case(
        lambda x: distributions.GumbelSoftmax(0.5, x), LOGITS
    ),
    'LogitRelaxedBernoulli': lambda: _case(
        lambda x: distributions.LogitRelaxedBernoulli(0.5, x), LOGITS
    ),
    'OneHotCategorical': lambda: _case(distributions.OneHotCategorical, LOGITS),
    'RelaxedBernoulli': lambda: _case(
        lambda x: distributions.RelaxedBernoulli(0.5, x), LOGITS
    ),
    'StraightThroughOneHotCategorical': lambda: _case(
        distributions.StraightThroughOneHotCategorical, LOGITS
    ),
    'categorical_kl': lambda: xla.Case(
        lambda x, y: distributions.categorical_kl(
            distributions.OneHotCategorical(x),
            distributions.OneHotCategorical(y),
        ),
        [LOGITS[0], LOGITS[1]],
    ),
    'plug_in_kl': lambda: _sampled_kl(distributions.plug_in_kl),
    'relaxed_kl': lambda: _sampled_kl(distributions.relaxed_kl),
}
EXEMPT: dict[str, str] = {}


class DistributionsTest(tf.test.TestCase, parameterized.TestCase):

  def test_compiled_equals_eager(self):
    xla.compare(self, {name: make() for name, make in CASES.items()})

  def test_evaluates_what_there_is(self):
    # Were a method skipped that a distribution has, nothing would tell.
    with xla.injected_noise():
      results = _methods(distributions.OneHotCategorical(LOGITS), SEED)
      self.assertContainsSubset(['mean', 'mode', 'entropy'], results)
      results = _methods(distributions.GaussianAR1([0.5], LENGTH), SEED)
      self.assertContainsSubset(['mean', 'mode', 'entropy'], results)


if __name__ == '__main__':
  absltest.main()
