"""Flags of the binaries that train on images."""

from absl import flags

from experiments import data

DATASET = flags.DEFINE_enum('dataset', 'digits', data.DATASETS, 'Data set.')
