"""Pure functions of tensors: noise, gradients, seeds, schedules, numerics."""

from discrete_lvm.ops.antithetic import antithetic_score
from discrete_lvm.ops.antithetic import gumbel_to_logistic
from discrete_lvm.ops.ar1 import ar1_alpha_for_rate
from discrete_lvm.ops.ar1 import ar1_committed_rate
from discrete_lvm.ops.ar1 import ar1_optimal_scale
from discrete_lvm.ops.ar1_innovations import ar1_from_innovations
from discrete_lvm.ops.ar1_innovations import ar1_innovations
from discrete_lvm.ops.argmax_gradients import gumbel_argmax
from discrete_lvm.ops.argmax_gradients import reinmax_argmax
from discrete_lvm.ops.argmax_gradients import softmax_argmax
from discrete_lvm.ops.categorical import categorical_entropy
from discrete_lvm.ops.categorical import categorical_kl
from discrete_lvm.ops.categorical import categorical_score
from discrete_lvm.ops.categorical import one_hot_log_prob
from discrete_lvm.ops.code_information import code_information
from discrete_lvm.ops.code_information import code_statistics
from discrete_lvm.ops.code_information import CodeStatistics
from discrete_lvm.ops.code_information import entropy
from discrete_lvm.ops.code_information import RateDecomposition
from discrete_lvm.ops.control_variates import gibbs_stein
from discrete_lvm.ops.control_variates import gibbs_stein_score
from discrete_lvm.ops.control_variates import rebar_gradient
from discrete_lvm.ops.decisions import balanced_decisions
from discrete_lvm.ops.decisions import decide
from discrete_lvm.ops.decisions import decision_logits
from discrete_lvm.ops.decisions import decisions_of
from discrete_lvm.ops.decisions import stick_breaking_decisions
from discrete_lvm.ops.delta_categorical import delta_categorical
from discrete_lvm.ops.delta_gaussian import delta_gaussian
from discrete_lvm.ops.delta_gaussian import delta_gaussian_min_mean
from discrete_lvm.ops.delta_gaussian import delta_gaussian_scales
from discrete_lvm.ops.draws import normal_noise
from discrete_lvm.ops.draws import random_bits
from discrete_lvm.ops.enumeration import all_codes
from discrete_lvm.ops.enumeration import codes_at
from discrete_lvm.ops.enumeration import is_enumerable
from discrete_lvm.ops.enumeration import joint_log_probs
from discrete_lvm.ops.enumeration import num_codes
from discrete_lvm.ops.enumeration import sample_joint
from discrete_lvm.ops.excluded_codes import log_mass_excluding
from discrete_lvm.ops.excluded_codes import sample_excluding
from discrete_lvm.ops.gaussian_ar1 import gaussian_ar1_kl
from discrete_lvm.ops.gaussian_ar1 import gaussian_ar1_kl_terms
from discrete_lvm.ops.gibbs import gibbs_sweep
from discrete_lvm.ops.gumbel import exponential
from discrete_lvm.ops.gumbel import gumbel
from discrete_lvm.ops.gumbel import gumbel_softmax
from discrete_lvm.ops.gumbel import logistic
from discrete_lvm.ops.gumbel import perturb
from discrete_lvm.ops.gumbel import sample_one_hot
from discrete_lvm.ops.gumbel_race import perturb_given_argmax
from discrete_lvm.ops.gumbel_race import resample_noise
from discrete_lvm.ops.leave_one_out import leave_one_out_log_mean_exp
from discrete_lvm.ops.leave_one_out import leave_one_out_log_sum_exp
from discrete_lvm.ops.leave_one_out import leave_one_out_mean
from discrete_lvm.ops.likeliest_codes import likeliest_codes
from discrete_lvm.ops.masks import all_but_one_mask
from discrete_lvm.ops.masks import alternating_mask
from discrete_lvm.ops.masks import as_mask
from discrete_lvm.ops.masks import as_order
from discrete_lvm.ops.masks import half_mask
from discrete_lvm.ops.masks import random_mask
from discrete_lvm.ops.minimum_variance import minimum_variance
from discrete_lvm.ops.modular import one_hot_add
from discrete_lvm.ops.modular import one_hot_affine
from discrete_lvm.ops.modular import one_hot_affine_inverse
from discrete_lvm.ops.modular import one_hot_inverse
from discrete_lvm.ops.modular import one_hot_multiply
from discrete_lvm.ops.modular import one_hot_subtract
from discrete_lvm.ops.modular_codes import invertible_scales
from discrete_lvm.ops.modular_codes import modular_affine
from discrete_lvm.ops.modular_codes import modular_affine_inverse
from discrete_lvm.ops.modular_codes import modular_inverse_table
from discrete_lvm.ops.numerics import bits_per_dim
from discrete_lvm.ops.numerics import log_mean_exp
from discrete_lvm.ops.numerics import nats_to_bits
from discrete_lvm.ops.numerics import safe_log
from discrete_lvm.ops.recurrence import linear_recurrence
from discrete_lvm.ops.replicas import batch_mean
from discrete_lvm.ops.sample_gradients import gapped_straight_through
from discrete_lvm.ops.sample_gradients import gumbel_rao
from discrete_lvm.ops.sample_gradients import reinmax
from discrete_lvm.ops.schedules import CosineSchedule
from discrete_lvm.ops.schedules import CyclicSchedule
from discrete_lvm.ops.schedules import ExponentialSchedule
from discrete_lvm.ops.schedules import LinearSchedule
from discrete_lvm.ops.schedules import RectifiedSchedule
from discrete_lvm.ops.seeds import as_seed
from discrete_lvm.ops.seeds import fold_in
from discrete_lvm.ops.seeds import fold_in_replica
from discrete_lvm.ops.seeds import split
from discrete_lvm.ops.shapes import static_num_classes
from discrete_lvm.ops.sorting import one_hot_rank
from discrete_lvm.ops.sorting import one_hot_unrank
from discrete_lvm.ops.sorting import rank_codes
from discrete_lvm.ops.sorting import unrank_codes
from discrete_lvm.ops.standard_normal import standard_normal_kl
from discrete_lvm.ops.straight_through import is_one_hot
from discrete_lvm.ops.straight_through import one_hot_argmax
from discrete_lvm.ops.straight_through import straight_through
from discrete_lvm.ops.surrogate_gradients import add_gradient
from discrete_lvm.ops.surrogate_gradients import with_logits_gradient
from discrete_lvm.ops.surrogate_gradients import with_own_gradient
from discrete_lvm.ops.truncation import nucleus_logits
from discrete_lvm.ops.truncation import top_k_logits
from discrete_lvm.ops.without_replacement import sample_without_replacement
from discrete_lvm.ops.without_replacement import unordered_set_weights

__all__ = [
    'CodeStatistics',
    'CosineSchedule',
    'CyclicSchedule',
    'ExponentialSchedule',
    'LinearSchedule',
    'RateDecomposition',
    'RectifiedSchedule',
    'add_gradient',
    'all_but_one_mask',
    'all_codes',
    'alternating_mask',
    'antithetic_score',
    'ar1_alpha_for_rate',
    'ar1_committed_rate',
    'ar1_from_innovations',
    'ar1_innovations',
    'ar1_optimal_scale',
    'as_mask',
    'as_order',
    'as_seed',
    'balanced_decisions',
    'batch_mean',
    'bits_per_dim',
    'categorical_entropy',
    'categorical_kl',
    'categorical_score',
    'code_information',
    'code_statistics',
    'codes_at',
    'decide',
    'decision_logits',
    'decisions_of',
    'delta_categorical',
    'delta_gaussian',
    'delta_gaussian_min_mean',
    'delta_gaussian_scales',
    'entropy',
    'exponential',
    'fold_in',
    'fold_in_replica',
    'gapped_straight_through',
    'gaussian_ar1_kl',
    'gaussian_ar1_kl_terms',
    'gibbs_stein',
    'gibbs_stein_score',
    'gibbs_sweep',
    'gumbel',
    'gumbel_argmax',
    'gumbel_rao',
    'gumbel_softmax',
    'gumbel_to_logistic',
    'half_mask',
    'invertible_scales',
    'is_enumerable',
    'is_one_hot',
    'joint_log_probs',
    'leave_one_out_log_mean_exp',
    'leave_one_out_log_sum_exp',
    'leave_one_out_mean',
    'likeliest_codes',
    'linear_recurrence',
    'log_mass_excluding',
    'log_mean_exp',
    'logistic',
    'minimum_variance',
    'modular_affine',
    'modular_affine_inverse',
    'modular_inverse_table',
    'nats_to_bits',
    'normal_noise',
    'nucleus_logits',
    'num_codes',
    'one_hot_add',
    'one_hot_affine',
    'one_hot_affine_inverse',
    'one_hot_argmax',
    'one_hot_inverse',
    'one_hot_log_prob',
    'one_hot_multiply',
    'one_hot_rank',
    'one_hot_subtract',
    'one_hot_unrank',
    'perturb',
    'perturb_given_argmax',
    'random_bits',
    'random_mask',
    'rank_codes',
    'rebar_gradient',
    'reinmax',
    'reinmax_argmax',
    'resample_noise',
    'safe_log',
    'sample_excluding',
    'sample_joint',
    'sample_one_hot',
    'sample_without_replacement',
    'softmax_argmax',
    'split',
    'standard_normal_kl',
    'static_num_classes',
    'stick_breaking_decisions',
    'straight_through',
    'top_k_logits',
    'unordered_set_weights',
    'unrank_codes',
    'with_logits_gradient',
    'with_own_gradient',
]
