"""Keras metrics: right over an epoch and over replicas."""

from discrete_lvm.metrics.active_units import ActiveUnits
from discrete_lvm.metrics.code_information import CodeInformation
from discrete_lvm.metrics.code_usage import CodeUsage
from discrete_lvm.metrics.mean_with_error import MeanWithError

__all__ = [
    'ActiveUnits',
    'CodeInformation',
    'CodeUsage',
    'MeanWithError',
]
