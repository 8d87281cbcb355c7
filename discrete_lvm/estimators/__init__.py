"""Estimators of gradients of expectations over discrete variables."""

from discrete_lvm.estimators.estimator import Estimator
from discrete_lvm.estimators.exact import Exact
from discrete_lvm.estimators.gumbel_softmax import GumbelSoftmax
from discrete_lvm.estimators.leave_one_out import LeaveOneOut
from discrete_lvm.estimators.moving_average_baseline import (
    MovingAverageBaseline,
)
from discrete_lvm.estimators.nvil import NVIL
from discrete_lvm.estimators.score_function import ScoreFunction
from discrete_lvm.estimators.straight_through import StraightThrough
from discrete_lvm.estimators.straight_through_gumbel_softmax import (
    StraightThroughGumbelSoftmax,
)
from discrete_lvm.estimators.sum_and_sample import SumAndSample
from discrete_lvm.estimators.vimco import VIMCO

# The names that flags take.
ESTIMATORS = {
    'exact': Exact,
    'gumbel_softmax': GumbelSoftmax,
    'leave_one_out': LeaveOneOut,
    'moving_average_baseline': MovingAverageBaseline,
    'nvil': NVIL,
    'score_function': ScoreFunction,
    'straight_through': StraightThrough,
    'straight_through_gumbel_softmax': StraightThroughGumbelSoftmax,
    'sum_and_sample': SumAndSample,
    'vimco': VIMCO,
}

__all__ = [
    'ESTIMATORS',
    'Estimator',
    'Exact',
    'GumbelSoftmax',
    'LeaveOneOut',
    'MovingAverageBaseline',
    'NVIL',
    'ScoreFunction',
    'StraightThrough',
    'StraightThroughGumbelSoftmax',
    'SumAndSample',
    'VIMCO',
]
