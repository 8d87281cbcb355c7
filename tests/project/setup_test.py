"""The metadata of the package: the version, and a reason beside each pin."""

import ast
import importlib.metadata
import re
import sys

from absl.testing import absltest

import discrete_lvm as dlvm
from tests.project import source_tree


def _pins_without_reason(lines):
  """Lists the pinned requirements that no comment stands right above."""
  return [
      line.strip()
      for before, line in zip([''] + lines, lines, strict=False)
      if re.match(r"\s+'[\w-]+[<>=~!]=?", line)
      and not before.strip().startswith('#')
  ]


def _requirements(*lists):
  """Returns the names of the packages in lists of setup.py."""
  found = {
      statement.targets[0].id: ast.literal_eval(statement.value)
      for statement in source_tree.parse('setup.py').body
      if isinstance(statement, ast.Assign)
      and isinstance(statement.value, ast.List)
  }
  return {
      _normal(re.split('[<>=~!]', requirement)[0])
      for name in lists
      for requirement in found[name]
  }


def _imported(path):
  """Returns the top-level modules that a file imports, wherever it does."""
  names = source_tree.imported_names(source_tree.parse(path))
  return {name.partition('.')[0] for name in names}


def _normal(package):
  return package.lower().replace('_', '-')


class SetupTest(absltest.TestCase):

  def test_version_has_an_entry_in_the_changelog(self):
    changelog = (source_tree.ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    self.assertRegex(changelog, rf'(?m)^## .*{re.escape(dlvm.__version__)}\b')

  def test_each_pin_has_its_reason_above_it(self):
    lines = (source_tree.ROOT / 'setup.py').read_text().splitlines()
    self.assertEmpty(_pins_without_reason(lines))

  def test_what_experiments_import_is_declared(self):
    declared = _requirements('_INSTALL', '_EXPERIMENTS')
    packages = importlib.metadata.packages_distributions()
    own = {'discrete_lvm', 'experiments', *sys.stdlib_module_names}
    for path in source_tree.python_files('experiments'):
      if path.startswith('experiments/benchmarks/'):
        continue  # Their peers are in an extra of their own.
      for name in _imported(path) - own:
        found = {_normal(package) for package in packages[name]}
        self.assertNotEmpty(found & declared, f'{name} of {path}')

  def test_sees_a_pin_without_a_reason(self):
    lines = ['    # Why.', "    'a>=1',", "    'b==2',", "    'c',"]
    self.assertSequenceEqual(_pins_without_reason(lines), ["'b==2',"])


if __name__ == '__main__':
  absltest.main()
