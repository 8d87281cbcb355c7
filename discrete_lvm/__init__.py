"""Discrete latent-variable models on TensorFlow, TFP and Keras 3."""

from discrete_lvm import bijectors
from discrete_lvm import distributions
from discrete_lvm import estimators
from discrete_lvm import layers
from discrete_lvm import metrics
from discrete_lvm import models
from discrete_lvm import objectives
from discrete_lvm import ops
from discrete_lvm import training
from discrete_lvm.version import __version__

__all__ = [
    '__version__',
    'bijectors',
    'distributions',
    'estimators',
    'layers',
    'metrics',
    'models',
    'objectives',
    'ops',
    'training',
]
