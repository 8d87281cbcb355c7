"""Estimators of gradients of expectations over discrete variables."""

from discrete_lvm.estimators.arm import ARM
from discrete_lvm.estimators.ars import ARS
from discrete_lvm.estimators.arsm import ARSM
from discrete_lvm.estimators.darn import DARN
from discrete_lvm.estimators.decoupled_straight_through_gumbel_softmax import (
    DecoupledStraightThroughGumbelSoftmax,
)
from discrete_lvm.estimators.disarm import DisARM
from discrete_lvm.estimators.disarm_stick_breaking import DisARMStickBreaking
from discrete_lvm.estimators.disarm_tree import DisARMTree
from discrete_lvm.estimators.estimator import Estimator
from discrete_lvm.estimators.exact import Exact
from discrete_lvm.estimators.gapped_straight_through import (
    GappedStraightThrough,
)
from discrete_lvm.estimators.gumbel_rao import GumbelRao
from discrete_lvm.estimators.gumbel_softmax import GumbelSoftmax
from discrete_lvm.estimators.leave_one_out import LeaveOneOut
from discrete_lvm.estimators.minimum_variance import MinimumVariance
from discrete_lvm.estimators.moving_average_baseline import (
    MovingAverageBaseline,
)
from discrete_lvm.estimators.muprop import MuProp
from discrete_lvm.estimators.nvil import NVIL
from discrete_lvm.estimators.rebar import REBAR
from discrete_lvm.estimators.reinmax import ReinMax
from discrete_lvm.estimators.relax import RELAX
from discrete_lvm.estimators.rodeo import RODEO
from discrete_lvm.estimators.score_function import ScoreFunction
from discrete_lvm.estimators.slope_annealed_straight_through import (
    SlopeAnnealedStraightThrough,
)
from discrete_lvm.estimators.straight_through import StraightThrough
from discrete_lvm.estimators.straight_through_gumbel_softmax import (
    StraightThroughGumbelSoftmax,
)
from discrete_lvm.estimators.sum_and_sample import SumAndSample
from discrete_lvm.estimators.unordered_set import UnorderedSet
from discrete_lvm.estimators.vimco import VIMCO

# The names that flags take.
ESTIMATORS = {
    'arm': ARM,
    'ars': ARS,
    'arsm': ARSM,
    'darn': DARN,
    'decoupled_straight_through_gumbel_softmax': (
        DecoupledStraightThroughGumbelSoftmax
    ),
    'disarm': DisARM,
    'disarm_stick_breaking': DisARMStickBreaking,
    'disarm_tree': DisARMTree,
    'exact': Exact,
    'gapped_straight_through': GappedStraightThrough,
    'gumbel_rao': GumbelRao,
    'gumbel_softmax': GumbelSoftmax,
    'leave_one_out': LeaveOneOut,
    'minimum_variance': MinimumVariance,
    'moving_average_baseline': MovingAverageBaseline,
    'muprop': MuProp,
    'nvil': NVIL,
    'rebar': REBAR,
    'reinmax': ReinMax,
    'relax': RELAX,
    'rodeo': RODEO,
    'score_function': ScoreFunction,
    'slope_annealed_straight_through': SlopeAnnealedStraightThrough,
    'straight_through': StraightThrough,
    'straight_through_gumbel_softmax': StraightThroughGumbelSoftmax,
    'sum_and_sample': SumAndSample,
    'unordered_set': UnorderedSet,
    'vimco': VIMCO,
}

__all__ = [
    'ARM',
    'ARS',
    'ARSM',
    'DARN',
    'DecoupledStraightThroughGumbelSoftmax',
    'DisARM',
    'DisARMStickBreaking',
    'DisARMTree',
    'ESTIMATORS',
    'Estimator',
    'Exact',
    'GappedStraightThrough',
    'GumbelRao',
    'GumbelSoftmax',
    'LeaveOneOut',
    'MinimumVariance',
    'MovingAverageBaseline',
    'MuProp',
    'NVIL',
    'REBAR',
    'RELAX',
    'RODEO',
    'ReinMax',
    'ScoreFunction',
    'SlopeAnnealedStraightThrough',
    'StraightThrough',
    'StraightThroughGumbelSoftmax',
    'SumAndSample',
    'UnorderedSet',
    'VIMCO',
]
