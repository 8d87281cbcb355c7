"""Keras models that own networks and build distributions."""

from discrete_lvm.models.discrete_flow import DiscreteFlow
from discrete_lvm.models.discrete_vae import DiscreteVAE
from discrete_lvm.models.free_bits import FreeBits
from discrete_lvm.models.rate_weight import RateWeight
from discrete_lvm.models.target_rate import TargetRate

__all__ = [
    'DiscreteFlow',
    'DiscreteVAE',
    'FreeBits',
    'RateWeight',
    'TargetRate',
]
