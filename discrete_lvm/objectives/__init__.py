"""Objectives: bounds of the likelihood from their parts, per example."""

from discrete_lvm.objectives.elbo import elbo
from discrete_lvm.objectives.importance_weighted_bound import (
    importance_weighted_bound,
)

__all__ = ['elbo', 'importance_weighted_bound']
