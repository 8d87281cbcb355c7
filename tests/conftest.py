"""Settings that must stand before TensorFlow is imported."""

import os

# TensorFlow's start-up messages would bury the reason of a failure.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
