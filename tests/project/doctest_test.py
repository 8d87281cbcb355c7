"""The examples of all docstrings and of the README run as they stand."""

import doctest
import importlib
import math
import pathlib
import re

from absl.testing import absltest
from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import discrete_lvm as dlvm
from tests.project import source_tree

_GLOBALS = {
    'dlvm': dlvm,
    'keras': keras,
    'math': math,
    'np': np,
    'tf': tf,
    'tfb': tfp.bijectors,
    'tfd': tfp.distributions,
    'tfp': tfp,
}
_FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def _module_names():
  """Lists the modules of the library, the private ones too."""
  return [
      path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')
      for path in source_tree.python_files('discrete_lvm')
  ]


class DoctestTest(parameterized.TestCase):

  def _run(self, tests):
    """Runs the examples and fails with the report of those that fail."""
    report = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=_FLAGS)
    for test in tests:
      runner.run(test, out=report.append)
    self.assertEqual(runner.summarize(verbose=False).failed, 0, ''.join(report))

  @parameterized.named_parameters((name, name) for name in _module_names())
  def test_docstrings(self, name):
    module = importlib.import_module(name)
    tests = doctest.DocTestFinder().find(
        module, name, extraglobs=_GLOBALS | vars(module)
    )
    # The finder passes over what it takes for another module's, as it may a
    # decorated function; no example may be lost that way.
    source = pathlib.Path(module.__file__).read_text(encoding='utf-8')
    self.assertEqual(
        sum(len(test.examples) for test in tests),
        len(re.findall(r'^ *>>> (?!#)', source, re.MULTILINE)),
    )
    self._run(tests)

  def test_readme(self):
    readme = (source_tree.ROOT / 'README.md').read_text(encoding='utf-8')
    blocks = re.findall(
        r'^```python\n(.*?)^```', readme, re.MULTILINE | re.DOTALL
    )
    for block in blocks:
      self.assertStartsWith(
          block, '>>> ', 'An example of the README is not run.'
      )
    # One after the other in one scope, as a reader would type them, with
    # nothing imported before.
    test = doctest.DocTestParser().get_doctest(
        '\n'.join(blocks), {}, 'README.md', 'README.md', 0
    )
    self._run([test])


if __name__ == '__main__':
  absltest.main()
