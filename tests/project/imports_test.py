"""The import order of the design, and what nothing of ours may touch."""

import ast

from absl.testing import absltest
from absl.testing import parameterized

from tests.project import source_tree

# The frameworks that a folder does not speak; they meet in `models`.
_FOREIGN = {
    'discrete_lvm/ops': ('keras', 'tensorflow_probability'),
    'discrete_lvm/bijectors': ('keras',),
    'discrete_lvm/distributions': ('keras',),
    'discrete_lvm/estimators': ('tensorflow_probability',),
    'discrete_lvm/layers': ('tensorflow_probability',),
    'discrete_lvm/metrics': ('tensorflow_probability',),
    'discrete_lvm/objectives': ('keras', 'tensorflow_probability'),
    'discrete_lvm/training': ('tensorflow_probability',),
}

# A schedule is a Keras one, so that any Keras optimizer and config takes it.
_EXEMPT = (('discrete_lvm/ops/schedules.py', 'keras'),)

# Keras 2 in any disguise, TensorFlow 1, and ops that XLA cannot compile.
_FORBIDDEN = (
    'numpy_function',
    'py_function',
    'tensorflow.compat.v1',
    'tensorflow.keras',
    'tf.compat.v1',
    'tf.keras',
    'tf_keras',
    'tfp.layers',
    'tensorflow_probability.layers',
    'tensorflow_probability.python.layers',
)

# Of the library alone: ops that call the host, or whose shape depends on
# values. XLA compiles both on a CPU, and neither on every other device.
_FORBIDDEN_IN_LIBRARY = (
    'tf.boolean_mask',
    'tf.dynamic_partition',
    'tf.print',
    'tf.unique',
)


def _faults(path, tree):
  """Lists what the syntax tree of the file at `path` imports but must not."""
  faults = []
  for name in source_tree.imported_names(tree):
    imported = source_tree.file_of(name)
    if name.startswith('.'):
      faults.append(f'relative import {name}')
    elif imported is None:
      framework = name.partition('.')[0]
      foreign = _FOREIGN.get(source_tree.folder_of(path), ())
      if framework in foreign and (path, framework) not in _EXEMPT:
        faults.append(f'{name}, a framework of another folder')
    elif not source_tree.goes_down(path, imported):
      faults.append(f'{name}, against the order')
    elif path.startswith('experiments/') and not (
        imported.startswith('experiments/') or name == 'discrete_lvm'
    ):
      faults.append(f'{name}, not by `import discrete_lvm as dlvm`')
  return faults


def _forbidden(tree, path=''):
  """Lists the forbidden names that a syntax tree imports or mentions."""
  all_forbidden = _FORBIDDEN
  if path.startswith('discrete_lvm/'):
    all_forbidden += _FORBIDDEN_IN_LIBRARY
  names = source_tree.imported_names(tree)
  names += [
      ast.unparse(node)
      for node in ast.walk(tree)
      if isinstance(node, ast.Attribute | ast.Name)
  ]
  return sorted(
      {
          name
          for name in names
          for forbidden in all_forbidden
          if f'.{forbidden}.' in f'.{name}.'
      }
  )


class ImportsTest(parameterized.TestCase):

  @parameterized.parameters(*source_tree.python_files())
  def test_imports_only_what_it_may(self, path):
    tree = source_tree.parse(path)
    self.assertEmpty(_faults(path, tree))
    self.assertEmpty(_forbidden(tree, path))

  # The check itself must fail on a planted fault.
  @parameterized.parameters(
      ('discrete_lvm/ops/x.py', 'from discrete_lvm import layers'),
      ('discrete_lvm/ops/x.py', 'import discrete_lvm'),
      ('discrete_lvm/ops/x.py', 'import keras'),
      ('discrete_lvm/ops/x.py', 'from . import gumbel'),
      ('discrete_lvm/layers/x.py', 'import tensorflow_probability as tfp'),
      ('discrete_lvm/layers/x.py', 'from discrete_lvm import metrics'),
      ('discrete_lvm/layers/x.py', 'def f():\n  import tests.conftest'),
      ('discrete_lvm/models/x.py', 'from discrete_lvm import training'),
      ('experiments/x.py', 'from discrete_lvm import ops'),
      ('experiments/x.py', 'import discrete_lvm.ops.gumbel'),
  )
  def test_sees_a_wrong_import(self, path, source):
    self.assertLen(_faults(path, ast.parse(source)), 1)

  @parameterized.parameters(
      ('discrete_lvm/ops/x.py', 'from discrete_lvm.ops import gumbel'),
      ('discrete_lvm/layers/x.py', 'from discrete_lvm import ops'),
      ('discrete_lvm/models/x.py', 'import keras'),
      ('experiments/x.py', 'import discrete_lvm as dlvm'),
      ('tests/ops/x_test.py', 'from discrete_lvm.ops import gumbel'),
  )
  def test_lets_a_right_import_pass(self, path, source):
    self.assertEmpty(_faults(path, ast.parse(source)))

  @parameterized.parameters(
      'import tf_keras',
      'from tensorflow import keras',
      'from tensorflow.compat import v1',
      'import tensorflow.compat.v1 as tf',
      'x = tf.compat.v1.Session()',
      'x = tf.keras.Model()',
      'x = tfp.layers.DenseFlipout(1)',
      'x = tf.numpy_function(f, [], tf.int32)',
      'from tensorflow import py_function',
  )
  def test_sees_a_forbidden_name(self, source):
    self.assertNotEmpty(_forbidden(ast.parse(source)))

  def test_sees_what_only_a_library_may_not(self):
    tree = ast.parse('x = tf.boolean_mask(x, x > 0)')
    self.assertNotEmpty(_forbidden(tree, 'discrete_lvm/ops/x.py'))
    self.assertEmpty(_forbidden(tree, 'tests/ops/x_test.py'))


if __name__ == '__main__':
  absltest.main()
