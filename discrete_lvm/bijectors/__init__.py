"""TensorFlow Probability bijectors of discrete events, one a file."""

from discrete_lvm.bijectors.ar1 import AR1
from discrete_lvm.bijectors.causality import check_causal
from discrete_lvm.bijectors.discrete_autoregressive import (
    DiscreteAutoregressive,
)
from discrete_lvm.bijectors.discrete_autoregressive_sorting import (
    DiscreteAutoregressiveSorting,
)
from discrete_lvm.bijectors.discrete_bipartite import DiscreteBipartite
from discrete_lvm.bijectors.discrete_sorting import DiscreteSorting
from discrete_lvm.bijectors.modular_affine import ModularAffine
from discrete_lvm.bijectors.one_hot import OneHot

__all__ = [
    'AR1',
    'DiscreteAutoregressive',
    'DiscreteAutoregressiveSorting',
    'DiscreteBipartite',
    'DiscreteSorting',
    'ModularAffine',
    'OneHot',
    'check_causal',
]
