"""Settings that must stand before TensorFlow is imported; the collection."""

import gc
import os
from unittest import mock

# TensorFlow's start-up messages would bury the reason of a failure.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

# The workers of `pytest -n` share the cores; threads of their own on top only
# get into each other's way.
if 'PYTEST_XDIST_WORKER' in os.environ:
  os.environ.setdefault('TF_NUM_INTRAOP_THREADS', '1')


def pytest_collection_modifyitems(items):
  """Drops `tf.test.TestCase.test_session`, a helper with the name of a test."""
  items[:] = [item for item in items if item.name != 'test_session']


def pytest_configure():
  """Splits the CPU in four, before a test makes TensorFlow start."""
  import tensorflow as tf

  # `tf.test.TestCase` sets a seed before each test, whereupon TensorFlow drops
  # the kernels of all ops and makes them anew. No test draws by that seed.
  mock.patch('tensorflow.python.framework.random_seed.set_random_seed').start()
  (cpu,) = tf.config.list_physical_devices('CPU')
  tf.config.set_logical_device_configuration(
      cpu, [tf.config.LogicalDeviceConfiguration()] * 4
  )


def pytest_collection_finish():
  """Spares garbage collection what the imports have left, which stays."""
  gc.collect()
  gc.freeze()
