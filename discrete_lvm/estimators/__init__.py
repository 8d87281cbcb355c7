"""Estimators of gradients of expectations over discrete variables."""

from discrete_lvm.estimators.estimator import Estimator
from discrete_lvm.estimators.gumbel_softmax import GumbelSoftmax
from discrete_lvm.estimators.straight_through import StraightThrough
from discrete_lvm.estimators.straight_through_gumbel_softmax import (
    StraightThroughGumbelSoftmax,
)

# The names that flags take.
ESTIMATORS = {
    'gumbel_softmax': GumbelSoftmax,
    'straight_through': StraightThrough,
    'straight_through_gumbel_softmax': StraightThroughGumbelSoftmax,
}

__all__ = [
    'ESTIMATORS',
    'Estimator',
    'GumbelSoftmax',
    'StraightThrough',
    'StraightThroughGumbelSoftmax',
]
