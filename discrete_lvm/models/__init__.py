"""Keras models that own networks and build distributions."""

from discrete_lvm.models.discrete_flow import DiscreteFlow
from discrete_lvm.models.discrete_vae import DiscreteVAE

__all__ = ['DiscreteFlow', 'DiscreteVAE']
