"""Keras models that own networks and build distributions."""

from discrete_lvm.models.annealed_importance import annealed_bound
from discrete_lvm.models.annealed_importance import annealed_log_weights
from discrete_lvm.models.annealed_importance import annealed_upper_bound
from discrete_lvm.models.annealed_importance import bidirectional_bounds
from discrete_lvm.models.annealed_importance import BidirectionalBounds
from discrete_lvm.models.categorical_latents import CategoricalLatents
from discrete_lvm.models.decoders import IndependentDecoder
from discrete_lvm.models.decoders import PixelDecoder
from discrete_lvm.models.decoders import TokenDecoder
from discrete_lvm.models.delta_vae import DeltaVAE
from discrete_lvm.models.discrete_flow import DiscreteFlow
from discrete_lvm.models.discrete_vae import DiscreteVAE
from discrete_lvm.models.free_bits import FreeBits
from discrete_lvm.models.gaussian_latents import GaussianLatents
from discrete_lvm.models.gibbs_kernel import GibbsKernel
from discrete_lvm.models.mutual_information import MutualInformation
from discrete_lvm.models.no_latents import NoLatents
from discrete_lvm.models.rate_weight import RateWeight
from discrete_lvm.models.semi_supervised_vae import SemiSupervisedVAE
from discrete_lvm.models.structured_prediction import StructuredPrediction
from discrete_lvm.models.target_rate import TargetRate

__all__ = [
    'BidirectionalBounds',
    'CategoricalLatents',
    'DeltaVAE',
    'DiscreteFlow',
    'DiscreteVAE',
    'FreeBits',
    'GaussianLatents',
    'GibbsKernel',
    'IndependentDecoder',
    'MutualInformation',
    'NoLatents',
    'PixelDecoder',
    'RateWeight',
    'SemiSupervisedVAE',
    'StructuredPrediction',
    'TargetRate',
    'TokenDecoder',
    'annealed_bound',
    'annealed_log_weights',
    'annealed_upper_bound',
    'bidirectional_bounds',
]
