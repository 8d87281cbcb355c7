"""Objectives: bounds of the likelihood from their parts, per example."""

from discrete_lvm.objectives.aggregate_information import aggregate_information
from discrete_lvm.objectives.elbo import elbo
from discrete_lvm.objectives.free_bits import free_bits
from discrete_lvm.objectives.importance_weighted_bound import (
    importance_weighted_bound,
)

__all__ = [
    'aggregate_information',
    'elbo',
    'free_bits',
    'importance_weighted_bound',
]
