"""Estimators of gradients of expectations over discrete variables."""

from discrete_lvm.estimators.estimator import Estimator
from discrete_lvm.estimators.exact import Exact
from discrete_lvm.estimators.gumbel_softmax import GumbelSoftmax
from discrete_lvm.estimators.score_function import ScoreFunction
from discrete_lvm.estimators.straight_through import StraightThrough
from discrete_lvm.estimators.straight_through_gumbel_softmax import (
    StraightThroughGumbelSoftmax,
)

# The names that flags take.
ESTIMATORS = {
    'exact': Exact,
    'gumbel_softmax': GumbelSoftmax,
    'score_function': ScoreFunction,
    'straight_through': StraightThrough,
    'straight_through_gumbel_softmax': StraightThroughGumbelSoftmax,
}

__all__ = [
    'ESTIMATORS',
    'Estimator',
    'Exact',
    'GumbelSoftmax',
    'ScoreFunction',
    'StraightThrough',
    'StraightThroughGumbelSoftmax',
]
