"""Keras layers: tensors in, tensors out."""

from discrete_lvm.layers.anti_causal import AntiCausal
from discrete_lvm.layers.bidirectional_transformer import (
    BidirectionalTransformer,
)
from discrete_lvm.layers.bilinear_critic import BilinearCritic
from discrete_lvm.layers.bipartite_context_table import BipartiteContextTable
from discrete_lvm.layers.causal_convolution import CausalConvolution
from discrete_lvm.layers.causal_lstm import CausalLSTM
from discrete_lvm.layers.causal_transformer import CausalTransformer
from discrete_lvm.layers.concatenated_critic import ConcatenatedCritic
from discrete_lvm.layers.context_table import ContextTable
from discrete_lvm.layers.delta_categorical_head import DeltaCategoricalHead
from discrete_lvm.layers.delta_gaussian_head import DeltaGaussianHead
from discrete_lvm.layers.discrete_autoregressive_flow import (
    DiscreteAutoregressiveFlow,
)
from discrete_lvm.layers.discrete_autoregressive_sorting_flow import (
    DiscreteAutoregressiveSortingFlow,
)
from discrete_lvm.layers.discrete_bipartite_flow import DiscreteBipartiteFlow
from discrete_lvm.layers.discrete_sorting_flow import DiscreteSortingFlow
from discrete_lvm.layers.gated_pixel_cnn import GatedPixelCNN
from discrete_lvm.layers.gaussian_head import GaussianHead
from discrete_lvm.layers.gumbel_softmax import GumbelSoftmax
from discrete_lvm.layers.log_baseline import LogBaseline
from discrete_lvm.layers.made import MADE
from discrete_lvm.layers.masked_dense import MaskedDense
from discrete_lvm.layers.permute_positions import PermutePositions
from discrete_lvm.layers.separable_critic import SeparableCritic
from discrete_lvm.layers.straight_through_categorical import (
    StraightThroughCategorical,
)
from discrete_lvm.layers.subsequence_flow import SubsequenceFlow

__all__ = [
    'AntiCausal',
    'BidirectionalTransformer',
    'BilinearCritic',
    'BipartiteContextTable',
    'CausalConvolution',
    'CausalLSTM',
    'CausalTransformer',
    'ConcatenatedCritic',
    'ContextTable',
    'DeltaCategoricalHead',
    'DeltaGaussianHead',
    'DiscreteAutoregressiveFlow',
    'DiscreteAutoregressiveSortingFlow',
    'DiscreteBipartiteFlow',
    'DiscreteSortingFlow',
    'GatedPixelCNN',
    'GaussianHead',
    'GumbelSoftmax',
    'LogBaseline',
    'MADE',
    'MaskedDense',
    'PermutePositions',
    'SeparableCritic',
    'StraightThroughCategorical',
    'SubsequenceFlow',
]
