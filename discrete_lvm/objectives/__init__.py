"""Objectives: bounds of the likelihood and of information, in nats."""

from discrete_lvm.objectives.aggregate_information import aggregate_information
from discrete_lvm.objectives.barber_agakov_bound import barber_agakov_bound
from discrete_lvm.objectives.donsker_varadhan_bound import (
    donsker_varadhan_bound,
)
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
from discrete_lvm.objectives.info_nce_bound import info_nce_bound
from discrete_lvm.objectives.interpolated_bound import interpolated_bound
from discrete_lvm.objectives.jensen_shannon import jensen_shannon_bound
from discrete_lvm.objectives.jensen_shannon import jensen_shannon_objective
from discrete_lvm.objectives.leave_one_out_upper_bound import (
    leave_one_out_upper_bound,
)
from discrete_lvm.objectives.nwj_bound import nwj_bound
from discrete_lvm.objectives.tuba_bound import tuba_bound
from discrete_lvm.objectives.unnormalized_barber_agakov_bound import (
    unnormalized_barber_agakov_bound,
)

__all__ = [
    'ImportanceWeightedEstimate',
    'aggregate_information',
    'barber_agakov_bound',
    'donsker_varadhan_bound',
    'elbo',
    'free_bits',
    'importance_weighted_bound',
    'importance_weighted_estimate',
    'info_nce_bound',
    'interpolated_bound',
    'jensen_shannon_bound',
    'jensen_shannon_objective',
    'leave_one_out_upper_bound',
    'nwj_bound',
    'tuba_bound',
    'unnormalized_barber_agakov_bound',
]
