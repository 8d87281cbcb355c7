"""TensorFlow Probability distributions, one a file, and their divergences."""

from discrete_lvm.distributions.autoregressive import Autoregressive
from discrete_lvm.distributions.autoregressive_categorical import (
    AutoregressiveCategorical,
)
from discrete_lvm.distributions.bernoulli import Bernoulli
from discrete_lvm.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
)
from discrete_lvm.distributions.exp_gumbel_softmax import ExpGumbelSoftmax
from discrete_lvm.distributions.factorized_categorical import (
    FactorizedCategorical,
)
from discrete_lvm.distributions.gaussian_ar1 import GaussianAR1
from discrete_lvm.distributions.gumbel_softmax import GumbelSoftmax
from discrete_lvm.distributions.kl import categorical_kl
from discrete_lvm.distributions.kl import plug_in_kl
from discrete_lvm.distributions.kl import relaxed_kl
from discrete_lvm.distributions.logit_relaxed_bernoulli import (
    LogitRelaxedBernoulli,
)
from discrete_lvm.distributions.one_hot_categorical import OneHotCategorical
from discrete_lvm.distributions.relaxed_bernoulli import RelaxedBernoulli
from discrete_lvm.distributions.straight_through_one_hot_categorical import (
    StraightThroughOneHotCategorical,
)

__all__ = [
    'Autoregressive',
    'AutoregressiveCategorical',
    'Bernoulli',
    'DiscretizedLogisticMixture',
    'ExpGumbelSoftmax',
    'FactorizedCategorical',
    'GaussianAR1',
    'GumbelSoftmax',
    'LogitRelaxedBernoulli',
    'OneHotCategorical',
    'RelaxedBernoulli',
    'StraightThroughOneHotCategorical',
    'categorical_kl',
    'plug_in_kl',
    'relaxed_kl',
]
