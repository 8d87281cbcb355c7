"""Objectives: bounds of the likelihood from their parts, per example."""

from discrete_lvm.objectives.aggregate_information import aggregate_information
from discrete_lvm.objectives.elbo import elbo
from discrete_lvm.objectives.free_bits import free_bits
from discrete_lvm.objectives.importance_weighted_bound import (
    importance_weighted_bound,
)
from discrete_lvm.objectives.importance_weighted_estimate import (
    importance_weighted_estimate,
)
from discrete_lvm.objectives.importance_weighted_estimate import (
    ImportanceWeightedEstimate,
)

__all__ = [
    'ImportanceWeightedEstimate',
    'aggregate_information',
    'elbo',
    'free_bits',
    'importance_weighted_bound',
    'importance_weighted_estimate',
]
